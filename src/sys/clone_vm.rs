//! A child that shares this process's memory until its execve.
//!
//! fork(2) copies the page tables of its process, and afterwards each page that either side writes. For
//! a large program, or one whose other threads keep running (each copy interrupts their processors),
//! that costs more than the rest of the start. A child that shares the memory (CLONE_VM) costs the same
//! whatever the size. It must not disturb its parent: it has its own stack, and the thread pointer of a
//! sleeping thread, so that it also has its own errno and allocator caches.

use super::signal;
use super::{Errno, check, process, wait};
use libc::{c_int, c_void, pid_t};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// The size of the child's stack in bytes; the lowest page is a guard page.
const STACK: usize = 256 << 10;
const GUARD: usize = 4096 * 16;

/// What a child does: it executes another program, or ends. If this returns, the child exits with 125.
pub type Body<'a> = &'a (dyn Fn() + Sync);

/// Room for one child at a time. It is reusable, from any thread.
pub struct CloneVmSpawner {
    stack: NonNull<c_void>,
    sleeper: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// The process that created it. A fork of that process has no sleeper thread: its C library reuses
    /// the sleeper's memory and thread pointer for another thread.
    owner: pid_t,
}

/// What the sleeper and the spawner share.
#[derive(Default)]
struct Shared {
    /// The sleeper's thread pointer, once it sleeps; [`NO_POINTER`] if it cannot.
    pointer: AtomicUsize,
    /// 1 asks the sleeper to end.
    leave: AtomicU32,
}

const NO_POINTER: usize = usize::MAX;

// SAFETY: the stack is owned memory that only the child of `with_child` uses, which has ended or
// executed before that returns; everything else is Send.
unsafe impl Send for CloneVmSpawner {}

