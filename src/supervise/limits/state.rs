//! What is kept for each task and for each process about limits.

use super::memory::smaps::Resident;
use super::subtree::{Subtree, Within};
use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What is kept for each process.
#[derive(Debug, Default)]
pub struct ProcessState {
    /// What its clock said when it was last read.
    pub(super) ran: Cell<Duration>,
    /// What was last read of its memory.
    pub(super) resident: Cell<Option<Resident>>,
    /// The descriptor to go on with, where it had too many for one look.
    pub(super) next: Cell<i32>,
    /// The end of its heap, as it last asked for it.
    pub(super) heap: Cell<Option<u64>>,
    /// The entries of domains that it is below of.
    within: RefCell<Vec<Within>>,
}

impl ProcessState {
    /// It runs another program: its memory is another, its clock goes on.
    pub fn executed(&self) -> Self {
        Self {
            ran: self.ran.clone(),
            within: self.within.clone(),
            ..Self::default()
        }
    }

    /// The entries of domains with limits that it is below of.
    pub fn within(&self) -> Ref<'_, [Within]> {
        Ref::map(self.within.borrow(), Vec::as_slice)
    }

    /// Whether it is below this entry.
    pub fn is_below(&self, subtree: &Rc<Subtree>) -> bool {
        let within = self.within.borrow();
        within.iter().any(|one| Rc::ptr_eq(&one.subtree, subtree))
    }

    /// Whether it is below an entry whose processes are killed.
    pub fn is_past(&self) -> bool {
        let within = self.within.borrow();
        within.iter().any(|one| one.subtree.past().is_some())
    }

    /// It is below this entry from now on. `before`: the processor time that it has used.
    pub fn enter(&self, subtree: &Rc<Subtree>, before: Duration) {
        if !self.is_below(subtree) {
            let subtree = Rc::clone(subtree);
            self.within.borrow_mut().push(Within { subtree, before });
        }
    }

    /// Its parent is known: it is below what that is below of.
    pub fn inherit(&self, parent: &ProcessState) {
        let mut within = self.within.borrow_mut();
        within.retain(|one| one.subtree.pid().is_some());
        drop(within);
        for one in parent.within.borrow().iter() {
            self.enter(&one.subtree, Duration::ZERO);
        }
    }
}

/// What is kept for each task.
#[derive(Debug, Default)]
pub struct TaskState {
    /// It is about to open a file, or to map one: for each sum of memory that it counts in.
    pub(super) opening: RefCell<Vec<Opening>>,
}

/// Tasks that are in a call which may make something that takes memory.
#[derive(Debug, Default)]
pub struct Making {
    pub(super) tasks: Cell<usize>,
    /// Whether a task has ended in such a call since the last look.
    pub(super) unfinished: Cell<bool>,
}

/// That a task is in such a call, until it returns.
#[derive(Debug)]
pub struct Opening(Rc<Making>, bool);

impl Drop for Opening {
    fn drop(&mut self) {
        let Opening(making, returned) = self;
        making.tasks.set(making.tasks.get() - 1);
        making.unfinished.set(making.unfinished.get() || !*returned);
    }
}

impl TaskState {
    pub(super) fn open(&self, making: &Rc<Making>) {
        let mut opening = self.opening.borrow_mut();
        if !opening.iter().any(|one| Rc::ptr_eq(&one.0, making)) {
            making.tasks.set(making.tasks.get() + 1);
            opening.push(Opening(Rc::clone(making), false));
        }
    }

    /// Its call returns; whether it is such a call.
    pub(super) fn returns(&self) -> bool {
        let mut opening = self.opening.take();
        for one in &mut opening {
            one.1 = true;
        }
        !opening.is_empty()
    }
}
