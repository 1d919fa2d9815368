//! The host's abilities, asked for once.

use super::{cgroup, containers};
use crate::plan::{Host, MemoryCgroup};
use crate::policy::Policy;
use crate::sys;

/// Asks the kernel for all that any plan may depend on. The variable `JAIL_LANDLOCK_ABI=n` lowers the
/// Landlock ABI (0: none), and `JAIL_CGROUP` (`v1`, `v2`, `none`) takes away other memory cgroups, so
/// that tests can do without; neither ever adds something.
pub fn probe() -> Host {
    Host {
        memory: cgroup::probe(),
        ..kernel()
    }
}

/// As [`probe`], and asks only for what this policy can depend on: looking for cgroups takes time.
pub fn probe_for(policy: &Policy) -> Host {
    match policy.limits.memory.is_some() {
        true => probe(),
        false => kernel(),
    }
}

fn kernel() -> Host {
    let newest = sys::landlock::abi();
    let wanted = std::env::var("JAIL_LANDLOCK_ABI")
        .ok()
        .and_then(|abi| abi.parse().ok());
    Host {
        landlock_abi: wanted.map_or(newest, |abi: u32| abi.min(newest)),
        kernel: containers::kernel(),
        memory: MemoryCgroup::None,
    }
}
