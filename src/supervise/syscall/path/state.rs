//! What is kept for each task and for each process about the paths that their calls name.

use super::exec::vector::JudgedExec;
use super::passing::steps::Passing;
use crate::judge::Verdict;
use crate::supervise::object::Object;
use crate::syscalls::Call;
use std::cell::{Cell, RefCell};

/// What is kept for each task.
#[derive(Default)]
pub struct TaskState {
    /// An open file on its way to it.
    pub(super) passing: RefCell<Option<Passing>>,
    /// Whether it has confined itself by Landlock: what changes names is then the task's to do, not
    /// the supervisor's, which is under no such domain.
    pub(super) confined: Cell<bool>,
    /// What was judged of its execve.
    pub(super) judged: RefCell<Option<JudgedExec>>,
    /// Its call, as far as it was looked at, that the policy denies.
    pub(super) denied: RefCell<Option<Denied>>,
}

impl TaskState {
    /// A child of this one is confined as well.
    pub fn inherit(&self, parent: &TaskState) {
        self.confined
            .set(self.confined.get() || parent.confined.get());
    }

    /// Taken to be confined, because its parent is not known and may be: that costs a pin and allows
    /// nothing.
    pub fn may_be_confined(&self) {
        self.confined.set(true);
    }

    /// Whether it has confined itself by a Landlock domain of its own.
    pub fn is_confined(&self) -> bool {
        self.confined.get()
    }

    /// It makes a call: an execve before it has failed.
    pub fn calls(&self) {
        self.denied.take();
        self.judged.take();
    }

    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&self, judged: JudgedExec) {
        self.confined.set(true);
        self.judged.replace(Some(judged));
    }
}

/// What is kept for each process.
#[derive(Debug, Default)]
pub struct ProcessState {
    /// Its working directory, as `look` has found it.
    pub(super) directory: Directory,
}

/// The working directory of a process, with the count of moves when it was found: it is known as long as
/// no task of the jail has changed its own.
pub type Directory = RefCell<Option<(u64, Vec<u8>)>>;

/// A call that the policy denies, until it returns.
#[derive(Debug)]
pub struct Denied {
    /// As it was made.
    pub call: Call,
    pub verdict: Verdict,
    pub object: Object,
}
