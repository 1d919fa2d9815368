//! The end of a jail, for other ways to wait for it: a descriptor, callbacks, another thread.

use crate::supervise::{StopHandle, StopReason};
use crate::sys;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a waiting thread checks whether the jail must be ended in another way.
const LOOK: Duration = Duration::from_secs(1);

type Callback = Box<dyn FnOnce() + Send>;

/// Whether a jail has ended; its outcome is available then.
pub(super) struct End {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable once it has.
    readable: OwnedFd,
}

#[derive(Default)]
struct State {
    ended: bool,
    callbacks: Vec<Callback>,
}

impl End {
    pub fn new() -> io::Result<Arc<End>> {
        let readable =
            sys::event::new().map_err(|errno| io::Error::from_raw_os_error(errno as i32))?;
        Ok(Arc::new(End {
            state: Mutex::default(),
            changed: Condvar::new(),
            readable,
        }))
    }

    /// Marks the end when it is dropped, however the jail's thread ends.
    pub fn at_drop(self: &Arc<End>) -> AtDrop {
        AtDrop(Arc::clone(self))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// Calls this at the end, or at once if the jail has ended.
    pub fn call(&self, callback: Callback) {
        let mut state = self.state();
        match state.ended {
            false => state.callbacks.push(callback),
            true => {
                drop(state);
                callback();
            }
        }
    }

    /// Waits for it.
    pub fn wait(&self, stop_handle: &StopHandle) {
        let mut state = self.state();
        while !state.ended {
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.ended {
                stop_handle.force();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct AtDrop(Arc<End>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        let callbacks = {
            let mut state = self.0.state();
            state.ended = true;
            std::mem::take(&mut state.callbacks)
        };
        sys::event::set(self.0.fd());
        self.0.changed.notify_all();
        for callback in callbacks {
            // A panic in one must not prevent calls of the others.
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End")
            .field("ended", &self.state().ended)
            .finish_non_exhaustive()
    }
}

/// Kills one jail, from any thread; does nothing once it has ended.
#[derive(Debug, Clone)]
pub struct Killer {
    pub(super) stop_handle: StopHandle,
    pub(super) end: Arc<End>,
}

impl Killer {
    /// As [`super::Handle::kill`]: does not wait.
    pub fn kill(&self) {
        self.stop_handle.request(StopReason::Kill);
    }

    /// Kills it, and waits until no process of it is left.
    pub fn kill_and_wait(&self) {
        self.kill();
        self.end.wait(&self.stop_handle);
    }
}

/// Kills its jail when it is dropped, and waits until no process of it is left: a guard for a future that
/// may be dropped while another thread waits for the jail. See [`super::Handle::kill_on_drop`].
#[derive(Debug)]
#[must_use = "the jail is killed when this is dropped"]
pub struct KillOnDrop(pub(super) Killer);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill_and_wait();
    }
}
