//! What the policy says of a peer, by its address and by the names that stand for it.
//!
//! An address that is about to be denied may be one of a name that is still being looked up: then the call
//! is made again later ([`Refused::Later`]).

use super::Sockets;
use super::dns::names::{Known, Names};
use crate::baseline::Watch;
use crate::judge::{Reason, Verdict};
use crate::net::{Protocol, Reach, To, Way};
use crate::policy::{self, Action};
use crate::supervise::object::{Object, PeerObject};
use crate::supervise::syscall::stop::{Judged, Refused, SyscallStop};
use crate::sys::route;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

/// The peer that a call names.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Inet {
        protocol: Protocol,
        ip: IpAddr,
        port: u16,
    },
    Path(&'a [u8]),
    Abstract(&'a [u8]),
}

impl Who<'_> {
    fn owned(self, own: bool) -> policy::Who {
        match self {
            Who::Inet { protocol, ip, port } => policy::Who::Inet {
                protocol,
                ip: Some(ip),
                own,
                name: None,
                port,
            },
            Who::Path(path) => policy::Who::Path(OsStr::from_bytes(path).into()),
            Who::Abstract(name) => policy::Who::Abstract(name.to_vec()),
        }
    }
}

impl Sockets {
    /// What the policy says of a way to a peer.
    pub(super) fn judge(&mut self, stop: &SyscallStop<'_>, way: Way, to: Who<'_>) -> Judged<()> {
        let names = stop.plan.net.names;
        if names {
            self.names.take_in();
        }
        let mut verdict = self.ask(stop, way, to);
        // No name opens what an entry denies.
        let open = |verdict: &Verdict| !matches!(verdict.reason, Reason::Peer(_));
        if let (Who::Inet { ip, .. }, Way::Connect) = (to, way)
            && names
            && verdict.0.action != Action::Allow
            && open(&verdict.0)
        {
            match self.names.look_up(ip) {
                Known::Named => verdict = self.ask(stop, way, to),
                Known::Later(pause) if may_wait(stop) => {
                    return Err(Refused::Later(pause));
                }
                Known::Later(_) | Known::Unknown => {}
            }
        }
        match verdict {
            (verdict, object) if verdict.action == Action::Allow => {
                stop.see(|| Object::Peer(object));
                Ok(())
            }
            (verdict, object) if stop.lets(&verdict, || Object::Peer(object.clone())) => {
                match self.in_domains(stop, way, to) {
                    Some(verdict) => Err(Refused::Denied(verdict, Object::Peer(object))),
                    None => Ok(()),
                }
            }
            (verdict, object) => Err(Refused::Denied(verdict, Object::Peer(object))),
        }
    }

    /// Whether the policy lets every socket connect to this address that a task may have, whatever it speaks.
    /// Then it does not matter which of them another task puts in the place of the one that a call names.
    pub(super) fn is_open_to_all(&mut self, stop: &SyscallStop<'_>, ip: IpAddr, port: u16) -> bool {
        if stop.plan.net.names {
            self.names.take_in();
        }
        Sockets::at_hand(stop).all(|protocol| {
            let who = Who::Inet { protocol, ip, port };
            let (verdict, _) = self.ask(stop, Way::Connect, who);
            verdict.action == Action::Allow
        })
    }

    /// The denial of the caller's domains, of a peer that is let through although the main policy lacks it.
    fn in_domains(&self, stop: &SyscallStop<'_>, way: Way, who: Who<'_>) -> Option<Verdict> {
        self.with_reach(stop, way, who, |reach, _| {
            stop.plan.judge.reach_in_domains(reach)
        })
    }

    fn ask(&self, stop: &SyscallStop<'_>, way: Way, who: Who<'_>) -> (Verdict, PeerObject) {
        self.with_reach(stop, way, who, |reach, object| {
            Sockets::said(stop, reach, object)
        })
    }

