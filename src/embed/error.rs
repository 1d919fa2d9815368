//! Why a jail has no outcome.

use crate::launch::{LaunchError, Unavailable};
use crate::plan::PlanError;
use crate::supervise::SuperviseError;
use std::path::PathBuf;
use std::{fmt, io};

/// Why there is no outcome. In every case no process of the jail is left.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The builder was given no policy.
    NoPolicy,
    /// The builder was given no command.
    NoCommand,
    /// The policy's `[process]` asks for what this process does not have.
    Unavailable(Failure),
    /// No program can start under the policy: why, and what to do about it.
    NothingStarts(String),
    /// The policy cannot be planned.
    Plan(Failure),
    /// The command could not be started, or its jail failed while it ran.
    Jail(Failure),
    /// The working directory cannot be used.
    Directory(PathBuf, io::Error),
    /// A stream of the command cannot be opened.
    Stream(io::Error),
    /// No thread could be started for it.
    Thread(io::Error),
    /// The thread that ran it panicked: a bug in jail.
    Lost,
}

impl Error {
    /// The exit code of `jail`: 127 no such command, 126 not executable, otherwise 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Jail(Failure(Stage::Supervise(error))) => error.exit_code(),
            _ => 125,
        }
    }

    /// What the policy asks for and this host does not give, if that is the reason.
    pub(crate) fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Error::Unavailable(Failure(Stage::Process(unavailable))) => Some(unavailable),
            Error::Jail(Failure(Stage::Supervise(SuperviseError::Launch(
                LaunchError::Isolation(unavailable),
            )))) => Some(unavailable),
            _ => None,
        }
    }

    /// Whether the command's program never ran.
    pub fn not_started(&self) -> bool {
        match self {
            Error::Jail(Failure(Stage::Supervise(
                SuperviseError::Launch(_) | SuperviseError::NeverRan,
            ))) => true,
            Error::Jail(_) | Error::Lost => false,
            _ => true,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoPolicy => f.write_str("no policy was given; use Builder::policy"),
            Error::NoCommand => f.write_str("no command was given; use Builder::command"),
            Error::NothingStarts(wrong) => write!(f, "the policy cannot be used: {wrong}"),
            Error::Unavailable(error) | Error::Plan(error) | Error::Jail(error) => error.fmt(f),
            Error::Directory(path, error) => {
                write!(f, "the working directory {}: {error}", path.display())
            }
            Error::Stream(error) => write!(f, "a stream of the command: {error}"),
            Error::Thread(error) => write!(f, "cannot start the jail's thread: {error}"),
            Error::Lost => f.write_str("the thread of the jail panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unavailable(error) | Error::Plan(error) | Error::Jail(error) => Some(error),
            Error::Directory(_, error) | Error::Stream(error) | Error::Thread(error) => Some(error),
            Error::NoPolicy | Error::NoCommand | Error::NothingStarts(_) | Error::Lost => None,
        }
    }
}

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Error::Unavailable(Failure(Stage::Process(error)))
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Error::Plan(Failure(Stage::Plan(error)))
    }
}

impl From<SuperviseError> for Error {
    fn from(error: SuperviseError) -> Self {
        Error::Jail(Failure(Stage::Supervise(error)))
    }
}

/// What failed, in words. Its source is the error of the system call, where one failed.
#[derive(Debug)]
pub struct Failure(Stage);

/// The stage that failed.
#[derive(Debug)]
enum Stage {
    Process(Unavailable),
    Plan(PlanError),
    Supervise(SuperviseError),
}

impl Failure {
    fn error(&self) -> &(dyn std::error::Error + 'static) {
        match &self.0 {
            Stage::Process(error) => error,
            Stage::Plan(error) => error,
            Stage::Supervise(error) => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error().source()
    }
}
