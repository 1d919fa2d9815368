//! The options `--ask-…`, and what they open. All is opened before the command is started.

use super::broker::Broker;
use super::terminal::Terminal;
use super::{Approver, Front};
use crate::commands::target::{descriptor, not_open};
use crate::judge::Judge;
use crate::paths::Access;
use crate::policy::{Action, LimitKind, Limits, Policy};
use crate::report;
use crate::supervise::Asker;
use crate::sys::terminal::{controlling_device, is_terminal};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Their heading in `--help`.
const HEADING: &str = "Asking about what the policy leaves open";

/// How long a broker may take for an answer, if nothing is said.
const BROKER: Duration = Duration::from_secs(60);

/// The options.
#[derive(Debug, Clone, Default, Args)]
pub struct AskOptions {
    /// Ask at the terminal about what the policy's `default` alone denies; a key answers
    #[arg(long, help_heading = HEADING, conflicts_with = "ask_socket")]
    ask: bool,
    /// The same at this terminal instead of the command's own
    #[arg(long, help_heading = HEADING, value_name = "PATH", conflicts_with = "ask_socket")]
    ask_tty: Option<PathBuf>,
    /// Ask a program, by lines of JSON, about what the policy's `default` alone denies: the unix socket on which it
    /// listens, or the open socket `fd:N`
    #[arg(long, help_heading = HEADING, value_name = "PATH|fd:N")]
    ask_socket: Option<OsString>,
    /// Deny what has not been answered after this time: 90s, 5m; by default 60s with --ask-socket
    #[arg(long, help_heading = HEADING, value_name = "TIME", value_parser = time)]
    ask_timeout: Option<Duration>,
}

/// A time, as `[limits]` has it.
fn time(text: &str) -> Result<Duration, String> {
    let mut limits = Limits::new();
    limits
        .set(LimitKind::Wall.key(), text)
        .map_err(|message| message.replacen("wall: ", "", 1))?;
    limits
        .time(LimitKind::Wall)
        .ok_or_else(|| "it is no time".to_owned())
}

/// What questions are put to, before the command is started.
pub enum Answering {
    /// The program at the other end.
    Socket(UnixStream),
    /// The person at this terminal. Whether it is the command's, too.
    Terminal(File, bool),
}

impl AskOptions {
    /// Whether anything is asked.
    pub fn asks(&self) -> bool {
        self.ask_socket.is_some() || self.ask || self.ask_tty.is_some()
    }

    /// Opens what questions are put to. `passed`: the descriptors that the command inherits.
    ///
    /// # Errors
    /// Why it cannot be used, as a message.
    pub fn open(&self, passed: &[RawFd]) -> Result<Option<Answering>, String> {
        if self.ask_timeout.is_some() && !self.asks() {
            return Err("--ask-timeout: nothing is asked; add --ask or --ask-socket".to_owned());
        }
        match &self.ask_socket {
            Some(target) => socket(target, passed).map(|it| Some(Answering::Socket(it))),
            None if self.asks() => self.terminal(),
            None => Ok(None),
        }
    }

    /// The terminal; `None`, which is said: there is none.
    fn terminal(&self) -> Result<Option<Answering>, String> {
        let own = Path::new("/dev/tty");
        let path = self.ask_tty.as_deref().unwrap_or(own);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path);
        match opened {
            Ok(file) if is_terminal(file.as_raw_fd()) => {
                let device = file.metadata().map(|found| found.rdev());
                let device = device.map_err(|error| format!("--ask-tty: {error}"))?;
                let controls = controlling_device().is_some_and(|own| u64::from(own) == device);
                Ok(Some(Answering::Terminal(file, path == own || controls)))
            }
            Ok(_) => Err(format!("--ask-tty {}: it is no terminal", path.display())),
            Err(error) if path != own => Err(format!(
                "--ask-tty {}: cannot open it: {error}",
                path.display()
            )),
            Err(_) => {
                report::notice(
                    "--ask: there is no terminal to ask at; what nothing allows is denied",
                );
                Ok(None)
            }
        }
    }

    /// Whether the command could take the place of what answers.
    ///
    /// # Errors
    /// How, as a message.
    pub fn check(&self, judge: &Judge) -> Result<(), String> {
        let Some(target) = &self.ask_socket else {
            return Ok(());
        };
        if target.as_bytes().starts_with(b"fd:") {
            return Ok(());
        }
        let name = target.to_string_lossy();
        let Ok(path) = Path::new(target).canonicalize() else {
            return Ok(());
        };
        let verdict = judge.path(Access::Write, path.as_os_str().as_bytes());
        match verdict.action {
            Action::Allow => Err(format!(
                "--ask-socket {name}: the policy lets the command change this path, so that it could answer for \
                 the broker; move the socket to another directory"
            )),
            Action::Deny(_) | Action::Kill => Ok(()),
        }
    }

    /// Begins to ask. `start`: where the command starts.
    ///
    /// # Errors
    /// Why that cannot be, as a message.
    pub fn begin<'a>(
        &self,
        answering: Answering,
        policy: &'a Policy,
        command: &[OsString],
        start: &Path,
    ) -> Result<Box<dyn Asker + 'a>, String> {
        let failed = |error| format!("cannot start a thread for questions: {error}");
        let (front, timeout): (Box<dyn Front>, _) = match answering {
            Answering::Socket(socket) => {
                let broker = Broker::start(socket, &policy.name(), command).map_err(failed)?;
                (Box::new(broker), Some(BROKER))
            }
            Answering::Terminal(file, is_shared) => {
                let terminal = Terminal::start(file, is_shared).map_err(failed)?;
                (Box::new(terminal), None)
            }
        };
        Ok(Box::new(Approver {
            policy,
            start: std::path::absolute(start).unwrap_or_else(|_| start.to_owned()),
            front,
            timeout: self.ask_timeout.or(timeout),
            open: Default::default(),
            last: 0,
            gone: None,
            ready: Vec::new(),
            said: Vec::new(),
        }))
    }
}

/// The socket of this path, or this open one.
fn socket(target: &OsStr, passed: &[RawFd]) -> Result<UnixStream, String> {
    let name = target.to_string_lossy();
    let own = |fd: &RawFd| target.as_bytes() == format!("fd:{fd}").as_bytes();
    if let Some(fd) = passed.iter().find(|fd| own(fd)) {
        return Err(format!(
            "--pass-fd {fd} would give the questions to the command, which could then answer them"
        ));
    }
    if (0..=2).any(|fd| own(&fd)) {
        return Err(format!(
            "--ask-socket {name}: the command also has this descriptor and could answer; open another one"
        ));
    }
    let file = match descriptor(target) {
        Some(Some(file)) => file,
        Some(None) => return Err(not_open("--ask-socket", target, "a socket")),
        None => {
            return UnixStream::connect(target).map_err(|error| {
                format!(
                    "--ask-socket {name}: cannot connect: {error}; start the program that answers first"
                )
            });
        }
    };
    match file.metadata() {
        Ok(found) if found.file_type().is_socket() => Ok(UnixStream::from(OwnedFd::from(file))),
        Ok(_) | Err(_) => Err(format!(
            "--ask-socket {name}: it is no socket, by which answers could come"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_limits() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        assert!(time("soon").is_err());
        assert!(time("").is_err());
    }
}
