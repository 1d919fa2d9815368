//! The lines of `--log`: one object per event, as `docs/log.md` describes them. The format is stable:
//! fields are added, never renamed. It never writes.

use super::cause::{Cause, NO_LINE};
use super::format::hexadecimal;
use super::tally::Count;
use super::text::Facts;
use super::verdict::{
    Asked, Denial, DenialAction, DenialCount, DomainLimit, Ending, Line, PathAccess, Peer,
    PeerAccess, Reason, Resolved, Signal, Standing, code_and_signal,
};
use crate::judge;
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{Action, LimitKind, Origin, Policy};
use crate::supervise::{self, Answer, Object, Outcome, PathObject, PeerObject, Stats};
use crate::syscalls::{self, Call};
use crate::trace::{Exit, Tid};
use serde::Serialize;
use std::borrow::Cow;

/// The version of the format.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Record<'a> {
    /// The command was started.
    Start {
        time: f64,
        version: u32,
        pid: Tid,
        program: Cow<'a, str>,
        command: Vec<Cow<'a, str>>,
        policy: &'a str,
        domains: Vec<&'a str>,
    },
    /// A process runs another program.
    Exec {
        time: f64,
        pid: Tid,
        ancestry: Vec<&'a str>,
        domains: Vec<&'a str>,
    },
    /// A process or thread was created.
    Spawn {
        time: f64,
        pid: Tid,
        child: Tid,
        thread: bool,
    },
    /// A call on a path or a peer was allowed.
    Access {
        time: f64,
        pid: Tid,
        tid: Tid,
        syscall: Option<&'static str>,
        nr: u32,
        #[serde(with = "hexadecimal")]
        args: [u64; 6],
        path: Option<Resolved>,
        peer: Option<Peer>,
    },
    /// A call was asked about and allowed.
    Granted {
        time: f64,
        #[serde(flatten)]
        grant: Grant<'a>,
    },
    /// A call was denied.
    Denied {
        time: f64,
        #[serde(flatten)]
        denial: &'a Denial,
    },
    /// A call ended the jail.
    Killed {
        time: f64,
        #[serde(flatten)]
        denial: &'a Denial,
    },
    /// A program of a foreign ABI was killed.
    Foreign {
        time: f64,
        pid: Tid,
        ancestry: Vec<&'a str>,
        code: &'static str,
        standing: Standing,
        reason: Reason,
    },
    /// Processes in a domain are past a limit of the domain, and are killed.
    Limit {
        time: f64,
        #[serde(flatten)]
        limit: &'a DomainLimit,
    },
    /// A signal is delivered.
    Signal {
        time: f64,
        pid: Tid,
        tid: Tid,
        signal: Signal,
    },
    /// A process ended.
    Exit {
        time: f64,
        pid: Tid,
        #[serde(flatten)]
        exit: ExitFields,
    },
    /// The command has ended, but other processes have not.
    Waiting { time: f64, processes: &'a [String] },
    /// The jail has ended.
    End {
        time: f64,
        ending: Ending,
        exit_code: u8,
        #[serde(flatten)]
        exit: ExitFields,
        error: Option<String>,
        stats: Option<StatsFields>,
        denied: &'a [DenialCount],
        lost: u64,
    },
}

/// A call that was asked about and allowed: what a denial has of it, and the answer.
#[derive(Debug, Serialize)]
pub struct Grant<'a> {
    pid: Tid,
    tid: Tid,
    syscall: Option<&'a str>,
    nr: u32,
    #[serde(with = "hexadecimal")]
    args: [u64; 6],
    call: &'a str,
    path: Option<&'a Resolved>,
    peer: Option<&'a Peer>,
    ancestry: &'a [String],
    asked: Option<Asked>,
}

