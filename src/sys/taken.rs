//! An open file of another process, of which this process may come to hold the last descriptor.

use super::signal;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::OwnedFd;

/// A descriptor for an open file of another process.
///
/// That process may close its own descriptor meanwhile, or be killed. The last close of a socket then
/// happens here, and waits for unsent data if its owner has set SO_LINGER (socket(7)), or if the socket
/// has a message in flight that carries such a socket. A tick ends the wait.
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
        // SAFETY: it is dropped only here, and nothing uses it afterwards.
        signal::without_waiting(|| unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}
