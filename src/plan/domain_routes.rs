//! What enforces the entries of a domain, and at what cost: the list. The filter and Landlock hold the main policy,
//! which all programs share; the supervisor takes away the rest.

use super::route::{Cost, Enforcer, Route, What};
use crate::net::Way;
use crate::policy::{Action, Domain, LimitKind, List};

/// Why the supervisor decides what a domain says.
pub const BY_DOMAIN: &str = "only it knows the domain of a program";

/// The entries of a domain, in the order of the policy.
pub fn domain_routes(domain: &Domain) -> Vec<Route> {
    let policy = &domain.policy;
    let paths = (0..).zip(&policy.paths).filter(|(_, it)| !it.is_implied());
    let paths = paths.map(|(index, entry)| {
        let cost = match entry.list {
            List::Hide => Cost::StopPerPath,
            List::Write | List::Protect => Cost::StopPerChange,
            List::Read | List::Exec | List::Deny => Cost::StopPerOpen,
        };
        narrows(What::Path(index), cost)
    });
    let peers = (0..).zip(&policy.peers).filter(|(_, it)| !it.is_implied());
    let peers = peers.map(|(index, entry)| {
        let cost = match entry.ways.contains(&Way::Connect) {
            true => Cost::StopPerMessage,
            false => Cost::StopPerListen,
        };
        narrows(What::Peer(index), cost)
    });
    let calls = (0..).zip(&policy.syscalls);
    let calls = calls.map(|(index, entry)| called(What::Entry(index), entry.action));
    let rules = (0..).zip(&policy.rules);
    let rules = rules.map(|(index, rule)| called(What::Rule(index), rule.action));
    let limits = policy.limits.clone();
    let limits = LimitKind::OF_DOMAIN.into_iter().filter_map(move |kind| {
        limits.get(kind)?;
        Some(limited(kind))
    });
    let entries = calls.chain(rules).chain(paths).chain(peers);
    entries.chain(limits).collect()
}

/// A limit of the processes below one entry.
fn limited(kind: LimitKind) -> Route {
    let (because, cost) = match kind {
        LimitKind::Memory => (
            "a cgroup holds the whole command only",
            Cost::FastTicksAndOpens,
        ),
        LimitKind::Cpu => (
            "it reads the CPU clock of each process, also at its exit",
            Cost::TicksAndWaits,
        ),
        _ => (
            "it sees every fork, which waits for its answer",
            Cost::Nothing,
        ),
    };
    row(What::Limit(kind), Enforcer::Supervisor, because, cost)
}

/// What the supervisor takes away.
fn narrows(what: What, cost: Cost) -> Route {
    row(what, Enforcer::Supervisor, BY_DOMAIN, cost)
}

/// An entry or a rule about system calls.
fn called(what: What, action: Action) -> Route {
    match action {
        Action::Allow => row(
            what,
            Enforcer::NotNeeded,
            "the main policy decides",
            Cost::Nothing,
        ),
        Action::Deny(_) | Action::Kill => row(
            what,
            Enforcer::FilterThenSupervisor,
            BY_DOMAIN,
            Cost::StopIfDenied,
        ),
    }
}

fn row(what: What, enforcer: Enforcer, because: &'static str, cost: Cost) -> Route {
    Route {
        what,
        enforcer,
        because: because.into(),
        cost,
        abi: None,
        reach: (0, 0),
    }
}
