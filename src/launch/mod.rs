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
mod nursery;
mod obstacles;
mod privileges;
mod under;

pub use cgroup::Group;
pub use error::{Circumstances, LaunchError, Step};
pub use floor::ruleset;
pub use host::{probe, probe_for};
pub use isolation::Isolation;
pub use lookup::program;
pub use nursery::Nursery;
pub use under::Unavailable;

use crate::plan::Plan;
use crate::sys::{self, Errno, memory::SharedWords, process::Fork};
use crate::trace::{self, Meter, Resume, Stop, Tid, Wait};
use caps::Capability;
use floor::Floor;
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
    page: Arc<SharedWords>,
    program: PathBuf,
    capabilities: Vec<Capability>,
    user: Option<User>,
    group: Option<Group>,
    /// Whether it is still to be put into that.
    joins: bool,
    init: Option<Tid>,
    isolation: Isolation,
}

impl Started {
    /// The cgroup that limits its memory. `None`: nothing limits it, or the supervisor must.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Its own execve has happened, and no instruction of its program: what shared this process's memory
    /// until then joins its cgroup now. When memory is short there, the kernel kills all who share that of
    /// who is to die (__oom_kill_process() of mm/oom_kill.c), and they have one oom_score_adj.
    ///
    /// # Errors
    /// When the kernel refuses: nothing limits its memory.
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

/// A command's words, as execve(2) takes them.
struct Words {
    /// As the command finds it.
    path: CString,
    /// As this process does.
    program: PathBuf,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Whether the program is a text.
    script: bool,
}

impl Words {
    fn new(command: &Command, plan: &Plan) -> Result<Self, LaunchError> {
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
        Ok(Self {
            path,
            program,
            arguments,
            environment,
            script,
        })
    }

    fn prepared<'a>(
        &'a self,
        command: &Command,
        plan: &'a Plan,
        floor: Option<Arc<Floor>>,
    ) -> Result<child::Prepared<'a>, LaunchError> {
        let Self {
            path,
            arguments,
            environment,
            ..
        } = self;
        child::Prepared::new(
            command,
            path,
            self.script,
            arguments,
            environment,
            plan,
            floor,
        )
    }
}

/// A child that was made: what becomes of it.
struct Birth {
    page: Arc<SharedWords>,
    group: Option<Group>,
    /// Whether this process's memory is the child's until its execve.
    shares: bool,
    mask: libc::sigset_t,
    program: PathBuf,
    capabilities: Vec<Capability>,
    user: Option<User>,
    isolation: Isolation,
}

impl Birth {
    /// Blocks all signals: none may run a handler of this program in the child, nor kill the parent
    /// half-way.
    fn new(
        command: &Command,
        words: &Words,
        plan: &Plan,
        shares: bool,
    ) -> Result<Self, LaunchError> {
        let page = SharedWords::new().map_err(LaunchError::system("mmap"))?;
        let group = plan.limits.memory.as_ref();
        Ok(Self {
            page: Arc::new(page),
            group: group.and_then(|limit| cgroup::make(plan.memory, limit.value)),
            shares,
            mask: sys::signal::block_all().map_err(LaunchError::system("sigprocmask"))?,
            program: words.program.clone(),
            capabilities: command.capabilities.clone(),
            user: command.user.clone(),
            isolation: command.isolation.clone(),
        })
    }

    fn started(self, pid: Tid, init: Option<Tid>) -> Started {
        Started {
            init,
            isolation: self.isolation,
            pid,
            page: self.page,
            program: self.program,
            capabilities: self.capabilities,
            user: self.user,
            group: self.group,
            joins: self.shares,
        }
    }

    /// It was not made.
    fn failed(self, call: &'static str, errno: Errno) -> LaunchError {
        let _ = sys::signal::set_mask(&self.mask);
        LaunchError::System { call, errno }
    }

