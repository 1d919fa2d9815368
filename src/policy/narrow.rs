//! Whether a domain allows what the main policy does not. A call must pass both, so such an entry opens
//! nothing: it is an error because its author means something else.

use super::file::Part;
use super::{
    Action, Code, Diagnostic, Entry, LimitKind, List, NetEntry, NetList, Origin, PathEntry, Policy,
    Rule, Target,
};
use crate::net::{Endpoint, Host, Protocol, Reach, Socket, To};
use crate::paths::Pattern;
use crate::syscalls::Syscall;
use std::net::IpAddr;

/// The entries of a domain that would widen the main policy.
pub(super) fn widened(main: &Policy, source: u16, part: &Part) -> Vec<Diagnostic> {
    let name = &part.name;
    let paths = part.file.paths.iter().filter(|entry| entry.list.allows());
    let paths = paths.filter_map(|entry| {
        let by = path(main, entry)?;
        Some(problem(
            main,
            name,
            (entry.origin, &entry.text, entry.key()),
            by,
        ))
    });
    let peers = part.file.peers.iter().filter(|entry| !entry.closes());
    let peers = peers.filter_map(|entry| {
        let by = peer(main, entry)?;
        Some(problem(
            main,
            name,
            (entry.origin, &entry.text, entry.key()),
            by,
        ))
    });
    let allows = |action| action == Action::Allow;
    let entries = part
        .file
        .entries
        .iter()
        .filter(|entry| allows(entry.action));
    let entries = entries.filter_map(|entry| {
        let by = called(main, entry)?;
        let key = "syscalls".to_owned();
        Some(problem(main, name, (entry.origin, &entry.key, key), by))
    });
    let rules = part.file.rules.iter().filter(|rule| allows(rule.action));
    let rules = rules.filter_map(|rule| {
        let by = ruled(main, rule)?;
        let text = rule.targets.first().cloned().unwrap_or_default();
        Some(problem(
            main,
            name,
            (rule.origin, &text, "rule".to_owned()),
            by,
        ))
    });
    let limits = LimitKind::OF_DOMAIN.into_iter();
    let limits = limits.filter_map(|kind| limit(main, part, kind));
    let found = paths.chain(peers).chain(entries).chain(rules);
    let found: Vec<Diagnostic> = found.chain(limits).collect();
    debug_assert!(found.iter().all(|one| one.source == Some(source)));
    found
}

/// A limit that is above the same limit of the main policy.
fn limit(main: &Policy, part: &Part, kind: LimitKind) -> Option<Diagnostic> {
    let (own, outer) = (part.file.limits.get(kind)?, main.limits.get(kind)?);
    if own.value <= outer.value {
        return None;
    }
    let (key, name) = (kind.key(), &part.name);
    let message = format!(
        "the domain `{name}` has a larger limit than the main policy: limits.{key} is {outer} at {}",
        main.place(outer.origin)
    );
    let span = main.span(own.origin, &own.text);
    let problem = Diagnostic::error(Code::Widens, message).at(own.origin.source, span);
    Some(problem.help(format!(
        "its processes count for both: write {outer} at most, or a larger {key} below [limits]"
    )))
}

/// An entry of a domain: its place, its text and its key.
type Written<'a> = (Origin, &'a str, String);

fn problem(
    main: &Policy,
    domain: &str,
    (origin, text, key): Written<'_>,
    (by, what): Denial,
) -> Diagnostic {
    let message = format!(
        "the domain `{domain}` allows what the main policy denies: {what} at {}",
        main.place(by)
    );
    Diagnostic::error(Code::Widens, message)
        .at(origin.source, main.span(origin, text))
        .help(format!(
            "a domain only takes away: remove \"{text}\" from its {key}, or allow it in the main policy"
        ))
}

/// What of the main policy denies: its place, and what it is.
pub(super) type Denial = (Origin, String);

fn by_default(main: &Policy) -> Denial {
    let what = format!("`default = \"{}\"`", main.default.action);
    (main.default.origin, what)
}

/// What keeps the programs of a pattern from being executed.
pub(super) fn closes_exec(main: &Policy, pattern: &Pattern) -> Option<Denial> {
    access(main, List::Exec, pattern)
}

fn path(main: &Policy, entry: &PathEntry) -> Option<Denial> {
    access(main, entry.list, &entry.pattern)
}

fn access(main: &Policy, list: List, pattern: &Pattern) -> Option<Denial> {
    let base = pattern.base_bytes();
    let closes = |other: &&PathEntry| {
        let writes = list == List::Write;
        (other.list.denies() || writes && other.list == List::Protect)
            && other.pattern.covers(base)
            && !other.lifted.iter().any(|lifted| lifted.covers(base))
    };
    if let Some(other) = main.paths.iter().find(closes) {
        return Some((other.origin, format!("{} \"{}\"", other.key(), other.text)));
    }
    if main.default.action == Action::Allow {
        return None;
    }
    let grants =
        |other: &&PathEntry| other.list == list || list == List::Read && other.list == List::Write;
    let contains = |other: &PathEntry| {
        other.pattern.covers(base)
            || other.pattern.is_same(pattern)
            // Whether one pattern lies within another is not asked: what both cover stays allowed.
            || !pattern.is_literal() && may_meet(&other.pattern, pattern)
    };
    let mut granting = main.paths.iter().chain(&main.left_out).filter(grants);
    match granting.any(contains) {
        true => None,
        false => Some(by_default(main)),
    }
}

/// Whether both patterns may cover the same path, as far as what stands before their wildcards tells.
fn may_meet(one: &Pattern, other: &Pattern) -> bool {
    one.base().starts_with(other.base()) || other.base().starts_with(one.base())
}

