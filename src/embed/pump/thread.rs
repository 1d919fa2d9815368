//! A thread for the streams of one run, which may have to wait for the readers of its output.

use super::Written;
use super::work::{BUFFER, Work};
use crate::supervise::StopReason;
use crate::sys;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to check, while a reader does not read, whether the wait must end.
const LOOK: Duration = Duration::from_millis(100);

/// The running thread.
pub struct Thread {
    thread: JoinHandle<Written>,
    /// Shut down when the jail has ended. A pipe would not work: a child that the host has forked may
    /// keep its other end open.
    end: UnixStream,
    /// How long readers may take after that; `None`: no limit.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Thread {
    pub fn start(work: Work) -> io::Result<Thread> {
        let (end, writer) = UnixStream::pair()?;
        let until = Arc::new(Mutex::new(None));
        let waiting = Waiting {
            work,
            end: Some(end),
            until: Arc::clone(&until),
        };
        Ok(Thread {
            thread: spawn(move || waiting.run())?,
            end: writer,
            until,
        })
    }

    /// As [`Pump::finish`](super::Pump::finish).
    pub fn finish(self, patience: Option<Duration>) -> Written {
        let until = patience.map(|patience| Instant::now() + patience);
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let _ = self.end.shutdown(Shutdown::Both);
        self.thread.join().unwrap_or_default()
    }
}

/// Starts a thread for streams. No handler of this program runs in it, and SIGPIPE becomes an errno.
pub fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let mask = sys::signal::block_all()?;
    let thread = std::thread::Builder::new()
        .name("jail-streams".to_owned())
        .spawn(work);
    sys::signal::set_mask(&mask)?;
    thread
}

/// The state of the thread.
struct Waiting {
    work: Work,
    /// Signals the end of the jail; `None` after that.
    end: Option<UnixStream>,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Waiting {
    fn run(mut self) -> Written {
        let mut buffer = vec![0; BUFFER];
        while self.is_busy() {
            let Some(ready) = self.wait() else { break };
            if ready.end {
                self.end = None;
                self.work.end(&mut buffer);
                continue;
            }
            if ready.feed
                && let Some(feed) = &mut self.work.feed
            {
                feed.go_on();
            }
            for index in 0..2 {
                if ready.hung_up[index]
                    && let Some(flow) = &mut self.work.flows[index]
                {
                    flow.hang_up();
                } else if ready.flows[index] {
                    self.work.go_on(index, &mut buffer);
                }
                if let Some(flow) = &mut self.work.flows[index] {
                    flow.settle();
                }
            }
        }
        self.work.written()
    }

    fn is_busy(&self) -> bool {
        let mut flows = self.work.flows.iter().flatten();
        self.end.is_some() || flows.any(|flow| flow.is_pending())
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
        if let Some(to) = self.work.feed.as_ref().and_then(|feed| feed.to.as_ref()) {
            add(to.as_fd(), PollFlags::POLLOUT, Source::Feed);
        }
        for (index, flow) in self.work.flows.iter().enumerate() {
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
        self.work.stop_handle.requested() == Some(StopReason::Kill)
            || ENDING.into_iter().any(sys::signal::has_arrived)
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
