//! What enforces `[domain.NAME]`: a seccomp filter for each domain, and for each set of domains what the supervisor
//! must know of a task that is in them.
//!
//! A task gets the filter of a domain before the execve by which it enters, and its children inherit it. So calls
//! that only a domain restricts stop in that domain alone, and nothing costs more outside. The filter hands all
//! calls that the domain may restrict to the supervisor. It is never needed to deny: what decides is the set of
//! domains that the supervisor knows of the task.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use seccompiler::sock_filter;

use super::bpf::{self, Return};
use super::filter::Filter;
use super::{Files, Host, Net, Plan, PlanError, PlanOptions, Terminal};
use crate::baseline::{Baseline, Watch};
use crate::judge::Judge;
use crate::net::{Endpoint, Host as Peers, NamePattern, Socket, Way};
use crate::policy::{Action, Domain, DomainId, DomainSet, LimitKind, Limits, Policy};

/// What every domain hands to the supervisor: the parts of /proc that belong to processes outside of it, and
/// what could change the pages that hold judged paths.
const BORDER: Watch = Watch::READ
    .and(Watch::WRITE)
    .and(Watch::HANDLE)
    .and(Watch::TRUNCATE)
    .and(Watch::MOVE)
    .and(Watch::METADATA)
    .and(Watch::EXEC)
    .and(Watch::GOVERNED)
    .and(Watch::MEMORY)
    .and(Watch::PINS)
    .and(Watch::LAZY_MEMORY);

/// Kinds of sockets and queues that cannot be made: those of a domain are for its own tasks.
const CLOSING: Watch = Watch::NO_INTERNET
    .and(Watch::NO_STREAMS)
    .and(Watch::NO_DATAGRAMS)
    .and(Watch::NO_UNIX_DATAGRAMS)
    .and(Watch::NO_OTHERS)
    .and(Watch::NO_DETOURS)
    .and(Watch::NO_QUEUES);

/// The most instructions of a domain's filter: it must fit into the pages through which a task installs it.
const MOST: usize = 2_000;

/// The domains of a policy, planned.
#[derive(Debug)]
pub(super) struct Domains {
    entry: Arc<Entry>,
    parts: Vec<Part>,
    landlock_abi: u32,
    command: Option<PathBuf>,
    terminals: Vec<Terminal>,
    /// For each set of domains, by its bits.
    sets: Vec<OnceLock<Box<Plan>>>,
    /// The domains that the command itself is in.
    pub start: DomainSet,
}

/// How the domains are entered.
#[derive(Debug)]
pub struct Entry {
    policy: Policy,
    /// By the number of the domain.
    filters: Vec<Vec<sock_filter>>,
}

/// How a domain is enforced.
#[derive(Debug)]
struct Part {
    files: Files,
    net: Net,
}

impl Entry {
    /// The domains that a program enters. `names`: the paths by which it is executed.
    pub fn entered(&self, names: &[&[u8]], arguments: &[Vec<u8>]) -> DomainSet {
        self.policy.entered(names, Some(arguments))
    }

    /// The names that `[net]` of the domains is about.
    pub fn names(&self) -> impl Iterator<Item = &NamePattern> {
        let domains = self.policy.domains.iter();
        let peers = domains.flat_map(|domain| &domain.policy.peers);
        peers.filter_map(|entry| entry.endpoint.name())
    }

    /// The limits of each domain, by its number.
    pub fn limits(&self) -> impl Iterator<Item = &Limits> {
        let domains = self.policy.domains.iter();
        domains.map(|domain| &domain.policy.limits)
    }

    /// The filter of a domain for a task that is in these domains from then on, as the kernel reads it in memory.
    pub fn filter(&self, domain: DomainId, set: DomainSet) -> Vec<u8> {
        let filter = self.filters.get(usize::from(domain));
        let filter = filter.map_or(&[][..], Vec::as_slice);
        let bytes = filter.iter().flat_map(|instruction| {
            let instruction = told(instruction, set);
            let [code_low, code_high] = instruction.code.to_ne_bytes();
            let [one, two, three, four] = instruction.k.to_ne_bytes();
            [
                code_low,
                code_high,
                instruction.jt,
                instruction.jf,
                one,
                two,
                three,
                four,
            ]
        });
        bytes.collect()
    }
}

/// An instruction with the set of domains in the place of the jail's own number.
fn told(instruction: &sock_filter, set: DomainSet) -> sock_filter {
    match instruction.k == Return::TRACE.instruction().k && instruction.code == bpf::RET_K {
        true => Return::trace_in(set).instruction(),
        false => instruction.clone(),
    }
}

impl Domains {
    /// Plans the domains of a policy; `None`: it has none.
    pub fn new(
        policy: &Policy,
        host: &Host,
        options: PlanOptions<'_>,
    ) -> Result<Option<Domains>, PlanError> {
        if policy.domains.is_empty() {
            return Ok(None);
        }
        let (mut parts, mut filters) = (Vec::new(), Vec::new());
        for domain in &policy.domains {
            let (part, filter) = planned(domain, host)?;
            parts.push(part);
            filters.push(filter);
        }
        let mut sets = Vec::new();
        sets.resize_with(1 << parts.len(), OnceLock::new);
        Ok(Some(Domains {
            entry: Arc::new(Entry {
                policy: policy.clone(),
                filters,
            }),
            parts,
            landlock_abi: host.landlock_abi,
            command: options.command.map(Path::to_path_buf),
            terminals: options.terminals.to_vec(),
            sets,
            start: options.domains,
        }))
    }

