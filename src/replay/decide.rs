//! One recorded call under a policy.

use crate::baseline::Check;
use crate::journal;
use crate::judge::{Judge, Reason, Verdict};
use crate::net::{Protocol, Reach, To, Way};
use crate::paths::Access;
use crate::policy::{Action, Object};
use crate::report::{Denial, PathAccess, Peer, PeerAccess, ReasonKind, Resolved};
use crate::syscalls::Call;
use std::fmt;
use std::net::IpAddr;

/// Why a call cannot be decided from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecidable {
    /// The log has U+FFFD in the place of some bytes.
    NotText,
    /// The call was denied before what it names was looked at.
    NotLookedAt,
    /// A rule asks for the arguments of the program.
    Arguments,
    /// The policy names hosts, and the log has no names for the address.
    Names,
    /// It matters whether the address is one of the recorded host.
    Own,
    /// The endpoint cannot be read.
    Endpoint,
    /// The access is one of a later version.
    Access,
    /// It was denied for something that only happens while a command runs.
    Moment,
    /// A domain decides otherwise, and the log does not tell whether the program is in it.
    Domain,
    /// It depends on the task that the call acts on.
    Target,
}

impl fmt::Display for Undecidable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Undecidable::NotText => "its path or name is not UTF-8, so the log does not have all of it",
            Undecidable::NotLookedAt => {
                "it was denied before its path or peer was looked at, so the log does not have it"
            }
            Undecidable::Arguments => {
                "a rule asks for the arguments of the program, which the log does not have"
            }
            Undecidable::Names => {
                "the policy names hosts, and the log has no names for the address; record under a policy that names them"
            }
            Undecidable::Own => {
                "it matters whether the address belongs to the recorded host, which the log does not say"
            }
            Undecidable::Endpoint => "its endpoint cannot be read",
            Undecidable::Access => "its access is one of a later version of jail",
            Undecidable::Moment => {
                "it was denied because of what happened at that moment, which depends on more than the log has"
            }
            Undecidable::Domain => {
                "a domain denies it, and the log does not say whether the program was in that domain; record under a policy that has it"
            }
            Undecidable::Target => "it acts on another task, and the log does not say which",
        })
    }
}

/// A call as the log has it.
pub(super) struct Recorded<'a> {
    pub(super) pid: i32,
    call: Call,
    path: Option<&'a Resolved>,
    peer: Option<&'a Peer>,
    text: Option<&'a str>,
}

impl<'a> Recorded<'a> {
    pub(super) fn access(access: &'a journal::Access) -> Self {
        Self {
            pid: access.pid,
            call: Call {
                nr: access.nr,
                args: access.args,
            },
            path: access.path.as_ref(),
            peer: access.peer.as_ref(),
            text: None,
        }
    }

    pub(super) fn denial(denial: &'a Denial) -> Self {
        Self {
            pid: denial.pid,
            call: Call {
                nr: denial.nr,
                args: denial.args,
            },
            path: denial.path.as_ref(),
            peer: denial.peer.as_ref(),
            text: Some(&denial.call),
        }
    }

    /// The word for what it asks.
    pub(super) fn kind(&self) -> &'static str {
        match (self.path, self.peer) {
            (Some(path), _) => word(path.access),
            (None, Some(peer)) => way(peer).word(),
            (None, None) => "call",
        }
    }
}

/// As a request.
impl fmt::Display for Recorded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path, self.peer, self.text) {
            (Some(path), ..) => write!(f, "{} {}", word(path.access), path.resolved),
            (None, Some(peer), _) => write!(f, "{} {}", way(peer).word(), peer.endpoint),
            (None, None, Some(text)) => f.write_str(text),
            (None, None, None) => write!(f, "{}", self.call),
        }
    }
}

fn word(access: PathAccess) -> &'static str {
    access_of(access).map_or("access", Access::word)
}

fn access_of(access: PathAccess) -> Option<Access> {
    Some(match access {
        PathAccess::Read => Access::Read,
        PathAccess::Write => Access::Write,
        PathAccess::Exec => Access::Exec,
        PathAccess::Stat => Access::Stat,
        PathAccess::Open => Access::Handle,
        PathAccess::Other => return None,
    })
}

fn way(peer: &Peer) -> Way {
    match peer.way {
        PeerAccess::Listen => Way::Listen,
        PeerAccess::Connect | PeerAccess::Other => Way::Connect,
    }
}

