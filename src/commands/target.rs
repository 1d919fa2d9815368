//! A file, or an open descriptor `fd:N`, that an option of a run names for jail to write to.

use super::Run;
use crate::sys;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;

/// The passed descriptor that would give the command the log or the report.
pub(super) fn passed(run: &Run, target: Option<&OsStr>) -> Option<RawFd> {
    let is = |fd: &RawFd| {
        target.is_some_and(|target| target.as_bytes() == format!("fd:{fd}").as_bytes())
    };
    run.pass_fds.iter().copied().find(is)
}

/// `fd:N`: another descriptor for the same open file. `None`: a path. The inner `None`: it is not
/// open.
pub(super) fn descriptor(target: &OsStr) -> Option<Option<File>> {
    let number = target.as_bytes().strip_prefix(b"fd:")?;
    let number = std::str::from_utf8(number).ok();
    let fd: Option<RawFd> = number.and_then(|number| number.parse().ok());
    Some(fd.and_then(sys::process::duplicate).map(File::from))
}

/// The error for a descriptor that is not open, with the next step.
pub(super) fn not_open(option: &str, target: &OsStr, example: &str) -> String {
    let name = target.to_string_lossy();
    let number = name.strip_prefix("fd:").unwrap_or_default();
    format!("{option} {name}: no such open descriptor; open it first, as in `{number}>{example}`")
}
