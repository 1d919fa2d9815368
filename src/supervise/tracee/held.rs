//! Children that stopped before their parent's event has said what they share.

use crate::trace::{Stopped, Tid};
use std::time::{Duration, Instant};

/// How long a child is held for its parent's event.
pub const PATIENCE: Duration = Duration::from_millis(2);

/// Children in their first stop, and since when.
#[derive(Debug, Default)]
pub struct Held(Vec<(Stopped, Instant)>);

impl Held {
    pub fn push(&mut self, child: Stopped) {
        self.0.push((child, Instant::now()));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This one was killed while it was held: its id may soon be another's.
    pub fn gone(&mut self, tid: Tid) {
        self.0.retain(|(child, _)| child.tid() != tid);
    }

    /// Those whose stop is to be answered, by their id and since when they are held.
    pub fn take(&mut self, which: impl Fn(Tid, Instant) -> bool) -> Vec<Stopped> {
        let taken = self
            .0
            .extract_if(.., |(child, since)| which(child.tid(), *since));
        taken.map(|(child, _)| child).collect()
    }
}
