//! A tracee in a ptrace-stop, and what may be done to it there.

use super::{Registers, Tid};
use crate::sys::{self, Errno};
use libc::siginfo_t;
use std::marker::PhantomData;

/// A tracee in a ptrace-stop: it does nothing until [`Stopped::resume`].
///
/// Only the thread that seized it may use it, so it is not `Send`.
#[derive(Debug)]
#[must_use = "a tracee that is not resumed stays in its stop for ever"]
pub struct Stopped {
    tid: Tid,
    not_send: PhantomData<*const ()>,
}

/// The answer to a stop.
#[derive(Debug, Clone, Copy)]
// 224 bytes on the stack, once a stop: a box would cost more.
#[allow(clippy::large_enum_variant)]
pub enum Resume {
    /// Go on as if it had not stopped.
    Continue,
    /// Go on with this signal delivered.
    Deliver(i32),
    /// Stay in the group-stop until SIGCONT.
    Listen,
    /// Do not run the call of this seccomp-stop: it returns this value (`-errno` for an error),
    /// and no other register changes. The registers are those that were read in this stop.
    Return(Registers, i64),
    /// Go on with these registers: at a seccomp-stop another call, or other arguments; at any other
    /// stop what the registers were before.
    Set(Registers),
    /// As `Set`, and stop at the next entry or exit of a call ([`Stop::Syscall`](super::Stop)): at a
    /// seccomp-stop that is the exit of this call.
    SetAndStop(Registers),
    /// Kill its whole process.
    Kill,
}

impl Stopped {
    pub(super) fn new(tid: Tid) -> Self {
        Self {
            tid,
            not_send: PhantomData,
        }
    }

    /// The thread.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Its registers. `None`: it was killed in its stop; its death arrives at a later wait.
    pub fn registers(&self) -> Result<Option<Registers>, Errno> {
        alive(sys::ptrace::registers(self.tid)).map(|raw| raw.map(Registers::new))
    }

    /// The event's message: for fork, vfork and clone the child's tid, for exec the former tid.
    pub fn message(&self) -> Result<Option<u64>, Errno> {
        alive(sys::ptrace::event_message(self.tid))
    }

    /// The siginfo of the signal that is about to be delivered.
    pub fn siginfo(&self) -> Result<Option<siginfo_t>, Errno> {
        alive(sys::ptrace::siginfo(self.tid))
    }

    /// Replaces that siginfo.
    pub fn set_siginfo(&self, info: &siginfo_t) -> Result<Option<()>, Errno> {
        alive(sys::ptrace::set_siginfo(self.tid, info))
    }

    /// Lets the tracee go on. That it was killed meanwhile is no error: its death follows.
    pub fn resume(self, how: Resume) -> Result<(), Errno> {
        let tid = self.tid;
        self.forget();
        let result = match how {
            Resume::Continue => sys::ptrace::cont(tid, 0),
            Resume::Deliver(signal) => sys::ptrace::cont(tid, signal),
            Resume::Listen => sys::ptrace::listen(tid),
            Resume::Kill => sys::process::kill(tid, libc::SIGKILL),
            Resume::Set(registers) => registers.set(tid).and_then(|()| sys::ptrace::cont(tid, 0)),
            Resume::SetAndStop(registers) => registers
                .set(tid)
                .and_then(|()| sys::ptrace::cont_to_syscall(tid)),
            Resume::Return(registers, value) => registers
                .answer(tid, value)
                .and_then(|()| sys::ptrace::cont(tid, 0)),
        };
        alive(result).map(drop)
    }

    /// Gives the stop up: only where the tracee is resumed otherwise.
    pub(super) fn forget(self) {}
}

/// ESRCH on a stopped tracee means that SIGKILL has taken it: a state, not an error.
fn alive<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno),
    }
}
