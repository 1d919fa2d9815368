//! The command's standard streams, if they are pipes of this process: feeds input; counts, keeps and
//! passes on output; ends the jail at the limit of output.
//!
//! One thread per jail does this, with one poll(2). Its waits are bounded: when the jail has ended it
//! does not wait for the end of a pipe (a process outside may have got the other end), and it waits for
//! a reader only as long as the caller allows.

use crate::launch::Command;
use crate::supervise::{StopHandle, StopReason};
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd;
use std::fs::OpenOptions;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The size of one read.
const BUFFER: usize = 1 << 16;
/// How much a pipe or socket that is ready accepts without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;
/// How often to check, while a reader does not read, whether the wait must end.
const LOOK: Duration = Duration::from_millis(100);

/// What happens with the command's output.
#[derive(Debug)]
pub enum Output {
    /// It is kept, up to this many bytes; further ones are only counted.
    Keep(usize),
    /// It is written to this file.
    Pass(OwnedFd),
}

/// How to handle the streams. `None`: the stream stays as it is.
#[derive(Debug, Default)]
pub struct Wiring {
    /// What the command reads.
    pub stdin: Option<Vec<u8>>,
    /// Its stdout.
    pub stdout: Option<Output>,
    /// Its stderr.
    pub stderr: Option<Output>,
    /// stderr is the same pipe as stdout, which preserves their order.
    pub joined: bool,
}

impl Wiring {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stdin.is_none() && self.stdout.is_none() && self.stderr.is_none()
    }

    /// Which streams of the command are pipes.
    pub fn pipes(&self) -> [bool; 3] {
        let joined = self.joined && self.stdout.is_some();
        [
            self.stdin.is_some(),
            self.stdout.is_some(),
            self.stderr.is_some() || joined,
        ]
    }
}

/// The command's output.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes written to stdout, kept or not; `None` if they were not counted. For joined streams, those
    /// of both.
    pub stdout: Option<u64>,
    /// Bytes written to stderr.
    pub stderr: Option<u64>,
    /// The parts that were kept.
    pub kept: [Vec<u8>; 2],
}

/// The running thread.
pub struct Pump {
    thread: JoinHandle<Written>,
    /// Shut down when the jail has ended. A pipe would not work: a child that the host has forked may
    /// keep its other end open.
    end: UnixStream,
    /// How long readers may take after that; `None`: no limit.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Pump {
    /// Creates the pipes, gives their far ends to the command, and starts the thread; `None` if there is
    /// nothing to do. `limit`: the limit in bytes for both outputs together, at which it requests a
    /// stop.
    ///
    /// # Errors
    /// If no pipe or thread can be created.
    pub fn start(
        wiring: Wiring,
        limit: Option<u64>,
        stop_handle: &StopHandle,
        command: &mut Command,
    ) -> io::Result<Option<Pump>> {
        if wiring.is_empty() {
            return Ok(None);
        }
        let Wiring {
            stdin,
            stdout,
            stderr,
            joined,
        } = wiring;
        let feed = match stdin {
            Some(bytes) => {
                let (reader, writer) = pipe()?;
                command.stdin = Some(Arc::new(reader));
                set_nonblocking(&writer)?;
                Some(Feed {
                    to: Some(writer),
                    bytes,
                    done: 0,
                })
            }
            None => None,
        };
        let stdout = stdout.map(|to| Flow::new(to, &mut command.stdout));
        let stderr = stderr.map(|to| Flow::new(to, &mut command.stderr));
        let (stdout, stderr) = (stdout.transpose()?, stderr.transpose()?);
        if joined {
            command.stderr = command.stdout.clone();
        }
        let (end, writer) = UnixStream::pair()?;
        let until = Arc::new(Mutex::new(None));
        let work = Work {
            feed,
            flows: [stdout, stderr],
            left: limit.unwrap_or(u64::MAX),
            stop_handle: stop_handle.clone(),
            end: Some(end),
            until: Arc::clone(&until),
        };
        // No handler of this program must run in the thread, and SIGPIPE must become an errno.
        let mask = sys::signal::block_all()?;
        let thread = std::thread::Builder::new()
            .name("jail-streams".to_owned())
            .spawn(move || work.run());
        sys::signal::set_mask(&mask)?;
        let thread = thread?;
        Ok(Some(Pump {
            thread,
            end: writer,
            until,
        }))
    }

