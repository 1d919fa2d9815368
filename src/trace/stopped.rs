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
pub struct Resume {
    /// What the tracee does next.
    pub action: ResumeAction,
    /// Whether it stops at the next entry or exit of a call ([`Stop::Syscall`](super::Stop)): after a
    /// seccomp-stop whose call runs, that is the exit of this call. `Listen` and `Kill` ignore it.
    pub stop_at_syscall: bool,
}

/// What a stopped tracee does next.
#[derive(Debug, Clone, Copy)]
// 224 bytes on the stack, once per stop: a box would cost more.
#[allow(clippy::large_enum_variant)]
pub enum ResumeAction {
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
    /// Continue this seccomp-stop with the call and the arguments of these registers; no other register changes.
    Call(Registers),
    /// Continue this exit of a call with the registers that it was made with. It ran with these arguments, and
    /// returns this value, which is what it has returned.
    Restore(Registers, [u64; 6], i64),
    /// Kill its whole process.
    Kill,
}

impl Resume {
    /// See [`ResumeAction::Continue`].
    pub const CONTINUE: Resume = Resume::by(ResumeAction::Continue);
    /// See [`ResumeAction::Listen`].
    pub const LISTEN: Resume = Resume::by(ResumeAction::Listen);
    /// See [`ResumeAction::Kill`].
    pub const KILL: Resume = Resume::by(ResumeAction::Kill);

    const fn by(action: ResumeAction) -> Resume {
        Resume {
            action,
            stop_at_syscall: false,
        }
    }

    /// See [`ResumeAction::Deliver`].
    pub const fn deliver(signal: i32) -> Resume {
        Resume::by(ResumeAction::Deliver(signal))
    }

    /// See [`ResumeAction::Return`].
    pub const fn returning(registers: Registers, value: i64) -> Resume {
        Resume::by(ResumeAction::Return(registers, value))
    }

    /// See [`ResumeAction::Set`].
    pub const fn set(registers: Registers) -> Resume {
        Resume::by(ResumeAction::Set(registers))
    }

    /// See [`ResumeAction::Call`].
    pub const fn calling(registers: Registers) -> Resume {
        Resume::by(ResumeAction::Call(registers))
    }

    /// See [`ResumeAction::Restore`].
    pub const fn restoring(registers: Registers, made: [u64; 6], result: i64) -> Resume {
        Resume::by(ResumeAction::Restore(registers, made, result))
    }

    /// The same, with a stop at the next entry or exit of a call.
    pub const fn and_stop(self) -> Resume {
        Resume {
            stop_at_syscall: true,
            ..self
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

    /// At the exit of a call: what it returns. `None`: it was killed in its stop.
    pub fn result(&self) -> Result<Option<i64>, Errno> {
        alive(Registers::result_of(self.tid))
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
        let go_on = |signal| match how.stop_at_syscall {
            true => sys::ptrace::cont_to_syscall(tid, signal),
            false => sys::ptrace::cont(tid, signal),
        };
        let result = match how.action {
            ResumeAction::Continue => go_on(0),
            ResumeAction::Deliver(signal) => go_on(signal),
            ResumeAction::Listen => sys::ptrace::listen(tid),
            ResumeAction::Return(registers, value) => {
                registers.answer(tid, value).and_then(|()| go_on(0))
            }
            ResumeAction::Set(registers) => registers.set(tid).and_then(|()| go_on(0)),
            ResumeAction::Call(registers) => registers.set_call(tid).and_then(|()| go_on(0)),
            ResumeAction::Restore(registers, made, result) => {
                registers.restore(tid, made, result).and_then(|()| go_on(0))
            }
            ResumeAction::Kill => sys::process::kill(tid, libc::SIGKILL),
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
