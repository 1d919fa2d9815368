//! Signals that are delivered to tasks, and group-stops.

use crate::supervise::syscall::restart::{self, is_stopping};
use crate::supervise::tracee::Task;
use crate::supervise::{Event, Supervisor};
use crate::sys::{self, Errno};
use crate::trace::{Resume, Stopped};

impl Supervisor<'_> {
    /// A signal-delivery-stop.
    pub fn signalled(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        signal: i32,
    ) -> Result<Resume, Errno> {
        self.stats.signal += 1;
        let (tid, pid) = (task.tid(), task.pid());
        let main = self.is_main(pid);
        if let Some(forward) = &mut self.job.forward {
            match main {
                true if forward.delivered(tracee, signal, &self.tracees)? => {
                    return Ok(Resume::CONTINUE);
                }
                true => {}
                false => forward.delivered_beside(tracee, signal)?,
            }
            if forward.lend_terminal(tracee, signal)? {
                return Ok(Resume::CONTINUE);
            }
        }
        self.is_refused_by(tid, signal);
        self.tell_sender(tracee, task, signal)?;
        if main && is_stopping(signal) {
            let sender = tracee
                .siginfo()?
                .and_then(|info| sys::signal::sent_by(&info));
            let inside = sender.is_some_and(|sender| self.tracees.has_sent(sender));
            self.job.delivered = (signal, inside);
        }
        if self.observer.wants_all() {
            self.observer.event(&Event::Signal { pid, tid, signal });
        }
        let can_follow = !task.process().sockets.is_watched();
        restart::signalled(tracee, signal, task, can_follow)?;
        Ok(Resume::deliver(signal))
    }

    /// A signal that the supervisor sent for a process of the jail comes from that process.
    fn tell_sender(&mut self, tracee: &Stopped, task: &Task, signal: i32) -> Result<(), Errno> {
        let Some(sender) = task.process().sender(signal) else {
            return Ok(());
        };
        let Some(mut info) = tracee.siginfo()? else {
            return Ok(());
        };
        if info.si_code == libc::SI_USER
            && sys::signal::sender(&info) == self.tracees.namespaces.own_pid()
        {
            let uid = sys::signal::sender_uid(&info);
            sys::signal::set_sender(&mut info, sender, uid);
            tracee.set_siginfo(&info)?;
        }
        Ok(())
    }

    /// A group-stop.
    pub fn group_stopped(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        signal: i32,
    ) -> Result<Resume, Errno> {
        self.stats.group += 1;
        restart::stopped(tracee, task)?;
        if self.is_main(tracee.tid()) {
            self.job.main_stopped = Some(signal);
            if self.is_to_stop(signal) {
                self.job.stopping = self.job.main_stopped;
            }
        }
        Ok(Resume::LISTEN)
    }
}
