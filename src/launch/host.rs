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
        kernel: kernel(),
    }
}

/// The kernel's version; of a container whose profile keeps mseal (Linux 6.10) the one before it: what
/// rests on it is then planned, and told by `explain`, as on a kernel without it.
fn kernel() -> (u32, u32) {
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
