//! A descriptor that can be made readable, by any thread or signal handler: eventfd(2), Linux 2.6.27.

use super::{Errno, check};
use libc::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Creates one that is not readable, above 2, and closed by execve.
///
/// # Errors
/// Those of eventfd(2).
pub fn new() -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only, and returns a new descriptor or an error.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })? as c_int;
    // SAFETY: the descriptor is new, and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    match fd.as_raw_fd() {
        0..=2 => super::process::duplicate(fd.as_raw_fd()).ok_or(Errno::EMFILE),
        _ => Ok(fd),
    }
}

/// Makes it readable permanently. Async-signal-safe.
pub fn set(fd: BorrowedFd<'_>) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: `one` is valid for reading. The call fails only if the count is at its maximum, and then
    // it is readable.
    unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}
