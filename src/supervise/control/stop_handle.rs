//! A stop handle: by it any thread ends a jail that another thread supervises.
//!
//! The supervisor sleeps in a wait for its tracees. Only an event of a tracee ends that wait, or a signal
//! handler of this program, and a library has none. So a stop request stores its reason and kills the main
//! process, whose end is such an event. Once the main process is gone, the clock, which is also a tracee,
//! takes its place. Both are known by pidfds (pidfd_open(2), Linux 5.3), because an id may have been given to
//! another process.

use crate::sys::companion::Leaver;
use crate::sys::proc::Status;
use crate::sys::{Errno, process, ptrace};
use crate::trace::Tid;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
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
/// dies all the same, but one that stops before it ends.
fn kill_tracees(tracer: Tid) {
    for (pid, path) in processes() {
        // Its id may be another's by the time that it is killed: once there is a pidfd, it is not.
        if !traced(&path, tracer).is_empty()
            && let Ok(pidfd) = process::pidfd(pid)
            && !traced(&path, tracer).is_empty()
        {
            let _ = process::pidfd_kill(pidfd.as_fd(), libc::SIGKILL);
        }
    }
}

/// Continues all tasks that this thread traces: they were killed. The kernel refuses any other.
pub fn continue_tracees() {
    let tracer = process::gettid();
    for (_, path) in processes() {
        for tid in traced(&path, tracer) {
            let _ = ptrace::cont(tid, 0);
        }
    }
}

/// Each process that there is, and its folder in /proc.
fn processes() -> impl Iterator<Item = (Tid, PathBuf)> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        Some((pid, process.path()))
    })
}

/// The threads of a process, of whose folder in /proc this is the path, that are traced by this thread.
fn traced(process: &Path, tracer: Tid) -> Vec<Tid> {
    let threads = fs::read_dir(process.join("task"));
    let threads = threads.into_iter().flatten().flatten();
    let tids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    let is_traced = |tid: &Tid| {
        let status = Status::of(*tid).unwrap_or_default();
        status.number("TracerPid") == Some(tracer)
    };
    tids.filter(is_traced).collect()
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
