//! Which part of the supervisor answers a stop.

use super::Supervisor;
use crate::sys::Errno;
use crate::trace::{Resume, Stop, Stopped};

impl Supervisor<'_> {
    /// The one answer to a stop.
    pub(super) fn answer(&mut self, tracee: &Stopped, stop: Stop) -> Result<Resume, Errno> {
        match stop {
            // The task is another one afterwards.
            Stop::Exec => self.executed(tracee),
            Stop::Seccomp => self.of_task(tracee, Self::called),
            Stop::Syscall => self.of_task(tracee, Self::returned),
            Stop::Fork | Stop::Vfork | Stop::Clone => self.of_task(tracee, Self::spawned),
            Stop::Exit => self.of_task(tracee, Self::ends),
            Stop::Signal(signal) => self.of_task(tracee, |this, tracee, task| {
                this.signalled(tracee, task, signal)
            }),
            Stop::Group(signal) => self.of_task(tracee, |this, tracee, task| {
                this.group_stopped(tracee, task, signal)
            }),
            Stop::Attach => self.of_task(tracee, Self::attach_stop),
            Stop::Other(_) => self.of_task(tracee, Self::other),
        }
    }
}
