//! The lines of `--log`: one object an event, as `docs/log.md` describes them. The fields are a
//! promise: they are added to, never renamed. It never writes.

use super::cause::Cause;
use super::tally::Count;
use super::text::Facts;
use crate::policy::{Action, LimitKind, Policy};
use crate::supervise::{Ending, Outcome, Stats};
use crate::syscalls::{self, Call};
use crate::trace::{Exit, Tid};
use serde::{Serialize, Serializer};
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
    },
    /// A process runs another program.
    Exec {
        time: f64,
        pid: Tid,
        ancestry: Vec<&'a str>,
    },
    /// A process or thread was made.
    Spawn {
        time: f64,
        pid: Tid,
        child: Tid,
        thread: bool,
    },
    /// A call was denied.
    Denied {
        time: f64,
        #[serde(flatten)]
        denial: DenialFields<'a>,
    },
    /// A call ended the jail.
    Killed {
        time: f64,
        #[serde(flatten)]
        denial: DenialFields<'a>,
    },
    /// A program of a foreign ABI was killed.
    Foreign {
        time: f64,
        pid: Tid,
        ancestry: Vec<&'a str>,
        reason: ReasonFields<'a>,
    },
    /// A signal is delivered.
    Signal {
        time: f64,
        pid: Tid,
        tid: Tid,
        signal: SignalFields,
    },
    /// A process ended.
    Exit {
        time: f64,
        pid: Tid,
        #[serde(flatten)]
        exit: ExitFields,
    },
    /// The command has ended, and others have not.
    Waiting { time: f64, processes: &'a [String] },
    /// The jail is over.
    End {
        time: f64,
        ending: &'static str,
        exit_code: u8,
        #[serde(flatten)]
        exit: ExitFields,
        error: Option<String>,
        stats: Option<StatsFields>,
        denied: Vec<CountFields<'a>>,
        lost: u64,
    },
}

/// What ended a jail, in a word.
pub fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Exited => "exited",
        Ending::Policy => "policy",
        Ending::Limit(LimitKind::Processes) => "tasks",
        Ending::Limit(LimitKind::Memory) => "memory",
        Ending::Limit(LimitKind::Output) => "output",
        Ending::Limit(_) => "time",
        Ending::Caller => "killed",
    }
}

/// A call, and what became of it.
#[derive(Debug, Serialize)]
pub struct DenialFields<'a> {
    pid: Tid,
    tid: Tid,
    syscall: Option<&'static str>,
    nr: u32,
    args: [Hex; 6],
    call: &'a str,
    path: Option<PathFields<'a>>,
    peer: Option<PeerFields<'a>>,
    action: &'static str,
    errno: Option<&'static str>,
    reason: ReasonFields<'a>,
    ancestry: Vec<&'a str>,
    remedy: Option<&'a str>,
}

/// A path that was denied.
#[derive(Debug, Serialize)]
pub struct PathFields<'a> {
    access: &'static str,
    given: &'a str,
    resolved: &'a str,
}

/// A peer that was denied.
#[derive(Debug, Serialize)]
pub struct PeerFields<'a> {
    way: &'static str,
    endpoint: &'a str,
    names: Vec<&'a str>,
}

/// What decided.
#[derive(Debug, Serialize)]
pub struct ReasonFields<'a> {
    kind: &'static str,
    source: Option<&'a str>,
    line: Option<u32>,
    entry: Option<&'a str>,
    why: Option<&'a str>,
}

/// A signal.
#[derive(Debug, Serialize)]
pub struct SignalFields {
    name: Cow<'static, str>,
    number: i32,
}

/// How a process ended: one of the two, or none where it is not known.
#[derive(Debug, Default, Serialize)]
pub struct ExitFields {
    code: Option<i32>,
    signal: Option<SignalFields>,
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

/// How often an entry denied a system call.
#[derive(Debug, Serialize)]
pub struct CountFields<'a> {
    syscall: Option<&'static str>,
    nr: u32,
    times: u64,
    reason: ReasonFields<'a>,
}

/// A register. As a string, for 64 bits do not fit into every reader's numbers.
#[derive(Debug)]
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'a> Record<'a> {
    /// A denied call, or one that killed.
    pub fn denial(time: f64, call: &Call, action: Action, facts: &'a Facts<'a>) -> Self {
        let denial = DenialFields::new(call, action, facts);
        match facts.killed {
            true => Record::Killed { time, denial },
            false => Record::Denied { time, denial },
        }
    }

    /// The jail is over, with an outcome.
    pub fn ended(time: f64, outcome: &Outcome, denied: Vec<CountFields<'a>>, lost: u64) -> Self {
        Record::End {
            time,
            ending: ending(outcome.ending),
            exit_code: outcome.exit_code(),
            exit: outcome.exit.into(),
            error: None,
            stats: Some(outcome.stats.into()),
            denied,
            lost,
        }
    }

    /// The jail is over, because it failed.
    pub fn failed(
        time: f64,
        exit_code: u8,
        error: String,
        denied: Vec<CountFields<'a>>,
        lost: u64,
    ) -> Self {
        Record::End {
            time,
            ending: "failed",
            exit_code,
            exit: ExitFields::default(),
            error: Some(error),
            stats: None,
            denied,
            lost,
        }
    }
}

impl<'a> DenialFields<'a> {
    /// A denied call, or one that killed.
    pub fn new(call: &Call, action: Action, facts: &'a Facts<'a>) -> Self {
        Self {
            pid: facts.pid,
            tid: facts.tid,
            syscall: call.syscall().map(|syscall| syscall.name),
            nr: call.nr,
            args: call.args.map(Hex),
            call: &facts.call,
            path: facts.path.as_ref().map(|path| PathFields {
                access: path.access,
                given: &path.given,
                resolved: &path.resolved,
            }),
            peer: facts.peer.as_ref().map(|peer| PeerFields {
                way: peer.way.word(),
                endpoint: &peer.to,
                names: peer.names.iter().map(String::as_str).collect(),
            }),
            action: if facts.killed { "kill" } else { "deny" },
            errno: match action {
                Action::Deny(errno) => Some(errno.name()),
                Action::Allow | Action::Kill => None,
            },
            reason: ReasonFields::from(facts.cause),
            ancestry: facts.ancestry.iter().map(String::as_str).collect(),
            remedy: facts.remedy.as_deref(),
        }
    }
}

impl<'a> CountFields<'a> {
    /// Counts with their reasons looked up.
    pub fn new(policy: &'a Policy, counts: &[Count]) -> Vec<Self> {
        let fields = |count: &Count| CountFields {
            syscall: syscalls::by_number(count.nr).map(|syscall| syscall.name),
            nr: count.nr,
            times: count.times,
            reason: Cause::new(policy, count.reason).into(),
        };
        counts.iter().map(fields).collect()
    }
}

impl<'a> From<Cause<'a>> for ReasonFields<'a> {
    fn from(cause: Cause<'a>) -> Self {
        Self {
            kind: cause.kind.text(),
            source: cause.place.map(|(source, _)| source),
            line: cause.place.map(|(_, line)| line),
            entry: cause.entry,
            why: cause.why,
        }
    }
}

impl From<i32> for SignalFields {
    fn from(number: i32) -> Self {
        Self {
            name: syscalls::signal_display(number),
            number,
        }
    }
}

impl From<Exit> for ExitFields {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self {
                code: Some(code),
                signal: None,
            },
            Exit::Signal(signal) => Self {
                code: None,
                signal: Some(signal.into()),
            },
        }
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
