//! Signals of this process: masks, a handler that only notes what arrived, a tick, a self-stop.
//!
//! wait4(2) has no variant that unblocks signals atomically, and checking before every wait would cost
//! each stop two more system calls. So the handler notes the signal and arms a timer that repeats until
//! [`rest`] is called: a signal that arrives just before wait4 is noticed a tick later, and there is no
//! cost while no signal arrives.

use super::{Errno, check};
use libc::{c_int, c_void, siginfo_t, sigset_t};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The highest signal number.
pub const HIGHEST: usize = 64;

/// The real-time signal that the tick uses; if a process sends it, it has another `si_code`.
pub const TICK: c_int = 64;

/// The signal of a clock that is a process: a standard signal, which needs no place in the user's queue
/// of signals (RLIMIT_SIGPENDING). Linux itself never sends it, and it is not forwarded to the command.
pub const KNOCK: c_int = libc::SIGSTKFLT;

/// How often the tick interrupts a wait while something is unsettled.
const TICK_NANOSECONDS: i64 = 2_000_000;

/// A signal that arrived at this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub signal: c_int,
    /// `si_code`: SI_USER, SI_KERNEL …
    pub code: c_int,
    /// `si_pid`: the sender, for SI_USER.
    pub sender: i32,
    /// `si_uid`: the sender's real user id, for SI_USER.
    pub uid: u32,
}

struct Slot {
    // Bit 63: noted; then si_code (low 16 bits) and si_pid.
    what: AtomicU64,
    uid: AtomicU64,
}

static SLOTS: [Slot; HIGHEST + 1] = [const {
    Slot {
        what: AtomicU64::new(0),
        uid: AtomicU64::new(0),
    }
}; HIGHEST + 1];
/// How often each signal has arrived.
static ARRIVALS: [AtomicU32; HIGHEST + 1] = [const { AtomicU32::new(0) }; HIGHEST + 1];
static ANY: AtomicBool = AtomicBool::new(false);
/// The signals for which this file has ever installed a handler, a bit each.
static HANDLED: AtomicU64 = AtomicU64::new(0);
/// Whether this file installs all handlers of this program.
static OWNED: AtomicBool = AtomicBool::new(false);
/// The signals that have arrived, a bit each.
static EVER: AtomicU64 = AtomicU64::new(0);

const fn bit(signal: c_int) -> u64 {
    1_u64.wrapping_shl(signal.wrapping_sub(1) as u32)
}
// 0: none; else the timer's id plus one.
static TIMER: AtomicUsize = AtomicUsize::new(0);

const NOTED: u64 = 1 << 63;

extern "C" fn note(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler.
    let (code, pid, uid) = unsafe { ((*info).si_code, (*info).si_pid(), (*info).si_uid()) };
    if code == libc::SI_TIMER || signal == KNOCK {
        return;
    }
    let Some(slot) = usize::try_from(signal)
        .ok()
        .and_then(|index| SLOTS.get(index))
    else {
        return;
    };
    let what = NOTED | u64::from(code as u16) << 32 | u64::from(pid as u32);
    slot.uid.store(uid.into(), Ordering::Relaxed);
    slot.what.store(what, Ordering::Release);
    EVER.fetch_or(bit(signal), Ordering::Release);
    if let Some(count) = ARRIVALS.get(signal as usize) {
        count.fetch_add(1, Ordering::AcqRel);
    }
    ANY.store(true, Ordering::Release);
    // A handler must leave errno as it found it; arming the timer cannot fail on a valid one.
    let errno = Errno::last_raw();
    arm(TICK_NANOSECONDS);
    Errno::set_raw(errno);
}

/// Returns whether it was armed before.
fn arm(nanoseconds: i64) -> bool {
    let timer = TIMER.load(Ordering::Acquire);
    if timer == 0 {
        return false;
    }
    let every = libc::timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    let spec = libc::itimerspec {
        it_interval: every,
        it_value: every,
    };
    let mut before = MaybeUninit::<libc::itimerspec>::zeroed();
    // SAFETY: the id came from timer_create, `spec` is valid for reading and `before` for writing; a
    // zeroed one is valid, too. timer_settime is async-signal-safe (signal-safety(7)).
    let before = unsafe {
        libc::timer_settime((timer - 1) as libc::timer_t, 0, &spec, before.as_mut_ptr());
        before.assume_init()
    };
    before.it_interval.tv_nsec != 0
}

