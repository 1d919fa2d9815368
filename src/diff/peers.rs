//! Peers that represent all others: the ends of each range of addresses and ports, what lies beside them, and
//! each name, alone and of an address.

use super::paths::Places;
use super::request::Request;
use crate::net::{Endpoint, Host, Protocol, Scope, Socket, Way};
use crate::policy::{Peer, Policy, Who};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Peers that are asked about.
const MOST: usize = 400_000;
/// Addresses that names are combined with.
const WITH_NAMES: usize = 64;

/// The peers for these policies, and whether there are more.
pub fn requests(policies: &[&Policy], places: &Places) -> (Vec<Request>, bool) {
    let policies = policies.iter().copied();
    let endpoints: Vec<&Endpoint> = policies.flat_map(endpoints).collect();
    let mut found: Vec<Request> = places.sockets().collect();
    let both = |who: Who| {
        [Way::Connect, Way::Listen].map(|way| {
            Request::Peer(Peer {
                way,
                who: who.clone(),
            })
        })
    };
    found.extend(
        names(&endpoints)
            .into_iter()
            .map(Who::Abstract)
            .flat_map(both),
    );
    let ports = ports(&endpoints);
    let hosts = hosts(&endpoints);
    let protocols = [
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Lite,
        Protocol::Other,
    ];
    for (ip, name, own) in &hosts {
        for port in &ports {
            for protocol in protocols {
                // It has no ports.
                if protocol == Protocol::Other && *port != 0 {
                    continue;
                }
                if found.len() >= MOST {
                    return (found, true);
                }
                found.extend(both(Who::Inet {
                    protocol,
                    ip: *ip,
                    name: name.clone(),
                    own: *own,
                    port: *port,
                }));
            }
        }
    }
    (found, false)
}

/// Every endpoint of a policy that may decide.
pub(super) fn endpoints(policy: &Policy) -> impl Iterator<Item = &Endpoint> {
    let entries = policy.peers.iter().flat_map(|entry| {
        let lifted = entry.lifted.iter().map(|(endpoint, _)| endpoint);
        std::iter::once(&entry.endpoint).chain(lifted)
    });
    let objects = policy.rules.iter().filter_map(|rule| rule.object.as_ref());
    entries.chain(objects.filter_map(|object| Some(&object.peer.as_ref()?.1)))
}

/// Abstract names: one that the kernel chooses, one that no policy has, and examples of each pattern.
fn names(endpoints: &[&Endpoint]) -> BTreeSet<Vec<u8>> {
    let globs: Vec<_> = endpoints
        .iter()
        .filter_map(|endpoint| match endpoint {
            Endpoint::Unix(Socket::Abstract(glob)) => Some(glob),
            _ => None,
        })
        .collect();
    let mut names = BTreeSet::from([Vec::new(), b"jail-other".to_vec()]);
    for glob in &globs {
        names.extend(glob.examples());
        for other in &globs {
            names.extend(glob.joined(other));
        }
    }
    names
}

/// The ends of each range of ports, and the ports beside them.
fn ports(endpoints: &[&Endpoint]) -> BTreeSet<u16> {
    let mut found = BTreeSet::from([0, 1, u16::MAX]);
    for endpoint in endpoints {
        if let Endpoint::Inet { ports, .. } = endpoint {
            for (first, last) in ports.ranges() {
                found.extend([first, last, first.saturating_sub(1), last.saturating_add(1)]);
            }
        }
    }
    found
}

/// An address, a name, and whether the address is this host's own.
type Place = (Option<IpAddr>, Option<String>, bool);

fn hosts(endpoints: &[&Endpoint]) -> Vec<Place> {
    let mut ips = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut scoped = false;
    add_network(&mut ips, Ipv4Addr::LOCALHOST.into(), 8);
    add_network(&mut ips, Ipv6Addr::LOCALHOST.into(), 128);
    ips.extend([[9, 9, 9, 9], [10, 0, 0, 1]].map(IpAddr::from));
    for endpoint in endpoints {
        match endpoint {
            Endpoint::Inet {
                host: Host::Prefix(ip, bits),
                ..
            } => add_network(&mut ips, *ip, *bits),
            Endpoint::Inet {
                host: Host::Scope(_),
                ..
            } => scoped = true,
            Endpoint::Inet {
                host: Host::Name(name),
                ..
            } => {
                // Of a wildcard, a name within it.
                names.insert(name.as_str().replacen('*', "jail-other", 1));
            }
            _ => {}
        }
    }
    if scoped {
        for (ip, bits) in Scope::networks() {
            add_network(&mut ips, ip, bits);
        }
    }
    let mut places: Vec<Place> = vec![
        (None, None, false),
        (None, Some("jail.invalid".into()), false),
    ];
    places.extend(names.iter().map(|name| (None, Some(name.clone()), false)));
    places.extend(ips.iter().map(|ip| (Some(*ip), None, false)));
    places.extend(ips.iter().map(|ip| (Some(*ip), None, true)));
    for name in &names {
        let with = ips.iter().take(WITH_NAMES);
        places.extend(with.map(|ip| (Some(*ip), Some(name.clone()), false)));
    }
    places
}

/// The first and the last address of a network, and those beside it.
fn add_network(ips: &mut BTreeSet<IpAddr>, ip: IpAddr, bits: u8) {
    match ip {
        IpAddr::V4(ip) => {
            let rest = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            let (first, last) = (ip.to_bits() & !rest, ip.to_bits() | rest);
            let all = [first, last, first.wrapping_sub(1), last.wrapping_add(1)];
            ips.extend(all.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))));
        }
        IpAddr::V6(ip) => {
            let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            let (first, last) = (ip.to_bits() & !rest, ip.to_bits() | rest);
            let all = [first, last, first.wrapping_sub(1), last.wrapping_add(1)];
            // The form in which addresses are compared.
            ips.extend(all.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()));
        }
    }
}
