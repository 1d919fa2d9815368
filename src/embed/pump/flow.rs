//! The pipes of a command: its input, and its outputs.

use super::Output;
use super::end::End;
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// How much a pipe or socket that is ready accepts without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;

/// A pipe whose ends are above 2, and closed by execve.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((past_streams(reader)?, past_streams(writer)?))
}

/// The same open file at a number above 2: dup2(2) onto 0, 1 and 2 must not close it half-way.
pub fn past_streams(fd: OwnedFd) -> io::Result<OwnedFd> {
    match fd.as_raw_fd() {
        0..=2 => sys::process::duplicate(fd.as_raw_fd()).ok_or_else(io::Error::last_os_error),
        _ => Ok(fd),
    }
}

pub fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The input for stdin.
pub struct Feed {
    /// `None`: all of it is written, or there is no reader.
    pub to: Option<End>,
    bytes: Vec<u8>,
    done: usize,
}

impl Feed {
    /// Creates the pipe; also returns the end that the command reads.
    pub fn new(bytes: Vec<u8>) -> io::Result<(Feed, OwnedFd)> {
        let (reader, writer) = pipe()?;
        set_nonblocking(&writer)?;
        let to = Some(End::from(writer));
        Ok((Feed { to, bytes, done: 0 }, reader))
    }

    /// Writes as much as the pipe takes now.
    pub fn go_on(&mut self) {
        let Some(to) = &self.to else { return };
        let rest = self.bytes.get(self.done..).unwrap_or_default();
        match unistd::write(to, rest) {
            Ok(written) => self.done += written,
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Err(_) => self.done = self.bytes.len(),
        }
        if self.done >= self.bytes.len() {
            self.to = None;
        }
    }
}

/// One of the two outputs.
pub struct Flow {
    /// `None`: it has ended, or no more is wanted.
    pub from: Option<End>,
    to: Output,
    /// How much may be written at once; `None`: a write of any length does not block.
    chunk: Option<usize>,
    /// Bytes that were read and not yet passed on.
    pending: Vec<u8>,
    pub count: u64,
    pub kept: Vec<u8>,
}

impl Flow {
    /// Creates the pipe, and gives its far end to the command.
    pub fn new(to: Output, end: &mut Option<Arc<OwnedFd>>) -> io::Result<Flow> {
        let (reader, writer) = pipe()?;
        set_nonblocking(&reader)?;
        *end = Some(Arc::new(writer));
        let (to, chunk) = match to {
            Output::Pass(to) => match (kind(to.as_fd()), without_waiting(&to)) {
                (Some(SFlag::S_IFREG), _) => (Output::Pass(to), None),
                (_, Some(other)) => (Output::Pass(other), Some(usize::MAX)),
                (_, None) => (Output::Pass(to), Some(CHUNK)),
            },
            keep => (keep, None),
        };
        Ok(Flow {
            from: Some(End::from(reader)),
            to,
            chunk,
            pending: Vec::new(),
            count: 0,
            kept: Vec::new(),
        })
    }

    /// Whether there is something to pass on.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The descriptor to wait for, and the event.
    pub fn waits_for(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.to, &self.from) {
            (Output::Pass(to), _) if !self.pending.is_empty() => {
                Some((to.as_fd(), PollFlags::POLLOUT))
            }
            (_, Some(from)) => Some((from.as_fd(), PollFlags::POLLIN)),
            _ => None,
        }
    }

    /// The descriptor on which poll reports that the reader has gone.
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        match (&self.to, &self.from) {
            (Output::Pass(to), Some(_)) if self.chunk.is_some() => Some(to.as_fd()),
            _ => None,
        }
    }

    /// Closes the destination once there is nothing more, so that its reader sees the end, too.
    pub fn settle(&mut self) {
        if self.from.is_none() && self.pending.is_empty() {
            self.to = Output::Keep(0);
        }
    }

    /// Reads what is available, up to `left` bytes, and returns how many there were. `None`: nothing
    /// now.
    pub fn read(&mut self, buffer: &mut [u8], left: u64) -> Option<u64> {
        let from = self.from.as_ref()?;
        let read = match unistd::read(from, buffer) {
            Ok(0) => {
                self.from = None;
                return None;
            }
            Ok(read) => read,
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            Err(_) => {
                self.from = None;
                return None;
            }
        };
        self.count += read as u64;
        let within = usize::try_from(left).unwrap_or(usize::MAX).min(read);
        let bytes = buffer.get(..within).unwrap_or_default();
        match &self.to {
            Output::Keep(most) => {
                let room = most.saturating_sub(self.kept.len()).min(bytes.len());
                self.kept.extend_from_slice(&bytes[..room]);
            }
            Output::Pass(_) => self.pending.extend_from_slice(bytes),
        }
        Some(read as u64)
    }

    /// The capacity of the pipe, in bytes.
    pub fn capacity(&self) -> usize {
        let size = self
            .from
            .as_ref()
            .map(|from| fcntl(from, FcntlArg::F_GETPIPE_SZ));
        match size {
            Some(Ok(size)) => usize::try_from(size).unwrap_or_default(),
            _ => 0,
        }
    }

    /// Passes on what was read. If there is no reader, this output ends, and the command notices it as
    /// it would notice the end of its own reader.
    pub fn write(&mut self) {
        let Output::Pass(to) = &self.to else { return };
        let most = self.chunk.unwrap_or(usize::MAX).min(self.pending.len());
        match unistd::write(to, &self.pending[..most]) {
            Ok(written) => _ = self.pending.drain(..written),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.hang_up(),
        }
    }

    /// Its reader has gone.
    pub fn hang_up(&mut self) {
        self.from = None;
        self.pending.clear();
    }
}

fn kind(fd: BorrowedFd<'_>) -> Option<SFlag> {
    let found = fstat(fd).ok()?;
    Some(SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT)
}

/// The same pipe or terminal, opened again as non-blocking; `None` if that is not possible. O_NONBLOCK
/// on the descriptor itself would also affect the caller. Without it a write may block although poll
/// reports the file as ready: a terminal accepts part of a write and blocks for the rest, and another
/// process may fill a pipe.
fn without_waiting(fd: &OwnedFd) -> Option<OwnedFd> {
    let terminal = || std::io::IsTerminal::is_terminal(fd);
    if kind(fd.as_fd()) != Some(SFlag::S_IFIFO) && !terminal() {
        return None;
    }
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    past_streams(file.ok()?.into()).ok()
}
