//! The working directory of a child that has given up its capabilities: opened before, and entered by fchdir(2).

use super::super::landlock::past_streams;
use caps::{CapSet, Capability};
use std::ffi::{CStr, OsStr};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// The open directory. `None`: it is not there, or entering it may take a capability that this process has.
pub fn opened(path: &CStr) -> Option<OwnedFd> {
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(OsStr::from_bytes(path.to_bytes()))
        .ok()?;
    if !can_enter(&directory) {
        return None;
    }
    let mut directory = OwnedFd::from(directory);
    past_streams(&mut directory).ok()?;
    Some(directory)
}

/// Whether this process could enter it without capabilities. May be `false` where a group or an access control list
/// would let it in.
fn can_enter(directory: &File) -> bool {
    let has = |one| caps::has_cap(None, CapSet::Effective, one).unwrap_or(true);
    let helps = [
        Capability::CAP_DAC_OVERRIDE,
        Capability::CAP_DAC_READ_SEARCH,
    ];
    if !helps.into_iter().any(has) {
        return true;
    }
    // For an owner nothing but the owner's rights count (path_resolution(7)).
    directory.metadata().is_ok_and(|found| {
        found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & libc::S_IXUSR != 0
    })
}
