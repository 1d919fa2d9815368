//! A jail that runs on a thread of its own.

use super::Error;
use super::builder::{Ready, Told};
use super::event::{self, Events};
use crate::report::Verdict;
use crate::supervise::{Bell, BellCall};
use crate::trace::Tid;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often whoever waits looks whether the jail has to be ended in another way.
const LOOK: Duration = Duration::from_secs(1);

/// How a run ended, what it used, and what it has written.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The report: what `jail --report` writes.
    pub verdict: Verdict,
    /// What was kept of stdout ([`super::Stdio::Capture`]).
    pub stdout: Vec<u8>,
    /// What was kept of stderr.
    pub stderr: Vec<u8>,
}

/// A jail that runs. Dropping it kills the jail, and waits for its end.
#[derive(Debug)]
pub struct Handle {
    pid: Tid,
    bell: Bell,
    events: Option<Events>,
    outcome: Receiver<Result<Outcome, Error>>,
    /// `None` once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts the thread; returns when the command is started.
    pub(super) fn start(ready: Ready, all: bool) -> Result<Handle, Error> {
        let bell = Bell::new();
        let (sender, events) = event::channel(all);
        let (told, started) = channel();
        let (done, outcome) = channel();
        let rung = bell.clone();
        let thread = std::thread::Builder::new()
            .name("jail".to_owned())
            .spawn(move || {
                let told = Told {
                    started: Some(told),
                    events: Some(sender),
                };
                // Nobody may be there to take it.
                let _ = done.send(ready.run(Some(rung), false, told).result);
            })
            .map_err(Error::Thread)?;
        let mut handle = Handle {
            pid: 0,
            bell,
            events: Some(events),
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
        Killer(self.bell.clone())
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

    /// As [`Handle::try_wait`], and waits for so long at most.
    ///
    /// # Errors
    /// As [`Handle::wait`].
    pub fn wait_within(&mut self, time: Duration) -> Result<Option<Outcome>, Error> {
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
        loop {
            match self.outcome.recv_timeout(LOOK) {
                Ok(result) => return self.ended(result),
                Err(RecvTimeoutError::Timeout) => self.bell.insist(),
                Err(RecvTimeoutError::Disconnected) => return self.ended(Err(Error::Lost)),
            }
        }
    }

    fn ended(&mut self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::Lost),
            _ => result,
        }
    }
}

/// Kills one jail, from any thread: once it has ended, nothing.
#[derive(Debug, Clone)]
pub struct Killer(Bell);

impl Killer {
    /// As [`Handle::kill`].
    pub fn kill(&self) {
        self.0.ring(BellCall::Kill);
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
