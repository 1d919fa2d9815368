//! System calls that the supervisor makes itself, and their arguments.

use crate::supervise::syscall::charged;
use crate::supervise::syscall::stop::Judged;
use crate::sys::Errno;
use crate::sys::files::{self, Arg};
use crate::syscalls::op::{Op, ReadMetadata, WriteMetadata};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

pub(super) const AT_FDCWD: Arg<'static> = Arg::Number(libc::AT_FDCWD as i64 as u64);

/// The path of a descriptor of this process, which leads to its object whatever that is.
pub(super) fn link(object: &OwnedFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", object.as_raw_fd())).unwrap_or_default()
}

pub(super) fn fd(object: &OwnedFd) -> Arg<'static> {
    Arg::Number(object.as_raw_fd() as u64)
}

pub(super) fn six<'a, const N: usize>(args: [Arg<'a>; N]) -> [Arg<'a>; 6] {
    let mut args = args.into_iter();
    std::array::from_fn(|_| args.next().unwrap_or(Arg::Number(0)))
}

/// Makes a call, in the command's cgroup if the kernel keeps something for it.
pub(super) fn perform(number: libc::c_long, args: [Arg<'_>; 6]) -> Result<i64, Errno> {
    charged::perform(number, args)
}

pub(super) fn text(bytes: Vec<u8>) -> Judged<CString> {
    Ok(CString::new(bytes).map_err(|_| Errno::EINVAL)?)
}

/// Calls that Linux 5.10 lacks, and that are made here as older ones, or only if their flags are known: fchmodat2 is
/// of 6.6, the last two are of 6.17, the others of 6.13.
const NEWER: &[Op] = &[
    Op::WriteMetadata(WriteMetadata::Fchmodat2),
    Op::WriteMetadata(WriteMetadata::Setxattrat),
    Op::ReadMetadata(ReadMetadata::Getxattrat),
    Op::ReadMetadata(ReadMetadata::Listxattrat),
    Op::WriteMetadata(WriteMetadata::Removexattrat),
    Op::ReadMetadata(ReadMetadata::FileGetattr),
    Op::WriteMetadata(WriteMetadata::FileSetattr),
];

/// Whether it is a call that this kernel does not have: its program is told so, as without a jail.
pub(super) fn is_missing(op: Op) -> bool {
    let known = |op: Op| {
        op.number()
            .is_some_and(|number| files::is_known(number.into()))
    };
    NEWER.contains(&op) && !known(op)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_no_kernel_has_is_not_known() {
        assert!(files::is_known(libc::SYS_fchmodat));
        assert!(!files::is_known(100_000));
        assert!(NEWER.iter().all(|op| op.number().is_some()));
        assert!(!is_missing(Op::WriteMetadata(WriteMetadata::Fchmodat)));
    }
}
