//! A pool of the memory in which commands start: allocated once, used by one run after another.

use crate::launch::Nursery;
use std::fmt;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

/// The free ones.
#[derive(Default)]
pub struct Nurseries(Mutex<Vec<Nursery>>);

impl Nurseries {
    /// A free one, or a new one. `None`: no more can be created, so use a fork.
    pub fn take(&self) -> Option<Nursery> {
        let free = {
            let mut free = self.free();
            // In a fork of this program the copies are useless.
            free.retain(Nursery::is_own);
            free.pop()
        };
        free.or_else(|| Nursery::new().ok())
    }

    /// Returns one to the pool. There are never more than are used at the same time.
    pub fn put(&self, nursery: Option<Nursery>) {
        let most = available_parallelism().map_or(1, NonZero::get);
        let mut free = self.free();
        if free.len() < most {
            free.extend(nursery);
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Nursery>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Nurseries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nurseries", self.free().len())
    }
}
