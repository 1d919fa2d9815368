//! `[limits]`: the enforcer of each limit.
//!
//! The kernel enforces limits of one process (setrlimit(2)). The supervisor, which sees every fork and
//! has a timer, enforces limits of the whole tree. A cgroup enforces the memory limit of the whole tree,
//! if one can be created that the command cannot change.

use super::host::MemoryCgroup;
use super::route::{Cost, Enforcer, Route, What};
use super::{Files, Host, PlanOptions};
use crate::judge::{Judge, Reason};
use crate::paths::Access;
use crate::policy::{Action, LimitKind, Policy};
use std::path::Path;

/// Where cgroups are mounted. A host that mounts them elsewhere is treated as having none.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// The enforcer of the memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The kernel, by a cgroup of v1.
    CgroupV1,
    /// The kernel, by a cgroup of v2.
    CgroupV2 {
        /// Whether the launcher may move its own process into another cgroup.
        alone: bool,
    },
    /// The supervisor, which adds up the memory of processes; the reason why it must.
    Sampler(&'static str),
}

impl Memory {
    /// The enforcer, if the policy limits memory.
    pub(super) fn new(
        policy: &Policy,
        host: &Host,
        options: PlanOptions<'_>,
        files: &Files,
        judge: &Judge,
    ) -> Option<Memory> {
        policy.limits.get(LimitKind::Memory)?;
        Some(match host.memory {
            MemoryCgroup::None => Memory::Sampler("no memory cgroup can be created here"),
            MemoryCgroup::V2Alone if !options.alone => {
                Memory::Sampler("this process would have to leave its cgroup")
            }
            _ if !keeps_cgroups(files, judge) => {
                Memory::Sampler("the command may write to /sys/fs/cgroup and could lift its limit")
            }
            MemoryCgroup::V1 => Memory::CgroupV1,
            MemoryCgroup::V2 | MemoryCgroup::V2Alone => Memory::CgroupV2 {
                alone: options.alone,
            },
        })
    }

    fn route(self) -> (Enforcer, &'static str, Cost) {
        match self {
            Memory::CgroupV1 => (
                Enforcer::Cgroup,
                "a v1 cgroup can be created here",
                Cost::Nothing,
            ),
            Memory::CgroupV2 { .. } => (
                Enforcer::Cgroup,
                "a v2 cgroup can be created here",
                Cost::Nothing,
            ),
            Memory::Sampler(because) => (Enforcer::Supervisor, because, Cost::FastTicksAndOpens),
        }
    }
}

/// Whether the command cannot write to the file system of cgroups. Otherwise root, or a user who owns a
/// part of it, could lift the limit, because file permissions allow owners to change their files.
fn keeps_cgroups(files: &Files, judge: &Judge) -> bool {
    let held = matches!(
        files.enforcer(Access::Write).0,
        Enforcer::Landlock | Enforcer::Supervisor | Enforcer::SupervisorOnFloor
    );
    let verdict = judge.path(Access::Write, CGROUPS.as_bytes());
    let granted_within = || {
        let mut trees = files.writable.iter().flatten();
        trees.any(|tree| tree.starts_with(CGROUPS) || Path::new(CGROUPS).starts_with(tree))
    };
    held && match (verdict.action, verdict.reason) {
        (Action::Allow, _) => false,
        // A grant beneath it opens it.
        (_, Reason::PathDefault) => files.writable.is_some() && !granted_within(),
        // A denial covers everything beneath and takes precedence over grants.
        _ => true,
    }
}

/// One row per limit.
pub(super) fn routes(policy: &Policy, memory: Option<Memory>) -> Vec<Route> {
    let route = |kind: LimitKind| {
        let (enforcer, because, cost) = match kind {
            LimitKind::Wall | LimitKind::Grace => {
                (Enforcer::Supervisor, "it has a clock", Cost::Ticks)
            }
            LimitKind::Output => (
                Enforcer::Supervisor,
                "stdout and stderr go through pipes that jail reads",
                Cost::Nothing,
            ),
            LimitKind::Cpu => (
                Enforcer::Supervisor,
                "it reads the CPU clock of each process, also at its exit",
                Cost::TicksAndWaits,
            ),
            LimitKind::Memory => memory
                .unwrap_or(Memory::Sampler("no cgroup was requested"))
                .route(),
            LimitKind::Processes => (
                Enforcer::Supervisor,
                "it sees every fork, which waits for its answer",
                Cost::Nothing,
            ),
            LimitKind::OpenFiles | LimitKind::FileSize | LimitKind::Stack => (
                Enforcer::ResourceLimit,
                "a limit of each process (setrlimit)",
                Cost::Nothing,
            ),
        };
        Route {
            what: What::Limit(kind),
            enforcer,
            because: because.into(),
            cost,
            abi: None,
            reach: (0, 0),
        }
    };
    let said = |kind: &LimitKind| policy.limits.said(*kind).is_some();
    LimitKind::ALL.into_iter().filter(said).map(route).collect()
}
