//! Whether a reported denial explains why the command failed.
//!
//! A denial counts as the cause of a failure if the process that made the call fails afterwards while
//! running the same program. It also counts as the cause of the parent's failure if no other child of
//! the parent fails later. A worker, which was forked and has executed nothing, is a part of its parent's
//! program and may tell it what failed without failing itself (rsync's receiver): its own denials count as
//! the parent's, however it ends. This is a guess: it only decides whether a hint is printed.

use crate::trace::Tid;
use std::collections::HashSet;

/// The living processes whose failure a reported denial would explain.
#[derive(Debug, Default)]
pub struct Blame {
    /// Whether a hint may be printed. If not, the ends of processes are not reported here either, so that an entry
    /// would never be removed.
    wanted: bool,
    explained: HashSet<Tid>,
    /// The command's own process, while it is alive.
    main: Option<Tid>,
    /// Whether its failure is explained.
    ended: bool,
}

impl Blame {
    /// Before the first denial. `wanted`: whether [`explains`](Self::explains) will be called.
    pub fn new(wanted: bool) -> Self {
        Blame {
            wanted,
            ..Blame::default()
        }
    }

    /// The command was started.
    pub fn started(&mut self, main: Tid) {
        self.main = Some(main);
    }

    /// A denial of a process was reported. `worker_of`: its parent, if it has executed nothing since it was forked.
    /// That one may fail at once, while the worker goes on.
    pub fn denied(&mut self, pid: Tid, worker_of: Option<Tid>) {
        if self.wanted {
            self.explained.insert(pid);
            self.explained.extend(worker_of);
        }
    }

    /// Whether ends and programs of processes matter so far.
    pub fn is_open(&self) -> bool {
        !self.explained.is_empty()
    }

    /// A process runs another program, which has had no denial yet.
    pub fn executed(&mut self, pid: Tid) {
        self.explained.remove(&pid);
    }

    /// A process has ended.
    pub fn ended(&mut self, pid: Tid, parent: Option<Tid>, failed: bool) {
        let explained = self.explained.remove(&pid);
        if self.main == Some(pid) {
            self.main = None;
            self.ended = explained;
        }
        match parent.filter(|_| failed) {
            Some(parent) if explained => _ = self.explained.insert(parent),
            Some(parent) => _ = self.explained.remove(&parent),
            None => {}
        }
    }

    /// Whether the command's failure is explained, after its end.
    pub fn explains(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blame(what: impl FnOnce(&mut Blame)) -> bool {
        let mut blame = Blame::new(true);
        blame.started(1);
        what(&mut blame);
        blame.ended(1, None, true);
        blame.explains()
    }

    #[test]
    fn without_a_hint_to_print_nothing_is_kept() {
        let mut blame = Blame::new(false);
        blame.denied(2, None);
        assert!(!blame.is_open());
    }

    #[test]
    fn a_denial_explains_the_failure_of_its_process_and_of_those_above() {
        assert!(!blame(|_| {}));
        assert!(blame(|it| it.denied(1, None)));
        assert!(blame(|it| {
            it.denied(3, None);
            it.ended(3, Some(2), true);
            it.ended(2, Some(1), true);
        }));
    }

    #[test]
    fn what_goes_well_or_fails_later_for_another_reason_is_no_explanation() {
        assert!(!blame(|it| {
            it.denied(2, None);
            it.ended(2, Some(1), false);
        }));
        assert!(!blame(|it| {
            it.denied(2, None);
            it.ended(2, Some(1), true);
            it.ended(3, Some(1), true);
        }));
        assert!(!blame(|it| {
            it.denied(1, None);
            it.executed(1);
        }));
    }
    #[test]
    fn a_worker_need_not_fail_itself() {
        let ends_well = |worker_of| {
            blame(|it| {
                it.denied(3, worker_of);
                it.ended(3, Some(2), false);
                it.ended(2, Some(1), true);
            })
        };
        assert!(ends_well(Some(2)));
        assert!(!ends_well(None));
        // Its parent fails while it goes on.
        assert!(blame(|it| it.denied(2, Some(1))));
        // Another child fails later.
        assert!(!blame(|it| {
            it.denied(2, Some(1));
            it.ended(2, Some(1), false);
            it.ended(3, Some(1), true);
        }));
    }
}