    pub fn entry(&self) -> Arc<Entry> {
        Arc::clone(&self.entry)
    }

    /// Whether the kernel must write no core dump: it bypasses the supervisor.
    pub fn forbid_core_dumps(&self) -> bool {
        self.parts.iter().any(|part| !part.files.core_dumps)
    }

    /// The filters that the command starts with.
    pub fn start_filters(&self) -> Vec<Vec<sock_filter>> {
        let filters = self.start.iter();
        let filters = filters.filter_map(|domain| self.entry.filters.get(usize::from(domain)));
        filters
            .map(|filter| filter.iter().map(|one| told(one, self.start)).collect())
            .collect()
    }

    /// What the supervisor goes by for a task in these domains.
    pub fn within<'a>(&'a self, main: &Plan, set: DomainSet) -> Option<&'a Plan> {
        let cell = self.sets.get(usize::from(set.bits()))?;
        Some(cell.get_or_init(|| Box::new(self.narrowed(main, set))))
    }

    fn narrowed(&self, main: &Plan, set: DomainSet) -> Plan {
        let (mut files, mut net) = (main.files.clone(), main.net.clone());
        let closing = files.watch.and(net.watch).only(CLOSING);
        for part in set.iter().filter_map(|id| self.parts.get(usize::from(id))) {
            files.narrow(&part.files);
            net.narrow(&part.net);
        }
        let policy = &self.entry.policy;
        let baseline = Baseline::new(self.landlock_abi);
        let watch = files.watch.and(net.watch).without(CLOSING);
        let own = baseline.watching(watch.and(closing).and(Watch::OWN_FILTER));
        let command = self.command.as_deref();
        let mut judge = Judge::of_command(policy, &own, command, &self.terminals);
        for id in set.iter() {
            let planned = self.parts.get(usize::from(id));
            let domain = policy.domains.get(usize::from(id));
            if let (Some(part), Some(domain)) = (planned, domain) {
                let closing = part.files.watch.and(part.net.watch).only(CLOSING);
                judge = judge.within(id, domain, &baseline.watching(closing), &self.terminals);
            }
        }
        Plan {
            filter: Vec::new(),
            judge,
            domain: main.domain,
            files,
            net,
            limits: main.limits.clone(),
            memory: main.memory,
            unsupervised: false,
            records: main.records,
            learns: main.learns,
            asks: main.asks,
            start: None,
            baseline: own,
            leaves: Vec::new(),
            domains: None,
            entry: Some(self.entry()),
        }
    }
}

/// How a domain is enforced, and its filter. The supervisor decides all of it: what the domain allows is less than
/// what Landlock was told at the start.
fn planned(domain: &Domain, host: &Host) -> Result<(Part, Vec<sock_filter>), PlanError> {
    let alone = Host {
        landlock_abi: 0,
        ..*host
    };
    let options = PlanOptions {
        // A program outside may have left a socket of any kind open.
        datagrams: true,
        ..PlanOptions::default()
    };
    let mut files = Files::new(&domain.policy, &alone, options);
    let net = match is_open(&domain.policy) {
        true => {
            // [fs] may still deny sockets.
            let mut policy = domain.policy.clone();
            policy.peers.clear();
            Net::new(&policy.opened(), &alone, options)
        }
        false => Net::new(&domain.policy, &alone, options),
    };
    files.watch.add(BORDER, true);
    // To add up memory, the supervisor must see which files are filled, and read that of processes.
    let adds_up = domain.policy.limits.get(LimitKind::Memory).is_some();
    files.watch.add(Watch::FILL.and(Watch::DUMPABLE), adds_up);
    let watch = files.watch.and(net.watch);
    let baseline = Baseline::new(host.landlock_abi).watching(watch);
    let judge = Judge::new(&domain.policy, &baseline);
    let filter = Filter::new(&judge, files.rewrites(), true, true)?;
    match filter.program.len() > MOST {
        true => Err(PlanError::DomainTooLong {
            domain: domain.name.clone(),
            instructions: filter.program.len(),
            most: MOST,
        }),
        false => Ok((Part { files, net }, filter.program)),
    }
}

/// Whether a domain restricts no peers: it has no list of [net], and denies none.
fn is_open(policy: &Policy) -> bool {
    if policy.default.action == Action::Allow {
        return !policy.peers.iter().any(|entry| entry.closes());
    }
    let opens = |way, has: fn(&Endpoint) -> bool| {
        let mut peers = policy.peers.iter();
        peers.any(|entry| !entry.closes() && entry.ways.contains(&way) && has(&entry.endpoint))
    };
    let any = |endpoint: &Endpoint| {
        matches!(
            endpoint,
            Endpoint::Inet { protocol: None, host: Peers::Any, ports } if ports.are_all()
        )
    };
    let unix = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Unix(Socket::Any));
    !policy.peers.iter().any(|entry| entry.closes())
        && [Way::Connect, Way::Listen]
            .into_iter()
            .all(|way| opens(way, any) && opens(way, unix))
}