/// What the policy answers; `None`: the same, because the jail protects itself under every policy. `before`: the
/// denial, if it was one.
pub(super) fn decide(
    judge: &Judge,
    recorded: &Recorded<'_>,
    before: Option<&Denial>,
) -> Result<Option<Verdict>, Undecidable> {
    let protection = before.is_some_and(|denial| denial.reason.kind == ReasonKind::Baseline);
    if let Some(denial) = before {
        match denial.reason.kind {
            ReasonKind::Unsearched
            | ReasonKind::Pathless
            | ReasonKind::Changed
            | ReasonKind::Unpinned
            | ReasonKind::Other => return Err(Undecidable::Moment),
            _ => {}
        }
    }
    if let Some(path) = recorded.path {
        let verdict = of_path(judge, recorded, path)?;
        // A dynamic loader that only an entry for itself opens.
        let loader = protection && path.access == PathAccess::Exec;
        let named = || judge.names_program(own(recorded.pid, &path.resolved).as_bytes());
        let same = loader && verdict.action == Action::Allow && !named();
        return Ok((!same).then_some(verdict));
    }
    if let Some(peer) = recorded.peer {
        return of_peer(judge, recorded, peer).map(Some);
    }
    let verdict = by_call(judge, &recorded.call, &|_| false)?;
    match verdict.check {
        // It was denied by its registers. Under this policy what it names would be looked at.
        Some(Check::Paths | Check::Peers) => Err(Undecidable::NotLookedAt),
        Some(Check::Task { .. } | Check::Who { .. } | Check::Signal | Check::Owner) => {
            match protection {
                true => Ok(None),
                false => Err(Undecidable::Target),
            }
        }
        _ if verdict.action == Action::Allow && judge.needs_objects(&recorded.call) => {
            Err(Undecidable::NotLookedAt)
        }
        _ => Ok(Some(verdict)),
    }
}

/// What the rules and `[syscalls]` answer; `covers`: whether the path and the peer of a rule match.
fn by_call(
    judge: &Judge,
    call: &Call,
    covers: &dyn Fn(&Object) -> bool,
) -> Result<Verdict, Undecidable> {
    let with = |argv: bool| {
        judge.call_on(call, &mut |object: &Object| {
            let named = object.path.is_none() && object.peer.is_none() || covers(object);
            named && (object.argv.is_none() || argv)
        })
    };
    let (without, with) = (with(false), with(true));
    match without.action == with.action {
        true => Ok(without),
        false => Err(Undecidable::Arguments),
    }
}

fn of_path(
    judge: &Judge,
    recorded: &Recorded<'_>,
    path: &Resolved,
) -> Result<Verdict, Undecidable> {
    let access = access_of(path.access).ok_or(Undecidable::Access)?;
    if path.resolved.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Undecidable::NotText);
    }
    let own = own(recorded.pid, &path.resolved);
    let covers = |object: &Object| {
        let covers = |path: &str| {
            let pattern = object.path.as_ref();
            pattern.is_some_and(|(_, pattern)| pattern.covers(path.as_bytes()))
        };
        object.peer.is_none() && (covers(&own) || covers(&path.resolved))
    };
    let verdict = by_call(judge, &recorded.call, &covers)?;
    if verdict.action != Action::Allow {
        return Ok(verdict);
    }
    let verdict = judge.path(access, own.as_bytes());
    if verdict.action != Action::Allow || own == path.resolved {
        return Ok(verdict);
    }
    // An entry that denies may mean the process by its number, too.
    let other = judge.path(access, path.resolved.as_bytes());
    Ok(match (other.action, other.reason) {
        (Action::Deny(_) | Action::Kill, Reason::Path(_)) => other,
        _ => verdict,
    })
}

/// A path as policies have it: the process's own part of `/proc` is `/proc/self`.
fn own(pid: i32, path: &str) -> String {
    let prefix = format!("/proc/{pid}");
    match path.strip_prefix(&prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/proc/self{rest}"),
        _ => path.to_owned(),
    }
}

fn of_peer(judge: &Judge, recorded: &Recorded<'_>, peer: &Peer) -> Result<Verdict, Undecidable> {
    if peer.endpoint.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Undecidable::NotText);
    }
    let way = way(peer);
    let names: Vec<&str> = peer.names.iter().map(String::as_str).collect();
    if let Some(rest) = peer.endpoint.strip_prefix("unix:") {
        let to = match rest.strip_prefix('@') {
            Some(name) => To::Abstract(name.as_bytes()),
            None => To::Path(rest.as_bytes()),
        };
        return reached(judge, &recorded.call, &Reach { way, to });
    }
    let (protocol, ip, port) = inet(&peer.endpoint).ok_or(Undecidable::Endpoint)?;
    let ask = |own| {
        let to = To::Inet {
            protocol,
            ip: Some(ip),
            own,
            port,
            names: &names,
        };
        reached(judge, &recorded.call, &Reach { way, to })
    };
    let verdict = ask(false)?;
    if way == Way::Connect && ask(true)?.action != verdict.action {
        return Err(Undecidable::Own);
    }
    let closed = verdict.action != Action::Allow && verdict.reason == Reason::PeerDefault;
    if closed && way == Way::Connect && names.is_empty() && judge.names().next().is_some() {
        return Err(Undecidable::Names);
    }
    Ok(verdict)
}

fn reached(judge: &Judge, call: &Call, reach: &Reach<'_>) -> Result<Verdict, Undecidable> {
    let covers = |object: &Object| object.path.is_none() && object.covers_peer(reach);
    let verdict = by_call(judge, call, &covers)?;
    match verdict.action {
        Action::Allow => Ok(judge.endpoint(reach)),
        Action::Deny(_) | Action::Kill => Ok(verdict),
    }
}

/// An internet endpoint as the log writes it: `93.184.216.34:443`, `udp://[2001:db8::1]:53`.
fn inet(text: &str) -> Option<(Protocol, IpAddr, u16)> {
    let (protocol, rest) = match text.strip_prefix("udp://") {
        Some(rest) => (Protocol::Udp, rest),
        None => (Protocol::Tcp, text),
    };
    let (host, port) = rest.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some((protocol, host.parse().ok()?, port.parse().ok()?))
}