impl CloneVmSpawner {
    /// Creates one, with a thread that sleeps until this is dropped.
    ///
    /// # Errors
    /// If memory or a thread cannot be had.
    pub fn new() -> io::Result<CloneVmSpawner> {
        // SAFETY: a new mapping, at no address that is in use.
        let stack = unsafe {
            libc::mmap(
                null_mut(),
                STACK + GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        let stack = match stack {
            libc::MAP_FAILED => None,
            stack => NonNull::new(stack),
        };
        let stack = stack.ok_or_else(io::Error::last_os_error)?;
        let mut spawner = CloneVmSpawner {
            stack,
            sleeper: None,
            shared: Arc::default(),
            owner: process::getpid(),
        };
        // SAFETY: the mapping's own first pages.
        check(i64::from(unsafe {
            libc::mprotect(stack.as_ptr(), GUARD, libc::PROT_NONE)
        }))
        .map_err(|errno| io::Error::from_raw_os_error(errno as i32))?;
        let shared = Arc::clone(&spawner.shared);
        let sleeper = std::thread::Builder::new()
            .name("jail-spawner".to_owned())
            .stack_size(64 << 10)
            .spawn(move || shared.sleep())?;
        spawner.sleeper = Some(sleeper);
        loop {
            match spawner.shared.pointer.load(Ordering::Acquire) {
                0 => std::thread::yield_now(),
                NO_POINTER => return Err(io::Error::other("signals cannot be blocked")),
                _ => return Ok(spawner),
            }
        }
    }

    /// Whether this process created it. In a fork of that process no child can be started with it.
    pub fn is_own(&self) -> bool {
        self.owner == process::getpid()
    }

    /// Creates a child that calls `child`, and calls `parent` with its pid. Returns when `parent` has
    /// returned and the child no longer uses this process's memory. This thread must have blocked all
    /// signals; the child inherits the mask, but has no handlers.
    ///
    /// The child must call async-signal-safe functions only, and allocate nothing that another thread
    /// frees.
    ///
    /// # Errors
    /// Those of clone(2); ESRCH if another process created this value.
    pub fn with_child<T>(
        &mut self,
        child: Body<'_>,
        parent: impl FnOnce(pid_t) -> T,
    ) -> Result<T, Errno> {
        if !self.is_own() {
            return Err(Errno::ESRCH);
        }
        let mut body: Body<'_> = child;
        let body = std::ptr::from_mut(&mut body).cast::<c_void>();
        let flags = libc::CLONE_VM | libc::CLONE_SETTLS | libc::SIGCHLD;
        // SAFETY: the stack is this spawner's, which is borrowed exclusively, its top is aligned to a
        // page, and `begin` gets a pointer to `body`. Both, and all that `child` borrows, live until
        // `settled` has seen the child end or execute: it is dropped before them, also on unwinding. The
        // thread pointer is that of a thread of this process that sleeps as long as the spawner lives.
        let pid = unsafe {
            let top = self.stack.as_ptr().byte_add(STACK + GUARD);
            let none = null_mut::<c_void>();
            check(i64::from(libc::clone(
                begin,
                top,
                flags,
                body,
                none,
                self.shared.pointer.load(Ordering::Acquire) as *mut c_void,
                none,
            )))? as pid_t
        };
        let settled = Settled(pid);
        let result = parent(pid);
        drop(settled);
        Ok(result)
    }
}

impl Drop for CloneVmSpawner {
    fn drop(&mut self) {
        self.shared.leave.store(1, Ordering::Release);
        process::futex_wake(&self.shared.leave);
        match self.sleeper.take() {
            Some(sleeper) if self.is_own() => _ = sleeper.join(),
            // A fork has no such thread to join or detach.
            sleeper => std::mem::forget(sleeper),
        }
        // SAFETY: this spawner's own mapping, or this fork's copy of it, which no child uses: see
        // `with_child`.
        unsafe { libc::munmap(self.stack.as_ptr(), STACK + GUARD) };
    }
}

impl Shared {
    fn sleep(&self) {
        // No handler may run on this thread: it would use thread-local variables that the child uses.
        let pointer = match signal::block_all() {
            Ok(_) => thread_pointer(),
            Err(_) => NO_POINTER,
        };
        // From here until it is asked to end, this thread touches none of its thread-local variables:
        // the call cannot fail and set errno, because no signal and no timeout ends it.
        self.pointer.store(pointer, Ordering::Release);
        while pointer != NO_POINTER && self.leave.load(Ordering::Acquire) == 0 {
            // SAFETY: the word is valid for the call; without a time-out there is nothing else to read.
            unsafe {
                let word = self.leave.as_ptr();
                let for_ever = std::ptr::null::<libc::timespec>();
                libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, 0, for_ever);
            }
        }
    }
}

/// The child's first function.
extern "C" fn begin(body: *mut c_void) -> c_int {
    // SAFETY: `with_child` passes a pointer to such a reference, which lives until this child has ended
    // or executed.
    let body = unsafe { &*body.cast::<Body<'_>>() };
    if signal::forget_handlers().is_ok() {
        body();
    }
    process::exit(125)
}

/// Dropping this waits until the child has left this memory.
struct Settled(pid_t);

impl Drop for Settled {
    fn drop(&mut self) {
        let own = process::getpid();
        let mut killed = false;
        while wait::is_own(self.0) && (killed || super::files::shares_memory(own, self.0)) {
            let _ = process::kill(self.0, libc::SIGKILL);
            killed = true;
            match wait::wait(self.0, 0) {
                // Signal handlers of this program may run by now.
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// This thread's thread pointer.
fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register, or the word at which x86-64's ABI for thread-local storage keeps a copy
    // of it; changes nothing.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem, preserves_flags));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI32;
    use std::time::{Duration, Instant};

    /// The status of a child's end.
    fn end(pid: pid_t) -> c_int {
        loop {
            match wait::wait(pid, 0) {
                Ok(Some((_, status))) => return status,
                Ok(None) | Err(Errno::EINTR) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    #[test]
    fn a_child_writes_where_its_parent_reads_and_has_an_errno_of_its_own() {
        let mut spawner = CloneVmSpawner::new().expect("a spawner");
        let said = AtomicI32::new(0);
        for round in 1..100 {
            let mask = signal::block_all().expect("a mask");
            Errno::set_raw(7);
            let status = spawner.with_child(
                &|| {
                    Errno::set_raw(round);
                    said.store(Errno::last_raw(), Ordering::Release);
                },
                |pid| (end(pid), Errno::last_raw()),
            );
            signal::set_mask(&mask).expect("the mask");
            assert_eq!(status, Ok((125 << 8, 7)));
            assert_eq!(said.load(Ordering::Acquire), round);
        }
    }

    #[test]
    fn a_child_that_its_parent_leaves_is_ended_before_its_memory_is() {
        let mut spawner = CloneVmSpawner::new().expect("a spawner");
        let mask = signal::block_all().expect("a mask");
        let before = Instant::now();
        let sleep = || loop {
            std::hint::spin_loop();
        };
        let pid = spawner.with_child(&sleep, |pid| pid).expect("a child");
        let left = wait::is_own(pid);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            spawner.with_child(&sleep, |_| panic!("on purpose"))
        }));
        signal::set_mask(&mask).expect("the mask");
        assert!(!left && panicked.is_err());
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn signals_do_not_end_the_wait_for_a_child_that_is_left() {
        let mut spawner = CloneVmSpawner::new().expect("a spawner");
        signal::heed_ticks().expect("a handler");
        let mask = signal::block_all().expect("a mask");
        let sleep = || loop {
            std::hint::spin_loop();
        };
        for _ in 0..300 {
            let timer =
                signal::ThreadTimer::start(Duration::from_micros(20), Duration::from_micros(20))
                    .expect("a timer");
            let pid = spawner.with_child(&sleep, |pid| pid).expect("a child");
            drop(timer);
            assert!(!wait::is_own(pid));
        }
        signal::set_mask(&mask).expect("the mask");
    }
}
