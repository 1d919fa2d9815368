//! Holds the command's tasks while a question is on their own terminal: none of them reads the key that is the
//! answer, or writes over the question.
//!
//! A task is held in whatever stop it comes to next (PTRACE_INTERRUPT, Linux 3.4), which is answered when the
//! question is gone. SIGKILL ends a held task as ever, and a signal for this process, a limit of time or an end sets
//! all free.

use crate::supervise::syscall::restart;
use crate::supervise::{SuperviseError, Supervisor};
use crate::sys::{ptrace, signal};
use crate::trace::{Stop, Stopped, Tid, Wait};

/// Signals for which questions are denied.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP];

/// The tasks that are held.
#[derive(Default)]
pub struct Hold {
    /// Whether tasks are held.
    on: bool,
    /// How often each of [`ENDING`] had arrived before that began, and before the question was shown.
    arrived: [u32; ENDING.len()],
    /// The same of SIGTSTP.
    stops: u32,
    stopped: Vec<(Stopped, Stop)>,
}

impl Hold {
    /// Whether tasks are held.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// A task has stopped.
    pub fn push(&mut self, tracee: Stopped, stop: Stop) {
        self.stopped.push((tracee, stop));
    }

    /// A task has ended. Its id may soon be another's.
    pub fn gone(&mut self, tid: Tid) {
        self.stopped.retain(|(tracee, _)| tracee.tid() != tid);
    }

    /// All that are held. No further ones are.
    pub fn take(&mut self) -> Vec<(Stopped, Stop)> {
        self.on = false;
        std::mem::take(&mut self.stopped)
    }

    /// The signal that has arrived meanwhile and that asks to end.
    fn ends_by(&self) -> Option<i32> {
        let mut known = ENDING.into_iter().zip(self.arrived);
        known
            .find(|(signal, count)| signal::arrivals(*signal) != *count)
            .map(|(signal, _)| signal)
    }
}

impl Supervisor<'_> {
    /// Holds the tasks as long as a question is on their terminal.
    pub fn look_at_questions(&mut self) -> Result<(), SuperviseError> {
        if !self.plan.asks {
            return Ok(());
        }
        let over = self.ending.is_some() || self.asked_to_end.is_some();
        let Some(asker) = self.observer.asker() else {
            return Ok(());
        };
        if self.hold.is_on() {
            let ends = self.hold.ends_by();
            if let Some(signal) = ends.or(over.then_some(libc::SIGTERM)) {
                asker.interrupt(signal);
            } else if signal::arrivals(libc::SIGTSTP) != self.hold.stops {
                asker.hide();
            }
        }
        let before = (
            ENDING.map(signal::arrivals),
            signal::arrivals(libc::SIGTSTP),
        );
        let holds = asker.holds() && self.ending.is_none();
        match (self.hold.is_on(), holds) {
            (false, true) => self.hold_all(),
            (true, false) => return self.set_free(),
            (true, true) if self.hold.stopped.len() >= self.tracees.len() => asker.held(),
            // A signal that comes once a question is shown is about that question.
            (false, false) => (self.hold.arrived, self.hold.stops) = before,
            (true, true) => {}
        }
        Ok(())
    }

    fn hold_all(&mut self) {
        self.hold.on = true;
        for (tid, _) in self.tracees.tasks() {
            // One that has ended meanwhile, or that is in a stop already, needs nothing.
            let _ = ptrace::interrupt(tid);
        }
    }

    fn set_free(&mut self) -> Result<(), SuperviseError> {
        for (tracee, stop) in self.hold.take() {
            match self.still(Wait::Stopped(tracee, stop))? {
                Wait::Gone(tid, exit) => self.gone_or_helper(tid, exit)?,
                Wait::Stopped(tracee, stop) => {
                    self.goes_on(&tracee, stop)
                        .map_err(SuperviseError::system("ptrace"))?;
                    self.stopped(tracee, stop)?;
                }
                Wait::Interrupted => {}
            }
        }
        Ok(())
    }

    /// A call that the hold has interrupted is made again where the kernel does not do so by itself.
    fn goes_on(&self, tracee: &Stopped, stop: Stop) -> Result<(), crate::sys::Errno> {
        match (stop, self.tracees.get(tracee.tid())) {
            (Stop::Attach, Some(task)) if self.ending.is_none() => {
                let can_follow = !task.process().sockets.is_watched();
                restart::held(tracee, task, can_follow)
            }
            _ => Ok(()),
        }
    }
}
