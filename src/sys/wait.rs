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

/// Whether this is a child or tracee of this thread that [`wait`] has not yet told the end of, so
/// that its id cannot be anybody else's. waitid(2) with WNOWAIT: takes no status away.
pub fn is_own(tid: pid_t) -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    let flags = flags | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `info` is valid for writing.
    check(unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, info.as_mut_ptr(), flags) }).is_ok()
}
