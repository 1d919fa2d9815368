//! A tracee in a ptrace-stop, and the requests that are allowed there.

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
// 224 bytes on the stack, once per stop: a box would cost more.
#[allow(clippy::large_enum_variant)]
pub enum Resume {
    /// Continue as if it had not stopped.
    Continue,
    /// Continue, and deliver this signal.
    Deliver(i32),
    /// Stay in the group-stop until SIGCONT.
    Listen,
    /// Do not run the call of this seccomp-stop: it returns this value (`-errno` for an error),
    /// and no other register changes. The registers are those that were read in this stop.
    Return(Registers, i64),
    /// Continue with these registers: at a seccomp-stop another call, or other arguments; at any other
    /// stop the registers from before.
    Set(Registers),
    /// As `Set`, and stop at the next entry or exit of a call ([`Stop::Syscall`](super::Stop)): at a
    /// seccomp-stop that is the exit of this call.
    SetAndStop(Registers),
    /// As `Continue`, `Deliver` and `Return`, and stop at the next entry or exit of a call.
    ContinueAndStop,
    /// See `ContinueAndStop`.
    DeliverAndStop(i32),
    /// See `ContinueAndStop`.
    ReturnAndStop(Registers, i64),
    /// Kill its whole process.
    Kill,
}

impl Resume {
    /// The same, with a stop at the next entry or exit of a call.
    pub fn and_stop(self) -> Resume {
        match self {
            Resume::Continue => Resume::ContinueAndStop,
            Resume::Deliver(signal) => Resume::DeliverAndStop(signal),
            Resume::Return(registers, value) => Resume::ReturnAndStop(registers, value),
            Resume::Set(registers) => Resume::SetAndStop(registers),
            other => other,
        }
    }
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

    /// Sets whether it, and each task that it creates from now on, stops before it ends
    /// ([`Stop::Exit`](super::Stop::Exit)).
    pub fn watch_exits(&self, stops: bool) -> Result<(), Errno> {
        let exits = if stops { libc::PTRACE_O_TRACEEXIT } else { 0 };
        alive(sys::ptrace::set_options(self.tid, super::OPTIONS | exits)).map(drop)
    }

    /// Sets the registers with which it is resumed.
    pub fn set_registers(&self, registers: &Registers) -> Result<(), Errno> {
        alive(registers.set(self.tid)).map(drop)
    }

    /// The event's message: for fork, vfork and clone the child's tid, for exec the former tid, for a
    /// seccomp-stop the SECCOMP_RET_DATA of the filter (Linux 3.5).
    pub fn message(&self) -> Result<Option<u64>, Errno> {
        alive(sys::ptrace::event_message(self.tid))
    }

    /// Whether a syscall-stop is the entry of a call, not its exit (PTRACE_GET_SYSCALL_INFO, Linux 5.3).
    /// One that was killed meanwhile is at neither.
    pub fn is_entry(&self) -> Result<bool, Errno> {
        alive(sys::ptrace::is_entry(self.tid)).map(|entry| entry.unwrap_or(false))
    }

    /// The siginfo of the signal that is about to be delivered.
    pub fn siginfo(&self) -> Result<Option<siginfo_t>, Errno> {
        alive(sys::ptrace::siginfo(self.tid))
    }

    /// Replaces that siginfo.
    pub fn set_siginfo(&self, info: &siginfo_t) -> Result<Option<()>, Errno> {
        alive(sys::ptrace::set_siginfo(self.tid, info))
    }

    /// Resumes the tracee. It is not an error if it was killed meanwhile: its death is reported by a
    /// later wait.
    pub fn resume(self, how: Resume) -> Result<(), Errno> {
        let tid = self.tid;
        self.forget();
        let result = match how {
            Resume::Continue => sys::ptrace::cont(tid, 0),
            Resume::Deliver(signal) => sys::ptrace::cont(tid, signal),
            Resume::ContinueAndStop => sys::ptrace::cont_to_syscall(tid, 0),
            Resume::DeliverAndStop(signal) => sys::ptrace::cont_to_syscall(tid, signal),
            Resume::ReturnAndStop(registers, value) => registers
                .answer(tid, value)
                .and_then(|()| sys::ptrace::cont_to_syscall(tid, 0)),
            Resume::Listen => sys::ptrace::listen(tid),
            Resume::Kill => sys::process::kill(tid, libc::SIGKILL),
            Resume::Set(registers) => registers.set(tid).and_then(|()| sys::ptrace::cont(tid, 0)),
            Resume::SetAndStop(registers) => registers
                .set(tid)
                .and_then(|()| sys::ptrace::cont_to_syscall(tid, 0)),
            Resume::Return(registers, value) => registers
                .answer(tid, value)
                .and_then(|()| sys::ptrace::cont(tid, 0)),
        };
        alive(result).map(drop)
    }

    /// Drops this without resuming: only for a tracee that is resumed in another way.
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
