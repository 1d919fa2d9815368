//! wait4(2), raw: nix's `waitpid` loses the status of real-time signals.

use super::{Errno, check};
use libc::{c_int, pid_t};
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
