//! What is kept for each task and for each process about limits.

use super::memory::smaps::Resident;
use std::cell::{Cell, RefCell};
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
}

impl ProcessState {
    /// It runs another program: its memory is another, its clock goes on.
    pub fn executed(&self) -> Self {
        Self {
            ran: self.ran.clone(),
            ..Self::default()
        }
    }
}

/// What is kept for each task.
#[derive(Debug, Default)]
pub struct TaskState {
    /// It is about to open a file, or to map one.
    pub(super) opening: RefCell<Option<Opening>>,
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
        self.opening.borrow_mut().get_or_insert_with(|| {
            making.tasks.set(making.tasks.get() + 1);
            Opening(Rc::clone(making), false)
        });
    }

    /// Its call returns; whether it is such a call.
    pub(super) fn returns(&self) -> bool {
        let Some(mut opening) = self.opening.take() else {
            return false;
        };
        opening.1 = true;
        true
    }
}
