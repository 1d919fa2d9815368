//! An open file of another process, which may be left to this one alone.

use super::signal;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::OwnedFd;

/// A descriptor for an open file of another process.
///
/// That process may close its own meanwhile, or be killed. The last close of a socket then waits here
/// for what it has not sent, if its owner has asked for that (SO_LINGER of socket(7)), or that of a
/// socket with such a one on its way in it: a tick ends the wait.
#[derive(Debug)]
pub struct Taken(ManuallyDrop<OwnedFd>);

impl From<OwnedFd> for Taken {
    fn from(fd: OwnedFd) -> Self {
        Self(ManuallyDrop::new(fd))
    }
}

impl Deref for Taken {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: it is dropped here alone, and nobody has it afterwards.
        signal::without_waiting(|| unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}
