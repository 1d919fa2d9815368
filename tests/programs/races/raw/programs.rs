//! Executions whose arguments lie in memory that others change, and programs that share the
//! working directory.

use super::*;
use std::ffi::CString;
use std::sync::atomic::AtomicPtr;

/// An argument vector that others may change at any time. It ends with NULL.
#[derive(Clone, Copy)]
pub struct Arguments(&'static [AtomicPtr<libc::c_char>]);

fn pointer(word: Option<&'static CStr>) -> *mut libc::c_char {
    word.map_or(null_mut(), |word| word.as_ptr().cast_mut())
}

impl Arguments {
    pub fn new(words: &[&'static CStr]) -> Self {
        let words = words.iter().map(|word| Some(*word)).chain([None]);
        Self::of(words.map(|word| AtomicPtr::new(pointer(word))).collect())
    }

    /// One word of this length, so many times.
    pub fn repeated(length: usize, times: usize) -> Self {
        let word = CString::new(vec![b'a'; length]).expect("no NUL");
        let word = pointer(Some(Box::leak(word.into_boxed_c_str())));
        let words = (0..times).map(|_| word).chain([null_mut()]);
        Self::of(words.map(AtomicPtr::new).collect())
    }

    fn of(pointers: Vec<AtomicPtr<libc::c_char>>) -> Self {
        Self(Box::leak(pointers.into_boxed_slice()))
    }

    /// Puts a word, or the end, in the place of one.
    pub fn set(self, at: usize, word: Option<&'static CStr>) {
        self.0[at].store(pointer(word), Ordering::Relaxed);
    }
}

/// Becomes the program at `path`, without an environment; returns why not.
pub fn execute(path: Text, arguments: Arguments) -> Errno {
    let environment = [null::<libc::c_char>()];
    let (number, path, arguments) = (libc::SYS_execve, path.0.as_ptr(), arguments.0.as_ptr());
    // SAFETY: strings that are never freed; arrays that end with NULL.
    let called = check(unsafe { libc::syscall(number, path, arguments, environment.as_ptr()) });
    called.err().unwrap_or(Errno::UnknownErrno)
}

/// Starts a program in a process that shares the working directory with this one, and, until it is
/// another program, the memory; returns the pid.
pub fn share_directory(program: Text, words: Vec<CString>) -> i32 {
    struct Program(Text, Arguments);
    extern "C" fn entry(program: *mut c_void) -> c_int {
        // SAFETY: what is leaked below.
        let Program(path, arguments) = unsafe { &*program.cast::<Program>() };
        execute(*path, *arguments);
        126
    }
    let words: Vec<&'static CStr> = words
        .into_iter()
        .map(|word| &*Box::leak(word.into_boxed_c_str()))
        .collect();
    let program = Box::leak(Box::new(Program(program, Arguments::new(&words))));
    let argument = (&raw mut *program).cast();
    let flags = libc::CLONE_VM | libc::CLONE_FS | libc::SIGCHLD;
    // SAFETY: a stack of its own that is never freed; the argument as `entry` takes it.
    let pid = unsafe { libc::clone(entry, stack().cast_mut().cast(), flags, argument) };
    check(pid.into()).expect("clone") as i32
}
