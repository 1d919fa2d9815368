//! How a jail ended.

use crate::launch::LaunchError;
use crate::policy::LimitKind;
use crate::sys::Errno;
use crate::trace::Exit;
use std::fmt;
use std::time::Duration;

/// How a jail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How the main command ended.
    pub exit: Exit,
    /// What ended the jail.
    pub ending: Ending,
    /// The command died of Ctrl-C at the terminal, which this process got too and left to it.
    pub interrupted: bool,
    /// What was counted.
    pub stats: Stats,
}

/// What ended a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The command, by itself or by a signal.
    Exited,
    /// An entry of the policy with the action `kill`.
    Policy,
    /// A limit of the policy.
    Limit(LimitKind),
    /// The program that runs the jail has ended it.
    Caller,
}

/// As timeout(1) has it.
const LIMIT: i32 = 124;

impl Outcome {
    /// The exit code for the shell: the command's own, 128+n after signal n, 159 (128 + SIGSYS)
    /// when the policy killed it, 124 when it was past a limit.
    pub fn exit_code(&self) -> u8 {
        let code = match (self.ending, self.exit) {
            (Ending::Policy, _) => 128 + libc::SIGSYS,
            (Ending::Limit(_), _) => LIMIT,
            (Ending::Caller, _) => 128 + libc::SIGKILL,
            (Ending::Exited, Exit::Code(code)) => code,
            (Ending::Exited, Exit::Signal(signal)) => 128 + signal,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }

    /// The code of a command that ended by itself, and not well.
    pub fn failed(&self) -> Option<i32> {
        match (self.ending, self.exit) {
            (Ending::Exited, Exit::Code(code @ 1..)) => Some(code),
            _ => None,
        }
    }
}

/// How many stops there were, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Seccomp-stops: calls that the supervisor judged.
    pub seccomp: u64,
    /// Those of them that were denied.
    pub denied: u64,
    /// Those of them that were about paths.
    pub paths: u64,
    /// Of them those judged by a peer.
    pub peers: u64,
    /// Of them those that the policy allowed, that the supervisor made for the task, and that the kernel
    /// refused with EPERM or EACCES.
    pub refused: u64,
    /// Syscall-exit-stops, where a call that the supervisor has changed returns.
    pub returns: u64,
    /// Fork, vfork and clone events.
    pub spawn: u64,
    /// First stops of new tasks, and ends of group-stops.
    pub attach: u64,
    /// Exec-stops.
    pub exec: u64,
    /// Signal-delivery-stops.
    pub signal: u64,
    /// Group-stops.
    pub group: u64,
    /// Any other.
    pub other: u64,
}

/// What all processes of a jail used, each counted once. What one waits for is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory that one process had resident, in bytes.
    pub peak: u64,
    /// The most memory of all processes together at one time, in bytes, where a limit of memory has
    /// it measured.
    pub tree: Option<u64>,
    /// How many processes there were.
    pub processes: u64,
    /// How many processes and threads there were.
    pub tasks: u64,
    /// The most of them at one time.
    pub most: usize,
}

/// Why a jail could not be supervised to its end. The tree was killed.
#[derive(Debug)]
pub enum SuperviseError {
    /// The command did not get to its program.
    Launch(LaunchError),
    /// A call of the supervisor failed.
    System {
        /// Its name.
        call: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// The command's streams could not be made.
    Streams(std::io::Error),
    /// The command did not get to its program in time.
    NeverRan,
    /// All tracees are gone, and the main command's end was never reported.
    MainLost,
}

impl SuperviseError {
    pub(super) fn system(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { call, errno }
    }

    /// The exit code: that of the launch error, else 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Launch(error) => error.exit_code(),
            _ => 125,
        }
    }
}

impl std::error::Error for SuperviseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Launch(error) => Some(error),
            Self::Streams(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for SuperviseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch(error) => error.fmt(f),
            Self::System { call, errno } => write!(
                f,
                "the supervisor failed at {call}: {} ({errno:?}); the command was killed",
                errno.desc()
            ),
            Self::Streams(error) => write!(
                f,
                "no pipes for the command's output: {error}; nothing was run"
            ),
            Self::NeverRan => write!(
                f,
                "the command's program was not reached within its limit of time, nor within 10 s: this \
                 machine is overloaded, or the file cannot be read; nothing of it was run"
            ),
            Self::MainLost => write!(
                f,
                "the command's end was not reported: another part of this program waited for it"
            ),
        }
    }
}
