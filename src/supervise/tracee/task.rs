//! A task: what is known of one thread.

use super::address_space::Member;
use super::process::{Process, Program};
use crate::supervise::domain::state as domain;
use crate::supervise::limits::state as limits;
use crate::supervise::syscall::path::state as paths;
use crate::supervise::syscall::pending::Pending;
use crate::supervise::syscall::restarted;
use crate::supervise::syscall::socket::state as sockets;
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One thread of the jail. All that is kept for it is dropped with it.
pub struct Task {
    tid: Tid,
    process: RefCell<Rc<Process>>,
    space: Member,
    /// Whether its parent's event has come.
    pub(super) announced: Cell<bool>,
    /// Whether it has executed a program in the jail.
    pub(super) executed: Cell<bool>,
    /// Its id in the jail's pid namespace, once it was asked for.
    pub(super) inside: Cell<Option<Tid>>,
    /// Its call that is under way in another form than it was made. Of those that hold a socket there
    /// are no more than there are descriptors to spare.
    pub pending: RefCell<Option<Pending>>,
    pub paths: paths::TaskState,
    pub sockets: sockets::TaskState,
    pub limits: limits::TaskState,
    pub restart: restarted::TaskState,
    pub domains: domain::TaskState,
}

impl Task {
    pub(super) fn new(tid: Tid, process: Rc<Process>, space: Member) -> Self {
        Self {
            tid,
            process: RefCell::new(process),
            space,
            announced: Cell::new(false),
            executed: Cell::new(false),
            inside: Cell::new(None),
            pending: RefCell::default(),
            paths: paths::TaskState::default(),
            sockets: sockets::TaskState::default(),
            limits: limits::TaskState::default(),
            restart: restarted::TaskState::default(),
            domains: domain::TaskState::default(),
        }
    }

    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// The id of the process that it belongs to; its own where that is not known.
    pub fn pid(&self) -> Tid {
        self.process.borrow().known_pid().unwrap_or(self.tid)
    }

    /// Whether it is the first thread of a process.
    pub fn is_leader(&self) -> bool {
        self.process.borrow().known_pid() == Some(self.tid)
    }

    /// Whether only the kernel has told what it shares with others: neither its parent's event has come,
    /// nor has it executed a program.
    pub fn is_adopted(&self) -> bool {
        !self.announced.get() && !self.executed.get()
    }

    /// Whether it has executed a program in the jail.
    pub fn has_executed(&self) -> bool {
        self.executed.get()
    }

    /// The process that it belongs to.
    pub fn process(&self) -> Rc<Process> {
        Rc::clone(&self.process.borrow())
    }

    pub(super) fn join(&self, process: Rc<Process>) {
        self.process.replace(process);
    }

    /// The address space that it has.
    pub fn space(&self) -> &Member {
        &self.space
    }

    /// The program that it runs.
    pub fn program(&self) -> Rc<Program> {
        self.process.borrow().program(self.tid)
    }
}

/// Whether a task has begun to end, or has ended: PF_EXITING among the flags of proc_pid_stat(5), which
/// the kernel sets before anybody can know of the end (do_exit).
pub(super) fn is_ending(tid: Tid) -> bool {
    is_ending_by(std::fs::read_to_string(format!("/proc/{tid}/stat")))
}

/// The same, by what was read. A task that cannot be looked at, because this process has no descriptor
/// left for instance, is not taken to be ending: it counts.
fn is_ending_by(stat: std::io::Result<String>) -> bool {
    const PF_EXITING: u32 = 4;
    let stat = match stat {
        Ok(stat) => stat,
        Err(error) => {
            return error.kind() == std::io::ErrorKind::NotFound
                || error.raw_os_error() == Some(libc::ESRCH);
        }
    };
    // The name before may hold anything; after it come state, ppid, pgrp, session, tty, tpgid, flags.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let flags = fields.and_then(|fields| fields.split(' ').nth(6)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_not_ending_and_what_is_gone_is() {
        assert!(!is_ending(std::process::id() as Tid));
        assert!(is_ending(Tid::MAX));
    }

    #[test]
    fn a_task_that_cannot_be_looked_at_counts_as_living() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EACCES] {
            assert!(!is_ending_by(Err(std::io::Error::from_raw_os_error(errno))));
        }
        assert!(is_ending_by(Err(std::io::Error::from_raw_os_error(
            libc::ESRCH
        ))));
        assert!(!is_ending_by(Ok(String::new())));
    }
}
