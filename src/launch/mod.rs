//! Starting the command: fork, seize, then in the child close, drop, confine, exec.
//!
//! Everything is decided and allocated before the fork. The child only makes system calls; what
//! fails there is reported by step and errno through a shared page, never by a half-started child.

mod cgroup;
mod child;
mod confined;
mod containers;
mod error;
mod handed;
mod host;
mod init;
mod isolation;
mod kept;
mod landlock;
mod lookup;
mod mounts;
mod obstacles;
mod privileges;
mod spawn;
mod spawner;
mod system;
mod temporary;
mod terminals;
mod unavailable;
mod under;
mod untraceable;

pub use cgroup::{CountAt, Group, Members, hierarchies};
pub use error::{Circumstances, LaunchError, Step};
pub use handed::Handed;
pub use host::{Withheld, probe, probe_for, probe_once};
pub use isolation::Isolation;
pub use kept::Kept;
pub use landlock::ruleset;
pub use lookup::{domains, program, script_interpreter};
pub use spawn::{start, start_in};
pub use spawner::{Shared, Spawner};
pub use temporary::Temporary;
pub use unavailable::Unavailable;
pub use untraceable::{start_descriptor, untraceable};

use crate::sys::{self, Errno, memory::SharedWords};
use crate::trace::Tid;
use caps::Capability;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What to run, as the caller asked for it.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program and its arguments; the program is looked up in `PATH` unless it has a slash.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory; `None`: the caller's.
    pub directory: Option<PathBuf>,
    /// Descriptors above 2 that the command inherits.
    pub pass_fds: Vec<RawFd>,
    /// Whether the caller had SIGPIPE ignored: Rust's runtime hides it by ignoring it itself.
    pub ignore_sigpipe: bool,
    /// The umask; `None`: the caller's.
    pub umask: Option<u32>,
    /// The nice value; `None`: the caller's.
    pub nice: Option<i32>,
    /// The caller's capabilities that the command keeps; also as root it keeps no others.
    pub capabilities: Vec<Capability>,
    /// The command's stdin; `None`: the caller's.
    pub stdin: Option<Arc<OwnedFd>>,
    /// The command's stdout; `None`: the caller's.
    pub stdout: Option<Arc<OwnedFd>>,
    /// The command's stderr; `None`: the caller's.
    pub stderr: Option<Arc<OwnedFd>>,
    /// The user that it runs as; `None`: the caller. Only root can run a command as another user.
    pub user: Option<User>,
    /// Its own namespaces.
    pub isolation: Isolation,
    /// Its program, once that was looked up.
    pub found: Option<lookup::Found>,
    /// What the policy's paths led to when it was loaded.
    pub kept: Kept,
}

/// A user and groups, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

impl Command {
    /// Whether the command inherits a socket on which the supervisor must judge each peer that is named.
    pub fn passes_datagrams(&self) -> bool {
        let all = self.descriptors([false; 3]);
        all.into_iter().any(sys::socket::needs_a_look)
    }

    /// Each descriptor that the command inherits, once, by its number here. `without`: which streams are left out.
    fn descriptors(&self, without: [bool; 3]) -> Vec<RawFd> {
        let streams = self.streams().into_iter().zip(0..).zip(without);
        let streams = streams.filter(|(_, without)| !without);
        let streams = streams.map(|((stream, own), _)| stream.unwrap_or(own));
        let mut all: Vec<RawFd> = Vec::with_capacity(3 + self.pass_fds.len());
        for fd in streams.chain(self.pass_fds.iter().copied()) {
            if !all.contains(&fd) {
                all.push(fd);
            }
        }
        all
    }

    /// The command's stdin, stdout and stderr, where they are not the caller's.
    fn streams(&self) -> [Option<RawFd>; 3] {
        [&self.stdin, &self.stdout, &self.stderr]
            .map(|stream| stream.as_ref().map(|file| file.as_raw_fd()))
    }

    /// Sets an environment variable; an existing one keeps its position.
    pub fn set_variable(&mut self, name: &OsStr, value: &OsStr) {
        let mut known = self.environment.iter_mut();
        match known.find(|(existing, _)| existing == name) {
            Some((_, existing)) => *existing = value.to_owned(),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// A started command: it is seized, and about to call execve.
#[must_use]
pub struct Started {
    /// The main process.
    pub pid: Tid,
    page: Arc<SharedWords>,
    program: PathBuf,
    /// Whether that is a text file.
    script: bool,
    capabilities: Vec<Capability>,
    user: Option<User>,
    group: Option<Group>,
    /// Whether it must still be put into that cgroup.
    joins: bool,
    init: Option<Tid>,
    isolation: Isolation,
    handed: Vec<Handed>,
}

impl Started {
    /// The cgroup that limits its memory. `None`: no limit, or the supervisor enforces it.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Puts the command into its cgroup. Call it after its execve and before the first instruction of
    /// its program: until the execve it shared this process's memory. If the cgroup runs short of
    /// memory, the kernel kills every process that shares the victim's memory (__oom_kill_process() of
    /// mm/oom_kill.c), and these also share one oom_score_adj.
    ///
    /// # Errors
    /// If the kernel refuses; nothing limits the command's memory then.
    pub fn executed(&mut self) -> Result<(), Errno> {
        match &self.group {
            Some(group) if std::mem::take(&mut self.joins) => {
                group.take(self.pid).map_err(|error| {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    Errno::from_raw(errno)
                })
            }
            _ => Ok(()),
        }
    }

    /// The init of its pid namespace, which is traced but not part of the jail.
    pub fn init(&self) -> Option<Tid> {
        self.init
    }

    /// Ends it, and its pid namespace with it.
    pub fn kill(&self) {
        let _ = sys::process::kill(self.init.unwrap_or(self.pid), libc::SIGKILL);
    }

    /// Its own namespaces.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// The capabilities that the command has kept.
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// The user that it runs as, if not the caller.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The files that it was started with and that the policy does not open; they are returned once.
    pub fn take_handed(&mut self) -> Vec<Handed> {
        std::mem::take(&mut self.handed)
    }

    /// The program that was found.
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// What a person calls the program. `None`: it is a script, and a shell may run it.
    pub fn name(&self) -> Option<String> {
        let name = self.program.file_name().filter(|_| !self.script)?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Why the child ended before its program ran. `None`: another process killed it, or it has not
    /// ended.
    pub fn failure(&self) -> Option<LaunchError> {
        let words = self.page.words();
        let step = Step::from_number(words[child::STEP].load(Ordering::Acquire))?;
        let errno = Errno::from_raw(words[child::ERRNO].load(Ordering::Acquire) as i32);
        if let Some(unavailable) = obstacles::at(&self.isolation, step, errno) {
            return Some(LaunchError::Isolation(unavailable));
        }
        Some(LaunchError::Child {
            step,
            errno,
            program: self.program.clone(),
            host: Circumstances::read(None),
        })
    }
}

/// A number that cannot be guessed.
fn random_word() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn c_string(text: OsString) -> Result<CString, LaunchError> {
    CString::new(text.into_vec()).map_err(|error| LaunchError::Nul {
        text: String::from_utf8_lossy(&error.into_vec()).into_owned(),
    })
}
