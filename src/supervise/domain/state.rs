//! What is kept for each task and each process about the domains that it is in.

use crate::policy::DomainSet;
use std::cell::Cell;

/// What is kept for each process. Its threads are in the same domains: a process enters by an execve, which
/// leaves it one thread.
#[derive(Debug, Default)]
pub struct ProcessState {
    set: Cell<DomainSet>,
    /// Whether its parent's event has not come: then what its calls tell counts, too.
    assumed: Cell<bool>,
}

impl ProcessState {
    /// The domains that it is known to be in.
    pub fn set(&self) -> DomainSet {
        self.set.get()
    }

    /// Whether it may be in more.
    pub fn is_assumed(&self) -> bool {
        self.assumed.get()
    }

    /// Its parent is not known for certain.
    pub fn assume(&self) {
        self.assumed.set(true);
    }

    /// It is in these, too. No process leaves a domain.
    pub fn enter(&self, set: DomainSet) {
        self.set.set(self.set.get().and(set));
    }

    /// It is in what its parent is in.
    pub fn inherit(&self, parent: &ProcessState) {
        self.enter(parent.set());
        self.assumed.set(parent.is_assumed());
    }

    /// After an execve: it is in what it was in.
    pub fn executed(before: Option<&ProcessState>) -> Self {
        let state = Self::default();
        match before {
            Some(before) => state.inherit(before),
            // The caller is not known.
            None => state.assume(),
        }
        state
    }
}

/// What is kept for each task.
#[derive(Debug, Default)]
pub struct TaskState {
    /// The domains whose filters it has: a thread has its own filters, passes them on to what it makes, and keeps
    /// them over an execve.
    filters: Cell<DomainSet>,
    /// The domains that its execve enters.
    entering: Cell<DomainSet>,
    /// The domains that its last call was judged by.
    judged: Cell<DomainSet>,
}

impl TaskState {
    pub fn filters(&self) -> DomainSet {
        self.filters.get()
    }

    pub fn entering(&self) -> DomainSet {
        self.entering.get()
    }

    pub fn judged(&self) -> DomainSet {
        self.judged.get()
    }

    /// It makes a call, which is judged by these: an execve before it has failed.
    pub fn calls(&self, judged: DomainSet) {
        self.judged.set(judged);
        self.entering.set(DomainSet::NONE);
    }

    /// Its execve goes on.
    pub fn enters(&self, set: DomainSet) {
        self.entering.set(set);
    }

    /// It has these filters, too.
    pub fn add(&self, filters: DomainSet) {
        self.filters.set(self.filters.get().and(filters));
    }

    /// It has what the task that made it has.
    pub fn inherit(&self, maker: &TaskState) {
        self.add(maker.filters());
    }
}
