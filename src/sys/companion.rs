//! A process beside a thread, in the same memory. It keeps running while the thread sleeps in the
//! kernel, and while this process is being killed but that thread cannot die yet.
//!
//! It is created by clone(2) with CLONE_VM, which costs the same whatever the size of this process, and
//! without CLONE_THREAD, so that SIGKILL for this process does not end it. It has its own stack but the
//! thread pointer of the thread that creates it, so it must leave thread-local variables alone: it only
//! uses atomics and the system calls of [`super::bare`]. It blocks all signals and is in its own
//! session, so that it neither stops nor ends with a job of the terminal.

use super::{Errno, bare, check, process, signal, wait};
use libc::{c_int, c_void, pid_t};
use std::ffi::CStr;
use std::fmt;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The size of its stack in bytes. Below it is an inaccessible guard page, of the largest page size.
const STACK: usize = 64 << 10;
const GUARD: usize = 64 << 10;

/// What a companion does.
pub trait Task: Send + Sync + 'static {
    /// The process's name, of 15 bytes at most.
    const NAME: &CStr;

    /// Returns soon after `leave` is no longer 0, which [`bare::wait_for_change`] can wait for. It must
    /// not allocate, lock or panic, nor call functions that use thread-local variables, as most of the C
    /// library does.
    fn run(&self, leave: &AtomicU32);
}

/// The process. Dropping this asks it to end, and waits for it.
pub struct Companion {
    pid: pid_t,
    /// What the process uses until it has ended.
    parts: Arc<dyn Parts>,
    #[expect(dead_code, reason = "it is the process's")]
    stack: Stack,
}

struct Start<T> {
    task: Arc<T>,
    leave: AtomicU32,
    /// The process and the thread that created it.
    parent: (pid_t, pid_t),
}

trait Parts: Send + Sync {
    fn leave(&self) -> &AtomicU32;
}

impl<T: Task> Parts for Start<T> {
    fn leave(&self) -> &AtomicU32 {
        &self.leave
    }
}

impl Companion {
    /// Starts one. It is a child of this thread that sends no signal when it ends, so that only a wait
    /// with __WALL or __WCLONE sees it, and it dies when this thread does.
    ///
    /// # Errors
    /// Those of mmap(2) and clone(2).
    pub fn start<T: Task>(task: Arc<T>) -> Result<Companion, Errno> {
        let stack = Stack::new()?;
        let start = Arc::new(Start {
            task,
            leave: AtomicU32::new(0),
            parent: (process::getpid(), process::gettid()),
        });
        let flags = libc::CLONE_VM | libc::CLONE_FILES;
        // The companion inherits the mask, so no handler of this program runs in it.
        let mask = signal::block_all()?;
        // SAFETY: the stack's top is aligned to a page, and nothing else uses the stack. It and what
        // `start` points to live in the `Companion`, which is dropped after the process has ended; the
        // process itself is all that uses the pointer.
        let pid = unsafe {
            let argument = Arc::as_ptr(&start).cast_mut().cast::<c_void>();
            check(i64::from(libc::clone(
                begin::<T>,
                stack.top(),
                flags,
                argument,
            )))
        };
        let restored = signal::set_mask(&mask);
        let companion = Companion {
            pid: pid? as pid_t,
            parts: start,
            stack,
        };
        restored?;
        Ok(companion)
    }

    /// Its process id.
    pub fn pid(&self) -> pid_t {
        self.pid
    }

    /// Asks it to end.
    pub fn leave(&self) {
        leave(&*self.parts);
    }

    /// A handle by which any thread can ask it to end.
    pub fn leaver(&self) -> Leaver {
        Leaver(Arc::clone(&self.parts))
    }
}

/// Asks a [`Companion`] to end. The companion may have ended already, and another process may have its
/// id.
pub struct Leaver(Arc<dyn Parts>);

impl Leaver {
    /// Asks.
    pub fn ask(&self) {
        leave(&*self.0);
    }
}

impl fmt::Debug for Leaver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaver")
    }
}

