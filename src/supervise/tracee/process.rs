//! A process: what its threads share, and the programs that it runs and ran.

use crate::supervise::domain::state as domain;
use crate::supervise::limits::state as limits;
use crate::supervise::syscall::path::state as paths;
use crate::supervise::syscall::socket::dns::talk;
use crate::sys::proc::Status;
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What is known of a process (thread group).
#[derive(Debug, Default)]
pub struct Process {
    /// Its id; `None` where it is not known yet.
    pid: Cell<Option<Tid>>,
    /// The process that made it, if that is known.
    parent: Cell<Option<Tid>>,
    program: RefCell<Option<Rc<Program>>>,
    /// Signals that the supervisor has sent it on behalf of a process of the jail, which it shall see
    /// as the sender: the signal, and the sender's id to the jail. No more than 64: a second one of the
    /// same number takes the place of the first.
    sent: RefCell<Vec<(i32, Tid)>>,
    pub paths: paths::ProcessState,
    pub sockets: talk::ProcessState,
    pub limits: limits::ProcessState,
    pub domains: domain::ProcessState,
}

impl Process {
    pub(super) fn of(pid: Tid) -> Rc<Self> {
        let process = Self::default();
        process.pid.set(Some(pid));
        Rc::new(process)
    }

    /// After an execve: signals that are pending stay, and its clock, all else was the old program's.
    pub(super) fn executed(pid: Tid, before: Option<&Process>, program: &Rc<Program>) -> Rc<Self> {
        Rc::new(Self {
            pid: Cell::new(Some(pid)),
            parent: Cell::new(before.and_then(Process::parent)),
            program: RefCell::new(Some(Rc::clone(program))),
            sent: RefCell::new(before.map_or_else(Vec::new, |before| before.sent.take())),
            limits: before.map_or_else(Default::default, |before| before.limits.executed()),
            domains: domain::ProcessState::executed(before.map(|before| &before.domains)),
            ..Self::default()
        })
    }

    pub(super) fn known_pid(&self) -> Option<Tid> {
        self.pid.get()
    }

    pub(super) fn set_pid(&self, pid: Tid) {
        self.pid.set(Some(pid));
    }

    /// The process that made it, if that is known.
    pub fn parent(&self) -> Option<Tid> {
        self.parent.get()
    }

    pub(super) fn made_by(&self, parent: Tid) {
        self.parent.set(Some(parent));
    }

    pub(super) fn known_program(&self) -> Option<Rc<Program>> {
        self.program.borrow().clone()
    }

    /// It runs what its parent runs, unless it is known to run another program.
    pub(super) fn inherit(&self, parent: &Process) {
        let mut program = self.program.borrow_mut();
        if program.is_none() {
            *program = parent.known_program();
        }
        self.domains.inherit(&parent.domains);
        self.limits.inherit(&parent.limits);
    }

    /// The program that it runs; `tid` is one of its threads.
    pub(super) fn program(&self, tid: Tid) -> Rc<Program> {
        let mut program = self.program.borrow_mut();
        Rc::clone(program.get_or_insert_with(|| Program::new(program_name(tid), None)))
    }

    /// `sender` has the supervisor send it a signal. A second one merges with the first while that is
    /// pending.
    pub(super) fn sent(&self, signal: i32, sender: Tid) {
        let mut sent = self.sent.borrow_mut();
        sent.retain(|&(what, _)| what != signal);
        sent.push((signal, sender));
    }

    /// The sender of the signal that is about to be delivered, if the supervisor has sent it: its id to
    /// the jail.
    pub fn sender(&self, signal: i32) -> Option<Tid> {
        let mut sent = self.sent.borrow_mut();
        let index = sent.iter().position(|&(what, _)| what == signal)?;
        Some(sent.swap_remove(index).1)
    }

    /// How many signals are remembered.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.sent.borrow().len()
    }
}

/// A program that runs or ran in the jail, and the one that started it.
#[derive(Debug, Default)]
pub struct Program {
    /// Its name: that of the file, or of the script.
    pub name: String,
    /// The program that this one was executed by.
    pub parent: Option<Rc<Program>>,
    depth: u32,
}

/// How long a chain of programs is remembered: one that executes itself for ever must not fill
/// the memory.
const DEPTH: u32 = 32;

impl Program {
    pub(super) fn new(name: String, parent: Option<&Rc<Program>>) -> Rc<Self> {
        let parent = parent.filter(|parent| parent.depth < DEPTH).cloned();
        let depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        Rc::new(Self {
            name,
            parent,
            depth,
        })
    }

    /// The names from the first program to this one.
    pub fn ancestry(&self) -> Vec<&str> {
        let mut names = vec![self.name.as_str()];
        let mut program = self;
        while let Some(parent) = program.parent.as_deref() {
            names.push(&parent.name);
            program = parent;
        }
        names.reverse();
        names
    }
}

/// The thread group of a task, which must be in a stop or it may be gone.
pub(super) fn process_of(tid: Tid) -> Option<Tid> {
    Status::of(tid)?.number("Tgid")
}

/// What a person calls the program: the script's name where a script runs (`comm`, which the
/// kernel takes from the file name and cuts to 15 bytes), else the file's.
pub(super) fn program_name(pid: Tid) -> String {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = String::from_utf8_lossy(comm.trim_ascii_end()).into_owned();
    if comm.len() < 15 {
        return comm;
    }
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(path) => match path.file_name().map(|name| name.to_string_lossy()) {
            Some(name) if name.starts_with(&comm) => name.into_owned(),
            _ => comm,
        },
        Err(_) => comm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_programs_is_not_remembered_for_ever() {
        let mut program = Program::new("0".into(), None);
        for i in 1..1000 {
            program = Program::new(i.to_string(), Some(&program));
            assert!(program.ancestry().len() <= DEPTH as usize + 1);
        }
    }
}
