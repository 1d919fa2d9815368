//! The command's standard streams, where they are pipes that end here: input is fed, output is
//! counted, kept, passed on, and ended at its limit.
//!
//! One thread a jail does it, in one poll(2). It never waits for more than what has an end: not for
//! the end of a pipe when the jail is over (its other end may have been given to an outsider), and for
//! a reader only as long as it is told.

use crate::launch::Command;
use crate::supervise::{Bell, BellCall};
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

/// How much is read at once.
const BUFFER: usize = 1 << 16;
/// What a pipe or socket that is ready takes without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;
/// How often it is looked whether somebody still wants what a reader does not take.
const LOOK: Duration = Duration::from_millis(100);

/// What becomes of what the command writes.
#[derive(Debug)]
pub enum Output {
    /// It is kept, so many bytes at most; what is past that is counted only.
    Keep(usize),
    /// It is written there.
    Pass(OwnedFd),
}

/// What is wanted of the streams. What is `None` stays as the command has it.
#[derive(Debug, Default)]
pub struct Wiring {
    /// What the command reads.
    pub stdin: Option<Vec<u8>>,
    /// What it writes to stdout.
    pub stdout: Option<Output>,
    /// What it writes to stderr.
    pub stderr: Option<Output>,
    /// stderr is the same pipe as stdout, so that their order stays.
    pub joined: bool,
}

impl Wiring {
    /// Whether nothing is wanted.
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

/// What the command has written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes to stdout, kept or not; `None` where nobody counted. Of joined streams those of both.
    pub stdout: Option<u64>,
    /// Bytes to stderr.
    pub stderr: Option<u64>,
    /// What was kept of them.
    pub kept: [Vec<u8>; 2],
}

/// The thread at work.
pub struct Pump {
    thread: JoinHandle<Written>,
    /// Shut down when the jail is over. A pipe would not end while a child that the host has forked
    /// has its other end, too.
    over: UnixStream,
    /// How long readers may take after that; `None`: as long as they want.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Pump {
    /// Makes the pipes, gives their far ends to the command, and starts the thread; `None` where there is
    /// nothing to do. `limit`: bytes of both outputs, past which it rings.
    ///
    /// # Errors
    /// Where no pipe or thread can be made.
    pub fn start(
        wiring: Wiring,
        limit: Option<u64>,
        bell: &Bell,
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
        let (over, writer) = UnixStream::pair()?;
        let until = Arc::new(Mutex::new(None));
        let work = Work {
            feed,
            flows: [stdout, stderr],
            left: limit.unwrap_or(u64::MAX),
            bell: bell.clone(),
            over: Some(over),
            until: Arc::clone(&until),
        };
        // No handler of this program runs there, and SIGPIPE is an errno.
        let mask = sys::signal::block_all()?;
        let thread = std::thread::Builder::new()
            .name("jail-streams".to_owned())
            .spawn(move || work.run());
        sys::signal::set_mask(&mask)?;
        let thread = thread?;
        Ok(Some(Pump {
            thread,
            over: writer,
            until,
        }))
    }

    /// The jail is over: what is in the pipes is taken, and no more. `patience`: how long whoever reads
    /// what is passed on may take; `None`: as long as it wants, unless the jail is killed or this
    /// program is asked to end.
    pub fn finish(self, patience: Option<Duration>) -> Written {
        let until = patience.map(|patience| Instant::now() + patience);
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let _ = self.over.shutdown(Shutdown::Both);
        self.thread.join().unwrap_or_default()
    }
}

/// A pipe whose ends are past 2, and closed by execve.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((past_streams(reader)?, past_streams(writer)?))
}

/// The same open file at a number past 2: dup2(2) onto 0, 1 and 2 must not close it half-way.
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

/// What is fed to stdin.
struct Feed {
    /// `None`: all of it is written, or nobody reads.
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
    /// `None`: it has ended, or nobody wants more.
    from: Option<OwnedFd>,
    to: Output,
    /// How much may be written at once; `None`: any length waits for no reader.
    chunk: Option<usize>,
    /// Read, and not yet passed on.
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

