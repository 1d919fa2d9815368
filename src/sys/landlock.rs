//! landlock(7): what the `landlock` crate does not do, the question for the ABI and the call after a
//! fork. libc has no wrappers for them.

use super::{Errno, check};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null;

/// The Landlock ABI of this kernel, 0 where it has none or has it switched off.
pub fn abi() -> u32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes no attribute and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            null::<u8>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

/// Puts the calling thread into a new domain of the ruleset. Needs no_new_privs.
/// Async-signal-safe.
pub fn restrict_self(ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes a descriptor and flags, no memory.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) })
        .map(drop)
}
