//! Addresses, endpoints and names of peers, as policies describe them. Bytes and pure functions; nothing
//! here uses the network.
//!
//! | file | holds |
//! |---|---|
//! | `address` | socket addresses, from and to the kernel's bytes |
//! | `endpoint` | what an entry of `[net]` covers |
//! | `ports` | sets of ports |
//! | `scope` | which addresses are public, private or this host |
//! | `leases` | names, and which addresses stand for them until when |
//! | `dns` | answers of resolvers |
//! | `message` | headers and control data of sendmsg(2) |

mod address;
pub mod dns;
mod endpoint;
pub mod leases;
pub mod message;
mod ports;
mod scope;

pub use address::{Address, Family};
pub use endpoint::{Endpoint, EndpointError, Host, Parsed, Socket};
pub use leases::NamePattern;
pub use ports::Ports;
pub use scope::Scope;

use std::fmt;
use std::net::IpAddr;

/// The direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// To a peer: connect(2), or a send(2) that names an address.
    Connect,
    /// From peers: bind(2), listen(2).
    Listen,
}

impl Way {
    /// The word of a `[[test]]` sentence and of messages.
    pub const fn word(self) -> &'static str {
        match self {
            Way::Connect => "connect",
            Way::Listen => "listen",
        }
    }

    /// The direction that a word names.
    pub fn from_word(word: &str) -> Option<Way> {
        [Way::Connect, Way::Listen]
            .into_iter()
            .find(|way| way.word() == word)
    }
}

/// The protocol of an internet socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, and protocols that behave like it.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite (RFC 3828): it has ports, but no entry allows it.
    Lite,
    /// Anything else with addresses: ICMP echo, an inherited raw socket. It has no ports.
    Other,
}

impl Protocol {
    /// From SO_PROTOCOL (socket(7), Linux 2.6.32).
    pub fn of(protocol: i32) -> Protocol {
        match protocol {
            libc::IPPROTO_TCP => Protocol::Tcp,
            libc::IPPROTO_UDP => Protocol::Udp,
            libc::IPPROTO_UDPLITE => Protocol::Lite,
            _ => Protocol::Other,
        }
    }

    /// The scheme before a host.
    pub const fn scheme(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp://",
            Protocol::Udp => "udp://",
            Protocol::Lite | Protocol::Other => "",
        }
    }
}

/// A peer, or an address to listen on, in the form that is compared with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The direction.
    pub way: Way,
    /// The peer, or the address to listen on.
    pub to: To<'a>,
}

/// The address of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// An internet address.
    Inet {
        /// The protocol.
        protocol: Protocol,
        /// The address, [canonical](Address::canonical); `None` if only its name is known.
        ip: Option<IpAddr>,
        /// Whether the address is known to belong to this host, other than a loopback address.
        own: bool,
        /// The port. 0 with [`Way::Listen`]: one that the kernel chooses.
        port: u16,
        /// The names that the address currently stands for: lower case, without a dot at the end.
        names: &'a [&'a str],
    },
    /// A unix socket by its path, absolute and resolved.
    Path(&'a [u8]),
    /// A unix socket by its abstract name; empty: one that the kernel chooses.
    Abstract(&'a [u8]),
}

/// As a policy would write it.
impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            To::Inet {
                protocol,
                ip,
                port,
                names,
                ..
            } => {
                if *protocol == Protocol::Udp {
                    f.write_str(protocol.scheme())?;
                }
                match (ip, names.first()) {
                    (Some(IpAddr::V6(ip)), _) => write!(f, "[{ip}]:{port}"),
                    (Some(ip), _) => write!(f, "{ip}:{port}"),
                    (None, Some(name)) => write!(f, "{name}:{port}"),
                    (None, None) => write!(f, "*:{port}"),
                }
            }
            To::Path(path) => write!(f, "unix:{}", String::from_utf8_lossy(path)),
            To::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
        }
    }
}
