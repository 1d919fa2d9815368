//! Starting the command: its argument vectors, the fork, and PTRACE_SEIZE.

use super::cgroup::{self, Group};
use super::landlock::{self, Floor};
use super::{
    Circumstances, Command, Handed, Isolation, LaunchError, Spawner, Started, User, c_string,
    child, containers, lookup, obstacles, untraceable,
};
use crate::plan::Plan;
use crate::policy::LimitKind;
use crate::sys::clone_vm::Ready;
use crate::sys::{self, Errno, memory::SharedWords, process::Fork};
use crate::trace::{self, Meter, Resume, Stop, Tid, Wait};
use caps::Capability;
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A command's program, arguments and environment, as execve(2) takes them.
struct Words {
    /// The path as the command sees it.
    path: CString,
    /// The path as this process sees it.
    program: PathBuf,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Whether the program is a text file.
    script: bool,
}

impl Words {
    fn new(command: &Command, plan: &Plan) -> Result<Self, LaunchError> {
        let (program, resolved) = lookup::find(command)?;
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
        if let Some(resolved) = resolved.filter(|resolved| plan.refuses_command(resolved)) {
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
        let mut prepared = child::Prepared::new(
            command,
            path,
            self.script,
            arguments,
            environment,
            plan,
            floor,
        )?;
        if let Some(number) = plan.start {
            prepared.start_by(untraceable::opened(&self.program)?, number)?;
        }
        Ok(prepared)
    }
}

/// A child that was created, until it is seized or fails.
struct Spawn {
    page: Arc<SharedWords>,
    group: Option<Group>,
    /// Whether the child shares this process's memory until its execve.
    shares: bool,
    mask: libc::sigset_t,
    program: PathBuf,
    script: bool,
    capabilities: Vec<Capability>,
    user: Option<User>,
    isolation: Isolation,
    handed: Vec<Handed>,
    /// Whether it runs without a supervisor, and is not seized.
    unsupervised: bool,
}

impl Spawn {
    /// Blocks all signals: none may run a handler of this program in the child, or kill the parent
    /// half-way.
    fn new(
        command: &Command,
        words: &Words,
        plan: &Plan,
        handed: Vec<Handed>,
        group: Option<Group>,
        (page, shares): (Arc<SharedWords>, bool),
    ) -> Result<Self, LaunchError> {
        Ok(Self {
            page,
            group,
            shares,
            mask: sys::signal::block_all().map_err(LaunchError::system("sigprocmask"))?,
            program: words.program.clone(),
            script: words.script,
            capabilities: command.capabilities.clone(),
            user: command.user.clone(),
            isolation: command.isolation.clone(),
            handed,
            unsupervised: plan.unsupervised,
        })
    }

    fn started(self, pid: Tid, init: Option<Tid>) -> Started {
        Started {
            init,
            isolation: self.isolation,
            handed: self.handed,
            pid,
            page: self.page,
            program: self.program,
            script: self.script,
            capabilities: self.capabilities,
            user: self.user,
            group: self.group,
            joins: self.shares,
        }
    }

    /// The child was not created.
    fn failed(self, call: &'static str, errno: Errno) -> LaunchError {
        let _ = sys::signal::set_mask(&self.mask);
        LaunchError::System { call, errno }
    }