/// Starts noting `signals`, and makes them interrupt system calls, whatever their disposition was, even
/// if the caller had blocked them.
///
/// Returns whether there is a timer for [`tick`]. It takes a place in this user's queue of signals
/// (RLIMIT_SIGPENDING), which other programs may have filled: then something else must interrupt each
/// wait regularly.
pub fn note_arrivals(signals: &[c_int]) -> Result<bool, Errno> {
    let mut event = MaybeUninit::<libc::sigevent>::zeroed();
    let mut timer = MaybeUninit::<libc::timer_t>::zeroed();
    // SAFETY: a zeroed sigevent is valid; the two fields that SIGEV_SIGNAL needs are set; `timer`
    // is valid for writing and is read only when the call has succeeded.
    let timer = unsafe {
        (*event.as_mut_ptr()).sigev_notify = libc::SIGEV_SIGNAL;
        (*event.as_mut_ptr()).sigev_signo = TICK;
        check(libc::timer_create(
            libc::CLOCK_MONOTONIC,
            event.as_mut_ptr(),
            timer.as_mut_ptr(),
        ))
        .map(|_| timer.assume_init())
    };
    let ticks = match timer {
        Ok(timer) => {
            TIMER.store(timer as usize + 1, Ordering::Release);
            true
        }
        Err(Errno::EAGAIN) => false,
        Err(errno) => return Err(errno),
    };
    handle(TICK)?;
    signals.iter().try_for_each(|&signal| handle(signal))?;
    unblock(&[TICK])?;
    unblock(signals)?;
    Ok(ticks)
}

fn handle(signal: c_int) -> Result<(), Errno> {
    // No SA_RESTART: the signal must end a wait.
    install(signal, note, 0)
}

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// The handler must call async-signal-safe functions only.
fn install(signal: c_int, handler: Handler, flags: c_int) -> Result<(), Errno> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is valid; the handlers of this file, which are all that are passed, have
    // the signature that SA_SIGINFO asks for and call async-signal-safe functions only.
    unsafe {
        let action = action.as_mut_ptr();
        (*action).sa_sigaction = handler as *const () as usize;
        (*action).sa_flags = libc::SA_SIGINFO | flags;
        libc::sigfillset(&raw mut (*action).sa_mask);
        HANDLED.fetch_or(bit(signal), Ordering::AcqRel);
        check(libc::sigaction(signal, action, null_mut())).map(drop)
    }
}

/// Notes `signals`, except those that are ignored, and makes a descriptor readable when one arrives.
/// Calls that they interrupt are restarted.
pub fn wake_on(signals: &[c_int]) -> Result<OwnedFd, Errno> {
    let fd = super::event::new()?;
    // The handler uses a duplicate of the descriptor, which is never closed.
    let own = super::process::duplicate(fd.as_raw_fd()).ok_or(Errno::EMFILE)?;
    WAKE.store(own.into_raw_fd(), Ordering::Release);
    for &signal in signals {
        if disposition(signal)? != libc::SIG_IGN {
            install(signal, note_and_wake, libc::SA_RESTART)?;
        }
    }
    Ok(fd)
}

/// The descriptor that [`wake_on`] makes readable; -1: none.
static WAKE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note_and_wake(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    note(signal, info, context);
    let errno = Errno::last_raw();
    let fd = WAKE.load(Ordering::Acquire);
    if fd >= 0 {
        // SAFETY: the descriptor was made for this handler, and is never closed.
        super::event::set(unsafe { BorrowedFd::borrow_raw(fd) });
    }
    Errno::set_raw(errno);
}

/// Whether a signal has a handler here.
pub fn is_handled(signal: c_int) -> bool {
    disposition(signal).is_ok_and(|known| !matches!(known, libc::SIG_DFL | libc::SIG_IGN))
}

fn disposition(signal: c_int) -> Result<usize, Errno> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only asks for the current disposition, into memory valid for writing; a zeroed one is
    // valid, too.
    check(unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: filled in.
    Ok(unsafe { action.assume_init() }.sa_sigaction)
}

