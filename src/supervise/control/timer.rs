//! A clock: what wakes a wait that would last.
//!
//! A program that owns its signals has a timer, which costs next to nothing. A timer takes a place in the
//! queue of signals of its user, and any other program of that user can have taken all of them: then a
//! process that shares this one's memory sends the signals. Another program has a child that
//! stops itself again and again: it takes neither a signal handler nor a thread of the program that
//! runs the jail. That child is traced, for its stops to be seen and for it to die with the supervisor,
//! and is no part of the jail: nothing of the policy is about it. It shares the program's memory, so that
//! its start costs the same whatever the size of the program. Only two programs need a copy of theirs,
//! by fork(2): one that is not dumpable, because no process may trace what shares its memory, and one that
//! runs the command as another user, because the child must become that user too.

use crate::launch::User;
use crate::sys::companion::{Companion, Task};
use crate::sys::memory::SharedWords;
use crate::sys::process::{self, Fork};
use crate::sys::signal::{self, ThreadTimer};
use crate::sys::{Errno, bare};
use crate::trace::{self, Tid};
use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long it is tried to seize it, which it must let happen first: on a crowded machine it may wait
/// for its first turn.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_micros(200);

/// One that ticks until it is stopped.
pub struct Clock {
    kind: Kind,
    every: Duration,
    next: Instant,
    /// How long it is until the next tick, while that is less than `every`.
    early: Duration,
}

/// The first tick of a clock that begins early. The time to each further tick is twice as long.
const EARLY: Duration = Duration::from_millis(1);

enum Kind {
    /// A copy of this process.
    Copy(Tid),
    /// A process in this one's memory.
    Stops(Companion),
    Signals(Companion),
    Timer(ThreadTimer),
}

impl Clock {
    /// Starts one for this thread. `every`: how often it ticks. `early`: the first ticks come after 1 ms, 2 ms
    /// and so on. `timer`: ticks may be signals. `user`: the user that this thread becomes while a jail runs, who
    /// must be able to end it.
    pub fn start(
        every: Duration,
        early: bool,
        timer: bool,
        user: Option<&User>,
    ) -> Result<Clock, Errno> {
        let early = if early { EARLY } else { every };
        let kind = match timer {
            true => match ThreadTimer::start(early, every) {
                Err(Errno::EAGAIN) => Kind::Signals(knock(every)?),
                timer => Kind::Timer(timer?),
            },
            false if user.is_some() => Kind::Copy(start_process(every, user)?),
            false => match stops(every, early)? {
                Some(companion) => Kind::Stops(companion),
                None => Kind::Copy(start_process(every, None)?),
            },
        };
        Ok(Clock {
            kind,
            every,
            next: Instant::now() + early,
            early,
        })
    }

    /// Its id, if it is a process.
    pub fn tid(&self) -> Option<Tid> {
        match self.kind {
            Kind::Copy(tid) => Some(tid),
            Kind::Stops(ref companion) | Kind::Signals(ref companion) => Some(companion.pid()),
            Kind::Timer(_) => None,
        }
    }

    /// Whether its ticks end the waits of this thread.
    pub fn interrupts(&self) -> bool {
        !matches!(self.kind, Kind::Copy(_) | Kind::Stops(_))
    }

    /// Whether a tick that is a signal is due. It may have come while no thread waited.
    pub fn has_ticked(&mut self, now: Instant) -> bool {
        let due = self.interrupts() && now >= self.next;
        if due {
            if self.early < self.every {
                self.early = (self.early * 2).min(self.every);
                if let Kind::Timer(timer) = &self.kind {
                    // If it fails, the timer ticks as it did.
                    let _ = timer.set(self.early, self.every);
                }
            }
            self.next = now + self.early;
        }
        due
    }

    /// Ends the process; it is waited for as all tracees are, or where it is dropped.
    pub fn stop(&self) {
        match &self.kind {
            Kind::Copy(tid) => _ = process::kill(*tid, libc::SIGKILL),
            Kind::Stops(companion) => _ = process::kill(companion.pid(), libc::SIGKILL),
            Kind::Signals(companion) => companion.leave(),
            Kind::Timer(_) => {}
        }
    }
}

