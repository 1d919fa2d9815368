//! What is told of a seccomp filter of the command's own that refuses what jail makes of an open: without
//! that, the command's EPERM or SIGSYS looks like the policy's.

use super::own_filter::{self, Refusal};
use super::pending::Pending;
use crate::supervise::tracee::Task;
use crate::supervise::{Event, Supervisor};
use crate::sys::Errno;
use crate::syscalls::{Call, Op};
use crate::trace::{Resume, Stopped, Tid};

/// What is known of such a filter, until it is told.
#[derive(Debug, Default)]
pub struct OwnFilter {
    /// Whether a task may have installed one.
    installed: bool,
    /// What it refuses, and how.
    refusals: Vec<(Op, Refusal)>,
    /// The task whose call of jail's making has returned last, where the refusal is a signal.
    last: Option<(Tid, Op)>,
    told: bool,
}

impl OwnFilter {
    /// Whether a task may have installed one.
    pub fn may_be(&self) -> bool {
        self.installed
    }

    /// The call of jail's making in which a filter has killed this task. Such a call does not return where
    /// the filter kills one of several threads; on Linux 5.10 none does.
    fn killed_within(&self, task: &Task) -> Option<Op> {
        let made = task.pending.borrow().as_ref()?.injected()?;
        let kills = self.refusals.contains(&(made, Refusal::Signal));
        kills.then_some(made)
    }
}

impl Supervisor<'_> {
    /// A task installs a filter.
    pub fn installs_filter(&mut self, tid: Tid, call: &Call) {
        self.own_filter.installed = true;
        if !self.own_filter.told {
            let refusals = own_filter::refusals(tid, call);
            self.own_filter.refusals.extend(refusals);
        }
    }

    /// A call of jail's making returns, to be answered so.
    pub fn injected_returned(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        pending: Pending,
    ) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let made = match self.own_filter.refusals.is_empty() {
            true => None,
            false => pending.injected(),
        };
        let Some(result) = tracee.result()? else {
            return Ok(Resume::CONTINUE);
        };
        let how = self.paths.emulation.returned(tracee, task, pending, result);
        let unmapped = self.paths.emulation.unmapped_task().is_some();
        self.own_filter.last = None;
        let refusals = self.own_filter.refusals.iter();
        for &(op, refusal) in refusals.filter(|(op, _)| Some(*op) == made) {
            match refusal {
                Refusal::Errno(errno) if result == -i64::from(errno) => {
                    // A filter may be installed without them.
                    if op != Op::Mmap || unmapped {
                        self.told_refusal(task, op);
                        break;
                    }
                }
                Refusal::Errno(_) => {}
                Refusal::Signal => self.own_filter.last = Some((tid, op)),
            }
        }
        Ok(how)
    }

    /// A task gets this signal, or ends by it.
    pub fn is_refused_by(&mut self, tid: Tid, signal: i32) {
        if signal != libc::SIGSYS || self.own_filter.refusals.is_empty() {
            return;
        }
        let task = self.tracees.at(tid);
        let returned = self.own_filter.last.filter(|(last, _)| *last == tid);
        let refused = match returned {
            Some((_, op)) => Some(op),
            None => self.own_filter.killed_within(&task),
        };
        if let Some(op) = refused {
            self.told_refusal(&task, op);
        }
    }

    /// Told once: what follows has the same cause.
    fn told_refusal(&mut self, task: &Task, call: Op) {
        self.own_filter = OwnFilter {
            installed: true,
            told: true,
            ..OwnFilter::default()
        };
        self.observer.event(&Event::Refused {
            pid: task.pid(),
            program: &task.program(),
            call: call.name(),
        });
    }
}