impl<'a> Grant<'a> {
    /// Of a call that would have been denied.
    pub fn of(denial: &'a Denial) -> Self {
        Self {
            pid: denial.pid,
            tid: denial.tid,
            syscall: denial.syscall.as_deref(),
            nr: denial.nr,
            args: denial.args,
            call: &denial.call,
            path: denial.path.as_ref(),
            peer: denial.peer.as_ref(),
            ancestry: &denial.ancestry,
            asked: denial.asked,
        }
    }
}

/// How a process ended: one of the two, or none if it is not known.
#[derive(Debug, Default, Serialize)]
pub struct ExitFields {
    code: Option<i32>,
    signal: Option<Signal>,
}

/// [`Stats`].
#[derive(Debug, Serialize)]
pub struct StatsFields {
    exec: u64,
    spawn: u64,
    attach: u64,
    signal: u64,
    group: u64,
    seccomp: u64,
    denied: u64,
    paths: u64,
    peers: u64,
    returns: u64,
    other: u64,
}

impl<'a> Record<'a> {
    /// A denied call, or one that killed.
    pub fn denial(time: f64, denial: &'a Denial) -> Self {
        match denial.action {
            DenialAction::Kill => Record::Killed { time, denial },
            DenialAction::Deny | DenialAction::Other => Record::Denied { time, denial },
        }
    }

    /// A call that was allowed.
    pub fn access(time: f64, pid: Tid, tid: Tid, call: &Call, object: &Object) -> Self {
        let (path, peer) = match object {
            Object::Path(path) => (Some(Resolved::of(path)), None),
            Object::Peer(peer) => (None, Some(Peer::of(peer))),
        };
        Record::Access {
            time,
            pid,
            tid,
            syscall: call.syscall().map(|syscall| syscall.name),
            nr: call.nr,
            args: call.args,
            path,
            peer,
        }
    }

    /// The jail has ended with an outcome.
    pub fn ended(time: f64, outcome: &Outcome, denied: &'a [DenialCount], lost: u64) -> Self {
        Record::End {
            time,
            ending: outcome.ending.into(),
            exit_code: outcome.exit_code(),
            exit: outcome.exit.into(),
            error: None,
            stats: Some(outcome.stats.into()),
            denied,
            lost,
        }
    }

    /// The jail has ended because it failed.
    pub fn failed(
        time: f64,
        exit_code: u8,
        error: String,
        denied: &'a [DenialCount],
        lost: u64,
    ) -> Self {
        Record::End {
            time,
            ending: Ending::Failed,
            exit_code,
            exit: ExitFields::default(),
            error: Some(error),
            stats: None,
            denied,
            lost,
        }
    }
}

impl From<supervise::Ending> for Ending {
    fn from(ending: supervise::Ending) -> Self {
        match ending {
            supervise::Ending::Exited => Ending::Exited,
            supervise::Ending::Policy => Ending::Policy,
            supervise::Ending::Limit(LimitKind::Processes) => Ending::Tasks,
            supervise::Ending::Limit(LimitKind::Memory) => Ending::Memory,
            supervise::Ending::Limit(LimitKind::Output) => Ending::Output,
            supervise::Ending::Limit(_) => Ending::Time,
            supervise::Ending::Caller => Ending::Killed,
        }
    }
}

impl From<Answer> for Asked {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Once => Asked::Once,
            Answer::Run => Asked::Run,
            Answer::Always => Asked::Always,
            Answer::Deny => Asked::Deny,
            Answer::DenyRun => Asked::DenyRun,
            Answer::Kill => Asked::Kill,
            Answer::TimedOut => Asked::TimedOut,
            Answer::Gone => Asked::Gone,
        }
    }
}

impl From<Access> for PathAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => PathAccess::Read,
            Access::Write => PathAccess::Write,
            Access::Exec => PathAccess::Exec,
            Access::Stat => PathAccess::Stat,
            Access::Handle => PathAccess::Open,
        }
    }
}

impl From<Way> for PeerAccess {
    fn from(way: Way) -> Self {
        match way {
            Way::Connect => PeerAccess::Connect,
            Way::Listen => PeerAccess::Listen,
        }
    }
}

