//! A bell: by it any thread ends a jail that another one supervises.
//!
//! The supervisor sleeps in a wait for its tracees, which nothing but an event of theirs ends, unless
//! a signal handler of this program did, and a library has none. So whoever rings says why, and kills
//! the main process, whose end is such an event; once that is gone, the clock, which is a tracee too.
//! Both are known by pidfds (pidfd_open(2), Linux 5.3): no id that may be another's by now is used.

use crate::sys::{Errno, process};
use crate::trace::Tid;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Whose end wakes the supervisor.
    sleeper: Mutex<Option<OwnedFd>>,
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
        let sleeper = inner.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sleeper) = &*sleeper {
            // It may have ended by itself: then the supervisor is awake, and looks.
            let _ = process::pidfd_kill(sleeper.as_fd(), libc::SIGKILL);
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
    pub(super) fn hang(&self, pid: Tid) -> Result<(), Errno> {
        let sleeper = process::pidfd(pid)?;
        self.put(Some(sleeper));
        Ok(())
    }

    /// The jail is over: who rings rings in vain.
    pub(super) fn take_down(&self) {
        self.put(None);
    }

    fn put(&self, sleeper: Option<OwnedFd>) {
        *self
            .0
            .sleeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sleeper;
    }
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
