//! The child's side: system calls only, in an order in which each step is still permitted.

mod calls;
mod directory;

pub use calls::{Call, always};

use super::init;
use super::isolation::Spaces;
use super::landlock::Floor;
use super::privileges::Privileges;
use super::{Command, LaunchError, Step};
use crate::plan::Plan;
use crate::policy::LimitKind;
use crate::sys::memory::WORDS;
use crate::sys::process::{self, CStrings, Fork};
use crate::sys::{self, Errno, namespace, signal};
use libc::sigset_t;
use seccompiler::sock_filter;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Word of the shared page: the parent has seized the child.
pub const GO: usize = 0;
/// Word of the shared page: the [`Step`] that failed, 0 for none.
pub const STEP: usize = 1;
/// Word of the shared page: the errno that it failed with.
pub const ERRNO: usize = 2;

/// The program that runs a script without a `#!` line, as for execvp(3) and shells.
const SHELL: &CStr = c"/bin/sh";

/// All that the child needs, allocated before the fork.
pub struct Prepared<'a> {
    program: &'a CStr,
    arguments: CStrings<'a>,
    /// How the shell runs the program if it is a script without a `#!` line.
    through_shell: Option<CStrings<'a>>,
    environment: CStrings<'a>,
    directory: Option<CString>,
    /// The same, open, for a child that cannot use capabilities on its path.
    opened: Option<OwnedFd>,
    pass_fds: Vec<RawFd>,
    /// Ranges of descriptors to close, both ends included.
    close: Vec<(u32, u32)>,
    /// The descriptors that become 0, 1 and 2.
    streams: [Option<RawFd>; 3],
    umask: Option<u32>,
    nice: Option<i32>,
    privileges: Privileges,
    floor: Option<Arc<Floor>>,
    spaces: Option<Spaces>,
    /// This process's id, for a child that cannot ask for its parent's.
    pidfd: Option<OwnedFd>,
    /// The filters of the domains that the command is in, and the jail's own last: of those that trap a call
    /// the newest tells the supervisor.
    domains: Vec<Vec<sock_filter>>,
    filter: &'a [sock_filter],
    parent: i32,
    core_dumps: bool,
    ignore_sigpipe: bool,
    /// The limits to set by setrlimit(2).
    limits: Vec<(process::Resource, u64)>,
    /// How the program is started if the filter denies execve.
    start: Option<Start>,
    /// If the child is created with its privileges given up and under its filters: what these want of the call by
    /// which it enters its Landlock domain ([`with_pass`](crate::plan::with_pass)).
    confined: Option<u64>,
}

/// A program that is started by one descriptor, which no later program can have: it is closed by the
/// execve, and from then on the limit of descriptors is below it.
struct Start {
    program: OwnedFd,
    number: RawFd,
    /// The soft and the hard limit of descriptors before.
    limits: (u64, u64),
}

impl<'a> Prepared<'a> {
    pub fn new(
        command: &Command,
        program: &'a CStr,
        script: bool,
        arguments: &'a [CString],
        environment: &'a [CString],
        plan: &'a Plan,
        floor: Option<Arc<Floor>>,
    ) -> Result<Self, LaunchError> {
        let directory = match &command.directory {
            Some(directory) => Some(super::c_string(directory.clone().into_os_string())?),
            None => None,
        };
        let spaces = Spaces::new(command)?;
        let own_users = spaces.as_ref().is_some_and(Spaces::has_users);
        let mut pidfd = match spaces.as_ref().is_some_and(|spaces| spaces.pid) {
            true => Some(namespace::own_pidfd().map_err(LaunchError::system("pidfd_open"))?),
            false => None,
        };
        if let Some(pidfd) = &mut pidfd {
            super::landlock::past_streams(pidfd)?;
        }
        let mut pass_fds: Vec<RawFd> = command
            .pass_fds
            .iter()
            .copied()
            .filter(|&fd| fd > 2)
            .collect();
        pass_fds.sort_unstable();
        pass_fds.dedup();
        let mut kept = pass_fds.clone();
        kept.extend(floor.as_ref().map(|floor| floor.ruleset.as_raw_fd()));
        kept.sort_unstable();
        Ok(Self {
            program,
            arguments: CStrings::new(arguments.iter().map(|text| text.as_c_str())),
            through_shell: script.then(|| {
                let rest = arguments.iter().skip(1).map(|text| text.as_c_str());
                CStrings::new([SHELL, program].into_iter().chain(rest))
            }),
            environment: CStrings::new(environment.iter().map(|text| text.as_c_str())),
            directory,
            opened: None,
            pass_fds,
            close: gaps(&kept),
            streams: command.streams(),
            umask: command.umask,
            nice: command.nice,
            privileges: Privileges::new(command, own_users)?,
            floor,
            spaces,
            pidfd,
            domains: plan.start_filters(),
            filter: &plan.filter,
            parent: process::getpid(),
            core_dumps: plan.files.core_dumps,
            ignore_sigpipe: command.ignore_sigpipe,
            limits: resource_limits(plan),
            start: None,
            confined: None,
        })
    }

