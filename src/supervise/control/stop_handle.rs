//! A bell: by it any thread ends a jail that another one supervises.
//!
//! The supervisor sleeps in a wait for its tracees, which nothing but an event of theirs ends, unless
//! a signal handler of this program did, and a library has none. So whoever rings says why, and kills
//! the main process, whose end is such an event; once that is gone, the clock, which is a tracee too.
//! Both are known by pidfds (pidfd_open(2), Linux 5.3): no id that may be another's by now is used.

use crate::sys::companion::Leaver;
use crate::sys::{Errno, process};
use crate::trace::Tid;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a jail may take to end before [`Bell::insist`] does more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a jail is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    /// The caller wants it.
    Kill = 1,
    /// The command has written more than the policy allows.
    Output = 2,
}

/// Ends one jail, from any thread. Clones are the same bell.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The first [`Call`], 0 for none.
    call: AtomicU8,
    rope: Mutex<Rope>,
}

#[derive(Debug, Default)]
struct Rope {
    /// Whose end wakes the supervisor.
    sleeper: Option<OwnedFd>,
    /// The supervisor's thread, while it has a jail.
    supervisor: Option<Tid>,
    /// Since when somebody wants the end.
    since: Option<Instant>,
    /// The watchdog's processes, which are the supervisor's children: as long as one is there, a wait
    /// for any child does not find that none is left.
    watchdog: Vec<Leaver>,
}

impl Bell {
    /// One that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the jail, at once or as soon as it has been started; afterwards it does nothing. The
    /// first call counts.
    pub fn ring(&self, call: Call) {
        let inner = &self.0;
        let _ = inner
            .call
            .compare_exchange(0, call as u8, Ordering::AcqRel, Ordering::Acquire);
        let mut rope = self.rope();
        rope.since.get_or_insert_with(Instant::now);
        if let Some(sleeper) = &rope.sleeper {
            // It may have ended by itself: then the supervisor is awake, and looks.
            let _ = process::pidfd_kill(sleeper.as_fd(), libc::SIGKILL);
        }
    }

    /// Somebody has rung and waits in vain: this program has taken what would have woken the
    /// supervisor, by a wait for anybody. So whoever is traced by that thread is killed, until it finds
    /// nobody left.
    pub fn insist(&self) {
        let rope = self.rope();
        let Some(supervisor) = rope.supervisor else {
            return;
        };
        if rope.since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            kill_tracees(supervisor);
            rope.watchdog.iter().for_each(Leaver::ask);
        }
    }

    /// Whether somebody has rung.
    pub fn rung(&self) -> Option<Call> {
        match self.0.call.load(Ordering::Acquire) {
            1 => Some(Call::Kill),
            2 => Some(Call::Output),
            _ => None,
        }
    }

    /// From now on the end of this process wakes the supervisor, who looks once more after this.
    pub fn hang(&self, pid: Tid) -> Result<(), Errno> {
        let sleeper = process::pidfd(pid)?;
        let mut rope = self.rope();
        rope.sleeper = Some(sleeper);
        rope.supervisor = Some(process::gettid());
        Ok(())
    }

    /// The watchdog that there is from now on.
    pub fn watched_by(&self, watchdog: Vec<Leaver>) {
        self.rope().watchdog = watchdog;
    }

    /// The jail is over: who rings rings in vain.
    pub fn take_down(&self) {
        let mut rope = self.rope();
        (rope.sleeper, rope.supervisor) = (None, None);
        rope.watchdog.clear();
    }

    fn rope(&self) -> MutexGuard<'_, Rope> {
        self.0.rope.lock().unwrap_or_else(PoisonError::into_inner)
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
    threads.into_iter().flatten().flatten().any(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        line.and_then(|id| id.trim().parse().ok()) == Some(tracer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_counts() {
        let bell = Bell::new();
        assert_eq!(bell.rung(), None);
        bell.clone().ring(Call::Output);
        bell.ring(Call::Kill);
        assert_eq!(bell.rung(), Some(Call::Output));
    }
}