    fn with_reach<T>(
        &self,
        stop: &SyscallStop<'_>,
        way: Way,
        who: Who<'_>,
        then: impl FnOnce(&Reach<'_>, PeerObject) -> T,
    ) -> T {
        // Interfaces get and lose addresses, so the kernel is asked at each call.
        let own = match who {
            Who::Inet { ip, .. } => {
                stop.plan.net.asks_own && way == Way::Connect && route::is_own(ip)
            }
            Who::Path(_) | Who::Abstract(_) => false,
        };
        let names: Vec<&str> = match who {
            Who::Inet { ip, .. } => self.names.of(ip),
            Who::Path(_) | Who::Abstract(_) => Vec::new(),
        };
        let to = match who {
            Who::Inet { protocol, ip, port } => To::Inet {
                protocol,
                ip: Some(ip),
                own,
                port,
                names: &names,
            },
            Who::Path(path) => To::Path(path),
            Who::Abstract(name) => To::Abstract(name),
        };
        let reach = Reach { way, to };
        let object = PeerObject {
            way,
            to: to.to_string(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            who: Some(Box::new(who.owned(own))),
        };
        then(&reach, object)
    }

    /// What the policy and its rules say of a way to a peer.
    fn said(
        stop: &SyscallStop<'_>,
        reach: &Reach<'_>,
        object: PeerObject,
    ) -> (Verdict, PeerObject) {
        if stop.rules {
            let mut holds = |object: &policy::Object| {
                object.path.is_none() && object.argv.is_none() && object.covers_peer(reach)
            };
            let verdict = stop.plan.judge.call_on(&stop.call, &mut holds);
            if verdict.action != Action::Allow {
                return (verdict, object);
            }
        }
        let mut verdict = match stop.plan.net.governed {
            true => stop.plan.judge.reach(reach),
            false => allowed(),
        };
        if verdict.action != Action::Allow && verdict.reason == Reason::PeerDefault {
            verdict.quiet |= looks_for_route(stop, reach);
        }
        (verdict, object)
    }

    /// Whether an internet socket may go on from a port that the kernel chooses: a connect or send
    /// without a bind does.
    pub(super) fn may_send(stop: &SyscallStop<'_>, protocol: Protocol) -> bool {
        !stop.plan.net.governed || {
            let speaks = |class| !stop.plan.net.watch.has(class);
            match protocol {
                Protocol::Tcp => speaks(Watch::NO_STREAMS),
                Protocol::Udp => speaks(Watch::NO_DATAGRAMS),
                Protocol::Lite | Protocol::Other => false,
            }
        }
    }

    /// What the internet sockets of a task may speak: those that it can make, and any where it may have
    /// inherited some.
    fn at_hand(stop: &SyscallStop<'_>) -> impl Iterator<Item = Protocol> {
        use Protocol::{Lite, Other, Tcp, Udp};
        let may_have =
            |protocol: &Protocol| stop.plan.net.inherits || Sockets::may_send(stop, *protocol);
        [Tcp, Udp, Lite, Other].into_iter().filter(may_have)
    }

    /// What a call on a socket of this protocol may turn out to speak: where the task itself has to
    /// make it, another may put any socket in the place of the one that is judged.
    pub(super) fn protocols(stop: &SyscallStop<'_>, own: Protocol) -> Vec<Protocol> {
        let mut protocols = vec![own];
        if stop.task.paths.is_confined() && !stop.task.space().is_alone() {
            protocols.extend(Sockets::at_hand(stop).filter(|other| *other != own));
        }
        protocols
    }
}

/// Whether a call may wait for a look-up, which others may begin again and again.
fn may_wait(stop: &SyscallStop<'_>) -> bool {
    let since = stop.task.sockets.parked.get();
    since.is_none_or(Names::may_wait)
}

/// Whether a program may just look for a route: it connects a datagram socket and sends nothing. What it
/// is after is reached by TCP.
fn looks_for_route(stop: &SyscallStop<'_>, reach: &Reach<'_>) -> bool {
    match (reach.way, reach.to) {
        (
            Way::Connect,
            To::Inet {
                protocol: Protocol::Udp,
                ip,
                own,
                port,
                names,
            },
        ) => {
            let to = To::Inet {
                protocol: Protocol::Tcp,
                ip,
                own,
                port,
                names,
            };
            let way = Way::Connect;
            port == 0 || stop.plan.judge.reach(&Reach { way, to }).action == Action::Allow
        }
        _ => false,
    }
}

fn allowed() -> Verdict {
    Verdict {
        action: Action::Allow,
        quiet: false,
        reason: Reason::PeerDefault,
        check: None,
        domain: None,
    }
}