    /// The child inherits its filters, which know this pass, and that its privileges are given up.
    pub fn inherit(&mut self, pass: u64) {
        self.confined = Some(pass);
    }

    /// The privileges that the child gives up.
    pub fn privileges(&self) -> &Privileges {
        &self.privileges
    }

    /// Opens the working directory, for a child without capabilities. `false`: it may need one to enter it.
    pub fn open_directory(&mut self) -> bool {
        let Some(directory) = &self.directory else {
            return true;
        };
        self.opened = directory::opened(directory);
        self.opened.is_some()
    }

    /// Has the program started by this descriptor.
    pub fn start_by(&mut self, program: OwnedFd, number: u32) -> Result<(), LaunchError> {
        let limits = process::descriptor_limits()
            .map_err(LaunchError::system("getrlimit(RLIMIT_NOFILE)"))?;
        let ranges = self.close.iter().flat_map(|&(first, last)| {
            match (first..=last).contains(&number) {
                true => [(first, number - 1), (number + 1, last)],
                // The second one is empty.
                false => [(first, last), (1, 0)],
            }
        });
        self.close = ranges.filter(|(first, last)| first <= last).collect();
        self.start = Some(Start {
            program,
            number: number as RawFd,
            limits,
        });
        Ok(())
    }

    /// The parent's process id. Inside a pid namespace a process outside has no id.
    fn parent(&self) -> Option<i32> {
        self.pidfd.is_none().then_some(self.parent)
    }

    /// The namespaces to fork into: flags of clone(2), 0 for none.
    pub fn namespaces(&self) -> i32 {
        self.spaces.as_ref().map_or(0, |spaces| spaces.flags)
    }
}

/// The limits to set by setrlimit(2).
fn resource_limits(plan: &Plan) -> Vec<(process::Resource, u64)> {
    let limits = &plan.limits;
    let all = [
        (libc::RLIMIT_NOFILE, LimitKind::OpenFiles),
        (libc::RLIMIT_FSIZE, LimitKind::FileSize),
        (libc::RLIMIT_STACK, LimitKind::Stack),
    ];
    let said = |(resource, kind)| Some((resource, limits.number(kind)?));
    all.into_iter().filter_map(said).collect()
}

/// The ranges from 3 up, without the (sorted) descriptors to keep.
fn gaps(kept: &[RawFd]) -> Vec<(u32, u32)> {
    let mut ranges = Vec::with_capacity(kept.len() + 1);
    let mut first = 3;
    for &fd in kept {
        let fd = fd as u32;
        if fd > first {
            ranges.push((first, fd - 1));
        }
        first = fd + 1;
    }
    ranges.push((first, u32::MAX));
    ranges
}

/// Never returns: executes the program, or reports in `words` what failed and exits. Calls `ready` before it
/// waits for its tracer.
pub fn run(
    prepared: &Prepared<'_>,
    words: &[AtomicU32; WORDS],
    mask: &sigset_t,
    ready: &dyn Fn(),
) -> ! {
    let ready = isolate(prepared, words).and_then(|()| confine(prepared, words, mask, ready));
    let (step, errno) = match ready {
        Ok(()) => (Step::Exec, execute(prepared)),
        Err(failed) => failed,
    };
    words[ERRNO].store(errno as i32 as u32, Ordering::Relaxed);
    words[STEP].store(step as u32, Ordering::Release);
    process::exit(125)
}

/// Returns only on failure.
fn execute(prepared: &Prepared<'_>) -> Errno {
    let environment = &prepared.environment;
    if let Some(start) = &prepared.start {
        return process::execute_open(start.number, &prepared.arguments, environment);
    }
    match process::execve(prepared.program, &prepared.arguments, environment) {
        Errno::ENOEXEC => match &prepared.through_shell {
            Some(arguments) => process::execve(SHELL, arguments, environment),
            None => Errno::ENOEXEC,
        },
        errno => errno,
    }
}

/// The first steps if the child has namespaces of its own. In a pid namespace this process stays as the
/// init, and only its child returns.
fn isolate(prepared: &Prepared<'_>, words: &[AtomicU32; WORDS]) -> Result<(), (Step, Errno)> {
    let Some(spaces) = &prepared.spaces else {
        return Ok(());
    };
    if let Some(parent) = &prepared.pidfd {
        init::begin(parent);
    }
    // All processes created from here on are traced.
    wait_for_tracer(&words[GO], prepared.parent());
    spaces.enter()?;
    if !spaces.pid {
        return Ok(());
    }
    // The init will run as the command's user, and the command must not read its memory. The command's
    // own execve resets this for the command.
    process::set_dumpable(false).map_err(|errno| (Step::Init, errno))?;
    init::take_name();
    match namespace::fork_into(0).map_err(|errno| (Step::Init, errno))? {
        Fork::Child => Ok(()),
        Fork::Parent(_) => init::run(&prepared.privileges),
    }
}