/// One signal that was noted and not yet taken; several of one number count as one, as a pending
/// standard signal does.
pub fn take() -> Option<Arrived> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    for (signal, slot) in SLOTS.iter().enumerate() {
        let what = slot.what.swap(0, Ordering::AcqRel);
        if what & NOTED != 0 {
            return Some(Arrived {
                signal: signal as c_int,
                code: i32::from((what >> 32) as u16 as i16),
                sender: what as u32 as i32,
                uid: slot.uid.load(Ordering::Relaxed) as u32,
            });
        }
    }
    ANY.store(false, Ordering::Release);
    // A signal may have been noted behind the scan, so scan again rather than lose it.
    if SLOTS
        .iter()
        .any(|slot| slot.what.load(Ordering::Acquire) & NOTED != 0)
    {
        ANY.store(true, Ordering::Release);
    }
    None
}

/// Whether this signal waits to be taken.
pub fn has_arrived(signal: c_int) -> bool {
    let slot = usize::try_from(signal).ok().and_then(|at| SLOTS.get(at));
    slot.is_some_and(|slot| slot.what.load(Ordering::Acquire) & NOTED != 0)
}

/// Whether this signal has arrived since signals are noted, taken or not.
pub fn has_ever_arrived(signal: c_int) -> bool {
    EVER.load(Ordering::Acquire) & bit(signal) != 0
}

/// How often this signal has arrived since signals are noted, taken or not.
pub fn arrivals(signal: c_int) -> u32 {
    let count = usize::try_from(signal).ok().and_then(|at| ARRIVALS.get(at));
    count.map_or(0, |count| count.load(Ordering::Acquire))
}

/// Whether a signal waits to be taken.
pub fn any() -> bool {
    ANY.load(Ordering::Acquire)
}

/// Starts the tick for another reason than a signal.
pub fn tick() {
    arm(TICK_NANOSECONDS);
}

/// Makes a call that must not wait long: if it does wait, a tick ends it with EINTR.
pub fn without_waiting<T>(call: impl FnOnce() -> T) -> T {
    let ticked = arm(TICK_NANOSECONDS);
    let result = call();
    if !ticked {
        rest();
    }
    result
}

/// Makes ticks interrupt the waits of this process's threads, for [`ThreadTimer`] and [`KNOCK`]. Only a
/// program that owns its signal dispositions may call this.
pub fn heed_ticks() -> Result<(), Errno> {
    OWNED.store(true, Ordering::Release);
    handle(TICK)?;
    handle(KNOCK)
}

/// A timer whose ticks interrupt the waits of the calling thread; dropping it deletes the timer.
pub struct ThreadTimer(libc::timer_t);

impl ThreadTimer {
    /// Starts one (timer_create(2) with SIGEV_THREAD_ID), which ticks `first` and then each `every`.
    pub fn start(first: std::time::Duration, every: std::time::Duration) -> Result<Self, Errno> {
        let mut event = MaybeUninit::<libc::sigevent>::zeroed();
        let mut timer = MaybeUninit::<libc::timer_t>::zeroed();
        unblock(&[TICK])?;
        // SAFETY: a zeroed sigevent is valid, and the fields that SIGEV_THREAD_ID needs are set to
        // numbers; `timer` is valid for writing and is read only when the call has succeeded.
        let timer = unsafe {
            (*event.as_mut_ptr()).sigev_notify = libc::SIGEV_THREAD_ID;
            (*event.as_mut_ptr()).sigev_signo = TICK;
            (*event.as_mut_ptr()).sigev_notify_thread_id = libc::gettid();
            check(libc::timer_create(
                libc::CLOCK_MONOTONIC,
                event.as_mut_ptr(),
                timer.as_mut_ptr(),
            ))?;
            Self(timer.assume_init())
        };
        timer.set(first, every)?;
        Ok(timer)
    }

    /// timer_settime(2): the next tick comes after `first`, then one per `every`.
    pub fn set(&self, first: std::time::Duration, every: std::time::Duration) -> Result<(), Errno> {
        let time = |duration: std::time::Duration| libc::timespec {
            tv_sec: duration.as_secs() as libc::time_t,
            tv_nsec: duration.subsec_nanos().into(),
        };
        let spec = libc::itimerspec {
            it_interval: time(every),
            it_value: time(first),
        };
        // SAFETY: the id came from timer_create, `spec` is valid for reading; what was set before is
        // not asked for.
        check(unsafe { libc::timer_settime(self.0, 0, &spec, null_mut()) }).map(drop)
    }
}

