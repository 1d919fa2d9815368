//! Warnings of `jail check` about entries of `[net]` that have no effect, or less than their author may
//! think.

use std::net::IpAddr;

use super::{Code, Diagnostic, NetEntry, NetList, Policy};
use crate::condition::nearest;
use crate::net::{Endpoint, Host, Protocol, Scope, Socket};

/// Warnings about the main file's entries.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let mut resolvers_told = false;
    for (index, entry) in policy.peers.iter().enumerate() {
        if !policy.is_own(entry.origin) {
            continue;
        }
        let vain = shadowed(policy, entry)
            .or_else(|| repeated(policy, index, entry))
            .or_else(|| own_resolver(policy, entry))
            .or_else(|| misspelt(entry));
        if let Some(finding) = vain {
            warnings.push(warning(policy, entry, finding));
            continue;
        }
        if entry.endpoint.name().is_none() {
            continue;
        }
        let finding = match entry.list {
            NetList::Deny => Some((
                Code::NameDenied,
                format!("\"{}\" is denied by its name alone", entry.text),
                "jail learns which addresses a name has only when the command looks it up: connecting by IP address is not blocked; deny the addresses".to_owned(),
            )),
            NetList::Connect if !resolvers_told => resolvers(policy),
            _ => None,
        };
        if let Some(finding) = finding {
            resolvers_told |= entry.list == NetList::Connect;
            warnings.push(warning(policy, entry, finding));
        }
    }
}

/// Code, message, help.
type Finding = (Code, String, String);

fn warning(policy: &Policy, entry: &NetEntry, (code, message, help): Finding) -> Diagnostic {
    let span = policy.span(entry.origin, &entry.text);
    Diagnostic::warning(code, message)
        .at(entry.origin.source, span)
        .help(help)
}

/// A name depends on the resolver that answers for it.
fn resolvers(policy: &Policy) -> Option<Finding> {
    let asked = |entry: &&NetEntry, protocol| match &entry.endpoint {
        Endpoint::Inet { ports, .. } => {
            entry.list == NetList::Connect && entry.endpoint.speaks(protocol) && ports.contains(53)
        }
        Endpoint::Unix(_) => false,
    };
    let udp = |entry: &&NetEntry| asked(entry, Protocol::Udp);
    let either = |entry: &&NetEntry| udp(entry) || asked(entry, Protocol::Tcp);
    if !policy.peers.iter().any(|entry| udp(&entry)) {
        return Some((
            Code::NoResolver,
            "host names are allowed, but no resolver that could look them up".to_owned(),
            "add the resolver to net.connect: \"udp://ADDRESS:53\", with a nameserver of /etc/resolv.conf".to_owned(),
        ));
    }
    let many = |entry: &&NetEntry| match &entry.endpoint {
        Endpoint::Inet { host, .. } => match host {
            Host::Any | Host::Scope(_) => true,
            Host::Prefix(IpAddr::V4(_), bits) => *bits < 32,
            Host::Prefix(IpAddr::V6(_), bits) => *bits < 128,
            Host::Loopback | Host::Name(_) => false,
        },
        Endpoint::Unix(_) => false,
    };
    let open = policy.peers.iter().filter(either).find(many)?;
    Some((
        Code::AnyResolver,
        format!(
            "host names are only as trustworthy as the resolver, and \"{}\" at {} lets the command choose it",
            open.text,
            policy.place(open.origin)
        ),
        "against hostile code, allow the one resolver that you trust, \"udp://ADDRESS:53\", and name the ports of other addresses"
            .to_owned(),
    ))
}

/// A name that was likely meant as one of the words for address ranges.
fn misspelt(entry: &NetEntry) -> Option<Finding> {
    let name = entry.endpoint.name()?.as_str();
    let word = nearest(name, ["public", "private", "localhost"])?;
    let message = format!("\"{}\" is read as a host name", entry.text);
    let help = format!("did you mean `{word}`?");
    (!name.contains('.')).then_some((Code::Misspelt, message, help))
}

/// If names allow anything, the command cannot listen on the resolvers' port.
fn own_resolver(policy: &Policy, entry: &NetEntry) -> Option<Finding> {
    let Endpoint::Inet { ports, .. } = &entry.endpoint else {
        return None;
    };
    let named =
        |other: &&NetEntry| other.list == NetList::Connect && other.endpoint.name().is_some();
    if entry.list != NetList::Listen || !ports.iter().eq([53]) {
        return None;
    }
    let name = policy.peers.iter().find(named)?;
    Some((
        Code::OwnResolver,
        format!(
            "listen \"{}\" allows nothing: \"{}\" at {} depends on what resolvers answer, and port 53 is reserved for them",
            entry.text,
            name.text,
            policy.place(name.origin)
        ),
        "remove it, or write the addresses in place of the names".to_owned(),
    ))
}

