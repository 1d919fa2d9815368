//! `(Policy, Host)` → [`Plan`]: what enforces each entry: the cheapest sound mechanism of the host.
//!
//! Data only: a plan can be printed, compared and tested without a kernel. It never asks the
//! kernel and never decides a call: it compiles what [`judge`](crate::judge) decides.

mod block;
mod bpf;
mod compare;
mod domain;
mod domain_routes;
mod domains;
mod files;
mod filter;
mod grants;
mod host;
mod isolation;
mod lets;
mod limits;
mod net;
mod reload;
mod route;
mod routes;
mod shrink;
mod survey;
#[cfg(test)]
mod tests;
mod unsupervised;

pub use crate::paths::Terminal;
pub(crate) use crate::paths::{ByPath, is_beneath};
pub use bpf::{TRACE_DATA, domains_of};
pub use domain::Domain;
pub use domain_routes::{BY_DOMAIN, domain_routes};
pub use domains::Entry;
pub use files::{Files, PINS, PlanOptions, Rights};
pub use host::{Host, MemoryCgroup, ProcElsewhere, meet};
pub use lets::{lets_through, with_pass};
pub use limits::{CGROUPS, Memory};
pub use net::Net;
pub use route::{Cost, Enforcer, Route, What};
pub use unsupervised::Need;

use bpf::Return;
use domains::Domains;
use filter::{Filter, Leaf};
use seccompiler::sock_filter;

use crate::baseline::{Baseline, Watch};
use crate::condition::TooComplex;
use crate::judge::{Judge, Reason};
use crate::net::NamePattern;
use crate::paths::Access;
use crate::policy::{Action, DomainSet, LimitKind, Limits, Policy};
use crate::syscalls::Call;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Everything a jail needs to enforce a policy on a host.
#[derive(Debug)]
pub struct Plan {
    /// The seccomp program.
    pub filter: Vec<sock_filter>,
    /// Decides calls at each stop of the supervisor.
    pub judge: Judge,
    /// The Landlock domain that the launcher must enter.
    pub domain: Domain,
    /// How paths are enforced.
    pub files: Files,
    /// How peers are enforced.
    pub net: Net,
    /// The command's limits.
    pub limits: Limits,
    /// The enforcer of the memory limit, if there is one.
    pub memory: Option<Memory>,
    /// Whether there is no supervisor.
    pub unsupervised: bool,
    /// Whether what is allowed is reported, too.
    pub records: bool,
    /// Whether what the policy's `default` denies reaches the supervisor, which lets it through and tells it, or
    /// asks about it.
    pub learns: bool,
    /// Whether it is asked about.
    pub asks: bool,
    /// The descriptor from which the program must be started, because its filter denies execve.
    pub start: Option<u32>,
    /// How domains are entered, if the policy has any.
    pub entry: Option<Arc<Entry>>,
    baseline: Baseline,
    leaves: Vec<(u32, Leaf)>,
    domains: Option<Domains>,
}

/// The accesses for which a command may reopen a file that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reopened {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
}

/// How many system calls a filter answers in each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Instructions of the program.
    pub instructions: usize,
    /// Always allowed: the kernel remembers them.
    pub allowed: usize,
    /// Decided by their registers.
    pub conditional: usize,
    /// Always failing without a stop.
    pub failing: usize,
    /// Always stopped for the supervisor.
    pub stopped: usize,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The filter is longer than the kernel accepts.
    TooLong {
        /// Its length.
        instructions: usize,
        /// The system calls whose conditions take most of it, with their numbers of instructions.
        costliest: Vec<(&'static str, usize)>,
    },
    /// The filter of a domain is longer than a task can install.
    DomainTooLong {
        /// The domain.
        domain: String,
        /// The length.
        instructions: usize,
        /// The largest length.
        most: usize,
    },
    /// A condition with more tests than an instruction can jump over.
    Condition(TooComplex),
}

/// The protections of the jail and the judge, where the supervisor sees these calls.
fn judged(
    policy: &Policy,
    host: &Host,
    options: &PlanOptions<'_>,
    watch: Watch,
) -> (Baseline, Judge) {
    let watch = match options.unsupervised {
        true => unsupervised::watched(watch),
        false => watch.and(Watch::OWN_FILTER),
    };
    let baseline = Baseline::new(host.landlock_abi).watching(watch);
    let judge = Judge::of_command(policy, &baseline, options.command, options.terminals);
    (baseline, judge)
}

impl Plan {
    /// Plans a policy for a host.
    pub fn new(policy: &Policy, host: &Host) -> Result<Plan, PlanError> {
        Plan::with(policy, host, PlanOptions::default())
    }

