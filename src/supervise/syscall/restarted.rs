//! What is kept for each task about a call that was restarted (see `restart`).

use crate::syscalls::Call;
use std::cell::Cell;
use std::time::Instant;

/// What is seen next of a restarted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Entry,
    Exit,
    /// It was interrupted again.
    Signal,
}

/// A restarted call that has a time-out.
#[derive(Debug, Clone, Copy)]
pub struct Restarted {
    pub(super) call: Call,
    pub(super) until: Instant,
    pub(super) next: Next,
    /// The argument that has what is left of the time-out, while the call runs.
    pub(super) left: Option<(usize, u64)>,
}

/// What is kept for each task.
#[derive(Debug, Default)]
pub struct TaskState {
    pub(super) restarted: Cell<Option<Restarted>>,
}

impl TaskState {
    /// Whether a syscall-stop of this task is one of a restarted call.
    pub fn is_pending(&self) -> bool {
        self.restarted.get().is_some()
    }

    /// Whether the arguments of this task's call must be restored at its exit.
    pub fn has_changed(&self) -> bool {
        self.restarted.get().is_some_and(|it| it.left.is_some())
    }

    /// Its call is answered in another way.
    pub fn forget(&self) {
        self.restarted.take();
    }

    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&self) {
        self.restarted.set(Some(Restarted {
            call: Call {
                nr: 0,
                args: [0; 6],
            },
            until: Instant::now(),
            next: Next::Exit,
            left: None,
        }));
    }
}
