//! What one run after another uses: memory in which commands start, and a thread that keeps their output.

use super::pump::{Collector, Wiring};
use crate::launch::{Shared, Spawner};
use crate::sys;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The free ones, and what they share.
#[derive(Default)]
pub struct Spawners {
    free: Mutex<Vec<Spawner>>,
    shared: Arc<Shared>,
    collector: Mutex<Option<Arc<Collector>>>,
}

impl Spawners {
    /// A free one, or a new one. `None`: no more can be created, so use a fork.
    pub fn take(&self) -> Option<Spawner> {
        let free = {
            let mut free = self.free();
            // In a fork of this program the copies are useless.
            free.retain(Spawner::is_own);
            free.pop()
        };
        free.or_else(|| Spawner::new(Arc::clone(&self.shared)).ok())
    }

    /// Returns one to the pool. There are never more than are used at the same time.
    pub fn put(&self, spawner: Option<Spawner>) {
        let mut free = self.free();
        if free.len() < sys::process::processors() {
            free.extend(spawner);
        }
    }

    /// The thread that keeps output, if there is any. `None` also if it cannot be created: then each run has one of
    /// its own.
    pub fn collector(&self, wiring: &Wiring) -> Option<Arc<Collector>> {
        if !wiring.keeps() {
            return None;
        }
        let mut collector = self
            .collector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = collector.take().filter(|collector| collector.is_own());
        let own = own.or_else(|| Collector::new().ok().map(Arc::new));
        collector.clone_from(&own);
        own
    }

    /// As [`Shared::remove_groups`].
    pub fn remove_groups(&self) {
        self.shared.remove_groups();
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Spawner>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Spawners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spawners", self.free().len())
    }
}
