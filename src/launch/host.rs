//! What this host's kernel can do, asked once.

use super::{Circumstances, LaunchError};
use crate::plan::{Host, Plan};
use crate::sys;

/// Asks the kernel. The variable `JAIL_LANDLOCK_ABI=n` lowers the Landlock ABI (0: none), so that
/// tests can take it away; it never raises it.
pub fn probe() -> Host {
    let newest = sys::landlock::abi();
    let wanted = std::env::var("JAIL_LANDLOCK_ABI")
        .ok()
        .and_then(|abi| abi.parse().ok());
    Host {
        landlock_abi: wanted.map_or(newest, |abi: u32| abi.min(newest)),
        kernel: sys::process::kernel_version().unwrap_or_default(),
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
