//! What is kept for each task about the peers that its calls name.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What is kept for each task.
#[derive(Default)]
pub struct TaskState {
    /// It is about to make a call again for which it has waited.
    pub(super) waited: Cell<Option<Waited>>,
    /// It is about to make a call again because a look-up was under way, for which it has waited since
    /// then.
    pub(super) parked: Cell<Option<Instant>>,
}

impl TaskState {
    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&self) {
        self.waited.set(Some(Waited::of_test()));
        self.parked.set(Some(Instant::now()));
    }
}

/// How a task waits for room in the backlog, or the queue, of a unix socket.
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    /// When it gives up: SO_SNDTIMEO.
    pub(super) until: Option<Instant>,
    pub(super) pause: Duration,
}

#[cfg(test)]
impl Waited {
    fn of_test() -> Self {
        Waited {
            until: None,
            pause: Duration::ZERO,
        }
    }
}