/// A process that sends this thread a signal at each tick.
struct Knock {
    pid: Tid,
    tid: Tid,
    every: Duration,
}

fn knock(every: Duration) -> Result<Companion, Errno> {
    signal::unblock(&[signal::KNOCK])?;
    let (pid, tid) = (process::getpid(), process::gettid());
    Companion::start(Arc::new(Knock { pid, tid, every }))
}

impl Task for Knock {
    const NAME: &CStr = c"jail-clock";

    fn run(&self, leave: &AtomicU32) {
        while leave.load(Ordering::Acquire) == 0 {
            bare::wait_for_change(leave, 0, self.every);
            bare::signal_thread(self.pid, self.tid, signal::KNOCK);
        }
    }
}

/// A process that stops itself at each tick, once it is traced: a stop without a tracer would last.
struct Stops {
    every: Duration,
    early: Duration,
    traced: AtomicU32,
}

/// Starts one, as a tracee of this thread. `None`: it cannot be traced.
fn stops(every: Duration, early: Duration) -> Result<Option<Companion>, Errno> {
    let traced = AtomicU32::new(0);
    let stops = Arc::new(Stops {
        every,
        early,
        traced,
    });
    let companion = Companion::start(Arc::clone(&stops))?;
    match trace::seize(companion.pid()) {
        Ok(()) => {
            stops.traced.store(1, Ordering::Release);
            process::futex_wake(&stops.traced);
            Ok(Some(companion))
        }
        Err(Errno::EPERM) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Task for Stops {
    const NAME: &CStr = c"jail-clock";

    fn run(&self, leave: &AtomicU32) {
        let pid = bare::getpid();
        let goes_on = || leave.load(Ordering::Acquire) == 0;
        while goes_on() && self.traced.load(Ordering::Acquire) == 0 {
            bare::wait_for_change(&self.traced, 0, self.every);
        }
        let mut time = self.early;
        while goes_on() {
            bare::wait_for_change(leave, 0, time);
            time = time.saturating_mul(2).min(self.every);
            if goes_on() {
                // The one signal that can be told here: all others that can are blocked.
                bare::kill(pid, libc::SIGSTOP);
            }
        }
    }
}

/// Starts a copy of this process, as a tracee of this thread.
fn start_process(every: Duration, user: Option<&User>) -> Result<Tid, Errno> {
    let traced = SharedWords::new()?;
    let [traced, ..] = traced.words();
    seize(fork(every, user, traced)?, traced)
}

fn fork(every: Duration, user: Option<&User>, traced: &AtomicU32) -> Result<Tid, Errno> {
    match process::fork()? {
        // What it inherits it must not keep open: a process may wait for the end of a pipe.
        Fork::Child => {
            let _ = process::close_range(0, u32::MAX);
            // Jail itself is not dumpable, and only root may trace what is not.
            let _ = process::set_dumpable(true);
            if user.is_some_and(|user| user.take(None).is_err()) {
                process::exit(1);
            }
            signal::tick_for_ever(every, traced)
        }
        Fork::Parent(tid) => Ok(tid),
    }
}

fn seize(tid: Tid, traced: &AtomicU32) -> Result<Tid, Errno> {
    let begin = Instant::now();
    loop {
        match trace::seize(tid) {
            Ok(()) => {
                traced.store(1, Ordering::Release);
                return Ok(tid);
            }
            // It has not yet let itself be traced.
            Err(Errno::EPERM) if begin.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            Err(errno) => {
                let _ = process::kill(tid, libc::SIGKILL);
                return Err(errno);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_seized_however_late() {
        let page = SharedWords::new().expect("a page");
        let [traced, ..] = page.words();
        let every = Duration::from_millis(1);
        let tid = fork(every, None, traced).expect("a clock");
        // The thread that is to do it may wait for a processor.
        std::thread::sleep(100 * every);
        if nix::unistd::geteuid().is_root() {
            println!("NOT TRIED HERE: who has CAP_SYS_PTRACE may always seize it");
        }
        let seized = trace::seize(tid);
        let _ = process::kill(tid, libc::SIGKILL);
        let _ = crate::sys::wait::wait(tid, 0);
        assert_eq!(seized, Ok(()));
    }
}
