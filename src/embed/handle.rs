//! A jail that runs in its own thread.

use super::Error;
use super::end::{End, KillOnDrop, Killer};
use super::event::{self, Events};
use super::ready::{Listeners, Ready};
use crate::report::Verdict;
use crate::supervise::{StopHandle, StopReason};
use crate::trace::Tid;
use std::io::PipeReader;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a waiting thread checks whether the jail must be ended in another way.
const LOOK: Duration = Duration::from_secs(1);

/// How a run ended, what it used, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The report: what `jail --report` writes.
    pub verdict: Verdict,
    /// The part of stdout that was kept ([`super::Stdio::Capture`]).
    pub stdout: Vec<u8>,
    /// The part of stderr that was kept.
    pub stderr: Vec<u8>,
}

/// A running jail. Dropping it kills the jail, and waits for its end.
///
/// Its descriptor ([`AsFd`]) is readable once the jail has ended, for poll(2), epoll(7) or an async
/// runtime: [`Handle::try_wait`] then returns the outcome. Do not read from it.
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
    stop_handle: StopHandle,
    end: Arc<End>,
    events: Option<Events>,
    /// The pipes from which stdout and stderr can be read ([`super::Stdio::Piped`]).
    readers: [Option<PipeReader>; 2],
    outcome: Receiver<Result<Outcome, Error>>,
    /// `None` once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts the thread; returns once the command is started.
    pub(super) fn start(mut ready: Ready, all: bool) -> Result<Handle, Error> {
        let stop_handle = StopHandle::new();
        let end = End::new().map_err(Error::Stream)?;
        let readers = ready.take_readers();
        let (sender, events) = event::channel(all);
        let (tell, started) = channel();
        let (done, outcome) = channel();
        let for_supervisor = stop_handle.clone();
        let ended = end.at_drop();
        let thread = std::thread::Builder::new()
            .name("jail".to_owned())
            .spawn(move || {
                let listeners = Listeners {
                    started: Some(tell),
                    events: Some(sender),
                };
                // The receiver may be gone.
                let _ = done.send(ready.run(Some(for_supervisor), false, listeners).outcome());
                drop(ended);
            })
            .map_err(Error::Thread)?;
        let mut handle = Handle {
            pid: 0,
            stop_handle,
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
            // The thread has ended before that; joining it returns the reason.
            Err(_) => match handle.wait_inner() {
                Err(error) => Err(error),
                Ok(_) => Err(Error::Lost),
            },
        }
    }

    /// The main process's id outside the jail. The process may have ended, and another one may have its
    /// id: to kill the jail, use [`Handle::kill`].
    pub fn pid(&self) -> Tid {
        self.pid
    }

    /// Kills all remaining processes of the jail. Does not wait.
    pub fn kill(&self) {
        self.stop_handle.request(StopReason::Kill);
    }

    /// Returns a handle that kills the jail from another thread while this one waits for it.
    pub fn killer(&self) -> Killer {
        Killer {
            stop_handle: self.stop_handle.clone(),
            end: Arc::clone(&self.end),
        }
    }

    /// A guard that kills the jail when it is dropped, and waits for its end.
    pub fn kill_on_drop(&self) -> KillOnDrop {
        KillOnDrop(self.killer())
    }

    /// Calls this once the jail has ended and [`Handle::try_wait`] returns its outcome: on the jail's
    /// thread, or on this one if it has ended already. Dropping the handle waits for the call, so it
    /// must not take long.
    pub fn on_end(&self, callback: impl FnOnce() + Send + 'static) {
        self.end.call(Box::new(callback));
    }

    /// The pipe from which its stdout can be read ([`super::Stdio::Piped`]); `None` if it was taken
    /// before. [`Handle::wait`] closes it if it was not taken.
    pub fn stdout(&mut self) -> Option<PipeReader> {
        self.readers[0].take()
    }

    /// The same for stderr.
    pub fn stderr(&mut self) -> Option<PipeReader> {
        self.readers[1].take()
    }

    /// The events; `None` if they were taken before. Not taking them has no other effect.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// Waits for the end of the jail, when no process of it is left.
    ///
    /// # Errors
    /// If the command's program was not reached, or the jail failed.
    pub fn wait(mut self) -> Result<Outcome, Error> {
        self.wait_inner()
    }

    /// The outcome, if the jail has ended. It is returned once.
    ///
    /// # Errors
    /// As [`Handle::wait`].
    pub fn try_wait(&mut self) -> Result<Option<Outcome>, Error> {
        match self.outcome.try_recv() {
            Ok(result) => self.ended(result).map(Some),
            Err(TryRecvError::Empty) => {
                self.stop_handle.force();
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
                self.stop_handle.force();
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Error::Lost),
        }
    }

    fn wait_inner(&mut self) -> Result<Outcome, Error> {
        // The command must not block on a reader that no longer reads.
        self.readers = [None, None];
        loop {
            match self.outcome.recv_timeout(LOOK) {
                Ok(result) => return self.ended(result),
                Err(RecvTimeoutError::Timeout) => self.stop_handle.force(),
                Err(RecvTimeoutError::Disconnected) => return self.ended(Err(Error::Lost)),
            }
        }
    }

    fn ended(&mut self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let thread = self.thread.take();
        // This may be running in a callback of the end.
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
