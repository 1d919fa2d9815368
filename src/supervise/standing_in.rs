//! What this process does in the command's stead, where it stands in for it: passes signals on, and stops
//! as it has stopped.

use super::forward;
use super::{Ending, Event, SuperviseError, Supervisor};
use crate::sys::{self, Errno};
use crate::trace::{self, Wait};

impl Supervisor<'_> {
    /// Passes on the signals that were sent to this process alone.
    pub(super) fn pass_on(&mut self) {
        let Some(forward) = &mut self.forward else {
            return;
        };
        if !forward.is_due() {
            return;
        }
        let main = self.main_exit.is_none().then_some(self.started.pid);
        match forward.pass_on(main, &self.tree) {
            forward::Next::Wait => {}
            forward::Next::Waiting => self.observer.event(&Event::Waiting {
                tree: &self.tree.summary(),
            }),
            forward::Next::End => self.end(Ending::Exited),
            forward::Next::Stop => self.stopping = self.main_stopped,
        }
    }

    /// Stops this process as the main command has stopped, so that the caller's shell sees it.
    pub(super) fn stop_if_due(&mut self) -> Result<(), SuperviseError> {
        let Some(signal) = self.stopping.take() else {
            return Ok(());
        };
        if self.forward.is_none() {
            return Ok(());
        }
        // It may have been continued in the meantime: then nobody would continue us.
        let main = self.started.pid;
        match self.wait_by(|meter| trace::poll(main, meter))? {
            None => self
                .stop_self(signal)
                .map_err(SuperviseError::system("kill")),
            Some(Wait::Gone(tid, exit)) => self.gone(tid, exit),
            Some(Wait::Stopped(tracee, stop)) => self.stopped(tracee, stop),
            Some(Wait::Interrupted) => Ok(()),
        }
    }

    /// Stops this process; returns when it is continued.
    ///
    /// A command that is a shell has made a process group of its own. The caller's shell gives the
    /// terminal to this process's group, as it does to any job, so it is passed on.
    pub(super) fn stop_self(&self, signal: i32) -> Result<(), Errno> {
        // A jail that is stopped ends nothing, so that the watchdog must not either.
        if let Some(watchdog) = &self.watchdog {
            watchdog.waits();
        }
        let stopped = sys::signal::stop_self(signal);
        if let Some(watchdog) = &self.watchdog {
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
