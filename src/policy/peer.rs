//! One peer, as a sentence of a `[[test]]` or of `jail explain` names it.

use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use super::endpoint::{Wrong, endpoint};
use super::places::{PathContext, PlaceError};
use super::{NetEntry, Peer, Who};
use crate::net::{Address, Endpoint, Host, Protocol, Reach, Scope, Socket, To, Way};

/// The peer of a sentence; `None` if it is not exactly one.
pub(super) fn one_peer(way: Way, text: &str, around: &PathContext) -> Result<Option<Peer>, Wrong> {
    let who = match endpoint(text, false, around)? {
        Endpoint::Inet {
            protocol,
            host,
            ports,
        } if ports.count() == 1 => {
            let whole = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
            let (ip, name) = match host {
                Host::Prefix(ip, bits) if bits == whole(ip) => (Some(ip), None),
                Host::Loopback => (Some([127, 0, 0, 1].into()), None),
                Host::Name(name) if !name.is_wildcard() => (None, Some(name.as_str().to_owned())),
                _ => return Ok(None),
            };
            Who::Inet {
                protocol: protocol.unwrap_or(Protocol::Tcp),
                ip: ip.map(|ip| Address::canonical(ip, way == Way::Connect)),
                name,
                own: false,
                port: ports.iter().next().unwrap_or(0),
            }
        }
        Endpoint::Unix(Socket::Path(pattern)) if pattern.is_literal() => {
            Who::Path(pattern.base().to_owned())
        }
        Endpoint::Unix(Socket::Abstract(_)) => match text.strip_prefix("unix:@") {
            Some(name) if !name.contains(['*', '?', '[', '{', '\\']) => {
                Who::Abstract(name.as_bytes().to_vec())
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Peer { way, who }))
}

/// As `one_peer`, for a sentence outside of a policy; the error is a message.
///
/// # Errors
/// If it is not an endpoint, or does not name exactly one peer.
pub fn peer(way: Way, text: &str, around: &PathContext) -> Result<Peer, String> {
    match one_peer(way, text, around) {
        Ok(Some(peer)) => Ok(peer),
        Ok(None) => Err(format!(
            "`{text}` names more than one endpoint: give a host and a port"
        )),
        Err(Wrong::Place(PlaceError::Unset(name))) => {
            Err(format!("the variable {name} is not set"))
        }
        Err(Wrong::Place(PlaceError::Malformed(message))) => Err(message),
        Err(Wrong::Endpoint(_, error)) => Err(error.message),
    }
}

/// One of the peers that an endpoint covers.
pub fn example_of(endpoint: &Endpoint) -> Who {
    match endpoint {
        Endpoint::Inet {
            protocol,
            host,
            ports,
        } => {
            let (ip, name) = match host {
                Host::Any => (None, None),
                Host::Loopback => (Some([127, 0, 0, 1].into()), None),
                Host::Scope(Scope::Public) => (Some([9, 9, 9, 9].into()), None),
                Host::Scope(_) => (Some([10, 0, 0, 1].into()), None),
                Host::Prefix(ip, _) => (Some(*ip), None),
                Host::Name(name) => (None, Some(name.as_str().to_owned())),
            };
            Who::Inet {
                protocol: protocol.unwrap_or(Protocol::Tcp),
                ip,
                name,
                own: false,
                port: ports.iter().next().unwrap_or(0),
            }
        }
        Endpoint::Unix(Socket::Path(pattern)) => Who::Path(pattern.base().to_owned()),
        Endpoint::Unix(_) => Who::Abstract(b"x".to_vec()),
    }
}

impl NetEntry {
    /// One of the peers that an entry allows; `None` for an entry that denies.
    pub fn example(&self) -> Option<Peer> {
        let who = example_of(&self.endpoint);
        let way = self.ways.first().copied().filter(|_| !self.closes())?;
        Some(Peer { way, who })
    }
}

impl Who {
    /// The form that is compared; `names`: those of an address.
    pub fn to<'a>(&'a self, names: &'a [&'a str]) -> To<'a> {
        match self {
            Who::Inet {
                protocol,
                ip,
                own,
                port,
                ..
            } => To::Inet {
                protocol: *protocol,
                ip: *ip,
                own: *own,
                port: *port,
                names,
            },
            Who::Path(path) => To::Path(path.as_os_str().as_bytes()),
            Who::Abstract(name) => To::Abstract(name),
        }
    }
}

impl Peer {
    /// Calls `ask` with the peer in the form that is compared.
    pub fn reach<T>(&self, ask: impl FnOnce(&Reach<'_>) -> T) -> T {
        let names: Vec<&str> = match &self.who {
            Who::Inet { name, .. } => name.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let to = self.who.to(&names);
        ask(&Reach { way: self.way, to })
    }
}
