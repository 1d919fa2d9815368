//! Where commands are born: made once, used by one run after the other.

use crate::launch::Nursery;
use std::fmt;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

/// Those that are free.
#[derive(Default)]
pub struct Nurseries(Mutex<Vec<Nursery>>);

impl Nurseries {
    /// One that is free, or a new one. `None`: there can be no more, and a fork must do.
    pub fn take(&self) -> Option<Nursery> {
        let free = {
            let mut free = self.free();
            // A fork of this program has copies that are of no use.
            free.retain(Nursery::is_own);
            free.pop()
        };
        free.or_else(|| Nursery::new().ok())
    }

    /// It is free again. There are no more than can be of use at the same time.
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
