//! Typed ptrace: why a tracee stopped, and the one answer that resumes it.
//!
//! Only a wait returns a [`Stopped`]; it is neither `Clone` nor `Send`, and [`Stopped::resume`] consumes
//! it. So a tracee can neither be forgotten in a stop nor accessed while it runs. No policy.
//!
//! The terms are those of ptrace(2). The requests here need Linux 4.8 (seccomp-stops before the filter
//! is run again); `PTRACE_SEIZE` is 3.4, `PTRACE_O_EXITKILL` 3.8.

mod meter;
mod registers;
mod status;
mod stopped;

pub use meter::Meter;
pub use registers::Registers;
pub use status::{Exit, Stop, Wait};
pub use stopped::{Resume, ResumeAction, Stopped};

use crate::sys::{self, Errno};

/// A thread's id, as ptrace(2) names it.
pub type Tid = i32;

/// The options that a tracee is seized with.
///
/// PTRACE_O_TRACEEXIT is left out: each exit would cost a stop ([`Stopped::watch_exits`]).
const OPTIONS: i32 = libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC;

/// Attaches to a running process without stopping it. Its children are attached when they are created,
/// and all are killed when this thread ends.
pub fn seize(tid: Tid) -> Result<(), Errno> {
    sys::ptrace::seize(tid, OPTIONS)
}

/// Waits for the next tracee (or child) of this thread. `None`: there is none left.
pub fn wait(meter: &mut Meter) -> Result<Option<Wait>, Errno> {
    wait_for(-1, 0, meter)
}

/// Waits for the next event of this tracee alone.
pub fn wait_on(tid: Tid, meter: &mut Meter) -> Result<Option<Wait>, Errno> {
    wait_for(tid, 0, meter)
}

/// The next event of this tracee if one is ready.
pub fn poll(tid: Tid, meter: &mut Meter) -> Result<Option<Wait>, Errno> {
    wait_for(tid, libc::WNOHANG, meter)
}

fn wait_for(tid: Tid, flags: i32, meter: &mut Meter) -> Result<Option<Wait>, Errno> {
    match meter.wait(tid, flags) {
        Ok(Some((tid, status))) => Ok(Some(Wait::decode(tid, status))),
        Ok(None) | Err(Errno::ECHILD) => Ok(None),
        Err(Errno::EINTR) => Ok(Some(Wait::Interrupted)),
        Err(errno) => Err(errno),
    }
}