    /// Plans a policy for a host and a command.
    pub fn with(
        policy: &Policy,
        host: &Host,
        mut options: PlanOptions<'_>,
    ) -> Result<Plan, PlanError> {
        // What is learned or asked about is enforced as if it were allowed, and judged as it is.
        options.learns |= options.asks;
        let open = options.learns.then(|| policy.opened());
        let enforced = open.as_ref().unwrap_or(policy);
        let mut files = Files::new(enforced, host, options);
        // To add up the memory of processes, the supervisor must be able to read it.
        files.watch.add(
            Watch::DUMPABLE,
            policy.limits.get(LimitKind::Memory).is_some(),
        );
        if options.learns {
            files.close_queues(policy);
        }
        let mut net = Net::new(enforced, host, options);
        let closes = policy.default.action != Action::Allow;
        net.watch
            .add(Watch::SOCKETS, options.learns && !options.asks && closes);
        let domains = Domains::new(policy, host, options)?;
        // An execve may enter a domain, whether or not [fs] restricts programs.
        files.watch.add(Watch::EXEC, domains.is_some());
        if let Some(domains) = &domains {
            files.core_dumps &= !domains.forbid_core_dumps();
        }
        if !options.unsupervised {
            files.guard_pages(&net);
        }
        let judge = |watch| judged(policy, host, &options, watch);
        let (mut baseline, mut judged) = judge(files.watch.and(net.watch));
        let memory = Memory::new(policy, host, options, &files, &judged);
        // To add up memory, the supervisor must see which files are filled.
        if matches!(memory, Some(Memory::Sampler(_))) {
            files.watch.add(Watch::FILL, true);
            (baseline, judged) = judge(files.watch.and(net.watch));
        }
        let judge = judged;
        let start = options
            .start
            .filter(|_| options.unsupervised && unsupervised::closes_execve(&judge));
        let waits = Plan::waits(&net, options.asks);
        let needs = (files.rewrites(), waits, domains.is_some());
        let filter = match options.unsupervised {
            true => Filter::unsupervised(&judge, start)?,
            false => Plan::filter(&judge, needs, options.like)?,
        };
        Ok(Plan {
            memory,
            unsupervised: options.unsupervised,
            records: options.records,
            learns: options.learns,
            asks: options.asks,
            start,
            files,
            net,
            limits: policy.limits.clone(),
            filter: filter.program,
            judge,
            domain: Domain::new(host),
            baseline,
            leaves: filter.leaves,
            entry: domains.as_ref().map(Domains::entry),
            domains,
        })
    }

    /// The filter of a judge, or that of another plan if it is the same.
    fn filter(
        judge: &Judge,
        needs: (bool, bool, bool),
        like: Option<&Plan>,
    ) -> Result<Filter, PlanError> {
        let is_same = |like: &&Plan| {
            !like.unsupervised && like.filter_needs() == needs && like.judge.compiles_as(judge)
        };
        match like.filter(is_same) {
            Some(like) => Ok(Filter {
                program: like.filter.clone(),
                leaves: like.leaves.clone(),
            }),
            None => {
                let (rewrites, waits, enters) = needs;
                Filter::new(judge, rewrites, waits, enters)
            }
        }
    }

    /// What [`Filter::new`] was told besides the judge.
    fn filter_needs(&self) -> (bool, bool, bool) {
        let waits = Plan::waits(&self.net, self.asks);
        (self.files.rewrites(), waits, self.domains.is_some())
    }

    /// Whether the supervisor lets calls wait. A task that asks waits, too.
    fn waits(net: &Net, asks: bool) -> bool {
        net.watch != Watch::NONE || asks
    }

    /// What the supervisor goes by for a task in these domains.
    pub fn within(&self, set: DomainSet) -> &Plan {
        let domains = self.domains.as_ref().filter(|_| !set.is_none());
        domains
            .and_then(|domains| domains.within(self, set))
            .unwrap_or(self)
    }

    /// The same for a program in the domain of this name; `None`: in no domain.
    pub fn within_named(&self, policy: &Policy, domain: Option<&str>) -> &Plan {
        let domain = domain.and_then(|name| policy.domain(name));
        self.within(domain.map_or(DomainSet::NONE, DomainSet::one))
    }

    /// The domains that the command itself is in.
    pub fn start_domains(&self) -> DomainSet {
        let domains = self.domains.as_ref();
        domains.map_or(DomainSet::NONE, |domains| domains.start)
    }

    /// The filters of these domains.
    pub fn start_filters(&self) -> Vec<Vec<sock_filter>> {
        let domains = self.domains.as_ref();
        domains.map_or_else(Vec::new, Domains::start_filters)
    }

    /// The names that `[net]` is about, of the main policy and of all domains.
    pub fn names(&self) -> impl Iterator<Item = &NamePattern> {
        let domains = self.entry.iter().flat_map(|entry| entry.names());
        self.judge.names().chain(domains)
    }

    /// Whether nothing that the plan was told of the host's mounts has changed since.
    pub fn is_current(&self) -> bool {
        self.files.is_current()
    }