impl Drop for ThreadTimer {
    fn drop(&mut self) {
        // SAFETY: the id came from timer_create, and nothing uses it afterwards.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Repeatedly sleeps and sends itself SIGURG, which is ignored if it is not traced. Once `traced` is 1,
/// it makes itself undumpable, so that no process can read its memory; doing so earlier would keep the
/// supervisor from attaching, however late. For a forked child: async-signal-safe calls only.
pub fn tick_for_ever(every: std::time::Duration, traced: &AtomicU32) -> ! {
    let pause = libc::timespec {
        tv_sec: every.as_secs() as libc::time_t,
        tv_nsec: every.subsec_nanos().into(),
    };
    loop {
        // SAFETY: `pause` is valid for reading, and the rest is not asked for.
        unsafe { libc::nanosleep(&pause, null_mut()) };
        if traced.swap(0, Ordering::AcqRel) == 1 {
            let _ = super::process::set_dumpable(false);
        }
        // SAFETY: takes numbers only.
        unsafe { libc::raise(libc::SIGURG) };
    }
}

/// Stops the tick: nothing is pending any more.
pub fn rest() {
    arm(0);
    // A signal that arrived just before would otherwise wait for the next event of any kind.
    if any() {
        arm(TICK_NANOSECONDS);
    }
}

/// Blocks every signal of the calling thread and returns the mask that held before.
pub fn block_all() -> Result<sigset_t, Errno> {
    let mut all = MaybeUninit::<sigset_t>::zeroed();
    let mut before = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: both sets are valid for writing; zeroed ones are valid sets.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            all.as_ptr(),
            before.as_mut_ptr(),
        ))?;
        Ok(before.assume_init())
    }
}

/// Sets the calling thread's signal mask. Async-signal-safe.
pub fn set_mask(mask: &sigset_t) -> Result<(), Errno> {
    // SAFETY: `mask` is valid for reading.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, null_mut()) }).map(drop)
}

/// Blocks this signal in the calling thread.
pub fn block(signal: c_int) -> Result<(), Errno> {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: the set is valid for writing, then for reading.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), null_mut())).map(drop)
    }
}

/// Takes one SIGCHLD, which must be blocked: the id of the task that it tells of. Waits at most so long; `None`: none
/// has come. EINTR: a signal handler of this thread ran.
pub fn child(at_most: std::time::Duration) -> Result<Option<libc::pid_t>, Errno> {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    let mut info = MaybeUninit::<siginfo_t>::zeroed();
    let time = libc::timespec {
        tv_sec: at_most.as_secs() as libc::time_t,
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: the set and `info` are valid for writing, the set and the time then for reading.
    let taken = check(unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigtimedwait(set.as_ptr(), info.as_mut_ptr(), &time)
    });
    match taken {
        // SAFETY: the kernel has filled in the member of SIGCHLD; any bytes are a number.
        Ok(_) => Ok(Some(unsafe { info.assume_init().si_pid() })),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes sure that `signals` are not blocked in the calling thread.
pub fn unblock(signals: &[c_int]) -> Result<(), Errno> {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: the set is valid for writing, then for reading.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        check(libc::sigprocmask(
            libc::SIG_UNBLOCK,
            set.as_ptr(),
            null_mut(),
        ))
        .map(drop)
    }
}

/// Sets a signal to its default disposition (`SIG_DFL`) or to be ignored. Async-signal-safe.
pub fn set_ignored(signal: c_int, ignored: bool) -> Result<(), Errno> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is valid, and neither disposition runs code.
    unsafe {
        (*action.as_mut_ptr()).sa_sigaction = if ignored {
            libc::SIG_IGN
        } else {
            libc::SIG_DFL
        };
        check(libc::sigaction(signal, action.as_ptr(), null_mut())).map(drop)
    }
}

/// Sets every signal that has a handler to its default, as execve(2) does. Async-signal-safe.
///
/// In a program that owns its signals only those are asked for that were ever handled here: a batch does this for
/// each command.
pub fn forget_handlers() -> Result<(), Errno> {
    /// Rust's runtime, where it is in use, handles these.
    const OF_RUNTIME: u64 = bit(libc::SIGSEGV) | bit(libc::SIGBUS);
    let handled = match OWNED.load(Ordering::Acquire) {
        true => HANDLED.load(Ordering::Acquire) | OF_RUNTIME,
        false => u64::MAX,
    };
    for signal in (1..=HIGHEST as c_int).filter(|signal| handled & bit(*signal) != 0) {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: only asks for the current disposition, into memory valid for writing; a zeroed one is
        // valid, too. EINVAL: the C library keeps this one to itself.
        let known = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } == 0;
        // SAFETY: filled in, or zeroed.
        let handler = unsafe { action.assume_init() }.sa_sigaction;
        if known && !matches!(handler, libc::SIG_DFL | libc::SIG_IGN) {
            set_ignored(signal, false)?;
        }
    }
    Ok(())
}