    /// Seizes the child, and lets it go on.
    fn seize(mut self, pid: Tid) -> Result<Started, LaunchError> {
        // Where it cannot be put into it, the supervisor adds up its memory.
        let joined = |group: &Group| self.shares || group.take(pid).is_ok();
        self.group = self.group.take().filter(joined);
        if let Err(errno) = trace::seize(pid) {
            let host = Circumstances::read(Some(pid));
            let _ = sys::process::kill(pid, libc::SIGKILL);
            let _ = sys::wait::wait(pid, 0);
            let _ = sys::signal::set_mask(&self.mask);
            // It may have failed, said so and ended by itself before it could be seized.
            let failure = self.started(pid, None).failure();
            return Err(failure.unwrap_or(LaunchError::Seize { errno, host }));
        }
        let go = &self.page.words()[child::GO];
        go.store(1, Ordering::Release);
        sys::process::futex_wake(go);
        sys::signal::set_mask(&self.mask).map_err(LaunchError::system("sigprocmask"))?;
        if !self.isolation.pid {
            return Ok(self.started(pid, None));
        }
        let born = born(pid).map_err(|errno| {
            let _ = sys::process::kill(pid, libc::SIGKILL);
            LaunchError::System {
                call: "wait4",
                errno,
            }
        });
        match born? {
            Some(main) => Ok(self.started(main, Some(pid))),
            None => {
                let failure = self.started(pid, None).failure();
                Err(failure.unwrap_or(LaunchError::System {
                    call: "the init of the pid namespace was killed",
                    errno: Errno::ECHILD,
                }))
            }
        }
    }
}

/// Forks and seizes the command; returns as soon as both are done.
///
/// The calling thread becomes the tracer: all later waits must happen on it, and its end kills
/// the whole tree (PTRACE_O_EXITKILL).
pub fn start(command: &Command, plan: &Plan) -> Result<Started, LaunchError> {
    let words = Words::new(command, plan)?;
    // In mounts of its own the child must find what is granted.
    let later = command.isolation.mount;
    let floor = floor::floor(plan.domain, &plan.files, &plan.net, later)?;
    let prepared = words.prepared(command, plan, floor.map(Arc::new))?;
    let birth = Birth::new(command, &words, plan, false)?;
    // `child::run` makes system calls only, on memory that was prepared above.
    let namespaces = prepared.namespaces();
    let forked = match namespaces {
        0 => sys::process::fork(),
        namespaces => sys::namespace::fork_into(namespaces),
    };
    match forked {
        Ok(Fork::Child) => child::run(&prepared, birth.page.words(), &birth.mask),
        Ok(Fork::Parent(pid)) => birth.seize(pid),
        Err(errno) if namespaces != 0 => {
            let _ = sys::signal::set_mask(&birth.mask);
            let unavailable = obstacles::of(&command.isolation, "clone", errno);
            Err(LaunchError::Isolation(unavailable))
        }
        Err(errno) => Err(birth.failed("fork", errno)),
    }
}

/// As [`start`], for a program that starts many: the child is born in `nursery`, which spares the copy of
/// this process. What the command has of this process (its streams) is closed here before `then` is
/// called, which must supervise it to its end.
///
/// # Errors
/// Where it cannot be started; `then` was not called.
pub fn start_in<T>(
    nursery: &mut Nursery,
    command: Command,
    plan: &Arc<Plan>,
    then: impl FnOnce(Started) -> T,
) -> Result<T, LaunchError> {
    // Another user's process changes who may look into this memory; namespaces take a second fork.
    if command.user.is_some() || command.isolation.is_any() {
        let started = start(&command, plan)?;
        drop(command);
        return Ok(then(started));
    }
    let words = Words::new(&command, plan)?;
    let prepared = words.prepared(&command, plan, nursery.floor(plan)?)?;
    let birth = Birth::new(&command, &words, plan, true)?;
    let (page, mask) = (birth.page.clone(), birth.mask);
    let mut birth = Some(birth);
    let run = || -> () { child::run(&prepared, page.words(), &mask) };
    let born = nursery.room.with_child(&run, |pid| {
        let birth = birth.take()?;
        drop(command);
        Some(birth.seize(pid).map(then))
    });
    match (born, birth) {
        (Ok(Some(result)), _) => result,
        (Ok(None), _) => Err(LaunchError::NoCommand),
        (Err(errno), Some(birth)) => Err(birth.failed("clone", errno)),
        (Err(errno), None) => Err(LaunchError::System {
            call: "clone",
            errno,
        }),
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
