//! Open files on their way to a task: the supervisor has opened what the task asked for, because nothing
//! keeps what was judged from being exchanged before the task itself opens it.
//!
//! The task receives the file by calls of the supervisor's making, in place of its own call, which is made
//! again after each:
//!
//! | step | call |
//! |---|---|
//! | 1 | mmap of a page for what the others read and write |
//! | 2 | socketpair; the supervisor takes one end and sends the file |
//! | 3 | recvmsg on the other end |
//! | 4 to 6 | close of both ends, munmap |
//! | 7, 8 | fcntl(F_DUPFD), close: the lowest number that is free, as open(2) gives |
//!
//! What another task writes to the page meanwhile can only change what these calls do to its own process.

pub mod steps;

use crate::supervise::syscall::pending::{Pending, again};
use crate::supervise::syscall::stop::{Judged, SyscallStop};
use crate::supervise::tracee::Task;
use crate::sys::Errno;
use crate::trace::{Registers, Resume};
use std::os::fd::OwnedFd;
use steps::Passing;
pub use steps::{opened, opens_at_once};

/// Passes an open file on in place of the task's call.
pub(super) fn pass(stop: &SyscallStop<'_>, file: OwnedFd, closes_on_exec: bool) -> Judged<Resume> {
    let passing = Passing::new(stop.task.pid(), stop.call, file, closes_on_exec);
    stop.task.paths.passing.replace(Some(passing));
    go_on(stop).ok_or(Errno::EACCES)?
}

/// The next step, where a file is on its way for this call; `None`: there is none.
pub(super) fn go_on(stop: &SyscallStop<'_>) -> Option<Judged<Resume>> {
    let passing = stop.task.paths.passing.borrow();
    let passing = passing.as_ref()?;
    if !passing.is_for(&stop.call) {
        return None;
    }
    let (op, args) = passing.next();
    let Some(nr) = op.number() else {
        return Some(Err(Errno::ENOSYS.into()));
    };
    let original = stop.registers;
    stop.task
        .pending
        .replace(Some(Pending::Passing { original }));
    Some(Ok(Resume::calling(original.with_call(nr, args)).and_stop()))
}

/// A call of the supervisor's making has returned.
pub fn returned(task: &Task, original: Registers, result: i64) -> Resume {
    let mut kept = task.paths.passing.borrow_mut();
    let Some(passing) = kept.as_mut() else {
        return Resume::set(original.with_result(-i64::from(libc::EACCES)));
    };
    match passing.returned(task.tid(), result) {
        None => again(original),
        Some(result) => {
            *kept = None;
            Resume::set(original.with_result(result))
        }
    }
}
