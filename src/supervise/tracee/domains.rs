//! Which domains the tasks of the jail are in.

use super::Tracees;
use crate::policy::DomainSet;
use crate::trace::Tid;

impl Tracees {
    /// All domains that a process of the jail is in.
    pub fn domains(&self) -> DomainSet {
        let sets = self.all().map(|task| task.process().domains.set());
        sets.fold(DomainSet::NONE, DomainSet::and)
    }

    /// Whether a task is in all of these domains: then a task that is in them may look into it. A task that is not of
    /// the jail is for Landlock.
    pub fn is_within(&self, set: DomainSet, target: Tid) -> bool {
        let target = self.get(target);
        target.is_none_or(|target| target.process().domains.set().has(set))
    }
}
