//! What a container's seccomp profile keeps from jail although the kernel has it: planned as if it were
//! not there, or told before anything runs.

use super::{Circumstances, LaunchError};
use crate::plan::Plan;
use crate::sys;

/// The kernel's version; of a container whose profile keeps mseal (Linux 6.10) the one before it: what
/// rests on it is then planned, and told by `explain`, as on a kernel without it.
pub(super) fn kernel() -> (u32, u32) {
    const BEFORE_MSEAL: (u32, u32) = (6, 9);
    let kernel = sys::process::kernel_version().unwrap_or_default();
    match kernel > BEFORE_MSEAL && !sys::memory::can_seal() {
        true => BEFORE_MSEAL,
        false => kernel,
    }
}

/// Whether the supervisor can look at the command's sockets, where what `[net]` allows rests on that.
/// pidfd_getfd is of Linux 5.6, and profiles of containers keep it for CAP_SYS_PTRACE: every connect
/// would be denied, without a word.
pub(super) fn takes_sockets(plan: &Plan) -> Result<(), LaunchError> {
    match plan
        .net
        .takes_sockets
        .then(sys::files::can_take_descriptors)
    {
        Some(Err(errno)) => Err(LaunchError::Sockets {
            errno,
            host: Circumstances::read(None),
        }),
        _ => Ok(()),
    }
}