    /// Whether no memory of the command changes by itself, because the kernel discards none of it later.
    /// If it may, arguments must not be judged in the command's own memory.
    pub fn keeps_memory(&self) -> bool {
        self.files.watch.and(self.net.watch).has(Watch::LAZY_MEMORY)
    }

    /// Whether an entry of `deny` or `hide` covers the program that the caller wants to run, given its resolved
    /// path.
    pub fn refuses_command(&self, program: &Path) -> bool {
        if !self.files.judges_programs() {
            return false;
        }
        let verdict = self
            .judge
            .path(Access::Exec, program.as_os_str().as_bytes());
        verdict.action != Action::Allow && verdict.reason != Reason::PathDefault
    }

    /// For which accesses a command that holds this file open may open it again: all, unless an entry
    /// denies it. `None`: no exception is needed, because the policy allows it anyway, or denies it.
    pub fn reopens(&self, path: &Path, reads: bool, writes: bool) -> Option<Reopened> {
        if !self.files.governed.read && !self.files.governed.write {
            return None;
        }
        let verdict = |access, held: bool| {
            let path = path.as_os_str().as_bytes();
            let verdict = held.then(|| self.judge.path(access, path))?;
            let missing = verdict.action != Action::Allow;
            (!missing || verdict.reason == Reason::PathDefault).then_some(missing)
        };
        let read = verdict(Access::Read, reads);
        let write = verdict(Access::Write, writes);
        [read, write].contains(&Some(true)).then_some(Reopened {
            read: read.is_some(),
            write: write.is_some(),
        })
    }

    /// The enforcer of each entry of `policy`, which must be the one that was planned. Computed on
    /// demand, because a run does not need it.
    pub fn routes(&self, policy: &Policy) -> Vec<Route> {
        routes::routes(
            policy,
            &self.baseline,
            self.domain,
            &self.judge,
            &self.leaves,
            &self.files,
            &self.net,
            self.memory,
        )
    }

    /// The mechanism behind one call, and what it costs.
    pub fn enforcer(&self, call: &Call) -> (Enforcer, Cost) {
        let leaf = self
            .leaves
            .iter()
            .find(|(nr, _)| *nr == call.nr)
            .map(|(_, leaf)| leaf);
        let verdict = self.judge.call(call);
        match (verdict.action, leaf) {
            (Action::Allow, _) if self.judge.needs_objects(call) || verdict.check.is_some() => {
                (Enforcer::Supervisor, Cost::Stop)
            }
            (Action::Allow, _) if self.baseline.scoped(call) => (Enforcer::Landlock, Cost::Nothing),
            (_, Some(Leaf::Plain(Return::ALLOW))) => (Enforcer::Filter, Cost::Nothing),
            (Action::Allow, _) => (Enforcer::Filter, Cost::Program),
            (Action::Deny(_), Some(Leaf::Plain(Return::TRACE))) => {
                (Enforcer::FilterThenSupervisor, Cost::Stop)
            }
            (Action::Deny(_), _) if verdict.quiet => (Enforcer::Filter, Cost::Program),
            (Action::Deny(_) | Action::Kill, _) => (Enforcer::FilterThenSupervisor, Cost::Stop),
        }
    }

    /// How the filter answers, counted.
    pub fn summary(&self) -> Summary {
        let count =
            |which: fn(&Leaf) -> bool| self.leaves.iter().filter(|(_, leaf)| which(leaf)).count();
        let allowed = count(|leaf| *leaf == Leaf::Plain(Return::ALLOW));
        let stopped = count(|leaf| *leaf == Leaf::Plain(Return::TRACE));
        let conditional = count(|leaf| matches!(leaf, Leaf::Conditional(_)));
        Summary {
            instructions: self.filter.len(),
            allowed,
            conditional,
            failing: self.leaves.len() - allowed - conditional - stopped,
            stopped,
        }
    }
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlanError::TooLong {
                instructions,
                costliest,
            } => {
                write!(
                    f,
                    "the filter would have {instructions} instructions, and the kernel takes {}; most take the conditions of",
                    bpf::MAX_LEN,
                )?;
                for (place, (name, len)) in costliest.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma} {name} ({len})")?;
                }
                f.write_str(": use fewer or simpler rules for them")
            }
            PlanError::DomainTooLong {
                domain,
                instructions,
                most,
            } => write!(
                f,
                "the filter of the domain `{domain}` would have {instructions} instructions, and a task can install {most}: use fewer or simpler rules in it"
            ),
            PlanError::Condition(_) => f.write_str("a condition cannot be put into a filter"),
        }
    }
}

impl std::error::Error for PlanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PlanError::TooLong { .. } | PlanError::DomainTooLong { .. } => None,
            PlanError::Condition(source) => Some(source),
        }
    }
}
