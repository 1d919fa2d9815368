//! A denied call, with what a report may want to know of it while the tracee is still stopped.

use super::Program;
use super::ask::Answer;
use super::object::Object;
use super::tracee::{Task, Tracees};
use crate::judge::Verdict;
use crate::policy::DomainSet;
use crate::sys;
use crate::syscalls::{Call, Kind};
use crate::trace::Tid;
use std::fmt;
use std::rc::Rc;

/// A denied call. Nothing is read or formatted before it is asked for.
pub struct Denial<'a> {
    /// The thread that made the call.
    pub tid: Tid,
    /// The call, as its registers had it.
    pub call: Call,
    /// What was decided, and by what.
    pub verdict: Verdict,
    /// The path or the peer that it was about.
    pub object: Option<Object>,
    /// The answer, if a person or a program was asked.
    pub asked: Option<Answer>,
    task: &'a Task,
    tracees: &'a Tracees,
}

impl<'a> Denial<'a> {
    pub(super) fn new(
        task: &'a Task,
        call: Call,
        verdict: Verdict,
        object: Option<Object>,
        tracees: &'a Tracees,
    ) -> Self {
        Self {
            object,
            asked: None,
            tid: task.tid(),
            call,
            verdict,
            task,
            tracees,
        }
    }

    /// The same with the answer, if a person or a program was asked.
    pub(super) fn asked(mut self, asked: Option<Answer>) -> Self {
        self.asked = asked;
        self
    }

    /// The process that made the call.
    pub fn pid(&self) -> Tid {
        self.task.pid()
    }

    /// The program that made the call, and those that led to it.
    pub fn program(&self) -> Rc<Program> {
        self.task.program()
    }

    /// The parent of its process, if that has executed nothing since it was forked by another of the jail.
    pub fn worker_of(&self) -> Option<Tid> {
        let leader = self.tracees.get(self.pid());
        leader.filter(|leader| !leader.has_executed())?;
        self.task.process().parent()
    }

    /// The domains of the process.
    pub fn domains(&self) -> DomainSet {
        self.task.process().domains.set()
    }

    /// A path as policies have it: the caller's own part of `/proc` is `/proc/self`.
    pub fn own(&self, path: &[u8]) -> Vec<u8> {
        self.tracees.own(self.task, path)
    }

    /// Whether a number, as the command sees it, is that of a task of the jail.
    pub fn is_task(&self, number: Tid) -> bool {
        let task = self.tracees.of_number(number);
        task.is_some_and(|tid| self.tracees.has(tid))
    }

    /// The call decoded, with the texts that its pointers name.
    pub fn text(&self) -> String {
        struct Decoded<'a>(&'a Call, Tid);
        impl fmt::Display for Decoded<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0
                    .format_with(f, &mut |_, kind, value| remote_text(self.1, kind, value))
            }
        }
        Decoded(&self.call, self.tid).to_string()
    }
}

/// How much of a path or string a message shows.
const SHOWN: usize = 80;

/// The text that a pointer argument names, quoted. Other threads may change it at any time: it is
/// for people to read, never to judge by.
fn remote_text(tid: Tid, kind: Kind, address: u64) -> Option<String> {
    if !matches!(kind, Kind::Path { .. } | Kind::String) || address == 0 {
        return None;
    }
    let mut buffer = [0; SHOWN];
    let read = sys::memory::read(tid, address, &mut buffer).ok()?;
    let bytes = &buffer[..read];
    let end = bytes.iter().position(|&byte| byte == 0);
    let text = String::from_utf8_lossy(&bytes[..end.unwrap_or(read)]);
    let more = if end.is_none() { "…" } else { "" };
    Some(format!("{text:?}{more}"))
}