fn confine(
    prepared: &Prepared<'_>,
    words: &[AtomicU32; WORDS],
    mask: &sigset_t,
    ready: &dyn Fn(),
) -> Result<(), (Step, Errno)> {
    let at = |step| move |errno| (step, errno);
    // With mounts of its own, the child entered the directory when they were set up.
    let entered = prepared.spaces.as_ref().is_some_and(Spaces::has_mounts);
    match (&prepared.opened, &prepared.directory) {
        (Some(opened), _) => process::fchdir(opened.as_fd()).map_err(at(Step::Directory))?,
        (None, Some(directory)) if !entered => {
            process::chdir(directory).map_err(at(Step::Directory))?;
        }
        _ => {}
    }
    for (stream, number) in prepared.streams.iter().zip(0..) {
        if let Some(stream) = *stream {
            process::become_descriptor(stream, number).map_err(at(Step::Streams))?;
        }
    }
    if let Some(start) = &prepared.start {
        let (_, most) = start.limits;
        process::set_descriptor_limits((most, most)).map_err(at(Step::Limits))?;
        process::become_closing_descriptor(start.program.as_raw_fd(), start.number)
            .map_err(at(Step::PassDescriptors))?;
    }
    for &(first, last) in &prepared.close {
        process::close_range(first, last).map_err(at(Step::CloseDescriptors))?;
    }
    for &fd in &prepared.pass_fds {
        process::keep_over_exec(fd).map_err(at(Step::PassDescriptors))?;
    }
    if let Some(mask) = prepared.umask {
        sys::files::set_umask(mask);
    }
    if let Some(nice) = prepared.nice {
        process::set_nice(nice).map_err(at(Step::Nice))?;
    }
    if let Some(start) = &prepared.start {
        let most = start.number as u64;
        let limits = (start.limits.0.min(most), most);
        process::set_descriptor_limits(limits).map_err(at(Step::Limits))?;
    }
    for &(resource, most) in &prepared.limits {
        process::limit(resource, most).map_err(at(Step::Limits))?;
    }
    if !prepared.core_dumps {
        process::forbid_core_dumps().map_err(at(Step::CoreDumps))?;
    }
    if prepared.privileges.changes_user() {
        // Seizing another user's process could need a capability that the caller lacks.
        wait_for_tracer(&words[GO], prepared.parent());
    }
    restrict(prepared)?;
    signal::set_ignored(libc::SIGPIPE, prepared.ignore_sigpipe).map_err(at(Step::Signals))?;
    ready();
    wait_for_tracer(&words[GO], prepared.parent());
    signal::set_mask(mask).map_err(at(Step::Signals))?;
    if prepared.confined.is_some() {
        return Ok(());
    }
    // From the jail's own filter on, only execve follows.
    let filters = prepared.domains.iter().map(Vec::as_slice);
    install(filters.chain([prepared.filter])).map_err(|errno| (Step::Filter, errno))
}

/// Gives up privileges, and enters the Landlock domain.
fn restrict(prepared: &Prepared<'_>) -> Result<(), (Step, Errno)> {
    let at = |step| move |errno| (step, errno);
    // Opened while the child may still open everything.
    if let Some(floor) = &prepared.floor {
        for rule in &floor.beneath {
            sys::landlock::grant(floor.ruleset.as_fd(), &rule.path, rule.directory, rule.file)
                .map_err(at(Step::Grant))?;
        }
    }
    if prepared.confined.is_none() {
        give_up(&prepared.privileges)?;
    }
    if let Some(floor) = &prepared.floor {
        let (ruleset, pass) = (floor.ruleset.as_fd(), prepared.confined.unwrap_or_default());
        sys::landlock::restrict_self_with(ruleset, floor.quiet, pass)
            .map_err(at(Step::Landlock))?;
        process::close(floor.ruleset.as_raw_fd());
    }
    Ok(())
}

/// Gives up all privileges that are not kept.
pub fn give_up(privileges: &Privileges) -> Result<(), (Step, Errno)> {
    privileges.give_up()?;
    process::no_new_privs().map_err(|errno| (Step::NoNewPrivs, errno))
}

/// Installs filters, in this order.
pub fn install<'a>(filters: impl Iterator<Item = &'a [sock_filter]>) -> Result<(), Errno> {
    for filter in filters {
        seccompiler::apply_filter(filter).map_err(|_| Errno::last())?;
    }
    Ok(())
}

/// RET_TRACE without a tracer is ENOSYS, so the filter must not be installed before the parent has
/// seized the child.
///
/// `parent`: its process id, if the child can see it.
fn wait_for_tracer(go: &AtomicU32, parent: Option<i32>) {
    // The parent has nearly always seized by now: polling a few times is cheaper than a sleep.
    for _ in 0..100 {
        if go.load(Ordering::Acquire) != 0 {
            return;
        }
        std::hint::spin_loop();
    }
    while go.load(Ordering::Acquire) == 0 {
        if parent.is_some_and(|parent| process::getppid() != parent) {
            // The parent died before it could seize, so there is no process to report to.
            process::exit(125);
        }
        process::futex_wait(go, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn descriptors_kept_split_the_range_to_close() {
        assert_eq!(gaps(&[]), [(3, u32::MAX)]);
        assert_eq!(gaps(&[3]), [(4, u32::MAX)]);
        assert_eq!(gaps(&[5, 6, 9]), [(3, 4), (7, 8), (10, u32::MAX)]);
    }
}
