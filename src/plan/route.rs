//! The types and texts for what enforces an entry of a policy or a rule of the baseline, why, and at
//! what cost.

use std::borrow::Cow;

use crate::baseline;
use crate::policy::{Isolation, LimitKind};

/// One row of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is enforced.
    pub what: What,
    /// The enforcer.
    pub enforcer: Enforcer,
    /// Why this enforcer.
    pub because: Cow<'static, str>,
    /// The cost.
    pub cost: Cost,
    /// The first Landlock ABI that can enforce it; `None`: Landlock does not.
    pub abi: Option<u32>,
    /// How many system calls it decides, and how many it names.
    pub reach: (usize, usize),
}

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An entry of `[syscalls]`, by its index.
    Entry(usize),
    /// A `[[rule]]`, by its index.
    Rule(usize),
    /// An entry of `[fs]`, by its index.
    Path(usize),
    /// A file of the policy itself, by its index in [`Policy::sources`](crate::policy::Policy::sources).
    PolicyFile(usize),
    /// An entry of `[net]`, by its index.
    Peer(usize),
    /// A limit.
    Limit(LimitKind),
    /// A word of `isolate`.
    Isolation(Isolation),
    /// The policy's default.
    Default,
    /// A rule of the baseline.
    Baseline(&'static baseline::Rule),
    /// Signals, on a host whose Landlock restricts them.
    Signals,
    /// The memory and descriptors of processes outside, through /proc.
    Memory,
    /// [`baseline::ALWAYS`].
    Always,
    /// Other architectures' calls, and numbers that the table does not know.
    Foreign,
}

/// A mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcer {
    /// The seccomp program alone.
    Filter,
    /// The seccomp program stops the call, the supervisor answers and reports it.
    FilterThenSupervisor,
    /// The supervisor, at each call.
    Supervisor,
    /// The supervisor, with Landlock beneath it as far as it can.
    SupervisorOnFloor,
    /// The supervisor, on a host where another thread can change what was judged.
    RacySupervisor,
    /// A Landlock domain.
    Landlock,
    /// The kernel, by a limit of each process.
    ResourceLimit,
    /// The kernel, by a limit of a cgroup.
    Cgroup,
    /// The kernel, by a namespace of the command's own.
    Namespace,
    /// Nothing needs to enforce it.
    NotNeeded,
    /// This host has no mechanism for it.
    Missing,
}

/// What enforcement costs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: the kernel remembers the answer.
    Nothing,
    /// The seccomp program runs at each call.
    Program,
    /// As `Program`, and a stop at each call that is denied.
    StopIfDenied,
    /// As `Program`, and a stop at each call whose target has to be looked up.
    StopIfAimed,
    /// A stop at each call.
    Stop,
    /// A stop at each open, exec and change.
    StopPerOpen,
    /// A stop at each open that may write, and at each change of names and metadata.
    StopPerChange,
    /// A stop at each call that names a path.
    StopPerPath,
    /// A stop at each chmod, chown, utimes and setxattr.
    StopIfMetadata,
    /// A stop at each connect.
    StopPerConnect,
    /// A stop at each connect, sendmsg, and sendto with an address.
    StopPerMessage,
    /// A stop at each bind and listen.
    StopPerListen,
    /// Twenty timer stops per second.
    Ticks,
    /// As `Ticks`, and a second wait call at each stop.
    TicksAndWaits,
    /// Fifty timer stops per second, at which the tree's memory is added up, two stops at each open that
    /// may write and each shared mapping, and one before memory is given back.
    FastTicksAndOpens,
}

impl Enforcer {
    /// For tables, with the Landlock ABI that is used.
    pub fn with_abi(self, abi: Option<u32>) -> Cow<'static, str> {
        match (self, abi) {
            (Enforcer::Landlock | Enforcer::SupervisorOnFloor, Some(abi)) => {
                format!("{} {abi}", self.text()).into()
            }
            _ => self.text().into(),
        }
    }

    /// Whether Landlock has a part in it.
    pub const fn uses_landlock(self) -> bool {
        matches!(self, Enforcer::Landlock | Enforcer::SupervisorOnFloor)
    }

    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Enforcer::Filter => "filter",
            Enforcer::FilterThenSupervisor => "filter, supervisor",
            Enforcer::Supervisor => "supervisor",
            Enforcer::SupervisorOnFloor => "supervisor over Landlock",
            Enforcer::RacySupervisor => "supervisor, racy",
            Enforcer::Landlock => "Landlock",
            Enforcer::ResourceLimit => "the kernel",
            Enforcer::Cgroup => "the kernel, by a cgroup",
            Enforcer::Namespace => "a namespace",
            Enforcer::NotNeeded => "-",
            Enforcer::Missing => "not available here",
        }
    }
}

impl Cost {
    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Cost::Nothing => "none",
            Cost::Program => "0.1 µs per call",
            Cost::StopIfDenied => "1 stop if denied",
            Cost::StopIfAimed => "1 stop if aimed at others",
            Cost::Stop => "1 stop per call",
            Cost::StopPerOpen => "1 stop per open or change",
            Cost::StopPerChange => "1 stop per writing open or change",
            Cost::StopPerPath => "1 stop per path",
            Cost::StopIfMetadata => "1 stop per chmod, chown, utimes",
            Cost::StopPerConnect => "1 stop per connect",
            Cost::StopPerMessage => "1 stop per connect or sendmsg",
            Cost::Ticks => "20 timer stops per second",
            Cost::TicksAndWaits => "20 timer stops per second, +1 µs per stop",
            Cost::FastTicksAndOpens => {
                "50 timer stops per second, 2 stops per writing open or shared mmap, 1 per exit, brk or munmap"
            }
            Cost::StopPerListen => "1 stop per bind or listen",
        }
    }
}