/// An allowing entry that is denied completely.
fn shadowed(policy: &Policy, entry: &NetEntry) -> Option<Finding> {
    if entry.closes() {
        return None;
    }
    let closing = policy
        .peers
        .iter()
        .find(|other| other.closes() && other.lifted.is_empty() && says_as_much(other, entry))?;
    Some((
        Code::Shadowed,
        format!(
            "{} \"{}\" allows nothing: {} \"{}\" at {} takes precedence",
            entry.key(),
            entry.text,
            closing.key(),
            closing.text,
            policy.place(closing.origin)
        ),
        "deny takes precedence over allow, whatever the order: remove one of the two".to_owned(),
    ))
}

/// An entry that another entry already covers.
fn repeated(policy: &Policy, index: usize, entry: &NetEntry) -> Option<Finding> {
    let other = policy.peers.iter().enumerate().find(|(place, other)| {
        *place != index
            && other.list == entry.list
            && other.action == entry.action
            && other.lifted.is_empty()
            && says_as_much(other, entry)
            // A scope does not include this host's own addresses, but an entry with the address does.
            && (entry.closes()
                || !other.endpoint.leaves_out_own()
                || entry.endpoint.leaves_out_own())
            // Of two equal entries, the second is the superfluous one.
            && (*place < index || !says_as_much(entry, other))
    });
    let (_, other) = other.filter(|_| !entry.optional)?;
    Some((
        Code::Redundant,
        format!(
            "{} \"{}\" adds nothing to \"{}\" at {}",
            entry.key(),
            entry.text,
            other.text,
            policy.place(other.origin)
        ),
        "remove it".to_owned(),
    ))
}

/// Whether one entry covers another, as far as that is obvious.
fn says_as_much(outer: &NetEntry, inner: &NetEntry) -> bool {
    inner.ways.iter().all(|way| outer.ways.contains(way))
        && contains(&outer.endpoint, &inner.endpoint)
}

/// Whether one endpoint covers another, as far as that is obvious.
pub(super) fn contains(outer: &Endpoint, inner: &Endpoint) -> bool {
    match (outer, inner) {
        (
            Endpoint::Inet {
                protocol,
                host,
                ports,
            },
            Endpoint::Inet {
                protocol: spoken,
                host: hosts,
                ports: some,
            },
        ) => {
            (protocol.is_none() || protocol == spoken)
                && some.iter().all(|port| ports.contains(port))
                && within(hosts, host)
        }
        (Endpoint::Unix(Socket::Any), Endpoint::Unix(_)) => true,
        (Endpoint::Unix(Socket::Path(outer)), Endpoint::Unix(Socket::Path(inner))) => {
            outer.covers(inner.base_bytes()) || outer.is_same(inner)
        }
        (Endpoint::Unix(Socket::Abstract(outer)), Endpoint::Unix(Socket::Abstract(inner))) => {
            outer == inner
        }
        _ => false,
    }
}

/// Whether both may cover the same address, as far as that is obvious.
pub(super) fn meet(one: &Endpoint, other: &Endpoint) -> bool {
    if contains(one, other) || contains(other, one) {
        return true;
    }
    match (one, other) {
        (
            Endpoint::Inet {
                protocol,
                host,
                ports,
            },
            Endpoint::Inet {
                protocol: spoken,
                host: hosts,
                ports: some,
            },
        ) => {
            (protocol.is_none() || spoken.is_none() || protocol == spoken)
                && some.iter().any(|port| ports.contains(port))
                && (within(host, hosts) || within(hosts, host))
        }
        (Endpoint::Unix(Socket::Path(one)), Endpoint::Unix(Socket::Path(other))) => {
            other.covers(one.base_bytes()) || other.progress(one.base_bytes()).leads_on()
        }
        _ => false,
    }
}

fn within(inner: &Host, outer: &Host) -> bool {
    match (inner, outer) {
        (_, Host::Any) => true,
        (Host::Prefix(ip, bits), Host::Prefix(network, fewer)) => {
            bits >= fewer && Host::Prefix(*network, *fewer).has(*ip)
        }
        (Host::Prefix(ip, bits), Host::Loopback) => {
            Scope::of_all(*ip, *bits) == Some(Scope::Host) && !ip.is_unspecified()
        }
        (Host::Prefix(ip, bits), Host::Scope(scope)) => Scope::of_all(*ip, *bits) == Some(*scope),
        (Host::Name(one), Host::Name(other)) => {
            one == other || !one.is_wildcard() && other.matches(one.as_str())
        }
        (one, other) => one == other,
    }
}
