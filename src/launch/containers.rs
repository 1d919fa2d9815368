//! Calls that the kernel has but a container's seccomp profile denies to jail: the plan treats them as
//! missing, or an error says so before anything runs.

use super::{Circumstances, LaunchError};
use crate::plan::Plan;
use crate::sys;

/// The kernel's version. If a container's profile denies mseal (Linux 6.10), this is the version before
/// it: the plan and `explain` then treat the host as a kernel without mseal.
pub(super) fn kernel() -> (u32, u32) {
    const BEFORE_MSEAL: (u32, u32) = (6, 9);
    let kernel = sys::process::kernel_version().unwrap_or_default();
    match kernel > BEFORE_MSEAL && !sys::memory::can_seal() {
        true => BEFORE_MSEAL,
        false => kernel,
    }
}

/// Whether the supervisor can inspect the command's sockets, if `[net]` needs that. pidfd_getfd came
/// with Linux 5.6, and profiles of containers allow it only with CAP_SYS_PTRACE. Without it every
/// connect would be denied without an explanation.
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