    /// Called when the jail has ended: reads what is in the pipes, and no more. `patience`: how long
    /// readers of passed-on output may take; `None`: no limit, unless the jail is killed or this program
    /// is asked to end.
    pub fn finish(self, patience: Option<Duration>) -> Written {
        let until = patience.map(|patience| Instant::now() + patience);
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let _ = self.end.shutdown(Shutdown::Both);
        self.thread.join().unwrap_or_default()
    }
}

/// A pipe whose ends are above 2, and closed by execve.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((past_streams(reader)?, past_streams(writer)?))
}

/// The same open file at a number above 2: dup2(2) onto 0, 1 and 2 must not close it half-way.
pub(super) fn past_streams(fd: OwnedFd) -> io::Result<OwnedFd> {
    match fd.as_raw_fd() {
        0..=2 => sys::process::duplicate(fd.as_raw_fd()).ok_or_else(io::Error::last_os_error),
        _ => Ok(fd),
    }
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The input for stdin.
struct Feed {
    /// `None`: all of it is written, or there is no reader.
    to: Option<OwnedFd>,
    bytes: Vec<u8>,
    done: usize,
}

impl Feed {
    fn go_on(&mut self) {
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
struct Flow {
    /// `None`: it has ended, or no more is wanted.
    from: Option<OwnedFd>,
    to: Output,
    /// How much may be written at once; `None`: a write of any length does not block.
    chunk: Option<usize>,
    /// Bytes that were read and not yet passed on.
    pending: Vec<u8>,
    count: u64,
    kept: Vec<u8>,
}

impl Flow {
    fn new(to: Output, end: &mut Option<Arc<OwnedFd>>) -> io::Result<Flow> {
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
            from: Some(reader),
            to,
            chunk,
            pending: Vec::new(),
            count: 0,
            kept: Vec::new(),
        })
    }

    /// The descriptor to wait for, and the event.
    fn waits_for(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.to, &self.from) {
            (Output::Pass(to), _) if !self.pending.is_empty() => {
                Some((to.as_fd(), PollFlags::POLLOUT))
            }
            (_, Some(from)) => Some((from.as_fd(), PollFlags::POLLIN)),
            _ => None,
        }
    }

    /// The descriptor on which poll reports that the reader has gone.
    fn reader(&self) -> Option<BorrowedFd<'_>> {
        match (&self.to, &self.from) {
            (Output::Pass(to), Some(_)) if self.chunk.is_some() => Some(to.as_fd()),
            _ => None,
        }
    }

    /// Closes the destination once there is nothing more, so that its reader sees the end, too.
    fn settle(&mut self) {
        if self.from.is_none() && self.pending.is_empty() {
            self.to = Output::Keep(0);
        }
    }

    /// Reads what is available, up to `left` bytes, and returns how many there were. `None`: nothing
    /// now.
    fn read(&mut self, buffer: &mut [u8], left: u64) -> Option<u64> {
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
    fn capacity(&self) -> usize {
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
    fn write(&mut self) {
        let Output::Pass(to) = &self.to else { return };
        let most = self.chunk.unwrap_or(usize::MAX).min(self.pending.len());
        match unistd::write(to, &self.pending[..most]) {
            Ok(written) => _ = self.pending.drain(..written),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
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

/// The state of the thread.
struct Work {
    feed: Option<Feed>,
    flows: [Option<Flow>; 2],
    /// The remaining bytes of the limit.
    left: u64,
    stop_handle: StopHandle,
    /// Signals the end of the jail; `None` after that.
    end: Option<UnixStream>,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Work {
    fn run(mut self) -> Written {
        let mut buffer = vec![0; BUFFER];
        while self.is_busy() {
            let Some(ready) = self.wait() else { break };
            if ready.end {
                self.end(&mut buffer);
                continue;
            }
            if ready.feed
                && let Some(feed) = &mut self.feed
            {
                feed.go_on();
            }
            for index in 0..2 {
                if ready.hung_up[index]
                    && let Some(flow) = &mut self.flows[index]
                {
                    flow.hang_up();
                } else if ready.flows[index] {
                    self.go_on(index, &mut buffer);
                }
                if let Some(flow) = &mut self.flows[index] {
                    flow.settle();
                }
            }
        }
        self.written()
    }

    fn is_busy(&self) -> bool {
        self.end.is_some()
            || self
                .flows
                .iter()
                .flatten()
                .any(|flow| !flow.pending.is_empty())
    }

    /// Waits until there is something to do; `None`: the reader's time is over.
    fn wait(&self) -> Option<Ready> {
        let mut fds = Vec::with_capacity(6);
        let mut whose = Vec::with_capacity(6);
        let mut add = |fd, events, who| {
            fds.push(PollFd::new(fd, events));
            whose.push(who);
        };
        if let Some(end) = &self.end {
            add(end.as_fd(), PollFlags::POLLIN, Source::End);
        }
        if let Some(to) = self.feed.as_ref().and_then(|feed| feed.to.as_ref()) {
            add(to.as_fd(), PollFlags::POLLOUT, Source::Feed);
        }
        for (index, flow) in self.flows.iter().enumerate() {
            let Some(flow) = flow else { continue };
            if let Some((fd, events)) = flow.waits_for() {
                add(fd, events, Source::Flow(index));
            }
            if let Some(reader) = flow.reader() {
                add(reader, PollFlags::empty(), Source::Reader(index));
            }
        }
        let until = match &self.end {
            Some(_) => None,
            None => *self.until.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let timeout = match until {
            None if self.end.is_none() => PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
            Some(until) => {
                let left = until.checked_duration_since(Instant::now())?;
                // Rounded up; otherwise the last fraction of a millisecond would be a busy loop.
                PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut ready = Ready::default();
        match poll(&mut fds, timeout) {
            Ok(0) if until.is_some() || self.is_unwanted() => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
        for (fd, who) in fds.iter().zip(whose) {
            let events = fd.revents().unwrap_or(PollFlags::empty());
            if events.is_empty() {
                continue;
            }
            match who {
                Source::End => ready.end = true,
                Source::Feed => ready.feed = true,
                Source::Flow(index) => ready.flows[index] = true,
                Source::Reader(index) => ready.hung_up[index] = true,
            }
        }
        Some(ready)
    }

    /// Whether to stop waiting for the reader. Only a program that acts for its command in job control
    /// notes signals.
    fn is_unwanted(&self) -> bool {
        const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
        self.stop_handle.requested() == Some(StopReason::Kill)
            || ENDING.into_iter().any(sys::signal::has_arrived)
    }

    /// Passes on what was read; if there is nothing, reads.
    fn go_on(&mut self, index: usize, buffer: &mut [u8]) {
        match &mut self.flows[index] {
            Some(flow) if !flow.pending.is_empty() => flow.write(),
            _ => _ = self.take(index, buffer),
        }
    }

    /// Reads; returns whether there was anything.
    fn take(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let left = self.left;
        let flow = self.flows[index].as_mut();
        let Some(read) = flow.and_then(|flow| flow.read(buffer, left)) else {
            return false;
        };
        if read > left {
            // Request the stop first: a command that then dies of the closed pipe dies because of the
            // limit.
            self.stop_handle.request(StopReason::Output);
            // If the command lives long enough to write again, it gets EPIPE.
            for flow in self.flows.iter_mut().flatten() {
                flow.from = None;
            }
        }
        self.left = left.saturating_sub(read);
        true
    }

    /// The jail has ended: reads what each pipe holds, and no more.
    fn end(&mut self, buffer: &mut [u8]) {
        self.end = None;
        self.feed = None;
        for index in 0..2 {
            let mut left = self.flows[index].as_ref().map_or(0, Flow::capacity);
            while left > 0 && self.take(index, buffer) {
                left = left.saturating_sub(buffer.len());
            }
            if let Some(flow) = &mut self.flows[index] {
                flow.from = None;
            }
        }
    }

    fn written(self) -> Written {
        let count = |flow: &Option<Flow>| flow.as_ref().map(|flow| flow.count);
        let [stdout, stderr] = &self.flows;
        let (stdout, stderr) = (count(stdout), count(stderr));
        Written {
            stdout,
            stderr,
            kept: self
                .flows
                .map(|flow| flow.map(|flow| flow.kept).unwrap_or_default()),
        }
    }
}

#[derive(Default)]
struct Ready {
    end: bool,
    feed: bool,
    flows: [bool; 2],
    /// The passed-on output has no reader.
    hung_up: [bool; 2],
}

enum Source {
    End,
    Feed,
    Flow(usize),
    Reader(usize),
}
