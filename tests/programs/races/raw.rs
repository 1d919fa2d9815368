//! The only `unsafe` of the races: memory, tasks, and calls whose arguments lie in flipped memory.
//!
//! One call each, no decision. Memory that is handed out is never unmapped and only accessed as
//! atomic bytes, so whatever races on it is a race on values, not on Rust's rules.
#![allow(unsafe_code)]

pub mod aio;
pub mod critical;
pub mod heap;
pub mod lazy;
pub mod programs;
pub mod region;
pub mod tracer;

use libc::{c_int, c_void};
use nix::errno::Errno;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU8, Ordering};

pub const PAGE: usize = 4096;

/// The result of a call.
pub type Called = Result<i64, Errno>;

fn check(result: i64) -> Called {
    if result == -1 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

/// A string with its NUL in memory of its own, which others may change at any time.
#[derive(Clone, Copy)]
pub struct Text(pub &'static [AtomicU8]);

impl Text {
    /// In private memory.
    pub fn private(path: impl AsRef<Path>) -> Self {
        Self::new(path.as_ref(), false)
    }

    /// In memory that children share.
    pub fn shared(path: impl AsRef<Path>) -> Self {
        Self::new(path.as_ref(), true)
    }

    fn new(path: &Path, shared: bool) -> Self {
        let bytes = path.as_os_str().as_bytes();
        let memory = map(bytes.len() + 1, shared);
        for (cell, byte) in memory.iter().zip(bytes) {
            cell.store(*byte, Ordering::Relaxed);
        }
        Self(memory)
    }

    pub fn address(self) -> usize {
        self.0.as_ptr().addr()
    }
}

fn map_raw(address: usize, length: usize, protection: c_int, flags: c_int, fd: i32) -> Called {
    // SAFETY: without MAP_FIXED nothing that exists is replaced; callers that pass it own the
    // range, or attack one that the jail has made.
    let at = unsafe { libc::mmap(address as *mut c_void, length, protection, flags, fd, 0) };
    check(at as i64)
}

/// New zeroed memory, private or shared with children.
pub fn map(length: usize, shared: bool) -> &'static [AtomicU8] {
    let kind = if shared {
        libc::MAP_SHARED
    } else {
        libc::MAP_PRIVATE
    };
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let at = map_raw(0, length, protection, kind | libc::MAP_ANONYMOUS, -1).expect("mmap");
    // SAFETY: a new mapping of at least this length that is never unmapped.
    unsafe { std::slice::from_raw_parts(at as *const AtomicU8, length) }
}

/// The first page of an open file as private memory; its changes show as long as nobody writes here.
pub fn map_file(fd: i32, length: usize) -> &'static [AtomicU8] {
    let at = map_raw(0, PAGE, libc::PROT_READ, libc::MAP_PRIVATE, fd).expect("mmap");
    // SAFETY: as above, within one page; read only.
    unsafe { std::slice::from_raw_parts(at as *const AtomicU8, length) }
}

/// Maps the first page of a file over the page of `text`, which stays readable throughout.
pub fn map_over(text: Text, fd: i32) {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    map_raw(text.address(), PAGE, protection, flags, fd).expect("mmap over a page");
}

/// A memfd that holds this string and NULs up to a page.
pub fn memfd(content: &[u8]) -> i32 {
    // SAFETY: the name is a constant.
    let fd = unsafe { libc::memfd_create(c"race".as_ptr(), 0) };
    write_at(fd, content, 0).expect("cannot fill a memfd");
    write_at(fd, &[0], PAGE - 1).expect("cannot fill a memfd");
    fd
}

/// pwrite(2).
pub fn write_at(fd: i32, bytes: &[u8], offset: usize) -> Called {
    // SAFETY: the kernel reads `bytes`.
    let written = unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), offset as i64) };
    check(written as i64)
}

/// pread(2).
pub fn read_at(fd: i32, bytes: &mut [u8]) -> Called {
    // SAFETY: the kernel writes at most the length of `bytes`.
    let read = unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    check(read as i64)
}

/// process_vm_writev(2) of these bytes to that address of a process.
pub fn vm_write(pid: i32, bytes: &[u8], address: usize) -> Called {
    let from = libc::iovec {
        iov_base: bytes.as_ptr() as *mut c_void,
        iov_len: bytes.len(),
    };
    let to = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: the kernel reads `bytes`; the target is another process's flipped string, or a
    // region of the jail's.
    let written = unsafe { libc::process_vm_writev(pid, &from, 1, &to, 1, 0) };
    check(written as i64)
}

