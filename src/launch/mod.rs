//! Starting the command: fork, seize, then in the child close, drop, confine, exec.
//!
//! Everything is decided and allocated before the fork. The child only makes system calls; what
//! fails there is reported by step and errno through a shared page, never by a half-started child.

mod cgroup;
mod child;
mod containers;
mod error;
mod floor;
mod host;
mod init;
mod isolation;
mod lookup;
mod mounts;
mod obstacles;
mod privileges;
mod under;

pub use cgroup::Group;
pub use error::{Circumstances, LaunchError, Step};
pub use floor::ruleset;
pub use host::{probe, probe_for};
pub use isolation::Isolation;
pub use lookup::program;
pub use under::Unavailable;

use crate::plan::Plan;
use crate::sys::{self, Errno, memory::SharedWords, process::Fork};
use crate::trace::{self, Meter, Resume, Stop, Tid, Wait};
use caps::Capability;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What to run, as the caller means it.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program and its arguments; the program is looked up in `PATH` unless it has a slash.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory; `None`: the caller's.
    pub directory: Option<PathBuf>,
    /// Descriptors past 2 that the command inherits.
    pub pass_fds: Vec<RawFd>,
    /// Whether the caller had SIGPIPE ignored: Rust's runtime hides it by ignoring it itself.
    pub ignore_sigpipe: bool,
    /// The umask; `None`: the caller's.
    pub umask: Option<u32>,
    /// The nice value; `None`: the caller's.
    pub nice: Option<i32>,
    /// The capabilities that the command keeps of the caller's: as root, too, no others.
    pub capabilities: Vec<Capability>,
    /// What is stdin; `None`: the caller's.
    pub stdin: Option<Arc<OwnedFd>>,
    /// What is stdout; `None`: the caller's.
    pub stdout: Option<Arc<OwnedFd>>,
    /// What is stderr; `None`: the caller's.
    pub stderr: Option<Arc<OwnedFd>>,
    /// Whom it runs as; `None`: the caller. Only root can run a command as another user.
    pub user: Option<User>,
    /// Its own namespaces.
    pub isolation: Isolation,
}

/// A user and groups, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All groups that it is in besides.
    pub groups: Vec<u32>,
}

impl Command {
    /// Whether a descriptor that the command inherits is a socket by which messages name their peers.
    pub fn passes_datagrams(&self) -> bool {
        let mut all = self
            .streams()
            .into_iter()
            .zip(0..)
            .map(|(stream, own)| stream.unwrap_or(own));
        all.any(sys::socket::names_peers)
            || self.pass_fds.iter().copied().any(sys::socket::names_peers)
    }

    /// What is stdin, stdout and stderr, where it is not the caller's.
    fn streams(&self) -> [Option<RawFd>; 3] {
        [&self.stdin, &self.stdout, &self.stderr]
            .map(|stream| stream.as_ref().map(|file| file.as_raw_fd()))
    }

