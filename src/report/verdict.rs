//! The document of `--report` as a type: `--report` and `jail batch` write it, the library returns it, and a
//! program that reads a document reads it by this type.
//!
//! The fields, their order and their units are those of `docs/report.md`, and a promise: later versions
//! add fields and never rename one. Fields that a later version adds are ignored.

use super::format::{hexadecimal, limit, optional_seconds, seconds};
use crate::policy::LimitKind;
use crate::syscalls;
use crate::trace::{Exit, Tid};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// How a run ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Verdict {
    /// The version of the format.
    pub version: u32,
    /// The version of jail.
    pub jail: String,
    /// The policy.
    pub policy: PolicyId,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The file that was found for the command.
    pub program: Option<String>,
    /// The main process's id outside the jail.
    pub pid: Option<Tid>,
    /// What ended it.
    pub ending: Ending,
    /// The limit that it exceeded; also `None` where that is a limit of a later version.
    #[serde(default, with = "limit")]
    #[cfg_attr(test, schemars(schema_with = "limit::schema"))]
    pub limit: Option<LimitKind>,
    /// The exit code of `jail`.
    pub exit_code: u8,
    /// The main process's exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
    /// Why jail failed, or could not start the command.
    pub error: Option<String>,
    /// Wall-clock time; in JSON a number of seconds.
    #[serde(default, with = "optional_seconds")]
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub wall: Option<Duration>,
    /// Processor time.
    pub cpu: Option<Cpu>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Processes and threads.
    pub tasks: Option<Tasks>,
    /// How many processes there were.
    pub processes: Option<u64>,
    /// How much the command wrote, if that was counted.
    pub output: Option<OutputBytes>,
    /// The call that ended the jail.
    pub killed_by: Option<Denial>,
    /// What was denied.
    pub denied: Denials,
    /// What was asked about, the first requests, and the answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedCount>,
    /// Processes in domains that were killed because they were past a limit of the domain, the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<DomainLimit>,
    /// How many 32-bit programs were started, and killed.
    pub foreign: u64,
}

/// A policy, as named, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PolicyId {
    /// The name as the caller gave it.
    pub name: String,
    /// It distinguishes policies, but does not authenticate them.
    pub digest: Option<String>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// The command ended by itself.
    Exited,
    /// A signal.
    Signalled,
    /// A call for which the policy says `kill`.
    Policy,
    /// A limit of time.
    Time,
    /// The limit of memory.
    Memory,
    /// The limit of output.
    Output,
    /// The limit of tasks.
    Tasks,
    /// The caller killed it.
    Killed,
    /// jail itself failed while the command ran.
    Failed,
    /// The command's program never ran.
    NotStarted,
    /// An ending that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Signal {
    /// Its name, such as `SIGKILL`.
    pub name: String,
    /// Its number.
    pub number: i32,
}

/// Processor time of the whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Cpu {
    /// In user mode; in JSON a number of seconds.
    #[serde(with = "seconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub user: Duration,
    /// In the kernel; in JSON a number of seconds.
    #[serde(with = "seconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub system: Duration,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Memory {
    /// The peak resident memory of one process. By the library it may be the host's own, unless the policy limits
    /// `memory` and the supervisor keeps that limit.
    pub peak: u64,
    /// The peak of all processes together, if a memory limit required measuring it.
    pub tree: Option<u64>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Tasks {
    /// The largest number at one time.
    pub most: usize,
    /// The total number.
    pub total: u64,
}

/// Bytes written; `None` if they were not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OutputBytes {
    /// To stdout.
    pub stdout: Option<u64>,
    /// To stderr.
    pub stderr: Option<u64>,
}

/// What was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Denials {
    /// How many calls.
    pub total: u64,
    /// The first.
    pub first: Option<Denial>,
    /// How often which entry denied which system call, the most frequent first.
    pub counts: Vec<DenialCount>,
}

/// A call that was denied, or that killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Denial {
    /// The process.
    pub pid: Tid,
    /// The thread.
    pub tid: Tid,
    /// The system call's name; `None` for an unknown number.
    pub syscall: Option<String>,
    /// Its number.
    pub nr: u32,
    /// Its six arguments.
    #[serde(with = "hexadecimal")]
    #[cfg_attr(test, schemars(schema_with = "hexadecimal::schema"))]
    pub args: [u64; 6],
    /// The call decoded.
    pub call: String,
    /// The path that the call named.
    pub path: Option<Resolved>,
    /// The peer that the call named.
    pub peer: Option<Peer>,
    /// What jail did.
    pub action: DenialAction,
    /// The errno that it returned.
    pub errno: Option<String>,
    /// The stable name of the cause: `fs.read.default`.
    #[serde(default)]
    pub code: String,
    /// Whether a policy could allow it.
    #[serde(default)]
    pub standing: Standing,
    /// What decided.
    pub reason: Reason,
    /// The programs from the first to the one that called.
    pub ancestry: Vec<String>,
    /// The domains that the process is in; left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The answer, if a person or a program was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What to change in the policy, as a sentence.
    #[serde(default)]
    pub advice: Option<String>,
    /// What to add to the policy, as TOML that is merged into it.
    #[serde(default)]
    pub remedy: Option<String>,
    /// The line of a file that must be removed or narrowed.
    #[serde(default)]
    pub remove: Option<Line>,
}

