//! Processes that ask not to be traced: CLONE_UNTRACED of clone(2).

use crate::sys::process::Fork;
use crate::sys::{Errno, check};
use libc::pid_t;

fn side(pid: i64) -> Fork {
    match pid {
        0 => Fork::Child,
        pid => Fork::Parent(pid as pid_t),
    }
}

/// By clone(2). The child may call async-signal-safe functions only.
pub fn clone_untraced() -> Result<Fork, Errno> {
    let flags = libc::CLONE_UNTRACED | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has a copy of all memory, as after fork(2); the rest is NULL.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) }).map(side)
}

/// By clone3(2), whose flags lie in memory.
pub fn clone3_untraced() -> Result<Fork, Errno> {
    // `struct clone_args`: the first word holds the flags, the fifth the signal.
    let (flags, signal) = (libc::CLONE_UNTRACED as u64, libc::SIGCHLD as u64);
    let arguments = [flags, 0, 0, 0, signal, 0, 0, 0];
    let size = size_of_val(&arguments);
    // SAFETY: the kernel reads `size` bytes; without CLONE_VM the child has a copy of all memory.
    check(unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size) }).map(side)
}

/// Whether this host has clone3(2): asks for it with a structure of no size, which makes nothing.
pub fn has_clone3() -> bool {
    // SAFETY: the kernel reads nothing, because the size is too small.
    let made = check(unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<u64>(), 0) });
    !matches!(made, Err(Errno::ENOSYS | Errno::EPERM))
}
