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

/// An event of a run: one line of the log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Record<'a> {
    /// The command was started.
    Start {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The version of the format.
        version: u32,
        /// The process.
        pid: Tid,
        /// The file of the command.
        program: Cow<'a, str>,
        /// The command and its arguments.
        command: Vec<Cow<'a, str>>,
        /// The policy, as it was named.
        policy: &'a str,
        /// The domains of the policy.
        domains: Vec<&'a str>,
    },
    /// A process runs another program.
    Exec {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process.
        pid: Tid,
        /// The programs from the first to its own.
        ancestry: Vec<&'a str>,
        /// The domains that it is in.
        domains: Vec<&'a str>,
    },
    /// A process or thread was created.
    Spawn {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process that made it.
        pid: Tid,
        /// The new process or thread.
        child: Tid,
        /// Whether it is a thread of `pid`.
        thread: bool,
    },
    /// A call on a path or a peer was allowed.
    Access {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process.
        pid: Tid,
        /// The thread.
        tid: Tid,
        /// The system call's name; `None` for an unknown number.
        syscall: Option<&'static str>,
        /// Its number.
        nr: u32,
        /// Its six arguments.
        #[serde(with = "hexadecimal")]
        #[cfg_attr(test, schemars(schema_with = "hexadecimal::schema"))]
        args: [u64; 6],
        /// The path that the call named.
        path: Option<Resolved>,
        /// The peer that the call named.
        peer: Option<Peer>,
    },
    /// A call was asked about and allowed.
    Granted {
        /// Seconds since 1970 (UTC).
        time: f64,
        #[serde(flatten)]
        grant: Grant<'a>,
    },
    /// A call was denied.
    Denied {
        /// Seconds since 1970 (UTC).
        time: f64,
        #[serde(flatten)]
        denial: &'a Denial,
    },
    /// A call ended the jail.
    Killed {
        /// Seconds since 1970 (UTC).
        time: f64,
        #[serde(flatten)]
        denial: &'a Denial,
    },
    /// A program of a foreign ABI was killed.
    Foreign {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process.
        pid: Tid,
        /// The programs from the first to its own.
        ancestry: Vec<&'a str>,
        /// The stable name of the cause.
        code: &'static str,
        /// Whether a policy could allow it.
        standing: Standing,
        /// What decided.
        reason: Reason,
    },
    /// Processes in a domain are past a limit of the domain, and are killed.
    Limit {
        /// Seconds since 1970 (UTC).
        time: f64,
        #[serde(flatten)]
        limit: &'a DomainLimit,
    },
    /// A signal is delivered.
    Signal {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process.
        pid: Tid,
        /// The thread.
        tid: Tid,
        /// The signal.
        signal: Signal,
    },
    /// A process ended.
    Exit {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// The process.
        pid: Tid,
        #[serde(flatten)]
        exit: ExitFields,
    },
    /// The command has ended, but other processes have not.
    Waiting {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// Those that still run, as `name (pid N)`.
        processes: &'a [String],
    },
    /// The jail has ended.
    End {
        /// Seconds since 1970 (UTC).
        time: f64,
        /// What ended it.
        #[cfg_attr(test, schemars(schema_with = "endings"))]
        ending: Ending,
        /// The exit code of `jail`.
        exit_code: u8,
        #[serde(flatten)]
        exit: ExitFields,
        /// Why jail failed.
        error: Option<String>,
        /// The number of stops; `None`: jail failed.
        stats: Option<StatsFields>,
        /// How often which entry denied which system call, the most frequent first.
        denied: &'a [DenialCount],
        /// Events that could not be written.
        lost: u64,
    },
}

/// A call that was asked about and allowed: what a denial has of it, and the answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Grant<'a> {
    /// The process.
    pid: Tid,
    /// The thread.
    tid: Tid,
    /// The system call's name; `None` for an unknown number.
    syscall: Option<&'a str>,
    /// Its number.
    nr: u32,
    /// Its six arguments.
    #[serde(with = "hexadecimal")]
    #[cfg_attr(test, schemars(schema_with = "hexadecimal::schema"))]
    args: [u64; 6],
    /// The call decoded.
    call: &'a str,
    /// The path that the call named.
    path: Option<&'a Resolved>,
    /// The peer that the call named.
    peer: Option<&'a Peer>,
    /// The programs from the first to the one that called.
    ancestry: &'a [String],
    /// The answer.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExitFields {
    /// The exit code, if it ended by itself.
    code: Option<i32>,
    /// The signal that ended it.
    signal: Option<Signal>,
}

/// How many stops there were of each kind.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatsFields {
    /// Programs started.
    exec: u64,
    /// fork, vfork and clone.
    spawn: u64,
    /// First stops of new tasks, and ends of group-stops.
    attach: u64,
    /// Signals.
    signal: u64,
    /// Group-stops (job control).
    group: u64,
    /// Calls that the supervisor judged.
    seccomp: u64,
    /// Those that were denied, or killed.
    denied: u64,
    /// Those that concerned paths.
    paths: u64,
    /// Those that concerned peers.
    peers: u64,
    /// Stops where a call that the supervisor has changed returns.
    returns: u64,
    /// Any other stop.
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

/// The endings that a log has: it says by `code` and `signal` how a command ended by itself, and there is none of a
/// run that was not started.
#[cfg(test)]
fn endings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    use supervise::Ending::{Caller, Exited, Limit, Policy};
    let limits = LimitKind::ALL.map(Limit).map(Ending::from);
    let others = [Exited, Policy, Caller].map(Ending::from);
    let mut words: Vec<_> = [Ending::Failed]
        .into_iter()
        .chain(others)
        .chain(limits)
        .filter_map(|ending| serde_json::to_value(ending).ok())
        .collect();
    words.sort_by_key(|word| word.to_string());
    words.dedup();
    schemars::json_schema!({ "type": "string", "enum": words })
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
            domains: facts.domains.into_iter().map(str::to_owned).collect(),
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
