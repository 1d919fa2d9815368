//! A request that represents others, and how a policy's judge decides it.

use crate::judge::{Judge, Verdict};
use crate::net::{Protocol, To, Way};
use crate::paths::Access;
use crate::policy::{Object, Peer, Who};
use crate::syscalls::Call;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A call, by its registers.
    Call(Call),
    /// A program's access to a path.
    Path(Access, PathBuf),
    /// A peer that a program reaches, or an address on which it listens.
    Peer(Peer),
    /// A call with what its registers point to, for rules about that.
    Object {
        /// The call.
        call: Call,
        /// The path that it names.
        path: Option<PathBuf>,
        /// The peer that it names.
        peer: Option<Peer>,
        /// The arguments of the program that it starts.
        argv: Vec<Vec<u8>>,
    },
}

impl Request {
    /// Decides it. `part`: the policy allows no system call, so that only objects are decided.
    pub(super) fn decide(&self, judge: &Judge, part: bool) -> Verdict {
        match self {
            Request::Call(call) => judge.call(call),
            Request::Path(access, path) if part => judge.path(*access, path.as_os_str().as_bytes()),
            Request::Path(access, path) => judge.access(*access, path).verdict,
            Request::Peer(peer) if part => peer.reach(|reach| judge.endpoint(reach)),
            Request::Peer(peer) => judge.peer(peer).verdict,
            Request::Object {
                call,
                path,
                peer,
                argv,
            } => judge.call_on(call, &mut |object| holds(object, path, peer, argv)),
        }
    }

    /// The word for what it is about.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Request::Call(_) => "call",
            Request::Path(access, _) => access.word(),
            Request::Peer(peer) => peer.way.word(),
            Request::Object { .. } => "object",
        }
    }
}

/// Whether the conditions of a rule on what a call names hold.
fn holds(object: &Object, path: &Option<PathBuf>, peer: &Option<Peer>, argv: &[Vec<u8>]) -> bool {
    let path_holds = object.path.as_ref().is_none_or(|(_, pattern)| {
        path.as_ref()
            .is_some_and(|path| pattern.covers(path.as_os_str().as_bytes()))
    });
    let peer_holds = object.peer.is_none()
        || peer
            .as_ref()
            .is_some_and(|peer| peer.reach(|reach| object.covers_peer(reach)));
    let argv_holds = object.argv.as_ref().is_none_or(|words| words.matches(argv));
    path_holds && peer_holds && argv_holds
}

/// As `jail explain` takes it, where it does; a host's own address and a name beside an address are added.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Call(call) => write!(f, "{call}"),
            Request::Path(access, path) => write!(f, "{access} {}", path.display()),
            Request::Peer(peer) => write_peer(f, peer),
            Request::Object {
                call,
                path,
                peer,
                argv,
            } => {
                let name = call.syscall().map_or("?", |syscall| syscall.name);
                write!(f, "{name}")?;
                if let Some(path) = path {
                    write!(f, " of {}", path.display())?;
                }
                if let Some(peer) = peer {
                    f.write_str(" to ")?;
                    write_peer(f, peer)?;
                }
                if !argv.is_empty() {
                    let words = argv.iter().map(|word| String::from_utf8_lossy(word));
                    write!(f, " with {:?}", words.collect::<Vec<_>>())?;
                }
                Ok(())
            }
        }
    }
}

fn write_peer(f: &mut fmt::Formatter<'_>, peer: &Peer) -> fmt::Result {
    write!(f, "{} ", peer.way.word())?;
    peer.reach(|reach| match reach.to {
        To::Inet {
            protocol: Protocol::Lite | Protocol::Other,
            ..
        } => write!(f, "{} (neither TCP nor UDP)", reach.to),
        _ => write!(f, "{}", reach.to),
    })?;
    match &peer.who {
        Who::Inet {
            ip: Some(_),
            name: Some(name),
            ..
        } => write!(f, " as {name}"),
        Who::Inet { own: true, .. } if peer.way == Way::Connect => {
            f.write_str(" (an address of this host)")
        }
        _ => Ok(()),
    }
}
