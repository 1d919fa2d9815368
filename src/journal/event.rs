//! The events of a log, as `docs/log.md` describes them. Fields that are not needed here are left out.

use crate::report::{Denial, DomainLimit, Peer, Resolved, Signal};
use serde::{Deserialize, Deserializer};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The command was started.
    Start(Start),
    /// A process runs another program.
    Exec {
        /// The process.
        pid: i32,
        /// The programs from the first to this one.
        ancestry: Vec<String>,
        /// The domains that the process is in; `None`: the log does not say.
        domains: Option<Vec<String>>,
    },
    /// A process made another process, or a thread.
    Spawn {
        /// The process.
        pid: i32,
        /// The new process or thread.
        child: i32,
        /// Whether it is a thread.
        thread: bool,
    },
    /// A call was denied, or ended the jail.
    Denied(Box<Denial>),
    /// A call on a path or a peer was allowed, by the policy or by an answer.
    Access(Box<Access>),
    /// A 32-bit program was killed.
    Foreign(Foreign),
    /// Processes in a domain were past a limit of the domain, and killed.
    Limit(Box<DomainLimit>),
    /// A signal was delivered.
    Signal {
        /// The process.
        pid: i32,
        /// The signal.
        signal: Signal,
    },
    /// A process ended.
    Exit(Exit),
    /// The command has left processes behind.
    Waiting {
        /// Their names.
        processes: Vec<String>,
    },
    /// No process remains.
    End(End),
}

/// The command was started.
#[derive(Debug, Clone, Deserialize)]
pub struct Start {
    /// The main process.
    pub pid: i32,
    /// Its file.
    pub program: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The policy as named.
    pub policy: String,
    /// The domains of the policy; `None`: the log does not say.
    #[serde(default)]
    pub domains: Option<Vec<String>>,
}

/// An allowed call on a path or a peer.
#[derive(Debug, Clone, Deserialize)]
pub struct Access {
    /// The process.
    pub pid: i32,
    /// The number of the system call.
    pub nr: u32,
    /// Its registers.
    #[serde(deserialize_with = "registers")]
    pub args: [u64; 6],
    /// The path.
    pub path: Option<Resolved>,
    /// The peer.
    pub peer: Option<Peer>,
}

/// A 32-bit program was killed.
#[derive(Debug, Clone, Deserialize)]
pub struct Foreign {
    /// The process.
    pub pid: i32,
    /// The programs from the first to this one.
    pub ancestry: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Deserialize)]
pub struct Exit {
    /// The process.
    pub pid: i32,
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
}

/// How the run ended.
#[derive(Debug, Clone, Deserialize)]
pub struct End {
    /// What ended it, as the log has it.
    pub ending: String,
    /// The exit code of jail.
    pub exit_code: u8,
    /// Why jail failed.
    pub error: Option<String>,
    /// Events that are missing.
    pub lost: u64,
}

#[derive(Deserialize)]
struct Exec {
    pid: i32,
    ancestry: Vec<String>,
    #[serde(default)]
    domains: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Spawn {
    pid: i32,
    child: i32,
    thread: bool,
}

#[derive(Deserialize)]
struct Signalled {
    pid: i32,
    signal: Signal,
}

#[derive(Deserialize)]
struct Waiting {
    processes: Vec<String>,
}

impl Event {
    /// The event of a line; `None`: one of a later version.
    pub(super) fn parse(kind: &str, line: &[u8]) -> Result<Option<Event>, serde_json::Error> {
        fn of<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, serde_json::Error> {
            serde_json::from_slice(line)
        }
        Ok(Some(match kind {
            "start" => Event::Start(of(line)?),
            "exec" => {
                let Exec {
                    pid,
                    ancestry,
                    domains,
                } = of(line)?;
                Event::Exec {
                    pid,
                    ancestry,
                    domains,
                }
            }
            "spawn" => {
                let Spawn { pid, child, thread } = of(line)?;
                Event::Spawn { pid, child, thread }
            }
            "denied" | "killed" => Event::Denied(Box::new(of(line)?)),
            "access" | "granted" => Event::Access(Box::new(of(line)?)),
            "foreign" => Event::Foreign(of(line)?),
            "limit" => Event::Limit(Box::new(of(line)?)),
            "signal" => {
                let Signalled { pid, signal } = of(line)?;
                Event::Signal { pid, signal }
            }
            "exit" => Event::Exit(of(line)?),
            "waiting" => {
                let Waiting { processes } = of(line)?;
                Event::Waiting { processes }
            }
            "end" => Event::End(of(line)?),
            _ => return Ok(None),
        }))
    }
}

/// Six registers in hexadecimal.
fn registers<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; 6], D::Error> {
    let texts = <[String; 6]>::deserialize(from)?;
    let mut args = [0; 6];
    for (arg, text) in args.iter_mut().zip(&texts) {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        *arg = u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)?;
    }
    Ok(args)
}
