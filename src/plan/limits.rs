//! `[limits]`: who keeps each.
//!
//! What is of one process the kernel keeps (setrlimit(2)); what is of the whole tree the supervisor,
//! which sees every fork and has a clock. Memory of the whole tree a cgroup keeps, where one can be
//! made that the command cannot change.

use super::host::MemoryCgroup;
use super::routes::{Cost, Enforcer, Route, What};
use super::{Files, Host, Wishes};
use crate::judge::{Judge, Reason};
use crate::paths::Access;
use crate::policy::{Action, LimitKind, Policy};
use std::path::Path;

/// Where cgroups are mounted. A host that mounts them elsewhere is taken to have none.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// Who keeps the limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The kernel, by a cgroup of v1.
    CgroupV1,
    /// The kernel, by a cgroup of v2.
    CgroupV2 {
        /// Whether the launcher may move its own process into another cgroup.
        alone: bool,
    },
    /// The supervisor, which adds up what it sees, and why it must.
    Sampler(&'static str),
}

impl Memory {
    /// Who keeps it, where the policy limits memory.
    pub(super) fn new(
        policy: &Policy,
        host: &Host,
        wishes: Wishes<'_>,
        files: &Files,
        judge: &Judge,
    ) -> Option<Memory> {
        policy.limits.memory.as_ref()?;
        Some(match host.memory {
            MemoryCgroup::None => Memory::Sampler("no memory cgroup can be created here"),
            MemoryCgroup::V2Alone if !wishes.alone => {
                Memory::Sampler("this process would have to leave its cgroup")
            }
            _ if !keeps_cgroups(files, judge) => {
                Memory::Sampler("the command may write to /sys/fs/cgroup and could lift its limit")
            }
            MemoryCgroup::V1 => Memory::CgroupV1,
            MemoryCgroup::V2 | MemoryCgroup::V2Alone => Memory::CgroupV2 {
                alone: wishes.alone,
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

/// Whether the command cannot write to the file system of cgroups. A user who owns his part of it, or
/// root, could else lift the limit; file permissions do not keep their own files from them.
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
        // What is granted beneath is open.
        (_, Reason::PathDefault) => files.writable.is_some() && !granted_within(),
        // A denial covers what is beneath, and beats what grants it.
        _ => true,
    }
}

/// One row a limit.
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
            reach: (0, 0),
        }
    };
    let said = |kind: &LimitKind| policy.limits.said(*kind).is_some();
    LimitKind::ALL.into_iter().filter(said).map(route).collect()
}