    /// Sets a variable of the environment, in its place if it is there.
    pub fn set_variable(&mut self, name: &OsStr, value: &OsStr) {
        let mut known = self.environment.iter_mut();
        match known.find(|(existing, _)| existing == name) {
            Some((_, existing)) => *existing = value.to_owned(),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// A command that was started: it is seized, and its execve is on the way.
#[must_use]
pub struct Started {
    /// The main process.
    pub pid: Tid,
    page: SharedWords,
    program: PathBuf,
    capabilities: Vec<Capability>,
    user: Option<User>,
    group: Option<Group>,
    init: Option<Tid>,
    isolation: Isolation,
}

impl Started {
    /// The cgroup that limits its memory. `None`: nothing limits it, or the supervisor must.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// The init of its pid namespace, which is traced and none of the jail's.
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

    /// Whom it runs as, if not as the caller.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The program that was found.
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// Why the child ended before its program ran. `None`: it was killed by somebody else, if it
    /// has ended at all.
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

fn c_string(text: OsString) -> Result<CString, LaunchError> {
    CString::new(text.into_vec()).map_err(|error| LaunchError::Nul {
        text: String::from_utf8_lossy(&error.into_vec()).into_owned(),
    })
}

/// Forks and seizes the command; returns as soon as both are done.
///
/// The calling thread becomes the tracer: all later waits must happen on it, and its end kills
/// the whole tree (PTRACE_O_EXITKILL).
pub fn start(command: &Command, plan: &Plan) -> Result<Started, LaunchError> {
    let program = lookup::find(command)?;
    let arguments: Vec<CString> = command
        .arguments
        .iter()
        .cloned()
        .map(c_string)
        .collect::<Result<_, _>>()?;
    let mut environment = Vec::with_capacity(command.environment.len());
    for (key, value) in &command.environment {
        let mut entry = key.clone();
        entry.push("=");
        entry.push(value);
        environment.push(c_string(entry)?);
    }
    let path = c_string(program.clone().into_os_string())?;
    let program = lookup::in_directory(command, &program);
    if let Some(resolved) = plan.refuses_command(&program) {
        return Err(LaunchError::Refused { program, resolved });
    }
    let script = lookup::is_text(&program);
    containers::takes_sockets(plan)?;
    let prepared = child::Prepared::new(command, &path, script, &arguments, &environment, plan)?;
    let page = SharedWords::new().map_err(LaunchError::system("mmap"))?;
    let group = plan.limits.memory.as_ref();
    let mut group = group.and_then(|limit| cgroup::make(plan.memory, limit.value));
    let started = |pid, page, group, init| Started {
        init,
        isolation: command.isolation.clone(),
        pid,
        page,
        program,
        capabilities: command.capabilities.clone(),
        user: command.user.clone(),
        group,
    };

    // No signal may run a handler of this program in the child, nor kill the parent half-way.
    let mask = sys::signal::block_all().map_err(LaunchError::system("sigprocmask"))?;
    // `child::run` makes system calls only, on memory that was prepared above.
    let namespaces = prepared.namespaces();
    let forked = match namespaces {
        0 => sys::process::fork(),
        namespaces => sys::namespace::fork_into(namespaces),
    };
    let pid = match forked {
        Ok(Fork::Child) => child::run(&prepared, page.words(), &mask),
        Ok(Fork::Parent(pid)) => pid,
        Err(errno) => {
            let _ = sys::signal::set_mask(&mask);
            if namespaces != 0 {
                let unavailable = obstacles::of(&command.isolation, "clone", errno);
                return Err(LaunchError::Isolation(unavailable));
            }
            return Err(LaunchError::System {
                call: "fork",
                errno,
            });
        }
    };
    // Where it cannot be put into it, the supervisor adds up its memory.
    group = group.filter(|group| group.take(pid).is_ok());
    if let Err(errno) = trace::seize(pid) {
        let host = Circumstances::read(Some(pid));
        let _ = sys::process::kill(pid, libc::SIGKILL);
        let _ = sys::wait::wait(pid, 0);
        let _ = sys::signal::set_mask(&mask);
        // It may have failed, said so and ended by itself before it could be seized.
        let failure = started(pid, page, group, None).failure();
        return Err(failure.unwrap_or(LaunchError::Seize { errno, host }));
    }
    let go = &page.words()[child::GO];
    go.store(1, Ordering::Release);
    sys::process::futex_wake(go);
    sys::signal::set_mask(&mask).map_err(LaunchError::system("sigprocmask"))?;
    if !command.isolation.pid {
        return Ok(started(pid, page, group, None));
    }
    let born = born(pid).map_err(|errno| {
        let _ = sys::process::kill(pid, libc::SIGKILL);
        LaunchError::System {
            call: "wait4",
            errno,
        }
    });
    match born? {
        Some(main) => Ok(started(main, page, group, Some(pid))),
        None => {
            let failure = started(pid, page, group, None).failure();
            Err(failure.unwrap_or(LaunchError::System {
                call: "the init of the pid namespace was killed",
                errno: Errno::ECHILD,
            }))
        }
    }
}

/// Waits until the init has made the command; `None`: it has ended before.
fn born(init: Tid) -> Result<Option<Tid>, Errno> {
    let mut meter = Meter::default();
    while let Some(wait) = trace::wait_on(init, &mut meter)? {
        let (tracee, stop) = match wait {
            Wait::Stopped(tracee, stop) => (tracee, stop),
            Wait::Gone(..) => break,
            Wait::Interrupted => continue,
        };
        let child = match stop {
            Stop::Fork => tracee.message()?,
            _ => None,
        };
        // No signal is for it.
        tracee.resume(Resume::Continue)?;
        if let Some(child) = child {
            return Ok(Some(child as Tid));
        }
    }
    Ok(None)
}