    /// The descriptor to wait for, and for what.
    fn waits_for(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.to, &self.from) {
            (Output::Pass(to), _) if !self.pending.is_empty() => {
                Some((to.as_fd(), PollFlags::POLLOUT))
            }
            (_, Some(from)) => Some((from.as_fd(), PollFlags::POLLIN)),
            _ => None,
        }
    }

    /// Where an end of the reader shows.
    fn reader(&self) -> Option<BorrowedFd<'_>> {
        match (&self.to, &self.from) {
            (Output::Pass(to), Some(_)) if self.chunk.is_some() => Some(to.as_fd()),
            _ => None,
        }
    }

    /// Lets go of where it was passed on, once there is nothing more: whoever reads there hears that, too.
    fn settle(&mut self) {
        if self.from.is_none() && self.pending.is_empty() {
            self.to = Output::Keep(0);
        }
    }

    /// Takes what is there, `left` bytes at most; how many there were. `None`: nothing now.
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

    /// What the pipe can hold, in bytes.
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

    /// Passes on what was read. Nobody there to read ends the flow: the command hears of it as it
    /// would of its own reader's end.
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

/// The same pipe or terminal, opened once more so that no write waits; `None` where that cannot be.
/// O_NONBLOCK on the descriptor itself would be the caller's, too. A terminal takes part of a write and
/// waits for the rest, however ready it is, and somebody else may fill a pipe.
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

/// What the thread has.
struct Work {
    feed: Option<Feed>,
    flows: [Option<Flow>; 2],
    /// Bytes that may still come.
    left: u64,
    bell: Bell,
    /// Ends when the jail is over; `None` from then on.
    over: Option<UnixStream>,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Work {
    fn run(mut self) -> Written {
        let mut buffer = vec![0; BUFFER];
        while self.is_busy() {
            let Some(ready) = self.wait() else { break };
            if ready.over {
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
        self.over.is_some()
            || self
                .flows
                .iter()
                .flatten()
                .any(|flow| !flow.pending.is_empty())
    }

    /// Waits until something can be done; `None`: whoever reads has had its time.
    fn wait(&self) -> Option<Ready> {
        let mut fds = Vec::with_capacity(6);
        let mut whose = Vec::with_capacity(6);
        let mut add = |fd, events, who| {
            fds.push(PollFd::new(fd, events));
            whose.push(who);
        };
        if let Some(over) = &self.over {
            add(over.as_fd(), PollFlags::POLLIN, Who::Over);
        }
        if let Some(to) = self.feed.as_ref().and_then(|feed| feed.to.as_ref()) {
            add(to.as_fd(), PollFlags::POLLOUT, Who::Feed);
        }
        for (index, flow) in self.flows.iter().enumerate() {
            let Some(flow) = flow else { continue };
            if let Some((fd, events)) = flow.waits_for() {
                add(fd, events, Who::Flow(index));
            }
            if let Some(reader) = flow.reader() {
                add(reader, PollFlags::empty(), Who::Reader(index));
            }
        }
        let until = match &self.over {
            Some(_) => None,
            None => *self.until.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let timeout = match until {
            None if self.over.is_none() => PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
            Some(until) => {
                let left = until.checked_duration_since(Instant::now())?;
                // Rounded up, or the last fraction of a millisecond would be a busy loop.
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
                Who::Over => ready.over = true,
                Who::Feed => ready.feed = true,
                Who::Flow(index) => ready.flows[index] = true,
                Who::Reader(index) => ready.hung_up[index] = true,
            }
        }
        Some(ready)
    }

    /// Whether nobody waits for the reader any more. Only a program that stands for its command notes
    /// signals.
    fn is_unwanted(&self) -> bool {
        const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
        self.bell.rung() == Some(BellCall::Kill) || ENDING.into_iter().any(sys::signal::has_arrived)
    }

    /// Passes on what was read, else reads.
    fn go_on(&mut self, index: usize, buffer: &mut [u8]) {
        match &mut self.flows[index] {
            Some(flow) if !flow.pending.is_empty() => flow.write(),
            _ => _ = self.take(index, buffer),
        }
    }

    /// Reads; whether there was anything.
    fn take(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let left = self.left;
        let flow = self.flows[index].as_mut();
        let Some(read) = flow.and_then(|flow| flow.read(buffer, left)) else {
            return false;
        };
        if read > left {
            // First: whoever dies of a pipe that is closed dies of its limit.
            self.bell.ring(BellCall::Output);
            // Whoever goes on writing hears that nobody reads, should it live so long.
            for flow in self.flows.iter_mut().flatten() {
                flow.from = None;
            }
        }
        self.left = left.saturating_sub(read);
        true
    }

    /// The jail is over: takes what each pipe holds, and no more.
    fn end(&mut self, buffer: &mut [u8]) {
        self.over = None;
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
    over: bool,
    feed: bool,
    flows: [bool; 2],
    /// Nobody reads what is passed on.
    hung_up: [bool; 2],
}

enum Who {
    Over,
    Feed,
    Flow(usize),
    Reader(usize),
}
