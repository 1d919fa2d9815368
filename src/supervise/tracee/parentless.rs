//! Children whose parent is not known: it was killed while it made them, or its event comes late.

use super::process::Process;
use crate::supervise::limits::subtree::Subtree;
use crate::sys::proc::Status;
use crate::trace::Tid;
use std::rc::Rc;
use std::time::Duration;

/// What children are below of whose parent is not known, in domains with limits.
#[derive(Default)]
pub struct Parentless {
    subtrees: Vec<Rc<Subtree>>,
    /// How many filters a task has that is in no domain.
    filters: Option<Tid>,
    /// Of each domain the entry that was last past a limit.
    past: Vec<Rc<Subtree>>,
}

impl Parentless {
    pub fn new(subtrees: Vec<Rc<Subtree>>) -> Self {
        Self {
            subtrees,
            filters: None,
            past: Vec::new(),
        }
    }

    /// The processes below this entry are killed. Those that they were making may come without a parent.
    pub fn is_past(&mut self, subtree: &Rc<Subtree>) {
        self.past.retain(|other| other.domain() != subtree.domain());
        self.past.push(Rc::clone(subtree));
    }

    /// The command runs. `own`: how many of its filters are those of domains.
    pub fn begins(&mut self, pid: Tid, own: usize) {
        if self.subtrees.is_empty() {
            return;
        }
        let all = Status::of(pid).as_ref().and_then(filters);
        let own = Tid::try_from(own).unwrap_or(0);
        self.filters = all.map(|all| all - own);
    }

    /// A process is adopted. It is in a domain only if it has more filters than a task outside: no task loses one.
    /// `orphan`: its parent is gone.
    pub(super) fn adopt(&self, process: &Process, status: &Status, orphan: bool) {
        let outside = |all| self.filters.is_some_and(|most| all <= most);
        if self.subtrees.is_empty() || filters(status).is_some_and(outside) {
            return;
        }
        let past = self.past.iter().filter(|_| orphan);
        for subtree in self.subtrees.iter().chain(past) {
            process.limits.enter(subtree, Duration::ZERO);
        }
    }
}

/// How many filters a task has (proc_pid_status(5), Linux 5.9).
fn filters(status: &Status) -> Option<Tid> {
    status.number("Seccomp_filters")
}
