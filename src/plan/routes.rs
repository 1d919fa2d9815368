//! What enforces each entry of a policy and each rule of the baseline, why, and at what cost: the texts
//! and the list. It does not influence the filter.

use std::borrow::Cow;

use super::filter::Leaf;
use super::survey::Survey;
use super::{Domain, Files, Memory, Net};
use crate::baseline::{self, Answer, Baseline, Check};
use crate::judge::{Judge, Reason};
use crate::policy::{Isolation, LimitKind, Policy};

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
    /// A file of the policy itself, by its index in [`Policy::sources`].
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

/// Entries and rules in the order of the policy, then the default, the baseline, and the rows that are
/// independent of the policy.
#[allow(
    clippy::too_many_arguments,
    reason = "each part of a plan has its rows"
)]
pub(super) fn routes(
    policy: &Policy,
    baseline: &Baseline,
    domain: Domain,
    judge: &Judge,
    leaves: &[(u32, Leaf)],
    files: &Files,
    net: &Net,
    keeper: Option<Memory>,
) -> Vec<Route> {
    let survey = Survey::new(judge, leaves);
    let entries = policy.syscalls.iter().enumerate().map(|(index, entry)| {
        let how = survey.otherwise(Reason::Entry(index), entry.action, entry.quiet);
        how.route(What::Entry(index), survey.named(entry))
    });
    let rules = policy.rules.iter().enumerate().map(|(index, rule)| {
        let how = survey.rule(index, rule.action, rule.quiet);
        how.route(What::Rule(index), rule.conditions.len())
    });
    let default = survey
        .otherwise(Reason::Default, policy.default.action, false)
        .route(What::Default, survey.len());
    // A rule that only watches is covered by the rows of the entries that need it.
    let watched = |rule: &&'static baseline::Rule| {
        !matches!(
            rule.answer,
            Answer::Check(
                Check::Paths | Check::Peers | Check::Look | Check::Filling | Check::OwnFilter,
            ) | Answer::Close(_)
        )
    };
    let protections = baseline
        .rules()
        .filter(watched)
        .map(|rule| survey.protection(rule).route(What::Baseline(rule), 0));

    let fixed = |what, enforcer, because: &'static str, cost| Route {
        what,
        enforcer,
        because: because.into(),
        cost,
        reach: (0, 0),
    };
    let signals = fixed(
        What::Signals,
        Enforcer::Landlock,
        "it knows every way to send one",
        Cost::Nothing,
    );
    let memory = match domain {
        Domain::None => fixed(
            What::Memory,
            Enforcer::Missing,
            "it takes Linux 5.19 with Landlock",
            Cost::Nothing,
        ),
        _ => fixed(
            What::Memory,
            Enforcer::Landlock,
            "its domains cannot trace outside",
            Cost::Nothing,
        ),
    };
    let always = fixed(
        What::Always,
        Enforcer::Filter,
        "its number decides",
        Cost::Nothing,
    );
    let foreign = fixed(
        What::Foreign,
        Enforcer::Filter,
        "programs fall back on it",
        Cost::Program,
    );
    let signals = baseline.landlock_holds_signals().then_some(signals);
    entries
        .chain(rules)
        .chain(files.routes(policy))
        .chain(net.routes(policy))
        .chain(super::limits::routes(policy, keeper))
        .chain(super::isolation::routes(policy))
        .chain([default])
        .chain(protections)
        .chain(signals)
        .chain([memory])
        .chain([always, foreign])
        .collect()
}
