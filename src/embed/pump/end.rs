//! The end of a pipe that is here, not with the command.

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The end of a pipe that is here, not with the command.
pub struct End {
    fd: OwnedFd,
    /// Where it is watched. It must leave before it is closed: it would stay there for as long as another process,
    /// such as a fork of this program, has it open.
    watched: Option<Arc<Epoll>>,
}

impl From<OwnedFd> for End {
    fn from(fd: OwnedFd) -> End {
        End { fd, watched: None }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.leave();
    }
}

impl End {
    /// Has it watched, with this in its events.
    pub fn watch(&mut self, epoll: &Arc<Epoll>, events: EpollFlags, data: u64) -> io::Result<()> {
        epoll.add(&self.fd, EpollEvent::new(events, data))?;
        self.watched = Some(Arc::clone(epoll));
        Ok(())
    }

    /// Is watched no longer.
    pub fn leave(&mut self) {
        if let Some(epoll) = self.watched.take() {
            let _ = epoll.delete(&self.fd);
        }
    }
}
