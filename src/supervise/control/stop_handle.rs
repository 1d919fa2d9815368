//! A stop handle: by it any thread ends a jail that another thread supervises.
//!
//! The supervisor sleeps in a wait for its tracees. Only an event of a tracee ends that wait, or a signal
//! handler of this program, and a library has none. So a stop request stores its reason and kills the main
//! process, whose end is such an event. Once the main process is gone, the clock, which is also a tracee,
//! takes its place. Both are known by pidfds (pidfd_open(2), Linux 5.3), because an id may have been given to
//! another process.

use crate::sys::companion::Leaver;
use crate::sys::proc::Status;
use crate::sys::{Errno, process};
use crate::trace::Tid;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a jail may take to end before [`StopHandle::force`] does more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a jail is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StopReason {
    /// The caller wants it.
    Kill = 1,
    /// The command has written more than the policy allows.
    Output = 2,
}

/// Ends one jail, from any thread. Clones end the same jail.
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The first [`StopReason`], 0 for none.
    reason: AtomicU8,
    wakeup: Mutex<Wakeup>,
}

#[derive(Debug, Default)]
struct Wakeup {
    /// The process whose end wakes the supervisor.
    target: Option<OwnedFd>,
    /// The supervisor's thread, while it has a jail.
    supervisor: Option<Tid>,
    /// When the stop was requested first.
    since: Option<Instant>,
    /// The watchdog's processes, which are the supervisor's children: as long as one is there, a wait
    /// for any child does not find that none is left.
    watchdog: Vec<Leaver>,
}

impl StopHandle {
    /// A handle by which no stop was requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the jail, at once or as soon as it has been started; afterwards it does nothing. The
    /// reason of the first request counts.
    pub fn request(&self, reason: StopReason) {
        let inner = &self.0;
        let _ = inner
            .reason
            .compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        let mut wakeup = self.wakeup();
        wakeup.since.get_or_insert_with(Instant::now);
        if let Some(target) = &wakeup.target {
            // It may have ended by itself: then the supervisor is awake, and looks.
            let _ = process::pidfd_kill(target.as_fd(), libc::SIGKILL);
        }
    }

    /// A stop was requested and the jail does not end: this program has taken the event that would have
    /// woken the supervisor, by a wait for any child. So all that the supervisor's thread traces is killed,
    /// until its wait finds none left.
    pub fn force(&self) {
        let wakeup = self.wakeup();
        let Some(supervisor) = wakeup.supervisor else {
            return;
        };
        if wakeup
            .since
            .is_some_and(|since| since.elapsed() >= PATIENCE)
        {
            kill_tracees(supervisor);
            wakeup.watchdog.iter().for_each(Leaver::ask);
        }
    }

    /// The reason for which a stop was requested, if one was.
    pub fn requested(&self) -> Option<StopReason> {
        match self.0.reason.load(Ordering::Acquire) {
            1 => Some(StopReason::Kill),
            2 => Some(StopReason::Output),
            _ => None,
        }
    }

    /// From now on the end of this process wakes the supervisor. The supervisor looks for a request once
    /// more after this.
    pub fn wake_through(&self, pid: Tid) -> Result<(), Errno> {
        let target = process::pidfd(pid)?;
        let mut wakeup = self.wakeup();
        wakeup.target = Some(target);
        wakeup.supervisor = Some(process::gettid());
        Ok(())
    }

    /// The watchdog that there is from now on.
    pub fn has_watchdog(&self, watchdog: Vec<Leaver>) {
        self.wakeup().watchdog = watchdog;
    }

    /// The jail is over: a later request does nothing.
    pub fn close(&self) {
        let mut wakeup = self.wakeup();
        (wakeup.target, wakeup.supervisor) = (None, None);
        wakeup.watchdog.clear();
    }

    fn wakeup(&self) -> MutexGuard<'_, Wakeup> {
        self.0.wakeup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills all processes that this thread traces, as proc(5) names it. A process that is stopped for it
/// dies all the same.
fn kill_tracees(tracer: Tid) {
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Its id may be another's by the time that it is killed: once there is a pidfd, it is not.
        if has_tracer(&process.path(), tracer)
            && let Ok(pidfd) = process::pidfd(pid)
            && has_tracer(&process.path(), tracer)
        {
            let _ = process::pidfd_kill(pidfd.as_fd(), libc::SIGKILL);
        }
    }
}

/// Whether a thread of a process, of whose folder in /proc this is the path, is traced by this one.
fn has_tracer(process: &Path, tracer: Tid) -> bool {
    let threads = fs::read_dir(process.join("task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.any(|thread| {
        let tid = thread.file_name();
        let tid = tid.to_str().and_then(|tid| tid.parse().ok());
        let status = tid.and_then(Status::of).unwrap_or_default();
        status.number("TracerPid") == Some(tracer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_counts() {
        let stop_handle = StopHandle::new();
        assert_eq!(stop_handle.requested(), None);
        stop_handle.clone().request(StopReason::Output);
        stop_handle.request(StopReason::Kill);
        assert_eq!(stop_handle.requested(), Some(StopReason::Output));
    }
}
