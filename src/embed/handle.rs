//! A jail that runs on a thread of its own.

use super::Error;
use super::builder::{Ready, Told};
use super::end::{End, KillOnDrop, Killer};
use super::event::{self, Events};
use crate::report::Verdict;
use crate::supervise::{Bell, BellCall};
use crate::trace::Tid;
use std::io::PipeReader;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often whoever waits looks whether the jail has to be ended in another way.
const LOOK: Duration = Duration::from_secs(1);

/// How a run ended, what it used, and what it has written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The report: what `jail --report` writes.
    pub verdict: Verdict,
    /// What was kept of stdout ([`super::Stdio::Capture`]).
    pub stdout: Vec<u8>,
    /// What was kept of stderr.
    pub stderr: Vec<u8>,
}

/// A jail that runs. Dropping it kills the jail, and waits for its end.
///
/// Its descriptor ([`AsFd`]) is readable once the jail has ended, for poll(2), epoll(7) or a runtime's way
/// to wait for descriptors: [`Handle::try_wait`] has the outcome then. Do not read from it.
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = jail::Jail::builder().policy(jail::Policy::preset("compute")?).command(["true"]);
/// builder.spawn()?;                       // kills it at once: keep the handle, or use `run`
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the handle kills the jail"]
pub struct Handle {
    pid: Tid,
    bell: Bell,
    end: Arc<End>,
    events: Option<Events>,
    /// Where stdout and stderr can be read ([`super::Stdio::Piped`]).
    readers: [Option<PipeReader>; 2],
    outcome: Receiver<Result<Outcome, Error>>,
    /// `None` once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts the thread; returns when the command is started.
    pub(super) fn start(mut ready: Ready, all: bool) -> Result<Handle, Error> {
        let bell = Bell::new();
        let end = End::new().map_err(Error::Stream)?;
        let readers = ready.take_readers();
        let (sender, events) = event::channel(all);
        let (told, started) = channel();
        let (done, outcome) = channel();
        let rung = bell.clone();
        let ended = end.at_drop();
        let thread = std::thread::Builder::new()
            .name("jail".to_owned())
            .spawn(move || {
                let told = Told {
                    started: Some(told),
                    events: Some(sender),
                };
                // Nobody may be there to take it.
                let _ = done.send(ready.run(Some(rung), false, told).outcome());
                drop(ended);
            })
            .map_err(Error::Thread)?;
        let mut handle = Handle {
            pid: 0,
            bell,
            end,
            events: Some(events),
            readers,
            outcome,
            thread: Some(thread),
        };
        match started.recv() {
            Ok(pid) => {
                handle.pid = pid;
                Ok(handle)
            }
            // It has ended before that, and says why.
            Err(_) => match handle.wait_inner() {
                Err(error) => Err(error),
                Ok(_) => Err(Error::Lost),
            },
        }
    }

    /// The main process, as numbered outside the jail. It may have ended by now, and its id may be
    /// another's: use [`Handle::kill`].
    pub fn pid(&self) -> Tid {
        self.pid
    }

    /// Kills the jail, whatever of it is left. Does not wait.
    pub fn kill(&self) {
        self.bell.ring(BellCall::Kill);
    }

    /// What kills the jail from another thread, while this one waits for it.
    pub fn killer(&self) -> Killer {
        Killer {
            bell: self.bell.clone(),
            end: Arc::clone(&self.end),
        }
    }

    /// A guard that kills the jail when it is dropped, and waits for its end.
    pub fn kill_on_drop(&self) -> KillOnDrop {
        KillOnDrop(self.killer())
    }

    /// Calls this once the jail has ended, when [`Handle::try_wait`] has its outcome: on the jail's thread,
    /// or on this one where it has ended already. The end of the handle waits for it, so that it must not
    /// take long.
    pub fn on_end(&self, callback: impl FnOnce() + Send + 'static) {
        self.end.call(Box::new(callback));
    }

    /// Where its stdout can be read ([`super::Stdio::Piped`]); `None` if it was taken before. What is not
    /// taken is closed by [`Handle::wait`].
    pub fn stdout(&mut self) -> Option<PipeReader> {
        self.readers[0].take()
    }

    /// The same for stderr.
    pub fn stderr(&mut self) -> Option<PipeReader> {
        self.readers[1].take()
    }

    /// The events; `None` if they were taken before. Who does not listen loses nothing but them.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// Waits for the end of the jail: no process of it is left.
    ///
    /// # Errors
    /// Where the command did not get to its program, or the jail failed.
    pub fn wait(mut self) -> Result<Outcome, Error> {
        self.wait_inner()
    }

    /// The outcome, if there is one by now. It is given once.
    ///
    /// # Errors
    /// As [`Handle::wait`].
    pub fn try_wait(&mut self) -> Result<Option<Outcome>, Error> {
        match self.outcome.try_recv() {
            Ok(result) => self.ended(result).map(Some),
            Err(TryRecvError::Empty) => {
                self.bell.insist();
                Ok(None)
            }
            Err(TryRecvError::Disconnected) => Err(Error::Lost),
        }
    }

    /// As [`Handle::try_wait`], after waiting for the end, for at most this time.
    ///
    /// # Errors
    /// As [`Handle::wait`].
    pub fn wait_timeout(&mut self, time: Duration) -> Result<Option<Outcome>, Error> {
        match self.outcome.recv_timeout(time) {
            Ok(result) => self.ended(result).map(Some),
            Err(RecvTimeoutError::Timeout) => {
                self.bell.insist();
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Error::Lost),
        }
    }

    fn wait_inner(&mut self) -> Result<Outcome, Error> {
        // The command must not wait for a reader that reads nothing more.
        self.readers = [None, None];
        loop {
            match self.outcome.recv_timeout(LOOK) {
                Ok(result) => return self.ended(result),
                Err(RecvTimeoutError::Timeout) => self.bell.insist(),
                Err(RecvTimeoutError::Disconnected) => return self.ended(Err(Error::Lost)),
            }
        }
    }

    fn ended(&mut self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let thread = self.thread.take();
        // A callback of the end may be what waits here.
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        match other.map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::Lost),
            _ => result,
        }
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.fd()
    }
}

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.kill();
            let _ = self.wait_inner();
        }
    }
}
