//! Sockets that were created. One that has no peer needs an entry, too, where the policy has none of its kind.

use crate::judge::{Judge, Reason};
use crate::learn::{Beyond, Entry, Evidence, Section};
use crate::policy::Action;
use crate::syscalls::{Call, parse_call};

/// SOCK_TYPE_MASK of linux/net.h.
const TYPE: u64 = 0xf;

/// A kind of sockets that a policy can close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Datagrams of AF_UNIX.
    UnixDatagram,
}

impl Socket {
    /// The kind that socket(2) or socketpair(2) creates; `None`: one that no entry can be about.
    pub fn of(call: &Call) -> Option<Socket> {
        let [family, kind, protocol, ..] = call.args;
        let (family, kind) = (family as u32 as i32, (kind & TYPE) as i32);
        match (family, kind, protocol as u32 as i32) {
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) => {
                Some(Socket::Tcp)
            }
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) => {
                Some(Socket::Udp)
            }
            (libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_RAW, _) => Some(Socket::UnixDatagram),
            _ => None,
        }
    }

    /// Whether a policy has no entry for this kind.
    pub fn is_closed(self, judge: &Judge) -> bool {
        let call = parse_call(match self {
            Socket::Tcp => "socket(AF_INET, SOCK_STREAM)",
            Socket::Udp => "socket(AF_INET, SOCK_DGRAM)",
            Socket::UnixDatagram => "socket(AF_UNIX, SOCK_DGRAM)",
        });
        call.is_ok_and(|call| {
            let verdict = judge.call(&call);
            verdict.action != Action::Allow && matches!(verdict.reason, Reason::Closed(_))
        })
    }

    /// The name in a message.
    pub fn name(self) -> &'static str {
        match self {
            Socket::Tcp => "a TCP socket",
            Socket::Udp => "a UDP socket",
            Socket::UnixDatagram => "a datagram socket of AF_UNIX",
        }
    }

    /// An entry that allows the kind and opens no peer: addresses for documentation (RFC 5737), and a path that
    /// cannot exist.
    pub fn entry(self, evidence: &Evidence) -> Entry {
        let (text, why) = match self {
            Socket::Tcp => ("192.0.2.1:443", "for a TCP socket without a peer"),
            Socket::Udp => ("udp://192.0.2.1:53", "for a UDP socket without a peer"),
            Socket::UnixDatagram => (
                "unix:/dev/null/none",
                "for a unix datagram socket without a peer",
            ),
        };
        Entry {
            section: Section::Connect,
            text: text.to_owned(),
            evidence: evidence.clone(),
            requests: 1,
            beyond: Beyond::Nothing,
            why: Some(why),
        }
    }
}