fn leave(parts: &dyn Parts) {
    let leave = parts.leave();
    leave.store(1, Ordering::Release);
    process::futex_wake(leave);
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.leave();
        loop {
            match wait::wait(self.pid, 0) {
                // Another process traces it, so it would stay in its stop. Its stack must outlive it.
                Ok(Some((_, status))) if libc::WIFSTOPPED(status) => {
                    let _ = process::kill(self.pid, libc::SIGKILL);
                }
                Ok(None) | Err(Errno::EINTR) => {}
                // ECHILD: an earlier wait has reaped it.
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// Its first function.
extern "C" fn begin<T: Task>(start: *mut c_void) -> c_int {
    // SAFETY: `start` passes a pointer to this, which lives until this process has ended.
    let start = unsafe { &*start.cast::<Start<T>>() };
    bare::die_with_parent();
    bare::leave_descriptors();
    bare::leave_session();
    bare::set_name(T::NAME);
    // The thread may have ended before this call; then no signal comes. If it was the leader, it still
    // exists as a zombie, but it is no longer the parent.
    let (pid, tid) = start.parent;
    if bare::parent() == pid && bare::has_thread(pid, tid) {
        start.task.run(&start.leave);
    }
    bare::exit()
}

/// A mapping with a guard below.
struct Stack(NonNull<c_void>);

// SAFETY: owned memory that is not bound to a thread.
unsafe impl Send for Stack {}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let (any, none) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_NONE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at no address that is in use.
        let at = unsafe { libc::mmap(null_mut(), GUARD + STACK, any, flags, -1, 0) };
        let stack = match at {
            libc::MAP_FAILED => return Err(Errno::last()),
            at => Stack(NonNull::new(at).ok_or(Errno::ENOMEM)?),
        };
        // SAFETY: the mapping's own first pages.
        check(unsafe { libc::mprotect(stack.0.as_ptr(), GUARD, none) })?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: one past the mapping's end.
        unsafe { self.0.as_ptr().byte_add(GUARD + STACK) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping, which no process uses any more.
        unsafe { libc::munmap(self.0.as_ptr(), GUARD + STACK) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    #[derive(Default)]
    struct Counts(AtomicU64);

    impl Task for Counts {
        const NAME: &CStr = c"jail-counts";

        fn run(&self, leave: &AtomicU32) {
            while leave.load(Ordering::Acquire) == 0 {
                self.0.fetch_add(1, Ordering::AcqRel);
                bare::kill(i32::MAX, 0);
                bare::wait_for_change(leave, 0, Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn it_writes_where_its_parent_reads_and_leaves_errno_alone() {
        let counts = Arc::new(Counts::default());
        Errno::set_raw(7);
        let companion = Companion::start(Arc::clone(&counts)).expect("a process");
        Errno::set_raw(7);
        while counts.0.load(Ordering::Acquire) < 20 {
            std::thread::yield_now();
        }
        assert_eq!(Errno::last_raw(), 7);
        let pid = companion.pid();
        assert!(wait::is_own(pid));
        drop(companion);
        assert!(!wait::is_own(pid));
    }

    #[test]
    fn it_holds_no_descriptor_open() {
        let (mut end, other) = std::io::pipe().expect("a pipe");
        let companion = Companion::start(Arc::new(Counts::default())).expect("a process");
        drop(other);
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut end, &mut rest).expect("the end of the pipe");
        drop(companion);
    }

    #[test]
    fn it_dies_with_its_thread() {
        let pid = std::thread::spawn(|| {
            let counts = Arc::new(Counts::default());
            let companion = Companion::start(Arc::clone(&counts)).expect("a process");
            // Until it runs, it has not set the signal; it then ends by itself when the thread is gone.
            while counts.0.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
            let pid = companion.pid();
            std::mem::forget(companion);
            pid
        });
        let pid = pid.join().expect("a thread");
        // Its parent is now another thread of this process, which sees it only in a wait with __WALL.
        let mut status = 0;
        // SAFETY: `status` is valid for writing.
        let waited = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        assert_eq!((waited, status), (pid, libc::SIGKILL));
    }
}
