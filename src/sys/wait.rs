//! wait4(2), raw: nix's `waitpid` loses the status of real-time signals.

use super::{Errno, check};
use libc::{c_int, pid_t};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// A thread's next status: `(tid, status)`, or `None` where nothing is ready (only with
/// `WNOHANG`).
///
/// Waits for this thread's own children and tracees alone (`__WALL | __WNOTHREAD`), so that
/// another thread's children are never reaped here. ECHILD: there is none left. EINTR: a signal
/// handler of this thread ran.
pub fn wait(tid: pid_t, flags: c_int) -> Result<Option<(pid_t, c_int)>, Errno> {
    let mut status: c_int = 0;
    let flags = flags | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `status` is valid for writing, and a null rusage asks for none.
    let tid = check(unsafe { libc::wait4(tid, &mut status, flags, null_mut()) })?;
    Ok((tid > 0).then_some((tid as pid_t, status)))
}

/// A status that a wait can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Of a task that is stopped.
    Stop(pid_t),
    /// Of one that has ended.
    End(pid_t),
}

/// As [`wait`], but leaves the status in place: waitid(2) with WNOWAIT.
pub fn peek(tid: pid_t, flags: c_int) -> Result<Option<Pending>, Errno> {
    let flags = flags | libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
    let Some(info) = wait_id(tid, flags)? else {
        return Ok(None);
    };
    // SAFETY: waitid(2) has filled the structure in as for SIGCHLD.
    let tid = unsafe { info.si_pid() };
    Ok(Some(match info.si_code {
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => Pending::End(tid),
        _ => Pending::Stop(tid),
    }))
}

/// Takes the status of a stopped task, in the form of [`wait`]; `None` if it is no longer stopped.
pub fn take_stop(tid: pid_t) -> Result<Option<c_int>, Errno> {
    let info = match wait_id(tid, libc::WSTOPPED | libc::WNOHANG) {
        Err(Errno::ECHILD) => None,
        other => other?,
    };
    // SAFETY: waitid(2) has filled the structure in as for SIGCHLD.
    Ok(info.map(|info| unsafe { info.si_status() } << 8 | 0x7f))
}

/// Takes the status of a task that has ended, and the peak resident memory in bytes of its process and
/// of those that it has waited for; `None` if it has not ended.
pub fn take_end(tid: pid_t) -> Result<Option<(c_int, u64)>, Errno> {
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `status` and `usage` are valid for writing.
    let tid = check(unsafe { libc::wait4(tid, &mut status, flags, usage.as_mut_ptr()) })?;
    // SAFETY: filled in by the kernel; zeroed bytes are one, too.
    let usage = unsafe { usage.assume_init() };
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or_default() * 1024;
    Ok((tid > 0).then_some((status, peak)))
}

/// Takes the status of a child of this process, whichever of its threads created it.
pub fn reap(pid: pid_t) -> Result<c_int, Errno> {
    let mut status: c_int = 0;
    // SAFETY: `status` is valid for writing, and a null rusage asks for none.
    check(unsafe { libc::wait4(pid, &mut status, libc::__WALL, null_mut()) })?;
    Ok(status)
}

/// waitid(2) for this thread's own children and tracees; -1: any of them.
fn wait_id(tid: pid_t, flags: c_int) -> Result<Option<libc::siginfo_t>, Errno> {
    let (of, id) = match tid {
        -1 => (libc::P_ALL, 0),
        tid => (libc::P_PID, tid as libc::id_t),
    };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `info` is valid for writing.
    check(unsafe { libc::waitid(of, id, info.as_mut_ptr(), flags) })?;
    // SAFETY: zeroed bytes are a siginfo, which the kernel leaves or fills in.
    let info = unsafe { info.assume_init() };
    // SAFETY: all bytes are initialised, and any are a number.
    Ok((unsafe { info.si_pid() } != 0).then_some(info))
}

/// Whether this thread has any child or tracee.
pub fn has_any() -> bool {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    wait_id(-1, flags).is_ok()
}

/// Whether this is a child or tracee of this thread that has not been reaped, so that no other process
/// can have its id. waitid(2) with WNOWAIT leaves the status in place.
pub fn is_own(tid: pid_t) -> bool {
    is_there(tid, libc::__WNOTHREAD)
}

/// The same for a child of any thread of this process.
pub fn is_of_process(pid: pid_t) -> bool {
    is_there(pid, 0)
}

fn is_there(tid: pid_t, flags: c_int) -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    let flags = flags | libc::__WALL;
    // SAFETY: `info` is valid for writing.
    check(unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, info.as_mut_ptr(), flags) }).is_ok()
}