/// process_vm_readv(2) from that address of a process; how many bytes came.
pub fn vm_read(pid: i32, bytes: &mut [u8], address: usize) -> usize {
    let to = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let from = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: the kernel writes at most the length of `bytes`.
    let read = unsafe { libc::process_vm_readv(pid, &to, 1, &from, 1, 0) };
    usize::try_from(read).unwrap_or(0)
}

/// Runs `child` in a forked process, whose exit code is its result; returns the pid.
pub fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child owns a copy of all memory; what other threads held is not needed there.
    match unsafe { libc::fork() } {
        0 => {
            let code = child();
            // SAFETY: takes no memory and does not return.
            unsafe { libc::_exit(code) }
        }
        pid => check(pid.into()).expect("fork") as i32,
    }
}

/// Runs `child` for ever in a process that shares this one's memory and nothing else.
///
/// It must neither allocate nor use thread-local storage, which it shares with its creator.
pub fn clone_vm(child: Box<dyn FnOnce()>) -> i32 {
    extern "C" fn entry(child: *mut c_void) -> c_int {
        // SAFETY: the pointer that is made below, taken once.
        let child = unsafe { Box::from_raw(child.cast::<Box<dyn FnOnce()>>()) };
        child();
        0
    }
    let flags = libc::CLONE_VM | libc::SIGCHLD;
    let argument = Box::into_raw(Box::new(child)).cast();
    // SAFETY: a stack of its own that is never freed; the argument as `entry` takes it.
    let pid = unsafe { libc::clone(entry, stack().cast_mut().cast(), flags, argument) };
    check(pid.into()).expect("clone") as i32
}

/// The upper end of a new stack.
fn stack() -> *const AtomicU8 {
    map(64 * 1024, false).as_ptr_range().end
}

/// How a child for an exec is made.
#[derive(Clone, Copy)]
pub enum Birth {
    /// In a copy of the memory.
    Fork,
    /// In this memory, working directory and descriptor table, while this thread waits.
    Vfork,
}

/// The program at `path` in a new child, waited for: its wait status.
///
/// The child ends with 126 if it cannot be executed.
pub fn run(birth: Birth, dirfd: i32, path: Text) -> i32 {
    struct Program(i32, Text);
    extern "C" fn entry(program: *mut c_void) -> c_int {
        // SAFETY: what `run` passes, alive until the exec or the end.
        let Program(dirfd, path) = unsafe { &*program.cast::<Program>() };
        let _ = exec(*dirfd, *path);
        126
    }
    let program = Program(dirfd, path);
    let pid = match birth {
        Birth::Fork => fork(|| {
            let _ = exec(dirfd, path);
            126
        }),
        Birth::Vfork => {
            thread_local!(static STACK: usize = stack().addr());
            let flags = libc::CLONE_VM
                | libc::CLONE_VFORK
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::SIGCHLD;
            let stack = STACK.with(|stack| *stack) as *mut c_void;
            let argument = (&raw const program).cast_mut().cast();
            // SAFETY: this thread waits until the child is done with the stack and the argument.
            let pid = unsafe { libc::clone(entry, stack, flags, argument) };
            check(pid.into()).expect("vfork") as i32
        }
    };
    wait(pid, 0).map_or(-1, |(_, status)| status)
}

fn exec(dirfd: i32, path: Text) -> Called {
    let arguments = [c"program".as_ptr(), null()];
    let environment = [null::<libc::c_char>()];
    let at = path.0.as_ptr();
    // SAFETY: a string with its NUL; arrays that end with NULL.
    check(unsafe {
        if dirfd == libc::AT_FDCWD {
            libc::syscall(
                libc::SYS_execve,
                at,
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        } else {
            let number = libc::SYS_execveat;
            let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
            libc::syscall(number, dirfd, at, arguments, environment, 0)
        }
    })
}

/// wait4(2): who, and its status.
pub fn wait(pid: i32, options: c_int) -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the kernel writes the status.
    let pid = unsafe { libc::waitpid(pid, &mut status, options) };
    Ok((check(pid.into())? as i32, status))
}

/// SIGKILL to a child, and its end.
pub fn end(pid: i32) {
    // SAFETY: takes no memory; a child that has not been waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let _ = wait(pid, libc::__WALL);
}

