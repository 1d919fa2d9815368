//! landlock(7), as far as the `landlock` crate does not cover it: the query for the ABI, and the calls
//! after a fork. libc has no wrappers for them.

use super::files::{NO_SYMLINKS, openat2};
use super::{Errno, check};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{from_ref, null};

/// A flag of landlock_create_ruleset(2) with which it creates nothing, and returns a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// LANDLOCK_CREATE_RULESET_VERSION: the ABI. ENOSYS: Landlock is not built in. EOPNOTSUPP: it was
    /// not enabled at boot.
    Version = 1,
    /// LANDLOCK_CREATE_RULESET_ERRATA (Linux 6.15, and later releases of older series): a mask of the
    /// errata that are fixed, in which bit n stands for erratum n + 1. EINVAL: this kernel does not say.
    Errata = 2,
}

/// Asks this kernel's Landlock for a number.
pub fn query(what: Query) -> Result<u32, Errno> {
    // SAFETY: with these flags the kernel takes no attribute and only returns a number.
    let number = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            null::<u8>(),
            0usize,
            what as u32,
        )
    })?;
    Ok(u32::try_from(number).unwrap_or(0))
}

/// The Landlock ABI of this kernel; 0 if Landlock is not built in or is switched off.
pub fn abi() -> u32 {
    query(Query::Version).unwrap_or(0)
}

/// The first ABI whose domains can be kept out of the audit log (Linux 6.15).
pub const QUIET_ABI: u32 = 7;

/// LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF (ABI 7): what the domain denies is not logged before the next
/// execve. After it nothing is logged anyway, unless a flag asks for that.
pub const LOG_SAME_EXEC_OFF: u32 = 1 << 0;
/// LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF (ABI 7): what domains within the domain deny is not logged.
pub const LOG_SUBDOMAINS_OFF: u32 = 1 << 2;

/// The flags of landlock_restrict_self(2) for [`restrict_self`].
pub fn restrict_flags(quiet: bool) -> u32 {
    match quiet {
        true => LOG_SAME_EXEC_OFF | LOG_SUBDOMAINS_OFF,
        false => 0,
    }
}

/// Puts the calling thread into a new domain of the ruleset. Needs no_new_privs.
/// Async-signal-safe.
///
/// `quiet`: no denial is written to the audit log, neither of this domain nor of those that programs
/// create within it. Needs Landlock 7.
pub fn restrict_self(ruleset: BorrowedFd<'_>, quiet: bool) -> Result<(), Errno> {
    restrict_self_with(ruleset, quiet, 0)
}

/// The same, with a sixth argument that the kernel ignores and a filter may look at.
pub fn restrict_self_with(ruleset: BorrowedFd<'_>, quiet: bool, pass: u64) -> Result<(), Errno> {
    let (ruleset, flags) = (ruleset.as_raw_fd(), restrict_flags(quiet));
    let number = libc::SYS_landlock_restrict_self;
    // SAFETY: takes a descriptor and numbers, no memory.
    check(unsafe { libc::syscall(number, ruleset, flags, 0u64, 0u64, 0u64, pass) }).map(drop)
}

/// landlock_add_rule(2): allows these accesses beneath `path`; if it is not a directory, only those that
/// apply to files. A path that does not exist, or is a symbolic link, grants nothing. Async-signal-safe.
pub fn grant(ruleset: BorrowedFd<'_>, path: &CStr, directory: u64, file: u64) -> Result<(), Errno> {
    match openat2(libc::AT_FDCWD, path, libc::O_PATH, NO_SYMLINKS) {
        Ok(object) => grant_opened(ruleset, object.as_fd(), directory, file),
        Err(_) => Ok(()),
    }
}

/// The same, for what a path led to; the rights for a file must be some of those for a directory. Async-signal-safe.
///
/// The kernel knows what was opened, and refuses rights of directories for a file (EINVAL, landlock_add_rule(2)),
/// so nothing asks it before. If it refuses a directory for another reason, that gets fewer rights, not more.
pub fn grant_opened(
    ruleset: BorrowedFd<'_>,
    object: BorrowedFd<'_>,
    directory: u64,
    file: u64,
) -> Result<(), Errno> {
    if directory == 0 {
        return Ok(());
    }
    match grant_object(ruleset, object, directory) {
        Err(Errno::EINVAL) if file == 0 => Ok(()),
        Err(Errno::EINVAL) if file != directory => grant_object(ruleset, object, file),
        granted => granted,
    }
}

/// A ruleset that allows creating unix sockets beneath this directory only
/// (LANDLOCK_ACCESS_FS_MAKE_SOCK, ABI 1), and restricts nothing else.
pub fn sockets_beneath(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const MAKE_SOCK: u64 = 1 << 9;
    // `struct landlock_ruleset_attr` as of ABI 1: the rights that are denied unless a rule grants them.
    let handled = MAKE_SOCK;
    // SAFETY: `handled` is valid for reading and has the size given.
    let ruleset = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            from_ref(&handled),
            size_of::<u64>(),
            0u32,
        )
    })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as RawFd) };
    grant_object(ruleset.as_fd(), directory, MAKE_SOCK)?;
    Ok(ruleset)
}

/// landlock_add_rule(2) for an open file or directory: grants these rights, which the ruleset must
/// handle.
pub fn grant_object(
    ruleset: BorrowedFd<'_>,
    object: BorrowedFd<'_>,
    allowed: u64,
) -> Result<(), Errno> {
    const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
    /// `struct landlock_path_beneath_attr` of linux/landlock.h.
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        parent: i32,
    }
    let rule = Beneath {
        allowed,
        parent: object.as_raw_fd(),
    };
    // SAFETY: `rule` is valid for reading and has the layout that the kernel takes.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            LANDLOCK_RULE_PATH_BENEATH,
            from_ref(&rule),
            0u32,
        )
    })
    .map(drop)
}
