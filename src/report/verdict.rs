//! The document of `--report` as a type: what a program reads it by, and what the library returns.
//!
//! Fields and units are those of `docs/report.md`. What a later version adds is ignored here.

use crate::trace::Tid;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a run ended, and what it used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The main process, as numbered outside the jail.
    pub pid: Option<Tid>,
    /// What ended it.
    pub ending: Ending,
    /// The key of the limit that it was past, as in `[limits]`.
    pub limit: Option<String>,
    /// What `jail` exits with.
    pub exit_code: u8,
    /// The main process's exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
    /// Why jail failed, or could not start the command.
    pub error: Option<String>,
    /// Seconds by the clock.
    pub wall: Option<f64>,
    /// Processor time.
    pub cpu: Option<Cpu>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Processes and threads.
    pub tasks: Option<Tasks>,
    /// How many processes there were.
    pub processes: Option<u64>,
    /// What the command has written, where that was counted.
    pub output: Option<OutputBytes>,
    /// The call that ended the jail.
    pub killed_by: Option<Denial>,
    /// What was denied.
    pub denied: Denials,
    /// How many 32-bit programs were started, and killed.
    pub foreign: u64,
}

/// A policy, as named, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyId {
    /// As named by whoever ran the command.
    pub name: String,
    /// It tells two policies apart, and authenticates none.
    pub digest: Option<String>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// The command, by itself.
    Exited,
    /// A signal.
    Signalled,
    /// A call that the policy answers with `kill`.
    Policy,
    /// A limit of time.
    Time,
    /// The limit of memory.
    Memory,
    /// The limit of output.
    Output,
    /// The limit of tasks.
    Tasks,
    /// Whoever ran the command.
    Killed,
    /// jail itself failed while the command ran.
    Failed,
    /// The command's program never ran.
    NotStarted,
    /// One of a later version.
    #[serde(other)]
    Other,
}

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// `SIGKILL` and the like.
    pub name: String,
    /// Its number.
    pub number: i32,
}

/// Processor time of the whole tree, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The most that one process had resident.
    pub peak: u64,
    /// The most of all processes together, where a limit of memory had it measured.
    pub tree: Option<u64>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// The most at one time.
    pub most: usize,
    /// How many there were.
    pub total: u64,
}

/// Bytes written; `None` where nobody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputBytes {
    /// To stdout.
    pub stdout: Option<u64>,
    /// To stderr.
    pub stderr: Option<u64>,
}

/// What was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Denial {
    /// The process.
    pub pid: Tid,
    /// The thread.
    pub tid: Tid,
    /// The system call's name; `None` for a number that nobody knows.
    pub syscall: Option<String>,
    /// Its number.
    pub nr: u32,
    /// Its six arguments, in hexadecimal.
    pub args: Vec<String>,
    /// The call decoded.
    pub call: String,
    /// The path that it was about.
    pub path: Option<Resolved>,
    /// The peer that it was about.
    pub peer: Option<Peer>,
    /// `deny` or `kill`.
    pub action: String,
    /// The errno that it returned.
    pub errno: Option<String>,
    /// What decided.
    pub reason: Reason,
    /// The programs from the first to the one that called.
    pub ancestry: Vec<String>,
    /// What to change in the policy.
    pub remedy: Option<String>,
}

/// A path that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// `read`, `write`, `exec` …
    pub access: String,
    /// As the call named it.
    pub given: String,
    /// Where that leads.
    pub resolved: String,
}

/// A peer that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `connect` or `listen`.
    pub way: String,
    /// As a policy would write it.
    pub endpoint: String,
    /// The names that its address is known by.
    pub names: Vec<String>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `entry`, `rule`, `path`, `baseline` …
    pub kind: String,
    /// The policy's file, or a preset.
    pub source: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The entry.
    pub entry: Option<String>,
    /// Its author's reason.
    pub why: Option<String>,
}

/// How often an entry denied a system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Reads a document of `--report`, or a line of `jail batch`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(document: &[u8]) -> Result<Verdict, serde_json::Error> {
        serde_json::from_slice(document)
    }

    /// Whether the command ended by itself, with 0.
    pub fn success(&self) -> bool {
        self.ending == Ending::Exited && self.code == Some(0)
    }

    /// Processor time, in user mode and in the kernel together.
    pub fn cpu_time(&self) -> Duration {
        let seconds = self.cpu.map_or(0.0, |cpu| cpu.user + cpu.system);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// Time by the clock.
    pub fn wall_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.wall.unwrap_or_default()).unwrap_or_default()
    }
}