/// This process dies when its parent's thread does.
pub fn die_with_parent() {
    // SAFETY: takes no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// `struct open_how` in memory that others may change: flags, mode and resolve.
#[derive(Clone, Copy)]
pub struct How(pub &'static [AtomicU8]);

impl How {
    const SIZE: usize = 24;
    /// A byte behind the struct.
    pub const UNUSED: usize = Self::SIZE;

    /// O_RDONLY, in shared or private memory.
    pub fn new(shared: bool) -> Self {
        Self(map(Self::SIZE + 1, shared))
    }
}

/// Defines calls that take no pointer but to strings that end with NUL or to constants.
/// open(2), or where there is none what stands for it.
pub fn open(path: Text, flags: c_int) -> Called {
    if !crate::old::EXIST {
        return open_at(libc::AT_FDCWD, path, flags);
    }
    // SAFETY: as below.
    check(unsafe { libc::syscall(crate::old::SYS_open, path.0.as_ptr(), flags, 0o600) })
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $number:ident($($value:expr),*);)*) => {
        $($(#[$doc])*
        pub fn $name($($arg: $type),*) -> Called {
            // SAFETY: every pointer is to memory that is never unmapped and that the kernel reads
            // up to a NUL, or up to the size that is passed with it.
            check(unsafe { libc::syscall(libc::$number $(, $value)*) })
        })*
    };
}

calls! {
    open_at(dirfd: i32, path: Text, flags: c_int) = SYS_openat(dirfd, path.0.as_ptr(), flags, 0o600);
    open_how(dirfd: i32, path: Text, how: How) = SYS_openat2(dirfd, path.0.as_ptr(), how.0.as_ptr(), How::SIZE);
    close(fd: i32) = SYS_close(fd);
    status_flags(fd: i32) = SYS_fcntl(fd, libc::F_GETFL);
    dup_over(from: i32, to: i32) = SYS_dup3(from, to, 0);
    dup(fd: i32) = SYS_dup(fd);
    change_directory(path: Text) = SYS_chdir(path.0.as_ptr());
    unlink_at(dirfd: i32, path: Text, flags: c_int) = SYS_unlinkat(dirfd, path.0.as_ptr(), flags);
    rename_at(from: i32, path: Text, to: i32, new: Text, flags: u32) =
        SYS_renameat2(from, path.0.as_ptr(), to, new.0.as_ptr(), flags);
    link_at(from: i32, path: Text, to: i32, new: Text) =
        SYS_linkat(from, path.0.as_ptr(), to, new.0.as_ptr(), 0);
    symlink_at(target: Text, dirfd: i32, new: Text) = SYS_symlinkat(target.0.as_ptr(), dirfd, new.0.as_ptr());
    mkdir_at(dirfd: i32, path: Text) = SYS_mkdirat(dirfd, path.0.as_ptr(), 0o700);
    mkfifo_at(dirfd: i32, path: Text) = SYS_mknodat(dirfd, path.0.as_ptr(), libc::S_IFIFO | 0o600, 0);
    chmod_at(dirfd: i32, path: Text, mode: u32) = SYS_fchmodat(dirfd, path.0.as_ptr(), mode);
    chown_at(dirfd: i32, path: Text, user: u32, group: u32) = SYS_fchownat(dirfd, path.0.as_ptr(), user, group, 0);
    touch_at(dirfd: i32, path: Text) = SYS_utimensat(dirfd, path.0.as_ptr(), 0, 0);
    truncate(path: Text, length: i64) = SYS_truncate(path.0.as_ptr(), length);
    set_attribute(path: Text) =
        SYS_setxattr(path.0.as_ptr(), c"user.race".as_ptr(), c"x".as_ptr(), 1, 0);
}

pub mod sockets;

/// Binds a new unix socket to this path, and closes it.
///
/// The address is copied from the path as it is now: a flip of the string shows here, one of a
/// directory in the call.
pub fn bind(path: Text) -> Called {
    let mut address = [0_u8; 110];
    address[0] = libc::AF_UNIX as u8;
    for (byte, cell) in address[2..109].iter_mut().zip(path.0) {
        *byte = cell.load(Ordering::Relaxed);
    }
    // SAFETY: takes no memory.
    let fd = check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) }.into())?;
    let (number, address) = (libc::SYS_bind, address.as_ptr());
    // SAFETY: struct sockaddr_un, of 110 bytes.
    let bound = check(unsafe { libc::syscall(number, fd, address, 110) });
    close(fd as i32)?;
    bound
}

/// Whether a descriptor is of the file at this path.
pub fn refers_to(fd: i32, path: &Path) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let name = format!("/proc/self/fd/{fd}");
    inode(path).is_some_and(|file| inode(Path::new(&name)) == Some(file))
}

/// An open for calls whose path nobody flips.
pub fn open_path(path: impl AsRef<Path>, flags: c_int) -> Called {
    open_at(libc::AT_FDCWD, Text::private(path), flags | libc::O_CLOEXEC)
}

/// A path as C string and back, for what `Text` is too much.
pub fn path_of(bytes: &[u8]) -> &Path {
    let bytes = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    Path::new(OsStr::from_bytes(bytes))
}
