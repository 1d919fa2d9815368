//! A call in its stop, and what becomes of it.

use crate::judge::{Reason, Verdict};
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::object::{Object, Seen};
use crate::supervise::syscall::lacks::Lacks;
use crate::supervise::tracee::{Task, Tracees};
use crate::sys::Errno;
use crate::syscalls::{self, Call};
use crate::trace::{Registers, Resume, Stopped};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What becomes of a call.
pub enum Answer {
    /// It goes on, or has been made.
    Go(Resume),
    /// It is denied, for the sake of this path or peer; `None`: whatever it names.
    Deny(Verdict, Option<Object>),
}

/// A call in its stop, with what is needed to answer it.
pub struct SyscallStop<'a> {
    pub plan: &'a Plan,
    pub tracees: &'a Tracees,
    /// The task that makes it.
    pub task: &'a Rc<Task>,
    pub tracee: &'a Stopped,
    pub registers: Registers,
    pub call: Call,
    /// Whether rules about paths or arguments have to be asked.
    pub rules: bool,
    /// The arguments of the program that is to be started, where a rule may ask for them.
    pub vector: Vec<Vec<u8>>,
    /// What the call was allowed, where that is recorded.
    pub seen: Option<&'a Seen>,
    /// What the policy lacks, where that is learned.
    pub lacks: Option<&'a RefCell<Lacks>>,
}

/// Why a call is not allowed to go on as it is.
pub enum Refused {
    /// The kernel's answer.
    Errno(Errno),
    /// The policy's.
    Denied(Verdict, Object),
    /// The policy's, of a call that names no peer.
    Called(Verdict),
    /// Not known yet, of a peer: the call is to be made again after this pause.
    Later(Duration),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused::Errno(errno)
    }
}

pub type Judged<T> = Result<T, Refused>;

impl SyscallStop<'_> {
    /// Records what the call is allowed.
    pub fn see(&self, object: impl FnOnce() -> Object) {
        if let Some(seen) = self.seen {
            seen.borrow_mut().push(object());
        }
    }

    /// Whether a denied call is to be judged again, because what it lacks is let through from now on.
    pub fn learns(&self, answer: &Answer) -> bool {
        let (Some(lacks), Answer::Deny(verdict, Some(object))) = (self.lacks, answer) else {
            return false;
        };
        let own = self.own_of(object);
        lacks.borrow_mut().learn(verdict, object, &own)
    }

    /// Whether what a denied call names is let through.
    pub fn lets(&self, verdict: &Verdict, object: impl FnOnce() -> Object) -> bool {
        let Some(lacks) = self.lacks else {
            return false;
        };
        let object = object();
        let own = self.own_of(&object);
        lacks.borrow_mut().lets(verdict, object, &own, self.task)
    }

    fn own_of(&self, object: &Object) -> Vec<u8> {
        match object {
            Object::Path(path) => self.tracees.own(self.task, &path.resolved),
            Object::Peer(_) => Vec::new(),
        }
    }

    /// An argument of the call.
    pub fn arg(&self, index: u8) -> u64 {
        let arg = self.call.args.get(usize::from(index));
        arg.copied().unwrap_or(0)
    }
}

/// A denial that no entry of the policy says.
pub fn refusal(reason: Reason) -> Verdict {
    Verdict {
        action: Action::Deny(syscalls::Errno::EACCES),
        quiet: false,
        reason,
        check: None,
        domain: None,
    }
}

/// As a system call returns it.
pub fn errno(errno: Errno) -> i64 {
    -i64::from(errno as i32)
}
