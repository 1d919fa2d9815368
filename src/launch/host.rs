//! The host's abilities, probed once.

use super::cgroup;
use crate::plan::{Host, MemoryCgroup};
use crate::policy::{LimitKind, Policy};
use crate::sys;

/// Abilities of the host that must not be used, so that tests can run without them. By default all are
/// used.
///
/// The `jail` binary reads them from its environment. The library never does, because it shares the
/// environment with its host program.
#[derive(Debug, Clone, Default)]
pub struct Withheld {
    /// The highest Landlock ABI that is used; 0: none.
    pub landlock_above: Option<u32>,
    /// The only kind of memory cgroup that is used: `v1`, `v2`, or `none`.
    pub cgroups_but: Option<String>,
    /// Whether namespaces are not used.
    pub namespaces: bool,
    /// Whether memory is not written to through /proc/PID/mem.
    pub memory_files: bool,
}

impl Withheld {
    /// What `JAIL_LANDLOCK_ABI=n`, `JAIL_CGROUP=v1|v2|none`, `JAIL_NAMESPACES=none` and
    /// `JAIL_MEMORY_FILES=none` withhold.
    pub fn from_environment() -> Withheld {
        let variable = |name| std::env::var(name).ok();
        let none = |name| variable(name).is_some_and(|value| value == "none");
        Withheld {
            landlock_above: variable("JAIL_LANDLOCK_ABI").and_then(|abi| abi.parse().ok()),
            cgroups_but: variable("JAIL_CGROUP"),
            namespaces: none("JAIL_NAMESPACES"),
            memory_files: none("JAIL_MEMORY_FILES"),
        }
    }
}

/// Probes for everything that any plan may depend on.
pub fn probe(withheld: &Withheld) -> Host {
    Host {
        memory: cgroup::probe(withheld.cgroups_but.as_deref()),
        ..kernel(withheld)
    }
}

/// As [`probe`], but only for what this policy can depend on: looking for cgroups takes time.
pub fn probe_for(policy: &Policy, withheld: &Withheld) -> Host {
    match policy.limits.get(LimitKind::Memory).is_some() {
        true => probe(withheld),
        false => kernel(withheld),
    }
}

fn kernel(withheld: &Withheld) -> Host {
    let newest = sys::landlock::abi();
    Host {
        landlock_abi: withheld.landlock_above.unwrap_or(newest).min(newest),
        kernel: sys::process::kernel_version().unwrap_or_default(),
        memory: MemoryCgroup::None,
        namespaces: !withheld.namespaces,
        memory_files: !withheld.memory_files,
    }
}