fn peer(main: &Policy, entry: &NetEntry) -> Option<Denial> {
    let closes = |other: &&NetEntry| {
        let lifted = other.lifted.iter();
        let lifted = lifted.map(|(endpoint, _)| endpoint);
        other.closes()
            && entry.ways.iter().all(|way| other.ways.contains(way))
            && contains([&other.endpoint], &entry.endpoint)
            && !lifted
                .into_iter()
                .any(|lifted| contains([lifted], &entry.endpoint))
    };
    if let Some(other) = main.peers.iter().find(closes) {
        return Some((other.origin, format!("{} \"{}\"", other.key(), other.text)));
    }
    if main.default.action == Action::Allow {
        return None;
    }
    let list = |other: &&NetEntry| other.list == entry.list && other.list != NetList::Deny;
    let granting = main.peers.iter().filter(list).map(|other| &other.endpoint);
    match contains(granting, &entry.endpoint) {
        true => None,
        false => Some(by_default(main)),
    }
}

/// Whether each port of an endpoint is within one of the others.
fn contains<'a>(outer: impl IntoIterator<Item = &'a Endpoint>, inner: &Endpoint) -> bool {
    let mut outer = outer.into_iter();
    match inner {
        Endpoint::Unix(socket) => outer.any(|outer| match outer {
            Endpoint::Unix(outer) => holds(outer, socket),
            Endpoint::Inet { .. } => false,
        }),
        Endpoint::Inet {
            protocol,
            host,
            ports,
        } => {
            let hosts: Vec<_> = outer
                .filter_map(|outer| match outer {
                    Endpoint::Inet {
                        protocol: spoken,
                        host: around,
                        ports,
                    } if (spoken.is_none() || spoken == protocol) && has(around, host) => {
                        Some(ports)
                    }
                    _ => None,
                })
                .collect();
            let mut ranges = ports.ranges();
            ranges.all(|(first, last)| {
                let whole = hosts.iter().any(|outer| {
                    let mut outer = outer.ranges();
                    outer.any(|(low, high)| low <= first && last <= high)
                });
                whole || (first..=last).all(|port| hosts.iter().any(|outer| outer.contains(port)))
            })
        }
    }
}

fn holds(outer: &Socket, inner: &Socket) -> bool {
    match (outer, inner) {
        (Socket::Any, _) => true,
        (Socket::Path(outer), Socket::Path(inner)) => {
            outer.covers(inner.base_bytes()) || outer.is_same(inner) || !inner.is_literal()
        }
        (Socket::Abstract(outer), Socket::Abstract(inner)) => inner
            .examples()
            .iter()
            .any(|example| outer.matches(example)),
        _ => false,
    }
}

fn has(outer: &Host, inner: &Host) -> bool {
    match (outer, inner) {
        (Host::Any, _) => true,
        (Host::Prefix(network, bits), Host::Prefix(address, more)) if bits <= more => {
            covers(outer, *address) || network == address
        }
        (Host::Loopback | Host::Scope(_), Host::Prefix(address, _)) => covers(outer, *address),
        (Host::Prefix(..), Host::Loopback) => covers(outer, IpAddr::from([127, 0, 0, 1])),
        (one, other) => one == other,
    }
}

/// Whether a host covers an address, which is not known to be this host's.
fn covers(host: &Host, ip: IpAddr) -> bool {
    let endpoint = Endpoint::Inet {
        protocol: None,
        host: host.clone(),
        ports: crate::net::Ports::all(),
    };
    let to = To::Inet {
        protocol: Protocol::Tcp,
        ip: Some(ip),
        own: false,
        port: 1,
        names: &[],
    };
    let way = crate::net::Way::Connect;
    endpoint.covers(&Reach { way, to }, false)
}

/// The denial of all system calls that an entry allows.
fn called(main: &Policy, entry: &Entry) -> Option<Denial> {
    match entry.target {
        Target::Syscall(syscall) => denied(main, syscall),
        Target::Group(group) => {
            let mut all = group.set.iter().map(|syscall| denied(main, syscall));
            let first = all.next()?;
            all.all(|denial| denial.is_some()).then_some(first)?
        }
        Target::Foreign => None,
    }
}

fn ruled(main: &Policy, rule: &Rule) -> Option<Denial> {
    let mut all = rule.conditions.iter();
    let mut all = all.by_ref().map(|(syscall, _)| denied(main, syscall));
    let first = all.next()?;
    all.all(|denial| denial.is_some()).then_some(first)?
}

/// What of the main policy denies a system call, whatever its arguments are.
fn denied(main: &Policy, syscall: &'static Syscall) -> Option<Denial> {
    let covers = |rule: &&Rule| {
        let mut covered = rule.conditions.iter();
        rule.action == Action::Allow && covered.any(|(other, _)| other.name == syscall.name)
    };
    if main.rules.iter().any(|rule| covers(&rule)) {
        return None;
    }
    let strictest = |level: fn(&Entry, &'static Syscall) -> bool| {
        let entries = main.syscalls.iter();
        let entries = entries.filter(move |entry| level(entry, syscall));
        entries.max_by_key(|entry| entry.action.strictness())
    };
    let by_name = strictest(
        |entry, syscall| matches!(entry.target, Target::Syscall(named) if named.name == syscall.name),
    );
    let by_group = || {
        strictest(|entry, syscall| match entry.target {
            Target::Group(group) => group.set.iter().any(|other| other.name == syscall.name),
            _ => false,
        })
    };
    match by_name.or_else(by_group) {
        Some(entry) if entry.action == Action::Allow => None,
        Some(entry) => {
            let what = format!("`{} = \"{}\"`", entry.key, entry.action);
            Some((entry.origin, what))
        }
        None if main.default_of_calls() == Action::Allow => None,
        None => Some(by_default(main)),
    }
}
