//! A child that shares this process's memory until its execve.
//!
//! fork(2) copies the page tables of its process, and afterwards each page that either side writes. For
//! a large program, or one whose other threads keep running (each copy interrupts their processors),
//! that costs more than the rest of the start. A child that shares the memory (CLONE_VM) costs the same
//! whatever the size. It must not disturb its parent, so its parent is a thread of its own that the kernel
//! suspends until the child has left the memory (CLONE_VFORK): meanwhile that thread's errno and allocator
//! caches are the child's, as for vfork(2). The child has its own stack.
//!
//! A child inherits what restricts the thread: its capabilities, its Landlock domain and its filters.

use super::signal;
use super::{Errno, check, process, wait};
use libc::{c_int, c_void, pid_t};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::thread::JoinHandle;

/// The size of the child's stack in bytes; the lowest page is a guard page.
const STACK: usize = 256 << 10;
const GUARD: usize = 4096 * 16;
/// How a child is created: flags of clone(2).
pub const FLAGS: c_int =
    libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;

/// What a child does: it executes another program, or ends. If this returns, the child exits with 125.
pub type Body<'a> = &'a (dyn Fn(&Ready<'_>) + Sync);

/// Room for one child at a time. It is reusable, from any thread.
pub struct CloneVmSpawner {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// The process that created it. A fork of that process has no such thread.
    owner: pid_t,
}

/// What the thread and the spawner share.
struct Shared {
    stack: Stack,
    /// What the thread is asked to do: [`IDLE`], [`SPAWN`] or [`LEAVE`].
    asked: AtomicU32,
    /// A pointer to the [`Body`] of the child that is asked for.
    body: AtomicPtr<c_void>,
    /// The child's id, once it is known; minus an errno if there is no child.
    child: AtomicU32,
}

/// The thread has nothing to do. It says so itself once it has started, and after each child.
const IDLE: u32 = 0;
/// The thread creates a child, or is suspended until the child has left the memory.
const SPAWN: u32 = 1;
/// The thread ends.
const LEAVE: u32 = 2;

/// Tells the spawner in a child that the child is waiting for it.
pub struct Ready<'a>(&'a AtomicU32);

impl Ready<'_> {
    /// Wakes the thread that has asked for this child, if it still waits for the child's id.
    pub fn tell(&self) {
        process::futex_wake(self.0);
    }
}

impl CloneVmSpawner {
    /// Creates one, with a thread that first calls `confine`, for itself and all children.
    ///
    /// # Errors
    /// If memory or a thread cannot be had, or what `confine` returns.
    pub fn new(
        confine: impl FnOnce() -> Result<(), Errno> + Send + 'static,
    ) -> io::Result<CloneVmSpawner> {
        let shared = Arc::new(Shared {
            stack: Stack::new()?,
            asked: AtomicU32::new(SPAWN),
            body: AtomicPtr::new(null_mut()),
            child: AtomicU32::new(0),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("jail-spawner".to_owned())
            .stack_size(64 << 10)
            .spawn(move || for_thread.begin(confine))?;
        let mut spawner = CloneVmSpawner {
            thread: Some(thread),
            shared,
            owner: process::getpid(),
        };
        spawner.shared.wait_until_idle();
        match spawner.shared.child.load(Ordering::Acquire) as i32 {
            0 => Ok(spawner),
            failed => {
                spawner.end();
                Err(io::Error::from_raw_os_error(-failed))
            }
        }
    }

    /// Whether this process created it. In a fork of that process no child can be started with it.
    pub fn is_own(&self) -> bool {
        self.owner == process::getpid()
    }

    /// Creates a child that calls `child`, and calls `parent` with its pid: at the latest when the child tells
    /// that it is ready ([`Ready::tell`]), which it must do unless it soon ends. Returns when `parent` has
    /// returned and the child no longer uses this process's memory. The child inherits this process's
    /// descriptors and handles no signals; all are blocked.
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
        let shared = &*self.shared;
        shared.child.store(0, Ordering::Relaxed);
        let body = std::ptr::from_mut(&mut body).cast();
        shared.body.store(body, Ordering::Relaxed);
        // `body`, and all that `child` borrows, live until this is dropped, also on unwinding.
        let settled = Settled(shared);
        shared.ask(SPAWN);
        let pid = settled.child();
        let result = match pid {
            ..0 => Err(Errno::from_raw(-pid)),
            pid => Ok(parent(pid)),
        };
        drop(settled);
        result
    }

    /// Ends the thread.
    fn end(&mut self) {
        self.shared.ask(LEAVE);
        match self.thread.take() {
            Some(thread) if self.is_own() => _ = thread.join(),
            // A fork has no such thread to join or detach.
            thread => std::mem::forget(thread),
        }
    }
}

impl Drop for CloneVmSpawner {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

impl Shared {
    /// The thread.
    fn begin(&self, confine: impl FnOnce() -> Result<(), Errno>) {
        // No handler may run while the child uses this thread's thread-local variables, and the child inherits the
        // mask.
        let begun = signal::block_all().and_then(|_| confine());
        self.child
            .store(begun.map_or_else(failed, |()| 0), Ordering::Release);
        self.is_idle();
        loop {
            match self.asked.load(Ordering::Acquire) {
                IDLE => sleep(&self.asked, IDLE),
                SPAWN => {
                    self.spawn();
                    self.is_idle();
                }
                _ => return,
            }
        }
    }

