//! Gathers the contents of a [`Verdict`] while the jail runs.

use super::limited::Limited;
use super::verdict::{
    AskedCount, Cpu, Denial, DenialAction, DenialCount, Denials, DomainLimit, Ending, Memory,
    OutputBytes, PolicyId, Tasks, VERSION, Verdict, code_and_signal,
};
use crate::policy::LimitKind;
use crate::supervise::{self, Outcome, SuperviseError, Used};
use crate::trace::{Exit, Tid};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Requests that were asked about which a document lists.
const MOST_ASKED: usize = 256;

/// The contents of the document, gathered while the jail runs. Its size is bounded.
#[derive(Default)]
pub struct Gathered {
    program: Option<(Tid, PathBuf)>,
    since: Option<Instant>,
    wall: Option<Duration>,
    used: Option<Used>,
    output: Option<(Option<u64>, Option<u64>)>,
    first: Option<Denial>,
    killed: Option<Denial>,
    asked: Vec<AskedCount>,
    limited: Limited,
}

/// What other parts know at the end.
pub struct Known<'a> {
    /// The policy's name as given.
    pub policy: &'a str,
    /// Its digest, if it could be loaded.
    pub digest: Option<String>,
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// The number of denials, which may be more than the sum of the counts.
    pub denied: u64,
    /// The counts of denials.
    pub counts: Vec<DenialCount>,
    /// Programs of a foreign ABI that were killed.
    pub foreign: u64,
}

/// How it ended.
pub struct End {
    ending: Ending,
    limit: Option<LimitKind>,
    exit_code: u8,
    exit: Option<Exit>,
    error: Option<String>,
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> Self {
        Self {
            ending: match (outcome.ending, outcome.exit) {
                (supervise::Ending::Exited, Exit::Signal(_)) => Ending::Signalled,
                (ending, _) => ending.into(),
            },
            limit: match outcome.ending {
                supervise::Ending::Limit(limit) => Some(limit),
                supervise::Ending::Policy
                | supervise::Ending::Exited
                | supervise::Ending::Caller => None,
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
                ending: Ending::Failed,
                ..Self::not_started(error.exit_code(), error.to_string())
            },
        }
    }
}

impl End {
    /// The command's program never ran.
    pub fn not_started(exit_code: u8, error: String) -> Self {
        Self {
            ending: Ending::NotStarted,
            limit: None,
            exit_code,
            exit: None,
            error: Some(error),
        }
    }
}

impl Gathered {
    /// The command was started.
    pub fn started(&mut self, pid: Tid, program: &Path) {
        self.program = Some((pid, program.to_owned()));
        self.since.get_or_insert_with(Instant::now);
    }

    /// No process is left.
    pub fn ended(&mut self, used: Used) {
        self.used = Some(used);
        self.wall = self.since.map(|since| since.elapsed());
    }

    /// A call was asked about.
    pub fn asked(&mut self, denial: &Denial) {
        let Some(answer) = denial.asked else {
            return;
        };
        let request = denial.request();
        let same = |count: &&mut AskedCount| count.answer == answer && count.request == request;
        if let Some(count) = self.asked.iter_mut().find(same) {
            count.times += 1;
        } else if self.asked.len() < MOST_ASKED {
            self.asked.push(AskedCount {
                request,
                answer,
                times: 1,
            });
        }
    }

    /// Processes in a domain are past a limit.
    pub fn limited(&mut self, limit: DomainLimit) {
        self.limited.add(limit);
    }

    /// Whether no denial has been kept yet.
    pub fn wants_denial(&self) -> bool {
        self.first.is_none()
    }

    /// Records a denied call, of which the first is kept, or the call that killed.
    pub fn denied(&mut self, denial: Denial) {
        let kept = match denial.action {
            DenialAction::Kill => &mut self.killed,
            DenialAction::Deny | DenialAction::Other => &mut self.first,
        };
        kept.get_or_insert(denial);
    }

    /// Records how much the command wrote.
    pub fn wrote(&mut self, stdout: Option<u64>, stderr: Option<u64>) {
        self.output = (stdout.is_some() || stderr.is_some()).then_some((stdout, stderr));
    }

    /// The document.
    pub fn verdict(self, known: Known<'_>, end: End) -> Verdict {
        // The usage of a command that did not reach its program is meaningless.
        let used = self.used.filter(|_| end.ending != Ending::NotStarted);
        let wall = self.wall.filter(|_| used.is_some());
        let (pid, program) = self.program.unzip();
        let (code, signal) = code_and_signal(end.exit);
        Verdict {
            version: VERSION,
            jail: env!("CARGO_PKG_VERSION").to_owned(),
            policy: PolicyId {
                name: known.policy.to_owned(),
                digest: known.digest,
            },
            command: known
                .command
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            program: program.map(|path| path.to_string_lossy().into_owned()),
            pid,
            ending: end.ending,
            limit: end.limit,
            exit_code: end.exit_code,
            code,
            signal,
            error: end.error,
            wall: wall.map(to_microseconds),
            cpu: used.map(|used| Cpu {
                user: to_microseconds(used.user),
                system: to_microseconds(used.system),
            }),
            memory: used.map(|used| Memory {
                peak: used.peak,
                tree: used.tree,
            }),
            tasks: used.map(|used| Tasks {
                most: used.most,
                total: used.tasks,
            }),
            processes: used.map(|used| used.processes),
            output: self
                .output
                .map(|(stdout, stderr)| OutputBytes { stdout, stderr }),
            killed_by: self.killed,
            denied: Denials {
                total: known.denied,
                first: self.first,
                counts: known.counts,
            },
            asked: self.asked,
            limited: self.limited.list(),
            foreign: known.foreign,
        }
    }
}

/// As exact as the document, so that a value that is read equals the one that was written.
fn to_microseconds(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
