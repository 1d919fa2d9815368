//! landlock(7): the three system calls. libc has no wrappers for them.

use super::{Errno, check};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{from_ref, null};

/// LANDLOCK_SCOPE_SIGNAL (ABI 6, Linux 6.12): no signal to a process outside of the domain.
pub const SCOPE_SIGNAL: u64 = 1 << 1;

/// `struct landlock_ruleset_attr` of ABI 6.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

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

/// LANDLOCK_ACCESS_FS_REFER (ABI 2, Linux 5.19): link and rename between directories.
pub const ACCESS_FS_REFER: u64 = 1 << 13;

/// A ruleset that handles the accesses `fs` to files (LANDLOCK_ACCESS_FS_*) and scopes `scoped`
/// (LANDLOCK_SCOPE_*, ABI 6); one of them must not be empty.
pub fn ruleset(fs: u64, scoped: u64) -> Result<OwnedFd, Errno> {
    let attr = RulesetAttr {
        handled_access_fs: fs,
        handled_access_net: 0,
        scoped,
    };
    // An older kernel knows a shorter attribute, and takes a longer one only if the rest is zero
    // (E2BIG otherwise).
    // SAFETY: `attr` is a valid landlock_ruleset_attr of the size given.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            from_ref(&attr),
            size_of::<RulesetAttr>(),
            0u32,
        )
    })?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Grants `access` to `beneath` and everything below it.
pub fn grant(ruleset: BorrowedFd<'_>, access: u64, beneath: BorrowedFd<'_>) -> Result<(), Errno> {
    /// `struct landlock_path_beneath_attr`, which the kernel packs.
    #[repr(C, packed)]
    struct PathBeneathAttr {
        allowed_access: u64,
        parent_fd: i32,
    }
    const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
    let attr = PathBeneathAttr {
        allowed_access: access,
        parent_fd: beneath.as_raw_fd(),
    };
    // SAFETY: `attr` is a valid landlock_path_beneath_attr, the kind that the rule type names.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            LANDLOCK_RULE_PATH_BENEATH,
            from_ref(&attr),
            0u32,
        )
    })
    .map(drop)
}

/// Puts the calling thread into a new domain of the ruleset. Needs no_new_privs.
/// Async-signal-safe.
pub fn restrict_self(ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes a descriptor and flags, no memory.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) })
        .map(drop)
}
