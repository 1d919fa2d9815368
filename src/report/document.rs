//! The document of `--report`: how it ended, in one piece, as `docs/report.md` describes it. The
//! fields are a promise: they are added to, never renamed.

use super::json;
use super::schema::{self, CountFields, DenialFields, ExitFields};
use super::text::Facts;
use crate::policy::Action;
use crate::supervise::{Ending, Outcome, SuperviseError, Used};
use crate::syscalls::Call;
use crate::trace::{Exit, Tid};
use serde::Serialize;
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the format.
const VERSION: u32 = 1;

/// What the document says, gathered while the jail runs: nothing of it grows.
pub struct Gathered<'a> {
    program: Option<(Tid, PathBuf)>,
    since: Option<Instant>,
    wall: Option<Duration>,
    used: Option<Used>,
    output: Option<(Option<u64>, Option<u64>)>,
    first: Option<Denied<'a>>,
    killed: Option<Denied<'a>>,
}

/// A call that was denied, or that killed.
struct Denied<'a> {
    call: Call,
    action: Action,
    facts: Facts<'a>,
}

/// What is known at the end, and by others.
pub struct Known<'a> {
    /// The policy as named.
    pub policy: &'a str,
    /// Its digest, if it was one.
    pub digest: Option<String>,
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// Denials, which may be more than the counts tell.
    pub denied: u64,
    /// Which they were.
    pub counts: Vec<CountFields<'a>>,
    /// Programs of a foreign ABI that were killed.
    pub foreign: u64,
}

/// How it ended.
pub struct End {
    ending: &'static str,
    limit: Option<&'static str>,
    exit_code: u8,
    exit: Option<Exit>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    jail: &'static str,
    policy: PolicyFields<'a>,
    command: Vec<Cow<'a, str>>,
    program: Option<Cow<'a, str>>,
    pid: Option<Tid>,
    ending: &'static str,
    limit: Option<&'static str>,
    exit_code: u8,
    #[serde(flatten)]
    exit: ExitFields,
    error: Option<String>,
    wall: Option<f64>,
    cpu: Option<CpuFields>,
    memory: Option<MemoryFields>,
    tasks: Option<TaskFields>,
    processes: Option<u64>,
    output: Option<OutputFields>,
    killed_by: Option<DenialFields<'a>>,
    denied: DeniedFields<'a>,
    foreign: u64,
}

#[derive(Serialize)]
struct PolicyFields<'a> {
    name: &'a str,
    digest: Option<String>,
}

#[derive(Serialize)]
struct CpuFields {
    user: f64,
    system: f64,
}

#[derive(Serialize)]
struct MemoryFields {
    peak: u64,
    tree: Option<u64>,
}

#[derive(Serialize)]
struct TaskFields {
    most: usize,
    total: u64,
}

#[derive(Serialize)]
struct OutputFields {
    stdout: Option<u64>,
    stderr: Option<u64>,
}

#[derive(Serialize)]
struct DeniedFields<'a> {
    total: u64,
    first: Option<DenialFields<'a>>,
    counts: Vec<CountFields<'a>>,
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> Self {
        Self {
            ending: match (outcome.ending, outcome.exit) {
                (Ending::Exited, Exit::Signal(_)) => "signalled",
                (ending, _) => schema::ending(ending),
            },
            limit: match outcome.ending {
                Ending::Limit(limit) => Some(limit.key()),
                Ending::Policy | Ending::Exited | Ending::Caller => None,
            },
            exit_code: outcome.exit_code(),
            exit: Some(outcome.exit),
            error: None,
        }
    }
}

impl From<&SuperviseError> for End {
    fn from(error: &SuperviseError) -> Self {
        match error {
            SuperviseError::Launch(_) | SuperviseError::NeverRan => {
                Self::not_started(error.exit_code(), error.to_string())
            }
            _ => Self {
                ending: "failed",
                ..Self::not_started(error.exit_code(), error.to_string())
            },
        }
    }
}

impl End {
    /// The command's program never ran.
    pub fn not_started(exit_code: u8, error: String) -> Self {
        Self {
            ending: "not-started",
            limit: None,
            exit_code,
            exit: None,
            error: Some(error),
        }
    }
}

impl<'a> Gathered<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            program: None,
            since: None,
            wall: None,
            used: None,
            output: None,
            first: None,
            killed: None,
        }
    }

    /// The command was started.
    pub fn started(&mut self, pid: Tid, program: &Path) {
        self.program = Some((pid, program.to_owned()));
        self.since.get_or_insert_with(Instant::now);
    }

    /// Nobody is left.
    pub fn ended(&mut self, used: Used) {
        self.used = Some(used);
        self.wall = self.since.map(|since| since.elapsed());
    }

    /// Whether no denial was kept yet.
    pub fn wants_denial(&self) -> bool {
        self.first.is_none()
    }

    /// A denied call, of which the first is kept, or the one that killed.
    pub fn denied(&mut self, call: Call, action: Action, facts: Facts<'a>) {
        let kept = match facts.killed {
            true => &mut self.killed,
            false => &mut self.first,
        };
        kept.get_or_insert(Denied {
            call,
            action,
            facts,
        });
    }

    /// What the command has written.
    pub fn wrote(&mut self, stdout: Option<u64>, stderr: Option<u64>) {
        self.output = (stdout.is_some() || stderr.is_some()).then_some((stdout, stderr));
    }

    /// The document, on one line.
    pub fn document(&self, known: Known<'_>, end: End) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Nothing in it can fail to be JSON, nor memory to be written.
        let _ = json::line(&mut bytes, &self.fields(known, end));
        bytes
    }

    fn fields<'d>(&'d self, known: Known<'d>, end: End) -> Document<'d> {
        // A command that did not get to its program used nothing that is worth a number.
        let used = self.used.filter(|_| end.ending != "not-started");
        let wall = self.wall.filter(|_| used.is_some());
        let (pid, program) = self
            .program
            .as_ref()
            .map(|(pid, path)| (*pid, path))
            .unzip();
        Document {
            version: VERSION,
            jail: env!("CARGO_PKG_VERSION"),
            policy: PolicyFields {
                name: known.policy,
                digest: known.digest,
            },
            command: known
                .command
                .iter()
                .map(|word| word.to_string_lossy())
                .collect(),
            program: program.map(|path| path.to_string_lossy()),
            pid,
            ending: end.ending,
            limit: end.limit,
            exit_code: end.exit_code,
            exit: end.exit.map(ExitFields::from).unwrap_or_default(),
            error: end.error,
            wall: wall.map(seconds),
            cpu: used.map(|used| CpuFields {
                user: seconds(used.user),
                system: seconds(used.system),
            }),
            memory: used.map(|used| MemoryFields {
                peak: used.peak,
                tree: used.tree,
            }),
            tasks: used.map(|used| TaskFields {
                most: used.most,
                total: used.tasks,
            }),
            processes: used.map(|used| used.processes),
            output: self
                .output
                .map(|(stdout, stderr)| OutputFields { stdout, stderr }),
            killed_by: self.killed.as_ref().map(Denied::fields),
            denied: DeniedFields {
                total: known.denied,
                first: self.first.as_ref().map(Denied::fields),
                counts: known.counts,
            },
            foreign: known.foreign,
        }
    }
}

impl Denied<'_> {
    fn fields(&self) -> DenialFields<'_> {
        DenialFields::new(&self.call, self.action, &self.facts)
    }
}

/// To the microsecond.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests;