    /// Seizes the child, and lets it continue.
    fn seize(mut self, pid: Tid) -> Result<Started, LaunchError> {
        // If the child cannot be put into the cgroup, the supervisor adds up its memory instead.
        let joined = |group: &Group| self.shares || group.take(pid).is_ok();
        self.group = self.group.take().filter(joined);
        if !self.unsupervised
            && let Err(errno) = trace::seize(pid)
        {
            let host = Circumstances::read(Some(pid));
            let _ = sys::process::kill(pid, libc::SIGKILL);
            let _ = sys::wait::reap(pid);
            let _ = sys::signal::set_mask(&self.mask);
            // The child may have failed, reported that and ended before it could be seized.
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
        let spawned = spawned(pid).map_err(|errno| {
            let _ = sys::process::kill(pid, libc::SIGKILL);
            LaunchError::System {
                call: "wait4",
                errno,
            }
        });
        match spawned? {
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
    // If the child gets its own mounts, it must itself look up the paths that are granted.
    let later = command.isolation.mount;
    let handed = command.handed(plan);
    let kept = command.kept.take();
    let floor = landlock::floor(plan.domain, &plan.files, &plan.net, &handed, (later, &kept))?;
    drop(kept);
    let prepared = words.prepared(command, plan, floor.map(Arc::new))?;
    let page = SharedWords::new().map_err(LaunchError::system("mmap"))?;
    let group = plan.limits.number(LimitKind::Memory);
    let group = group.and_then(|most| cgroup::make(plan.memory, most));
    let spawn = Spawn::new(
        command,
        &words,
        plan,
        handed,
        group,
        (Arc::new(page), false),
    )?;
    // `child::run` makes system calls only, on memory that was prepared above.
    let namespaces = prepared.namespaces();
    let forked = match namespaces {
        0 => sys::process::fork(),
        namespaces => sys::namespace::fork_into(namespaces),
    };
    match forked {
        Ok(Fork::Child) => child::run(&prepared, spawn.page.words(), &spawn.mask, &|| ()),
        Ok(Fork::Parent(pid)) => spawn.seize(pid),
        Err(errno) if namespaces != 0 => {
            let _ = sys::signal::set_mask(&spawn.mask);
            let unavailable = obstacles::of(&command.isolation, "clone", errno);
            Err(LaunchError::Isolation(unavailable))
        }
        Err(errno) => Err(spawn.failed("fork", errno)),
    }
}

/// As [`start`], for a program that starts many commands: the child starts in `spawner`, which avoids
/// the copy of this process. The streams that this process holds for the command are closed before
/// `then` is called, which must supervise the command to its end.
///
/// # Errors
/// If it cannot be started; `then` was not called.
pub fn start_in<T>(
    spawner: &mut Spawner,
    command: Command,
    plan: &Arc<Plan>,
    then: impl FnOnce(Started) -> T,
) -> Result<T, LaunchError> {
    // A change of user would change which processes may read this memory, and namespaces need a second
    // fork.
    if command.user.is_some() || command.isolation.is_any() || plan.unsupervised {
        let started = start(&command, plan)?;
        drop(command);
        return Ok(then(started));
    }
    let words = Words::new(&command, plan)?;
    let handed = command.handed(plan);
    let floor = spawner.floor(plan, &handed)?;
    let mut prepared = words.prepared(&command, plan, floor)?;
    let page = spawner.page().map_err(LaunchError::system("mmap"))?;
    let group = plan.limits.number(LimitKind::Memory);
    let group = group.and_then(|most| spawner.groups().take(plan.memory, most));
    let room = spawner.room(&mut prepared, plan);
    let spawn = Spawn::new(&command, &words, plan, handed, group, (page.clone(), true))?;
    let mask = spawn.mask;
    let mut spawn = Some(spawn);
    let run =
        |ready: &Ready<'_>| -> () { child::run(&prepared, page.words(), &mask, &|| ready.tell()) };
    let spawned = room.with_child(&run, |pid| {
        let spawn = spawn.take()?;
        drop(command);
        Some(spawn.seize(pid).map(then))
    });
    match (spawned, spawn) {
        (Ok(Some(result)), _) => result,
        (Ok(None), _) => Err(LaunchError::NoCommand),
        (Err(errno), Some(spawn)) => Err(spawn.failed("clone", errno)),
        (Err(errno), None) => Err(LaunchError::System {
            call: "clone",
            errno,
        }),
    }
}

/// Waits until the init has created the command; `None`: the init has ended before that.
fn spawned(init: Tid) -> Result<Option<Tid>, Errno> {
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
        // No signal is meant for it.
        tracee.resume(Resume::CONTINUE)?;
        if let Some(child) = child {
            return Ok(Some(child as Tid));
        }
    }
    Ok(None)
}