    /// Creates a child, and returns when it has executed another program or ended.
    fn spawn(&self) {
        let child = self.child.as_ptr();
        // SAFETY: the stack is this spawner's, which has one child at a time, and its top is aligned to a page.
        // `enter` gets a pointer to this value, which outlives the child's use of it: this thread, which holds it, is
        // suspended for that long. The child's id is written to a valid word.
        let created = unsafe {
            let this = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
            check(i64::from(libc::clone(
                enter,
                self.stack.top(),
                FLAGS,
                this,
                child,
            )))
        };
        if let Err(errno) = created {
            self.child.store(failed(errno), Ordering::Release);
        }
        // A child that has ended early has not told that it is ready.
        process::futex_wake(&self.child);
    }

    fn is_idle(&self) {
        let done = self
            .asked
            .compare_exchange(SPAWN, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if done.is_ok() {
            process::futex_wake(&self.asked);
        }
    }

    fn ask(&self, what: u32) {
        self.asked.store(what, Ordering::Release);
        process::futex_wake(&self.asked);
    }

    fn wait_until_idle(&self) {
        while self.asked.load(Ordering::Acquire) == SPAWN {
            sleep(&self.asked, SPAWN);
        }
    }
}

/// The child's first function.
extern "C" fn enter(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to such a value, which lives until this child has ended or executed.
    let shared = unsafe { &*shared.cast::<Shared>() };
    // SAFETY: `with_child` has stored a pointer to such a reference, which lives until this child has ended
    // or executed.
    let body = unsafe { &*shared.body.load(Ordering::Relaxed).cast::<Body<'_>>() };
    if signal::forget_handlers().is_ok() {
        body(&Ready(&shared.child));
    }
    process::exit(125)
}

/// Dropping this waits until the child has left this memory.
struct Settled<'a>(&'a Shared);

impl Settled<'_> {
    /// The child's id, or minus an errno.
    fn child(&self) -> i32 {
        loop {
            match self.0.child.load(Ordering::Acquire) {
                0 => sleep(&self.0.child, 0),
                child => return child as i32,
            }
        }
    }
}

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        let child = self.child();
        let own = process::getpid();
        let mut killed = false;
        while child > 0
            && wait::is_of_process(child)
            && (killed || super::files::shares_memory(own, child))
        {
            let _ = process::kill(child, libc::SIGKILL);
            killed = true;
            match wait::reap(child) {
                // Signal handlers of this program may run by now.
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        self.0.wait_until_idle();
    }
}

/// The memory of a child's stack.
struct Stack(NonNull<c_void>);

// SAFETY: owned memory that is not bound to a thread.
unsafe impl Send for Stack {}
// SAFETY: nothing reads or writes it by this value; only the child of a spawner uses it.
unsafe impl Sync for Stack {}

impl Stack {
    fn new() -> io::Result<Stack> {
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
        let stack = Stack(stack.ok_or_else(io::Error::last_os_error)?);
        // SAFETY: the mapping's own first pages.
        check(i64::from(unsafe {
            libc::mprotect(stack.0.as_ptr(), GUARD, libc::PROT_NONE)
        }))
        .map_err(|errno| io::Error::from_raw_os_error(errno as i32))?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping.
        unsafe { self.0.as_ptr().byte_add(STACK + GUARD) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping, or a fork's copy of it, which no child uses: the spawner and its
        // thread, which hold it, are gone.
        unsafe { libc::munmap(self.0.as_ptr(), STACK + GUARD) };
    }
}

/// What is stored instead of an id.
fn failed(errno: Errno) -> u32 {
    -(errno as i32) as u32
}

/// Sleeps while the word has this value, at most until it is woken.
fn sleep(word: &AtomicU32, value: u32) {
    // SAFETY: the word is valid for the call; without a time-out there is nothing else to read.
    unsafe {
        let for_ever = std::ptr::null::<libc::timespec>();
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            for_ever,
        );
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI32;
    use std::time::{Duration, Instant};

    /// The status of a child's end.
    fn end(pid: pid_t) -> c_int {
        loop {
            match wait::reap(pid) {
                Ok(status) => return status,
                Err(Errno::EINTR) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    #[test]
    fn a_child_writes_where_its_parent_reads_and_has_an_errno_of_its_own() {
        let mut spawner = CloneVmSpawner::new(|| Ok(())).expect("a spawner");
        let said = AtomicI32::new(0);
        for round in 1..100 {
            let mask = signal::block_all().expect("a mask");
            Errno::set_raw(7);
            let status = spawner.with_child(
                &|_| {
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
        let mut spawner = CloneVmSpawner::new(|| Ok(())).expect("a spawner");
        let mask = signal::block_all().expect("a mask");
        let before = Instant::now();
        let sleep = |ready: &Ready<'_>| {
            ready.tell();
            loop {
                std::hint::spin_loop();
            }
        };
        let pid = spawner.with_child(&sleep, |pid| pid).expect("a child");
        let left = wait::is_of_process(pid);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            spawner.with_child(&sleep, |_| panic!("on purpose"))
        }));
        signal::set_mask(&mask).expect("the mask");
        assert!(!left && panicked.is_err());
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn signals_do_not_end_the_wait_for_a_child_that_is_left() {
        let mut spawner = CloneVmSpawner::new(|| Ok(())).expect("a spawner");
        signal::heed_ticks().expect("a handler");
        let mask = signal::block_all().expect("a mask");
        let sleep = |ready: &Ready<'_>| {
            ready.tell();
            loop {
                std::hint::spin_loop();
            }
        };
        for _ in 0..300 {
            let timer =
                signal::ThreadTimer::start(Duration::from_micros(20), Duration::from_micros(20))
                    .expect("a timer");
            let pid = spawner.with_child(&sleep, |pid| pid).expect("a child");
            drop(timer);
            assert!(!wait::is_of_process(pid));
        }
        signal::set_mask(&mask).expect("the mask");
    }
}
