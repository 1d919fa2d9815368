//! What this host's kernel can do, asked once.

use super::containers;
use crate::plan::Host;
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
        kernel: containers::kernel(),
    }
}