impl From<judge::Standing> for Standing {
    fn from(standing: judge::Standing) -> Self {
        match standing {
            judge::Standing::Askable => Standing::Askable,
            judge::Standing::Final => Standing::Final,
        }
    }
}

impl Resolved {
    fn of(path: &PathObject) -> Self {
        Self {
            access: path.access.into(),
            given: String::from_utf8_lossy(&path.given).into_owned(),
            resolved: String::from_utf8_lossy(&path.resolved).into_owned(),
        }
    }
}

impl Peer {
    fn of(peer: &PeerObject) -> Self {
        Self {
            way: peer.way.into(),
            endpoint: peer.to.clone(),
            names: peer.names.clone(),
        }
    }
}

impl Line {
    /// A place in a policy.
    pub(super) fn of(policy: &Policy, origin: Origin) -> Option<Self> {
        if let Some(flag) = policy.flag(origin) {
            return Some(Self {
                source: flag.to_owned(),
                line: None,
            });
        }
        let source = policy.sources.get(usize::from(origin.source))?;
        Some(Self {
            source: source.name.clone(),
            line: Some(origin.line),
        })
    }
}

impl Denial {
    /// A denied call, or one that killed.
    pub(super) fn new(call: &Call, action: Action, facts: Facts<'_>) -> Self {
        Self {
            pid: facts.pid,
            tid: facts.tid,
            syscall: call.syscall().map(|syscall| syscall.name.to_owned()),
            nr: call.nr,
            args: call.args,
            call: facts.call,
            path: facts.path.map(|path| Resolved {
                access: path.access.into(),
                given: path.given,
                resolved: path.resolved,
            }),
            peer: facts.peer.map(|peer| Peer {
                way: peer.way.into(),
                endpoint: peer.to,
                names: peer.names,
            }),
            action: match facts.killed {
                true => DenialAction::Kill,
                false => DenialAction::Deny,
            },
            errno: match action {
                Action::Deny(errno) => Some(errno.name().to_owned()),
                Action::Allow | Action::Kill => None,
            },
            code: facts.code.map_or("", judge::Code::name).to_owned(),
            standing: facts.standing.into(),
            reason: facts.cause.into(),
            ancestry: facts.ancestry,
            asked: facts.asked.map(Asked::from),
            advice: facts.advice,
            remedy: facts.remedy,
            remove: facts.remove,
        }
    }
}

impl DenialCount {
    /// Counts with their reasons looked up.
    pub(super) fn all(policy: &Policy, counts: &[Count]) -> Vec<Self> {
        let fields = |count: &Count| DenialCount {
            syscall: syscalls::by_number(count.nr).map(|syscall| syscall.name.to_owned()),
            nr: count.nr,
            times: count.times,
            reason: Cause::of(policy, count.domain, count.reason).into(),
        };
        counts.iter().map(fields).collect()
    }
}

impl From<Cause<'_>> for Reason {
    fn from(cause: Cause<'_>) -> Self {
        Self {
            kind: cause.kind,
            source: cause.place.map(|(source, _)| source.to_owned()),
            line: cause
                .place
                .map(|(_, line)| line)
                .filter(|line| *line != NO_LINE),
            entry: cause.entry.map(str::to_owned),
            why: cause.why.map(str::to_owned),
            domain: cause.domain.map(str::to_owned),
        }
    }
}

impl From<Exit> for ExitFields {
    fn from(exit: Exit) -> Self {
        let (code, signal) = code_and_signal(Some(exit));
        Self { code, signal }
    }
}

impl From<Stats> for StatsFields {
    fn from(stats: Stats) -> Self {
        let Stats {
            seccomp,
            denied,
            paths,
            peers,
            refused: _,
            returns,
            spawn,
            attach,
            exec,
            signal,
            group,
            other,
        } = stats;
        Self {
            exec,
            spawn,
            attach,
            signal,
            group,
            seccomp,
            denied,
            paths,
            peers,
            returns,
            other,
        }
    }
}
