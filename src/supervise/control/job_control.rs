//! What this process does in the command's stead, where it stands in for it: passes signals on, and stops
//! as it has stopped.

use super::forward::{self, Forward};
use crate::supervise::{Ending, Event, SuperviseError, Supervisor};
use crate::sys::{self, Errno};
use crate::trace::Wait;

/// What is known of the stops of the command, and of signals for it.
#[derive(Default)]
pub struct JobControl {
    /// Where this process stands in for the command.
    pub forward: Option<Forward>,
    /// The stopping signal that was last delivered to the main command, and whether a process of
    /// the jail sent it.
    pub delivered: (i32, bool),
    /// The signal by which the main command is stopped, while it is.
    pub main_stopped: Option<i32>,
    /// The signal by which this process is about to stop as well.
    pub stopping: Option<i32>,
}

impl Supervisor<'_> {
    /// Passes on the signals that were sent to this process alone.
    pub fn pass_on(&mut self) {
        let Some(forward) = &mut self.job.forward else {
            return;
        };
        if !forward.is_due() {
            return;
        }
        let main = self.main_exit.is_none().then_some(self.started.pid);
        match forward.pass_on(main, &self.tracees) {
            forward::Next::Wait => {}
            forward::Next::Waiting => self.observer.event(&Event::Waiting {
                tree: &self.tracees.summary(),
                asked: true,
            }),
            forward::Next::Left => self.observer.event(&Event::Waiting {
                tree: &self.tracees.summary(),
                asked: false,
            }),
            forward::Next::End => self.end(Ending::Exited),
            forward::Next::Stop => self.job.stopping = self.job.main_stopped,
        }
    }

    /// Whether this process is to stop as well, where a signal has stopped the main command.
    ///
    /// A jail that is stopped keeps no limit, and other processes of the tree may go on. Nothing that is
    /// told of the signal says who wanted the stop: a timer of the command's sends it, and a process may
    /// send itself one that names any sender (rt_sigqueueinfo(2)). So where there are limits this process
    /// stops if it was asked to itself, by a signal that no process of the jail can send, or if nothing is
    /// left that could go on.
    pub fn is_to_stop(&self, signal: i32) -> bool {
        if self.limits.keeps_usage() {
            return self.may_stop_alone() || self.was_asked_to_stop().is_some();
        }
        // Where the command was stopped from inside, only another process there may be meant to continue it:
        // it needs its supervisor.
        let inside = self.job.delivered == (signal, true);
        !inside || self.may_stop_alone()
    }

    /// Whether nothing would go on if this process stopped as the main command has: neither another process,
    /// nor a limit of time.
    pub fn may_stop_alone(&self) -> bool {
        self.tracees.is_alone() && !self.limits.keeps_time()
    }

    /// The signal by which this process itself was lately asked to stop.
    fn was_asked_to_stop(&self) -> Option<i32> {
        self.job.forward.as_ref().and_then(Forward::asked_to_stop)
    }

    /// Stops this process as the main command has stopped, so that the caller's shell sees it.
    pub fn stop_if_due(&mut self) -> Result<(), SuperviseError> {
        let Some(signal) = self.job.stopping.take() else {
            return Ok(());
        };
        // A tree that is being killed does not go on: no parent would wait for its end.
        if self.job.forward.is_none() || self.ending.is_some() {
            return Ok(());
        }
        // It may have been continued in the meantime: then nothing would continue jail.
        let main = self.started.pid;
        match self.poll(main)? {
            None => self.stop_by(signal).map_err(SuperviseError::system("kill")),
            Some(Wait::Gone(tid, exit)) => self.gone(tid, exit),
            Some(Wait::Stopped(tracee, stop)) => self.stopped(tracee, stop),
            Some(Wait::Interrupted) => Ok(()),
        }
    }

    /// Stops this process; the limits go on unless the caller has stopped it for certain.
    ///
    /// SIGTTIN comes to this process's group also where a process of the jail reads from the terminal, which
    /// it may have taken from that group before.
    fn stop_by(&mut self, signal: i32) -> Result<(), Errno> {
        let certain = self.was_asked_to_stop() == Some(libc::SIGTSTP) || self.tracees.is_alone();
        let keeps = self.limits.keeps_usage() && !certain;
        if keeps {
            self.start_watchdog();
        }
        self.stop_self(signal, keeps)
    }

    /// Stops this process; returns when it is continued. `keeps`: whether the watchdog keeps the limits
    /// meanwhile.
    ///
    /// A command that is a shell has made a process group of its own. The caller's shell gives the
    /// terminal to this process's group, as it does to any job, so it is passed on.
    fn stop_self(&self, signal: i32, keeps: bool) -> Result<(), Errno> {
        // A jail that the caller has stopped ends nothing, so that the watchdog must not either.
        let watchdog = self.guard.watchdog.as_ref().filter(|_| !keeps);
        if let Some(watchdog) = watchdog {
            watchdog.waits();
        }
        let stopped = sys::signal::stop_self(signal);
        if let Some(watchdog) = watchdog {
            watchdog.works();
        }
        stopped?;
        let own = sys::process::getpgid(0)?;
        let group = sys::process::getpgid(self.started.pid).unwrap_or(own);
        if group != own && sys::terminal::foreground() == Some(own) {
            sys::terminal::set_foreground(group);
        }
        Ok(())
    }
}
