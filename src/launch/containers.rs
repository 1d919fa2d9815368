//! Calls that the kernel has but a container's seccomp profile denies to jail: an error says so before
//! anything runs.

use super::{Circumstances, LaunchError};
use crate::plan::Plan;
use crate::sys;

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
