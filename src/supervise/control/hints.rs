//! Waiting beside thousands of tasks that do nothing.
//!
//! wait4(2) and waitid(2) for any tracee walk the list of all tracees (`ptrace_do_wait` in the kernel's
//! kernel/exit.c): once before the thread sleeps, and again when it wakes. A wait for one id walks nothing since
//! Linux 5.13. Each stop and each end of a tracee also sends SIGCHLD with the thread's own id
//! (`do_notify_parent_cldstop` and `do_notify_parent` of kernel/signal.c), so the signal tells which one to wait for.
//!
//! The signal alone is not enough: it is not queued, so that those of several tasks become one while one is pending;
//! and a child that was made without an exit signal ends without one. So after each signal others may be ready that
//! none tells of, and all are looked at once, soon. Until then only a task that stops again is served, and not for
//! long ([`Round`](super::round::Round) looks at all after some events). A look that finds none ready makes
//! the next signal certain, because a stop after it sends a signal that is taken by this thread alone.
//!
//! SIGCHLD is sent to the whole process, so this is for a program that does nothing but run one jail.

use super::round::ANYBODY;
use crate::supervise::{SuperviseError, Supervisor};
use crate::sys::{self, Errno, signal};
use crate::trace::{self, Meter, Wait};
use std::time::Duration;

/// From so many tasks on, a look at all of them costs more than a signal.
pub const MANY: usize = 512;

/// How long a task may have to wait that no signal has told of: about as long as two looks at thousands of tasks
/// take.
const SOON: Duration = Duration::from_micros(100);

/// When all are looked at while no signal comes: for an end that sends none, and for a signal that another thread
/// has taken. Each further look in vain is twice as late, so that a jail that does nothing hardly uses the processor.
const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_millis(400);

/// Which tasks the pending signals tell of.
#[derive(Debug, Default)]
pub struct Hints {
    /// Whether this thread takes SIGCHLD.
    takes: bool,
    /// Whether the next event sends a signal: none was ready at the last look, and no signal has come since.
    certain: bool,
    /// How many looks since the last event found none, without a signal.
    vain: u32,
}

impl Hints {
    /// How long to wait for a signal before the next look.
    fn patience(&self) -> Duration {
        match self.certain {
            true => FIRST.saturating_mul(1 << self.vain.min(8)).min(LAST),
            false => SOON,
        }
    }

    /// The next event; `None`: there is no tracee left.
    fn wait(&mut self, meter: &mut Meter) -> Result<Option<Wait>, Errno> {
        if !self.takes {
            signal::block(libc::SIGCHLD)?;
            self.takes = true;
            // Until now the kernel has discarded the signals.
            self.certain = false;
        }
        loop {
            let found = match signal::child(self.patience()) {
                Ok(Some(tid)) => {
                    self.certain = false;
                    self.vain = 0;
                    trace::poll(tid, meter)?
                }
                Ok(None) => {
                    let found = trace::poll(ANYBODY, meter)?;
                    if found.is_none() && self.certain && !sys::wait::has_any() {
                        return Ok(None);
                    }
                    self.vain = match found {
                        None if self.certain => self.vain.saturating_add(1),
                        _ => 0,
                    };
                    self.certain = found.is_none();
                    found
                }
                Err(Errno::EINTR) => Some(Wait::Interrupted),
                Err(errno) => return Err(errno),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

impl Supervisor<'_> {
    /// Waits for the next event of any task.
    pub fn wait_for_any(&mut self) -> Result<Option<Wait>, SuperviseError> {
        if !self.has_hints() {
            return self.wait_by(trace::wait);
        }
        let mut hints = std::mem::take(&mut self.hints);
        let found = self.wait_by(|meter| hints.wait(meter));
        self.hints = hints;
        found
    }

    /// Whether signals tell which task to wait for.
    pub fn has_hints(&self) -> bool {
        self.options.stand_in && self.tracees.len() >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Fork};

    /// A child that ends with this code.
    fn ends(code: i32) -> trace::Tid {
        match process::fork().expect("a process") {
            Fork::Child => process::exit(code),
            Fork::Parent(tid) => tid,
        }
    }

    #[test]
    fn looks_in_vain_become_rare() {
        let mut hints = Hints {
            certain: true,
            ..Hints::default()
        };
        let mut waited = Vec::new();
        for vain in [0, 1, 2, 3, 4, 100, u32::MAX] {
            hints.vain = vain;
            waited.push(hints.patience().as_millis());
        }
        assert_eq!(waited, [50, 100, 200, 400, 400, 400, 400]);
        hints.certain = false;
        assert_eq!(hints.patience(), SOON);
    }

    #[test]
    fn no_end_is_lost_where_signals_merge_or_another_thread_takes_them() {
        let mut left: Vec<trace::Tid> = (0..20).map(ends).collect();
        let (mut hints, mut meter) = (Hints::default(), Meter::default());
        while !left.is_empty() {
            match hints.wait(&mut meter).expect("an event") {
                Some(Wait::Gone(tid, _)) => left.retain(|known| *known != tid),
                other => assert!(matches!(other, Some(Wait::Interrupted)), "{left:?}"),
            }
        }
        assert!(matches!(hints.wait(&mut meter), Ok(None)));
    }
}