/// Stops this process by a stop signal as if it did not catch it. Returns when it is continued, or at
/// once if the kernel does not stop it (an orphaned process group).
pub fn stop_self(signal: c_int) -> Result<(), Errno> {
    let own = super::process::getpid();
    if signal == libc::SIGSTOP {
        return super::process::kill(own, signal);
    }
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only asks for the current disposition, into memory valid for writing.
    check(unsafe { libc::sigaction(signal, std::ptr::null(), before.as_mut_ptr()) })?;
    set_ignored(signal, false)?;
    unblock(&[signal])?;
    super::process::kill(own, signal)?;
    // SAFETY: this is the disposition that the kernel has just reported.
    check(unsafe { libc::sigaction(signal, before.as_ptr(), null_mut()) }).map(drop)
}

/// Ends this process by `signal` with its default disposition; returns only if that does not end
/// it.
pub fn die_by(signal: c_int) {
    let _ = set_ignored(signal, false);
    let _ = unblock(&[signal]);
    let _ = super::process::kill(super::process::getpid(), signal);
}

/// Whether SIGPIPE was ignored when this process was started. The command must inherit what the caller
/// chose, and Rust's runtime ignores SIGPIPE before `main`, so this is recorded before that.
pub fn pipe_was_ignored() -> bool {
    PIPE_WAS_IGNORED.load(Ordering::Relaxed)
}

static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_pipe() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only asks for the current disposition, into memory valid for writing.
    unsafe {
        if libc::sigaction(libc::SIGPIPE, std::ptr::null(), action.as_mut_ptr()) == 0 {
            let ignored = (*action.as_ptr()).sa_sigaction == libc::SIG_IGN;
            PIPE_WAS_IGNORED.store(ignored, Ordering::Relaxed);
        }
    }
}

// SAFETY: functions in .init_array run once before main; this one makes one system call and one
// atomic store, and needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_PIPE: extern "C" fn() = note_pipe;

/// The process that sent the signal, if a process did: kill(2), tgkill(2), sigqueue(3).
pub fn sent_by(info: &siginfo_t) -> Option<i32> {
    matches!(
        info.si_code,
        libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE
    )
    .then(|| sender(info))
}

/// `si_pid` of a siginfo whose `si_code` is SI_USER.
pub fn sender(info: &siginfo_t) -> i32 {
    // SAFETY: the union's bytes are initialised whatever member the kernel used; any i32 is valid.
    unsafe { info.si_pid() }
}

/// `si_uid` of a siginfo whose `si_code` is SI_USER.
pub fn sender_uid(info: &siginfo_t) -> u32 {
    // SAFETY: as for `sender`.
    unsafe { info.si_uid() }
}

/// The head of the kernel's `struct kernel_siginfo` with the member `_kill` (asm-generic/siginfo.h).
#[repr(C)]
struct Kill {
    signo: c_int,
    errno: c_int,
    code: c_int,
    #[cfg(target_pointer_width = "64")]
    padding: c_int,
    pid: i32,
    uid: u32,
}

/// Sets `si_pid` and `si_uid` of a siginfo whose `si_code` is SI_USER.
pub fn set_sender(info: &mut siginfo_t, pid: i32, uid: u32) {
    const { assert!(size_of::<Kill>() <= size_of::<siginfo_t>()) };
    // SAFETY: siginfo_t is larger, as aligned, and has this layout for SI_USER; `info` is borrowed
    // exclusively.
    unsafe {
        let kill = std::ptr::from_mut(info).cast::<Kill>();
        (*kill).pid = pid;
        (*kill).uid = uid;
    }
}

/// Makes a siginfo whose `si_code` is SI_USER the kernel's own: SI_KERNEL, which names no sender.
pub fn set_kernel(info: &mut siginfo_t) {
    info.si_code = libc::SI_KERNEL;
    set_sender(info, 0, 0);
}