impl Denial {
    /// The request as a sentence of `[[test]]` and `jail explain` has it; the call where it named no object.
    pub fn request(&self) -> String {
        match (&self.path, &self.peer) {
            (Some(path), _) => {
                let verb = match path.access {
                    PathAccess::Write => "write",
                    PathAccess::Exec => "exec",
                    PathAccess::Stat => "stat",
                    PathAccess::Open => "open",
                    PathAccess::Read | PathAccess::Other => "read",
                };
                format!("{verb} {}", path.resolved)
            }
            (None, Some(peer)) => {
                let verb = match peer.way {
                    PeerAccess::Listen => "listen",
                    PeerAccess::Connect | PeerAccess::Other => "connect",
                };
                format!("{verb} {}", peer.endpoint)
            }
            (None, None) => self.call.clone(),
        }
    }
}

/// The answer to a question about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Asked {
    /// Allowed, this time.
    Once,
    /// Allowed, and all that the suggested entry covers, for the rest of the run.
    Run,
    /// The same, and the entry was written into the policy.
    Always,
    /// Denied, this time.
    Deny,
    /// Denied, and all that the suggested entry covers, for the rest of the run.
    DenyRun,
    /// The command was killed.
    Kill,
    /// No answer came in time: denied, this time.
    TimedOut,
    /// Nothing could answer: denied, this time.
    Gone,
    /// An answer that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// How often a request was answered in this way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AskedCount {
    /// The request, as `jail explain` takes it: `read /etc/shadow`.
    pub request: String,
    /// The answer.
    pub answer: Asked,
    /// How many calls it was the answer to.
    pub times: u64,
}

/// Processes in a domain that were killed because they were past a limit of the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DomainLimit {
    /// The process that entered the domain, or one of those that it made.
    pub pid: Tid,
    /// The programs from the first to its own.
    pub ancestry: Vec<String>,
    /// The domain.
    pub domain: String,
    /// The limit; `None`: one of a later version.
    #[serde(default, with = "limit")]
    #[cfg_attr(test, schemars(schema_with = "limit::schema"))]
    pub limit: Option<LimitKind>,
    /// Its value, as the policy has it.
    pub value: String,
    /// The policy file or preset that has it.
    pub source: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

/// Whether a policy could allow a denied call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standing {
    /// A policy could.
    Askable,
    /// No policy can.
    Final,
    /// A standing that a later version added.
    #[default]
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// A line of a policy's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Line {
    /// The file; or a flag of the command line, as typed.
    pub source: String,
    /// The line in it; `None` for a flag.
    pub line: Option<u32>,
}

/// What jail did about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DenialAction {
    /// The call returned an errno.
    Deny,
    /// It ended the whole jail.
    Kill,
    /// An action that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// A path that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Resolved {
    /// What was wanted of it.
    pub access: PathAccess,
    /// As the call named it.
    pub given: String,
    /// The resolved path.
    pub resolved: String,
}

/// What was wanted of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PathAccess {
    /// To read it.
    Read,
    /// To change it, or to create or remove it.
    Write,
    /// To execute it.
    Exec,
    /// Its metadata.
    Stat,
    /// A descriptor that neither reads nor writes (`O_PATH`).
    Open,
    /// An access that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// What was wanted of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeerAccess {
    /// To connect or send to it.
    Connect,
    /// To listen there.
    Listen,
    /// An access that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// A peer that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Peer {
    /// What was wanted of it.
    pub way: PeerAccess,
    /// As a policy would write it.
    pub endpoint: String,
    /// The names that its address is known by.
    pub names: Vec<String>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Reason {
    /// Its kind.
    pub kind: ReasonKind,
    /// The policy's file, or a preset.
    pub source: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The entry.
    pub entry: Option<String>,
    /// Its author's reason.
    pub why: Option<String>,
    /// The domain that decided; `None`: the main policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// What kind of thing decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReasonKind {
    /// A protection of the jail itself.
    Baseline,
    /// A `[[rule]]`.
    Rule,
    /// An entry of `[syscalls]`.
    Entry,
    /// The policy's `default`.
    Default,
    /// A call that every policy allows.
    Always,
    /// A number that jail does not know.
    UnknownNumber,
    /// An entry of `[fs]`.
    Path,
    /// An entry of `[net]`.
    Peer,
    /// The peer could be changed after it was judged.
    Unpinned,
    /// A file of the policy itself.
    PolicyFile,
    /// A directory could not be searched for what an entry of `protect` covers.
    Unsearched,
    /// Metadata of what is not hidden.
    Metadata,
    /// The command itself.
    Command,
    /// A program without a path.
    Pathless,
    /// A program that was changed after it was judged.
    Changed,
    /// A reason that a later version added.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Other,
}

/// How often an entry denied a system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DenialCount {
    /// The system call's name.
    pub syscall: Option<String>,
    /// Its number.
    pub nr: u32,
    /// How often.
    pub times: u64,
    /// What decided.
    pub reason: Reason,
}

impl Verdict {
    /// Parses a document of `--report`, or a line of `jail batch`.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(document: &[u8]) -> Result<Verdict, serde_json::Error> {
        serde_json::from_slice(document)
    }

    /// Whether the command ended by itself, with 0.
    pub fn success(&self) -> bool {
        self.ending == Ending::Exited && self.code == Some(0)
    }

    /// Processor time, in user mode and in the kernel together; zero where it is not known.
    pub fn cpu_time(&self) -> Duration {
        self.cpu
            .map(|cpu| cpu.user.saturating_add(cpu.system))
            .unwrap_or_default()
    }

    /// Time by the clock; zero where it is not known.
    pub fn wall_time(&self) -> Duration {
        self.wall.unwrap_or_default()
    }
}

impl From<i32> for Signal {
    fn from(number: i32) -> Self {
        Self {
            name: syscalls::signal_display(number).into_owned(),
            number,
        }
    }
}

/// How a process ended, in two fields: its code or its signal, or neither where it is not known.
pub(super) fn code_and_signal(exit: Option<Exit>) -> (Option<i32>, Option<Signal>) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal.into())),
        None => (None, None),
    }
}
