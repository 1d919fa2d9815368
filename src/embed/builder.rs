//! What to run, and how.

use super::plans::{About, Plans};
use super::ready::{Listeners, Ready};
use super::spawners::Spawners;
use super::streams::Streams;
use super::temporaries::Temporaries;
use super::{Error, Handle, Outcome, Policy, Stdin, Stdio};
use crate::launch::{self, Command, Withheld};
use crate::plan::Host;
use crate::policy::{self, LimitKind, Limits};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;

/// The entry point of the library: `Jail::builder()`.
///
/// ```
/// use jail::{Ending, Jail, Limits, Policy};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outcome = Jail::builder()
///     .policy(Policy::preset("compute")?)
///     .command(["wc", "-c"])
///     .stdin("twelve bytes")
///     .limits(Limits::new().wall(Duration::from_secs(10)).output(1 << 20))
///     .run()?;
/// assert_eq!(outcome.verdict.ending, Ending::Exited);
/// assert_eq!(outcome.stdout, b"12\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Jail;

impl Jail {
    /// An empty builder.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// A change to the environment.
#[derive(Debug, Clone)]
enum Change {
    Clear,
    Set(OsString, OsString),
    Remove(OsString),
}

impl Change {
    fn apply(&self, command: &mut Command) {
        match self {
            Change::Clear => command.environment.clear(),
            Change::Set(name, value) => command.set_variable(name, value),
            Change::Remove(removed) => command.environment.retain(|(name, _)| name != removed),
        }
    }

    /// Whether it sets or removes this variable by its name.
    fn names(&self, variable: &OsStr) -> bool {
        match self {
            Change::Clear => false,
            Change::Set(name, _) | Change::Remove(name) => name == variable,
        }
    }
}

/// What to run, and how. It can be run many times, and from many threads at once.
#[derive(Debug, Clone)]
pub struct Builder {
    policy: Option<Policy>,
    limits: Limits,
    arguments: Vec<OsString>,
    /// Changes to the environment, in order.
    environment: Vec<Change>,
    directory: Option<PathBuf>,
    streams: Streams,
    passed: Vec<Arc<OwnedFd>>,
    kill_on_exit: bool,
    all_events: bool,
    /// What this host can do, where a test says so.
    host: Option<Host>,
    /// Shared with its clones, like the next fields.
    plans: Arc<Plans>,
    temporaries: Arc<Temporaries>,
    spawners: Arc<Spawners>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            policy: None,
            limits: Limits::default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            streams: Streams::default(),
            passed: Vec::new(),
            kill_on_exit: true,
            all_events: false,
            host: None,
            plans: Arc::default(),
            temporaries: Arc::default(),
            spawners: Arc::default(),
        }
    }
}

impl Builder {
    /// The policy. Its relative paths begin in the directory that it was loaded for: see
    /// [`Policy::load_in`] where [`Builder::current_dir`] is another.
    pub fn policy(mut self, policy: impl Into<Policy>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Limits, each replacing the policy's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The command and its arguments; replaces earlier ones. The program is looked up in the command's
    /// `PATH` unless it has a slash.
    pub fn command<S: Into<OsString>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.arguments = command.into_iter().map(Into::into).collect();
        self
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    pub fn args<S: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the command's environment. Without any such call the command has this process's
    /// environment, as far as the policy passes it on.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment
            .push(Change::Set(name.into(), value.into()));
        self
    }

    /// Sets several variables, as [`Builder::env`] does.
    pub fn envs<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let set = |(name, value): (K, V)| Change::Set(name.into(), value.into());
        self.environment.extend(variables.into_iter().map(set));
        self
    }

    /// Removes a variable, also one that the policy sets.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push(Change::Remove(name.into()));
        self
    }

    /// Removes all variables: this process's, the policy's, and those of earlier calls of [`Builder::env`].
    pub fn env_clear(mut self) -> Self {
        self.environment.push(Change::Clear);
        self
    }

    /// The command's working directory. Without this call it is the policy's, or else this process's.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The command's stdin; by default nothing.
    pub fn stdin(mut self, stdin: impl Into<Stdin>) -> Self {
        self.streams.stdin = stdin.into();
        self
    }

    /// The destination of its stdout; by default it is captured.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.streams.stdout = stdout.into();
        self
    }

    /// The destination of its stderr; by default it is captured.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.streams.stderr = stderr.into();
        self
    }

    /// How much of each captured output is kept, in bytes; by default 1 MiB. More output is read and
    /// counted but dropped, so that the command does not block.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.streams.keep = bytes;
        self
    }

    /// A descriptor above 2 that the command inherits, by its number in this process. All others are
    /// closed.
    pub fn pass(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.passed.push(Arc::new(fd.into()));
        self
    }

    /// Whether processes that remain when the command ends are killed, which is the default, or waited
    /// for.
    pub fn kill_on_exit(mut self, kill: bool) -> Self {
        self.kill_on_exit = kill;
        self
    }

    /// Whether [`Handle::events`] also report each process, program and signal, which costs time.
    pub fn all_events(mut self, all: bool) -> Self {
        self.all_events = all;
        self
    }

    /// For tests: plans for this host, instead of probing it. It must not have more abilities than the real
    /// one.
    #[doc(hidden)]
    pub fn host(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Runs the command until no process of it is left. This blocks; from async code, use your runtime's
    /// function for blocking calls, such as `spawn_blocking`.
    ///
    /// # Errors
    /// If the command's program was not reached, or the jail failed. Everything that the command itself
    /// does, and any way in which it ends, is an outcome.
    pub fn run(&self) -> Result<Outcome, Error> {
        if self.streams.are_piped() {
            let mut builder = self.clone();
            builder.streams.capture();
            return builder.run();
        }
        let ready = self.prepare(&self.probed())?;
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("jail".to_owned())
                .spawn_scoped(scope, || {
                    ready.run(None, false, Listeners::default()).outcome()
                })
                .map_err(Error::Thread)?
                .join()
                .unwrap_or(Err(Error::Lost))
        })
    }

    /// Starts the command; returns once it is started.
    ///
    /// # Errors
    /// If it cannot be started. If only execve finds that the program cannot be executed,
    /// [`Handle::wait`] returns the error.
    pub fn spawn(&self) -> Result<Handle, Error> {
        Handle::start(self.prepare(&self.probed())?, self.all_events)
    }

    /// Why no program can start under the policy, if that is so.
    pub(crate) fn nothing_starts(&self) -> Option<String> {
        self.policy
            .as_ref()
            .and_then(|policy| policy::nothing_starts(policy.shared()))
    }

    /// The host's abilities, as far as these limits can depend on them.
    fn probed(&self) -> Host {
        let all = Withheld::default();
        match (&self.host, &self.policy) {
            (Some(host), _) => *host,
            (None, Some(policy)) if self.limits.get(LimitKind::Memory).is_none() => {
                launch::probe_for(policy.shared(), &all)
            }
            (None, _) => launch::probe(&all),
        }
    }

    /// Removes the cgroups that are kept for later runs, for a program that ends without dropping this.
    pub(crate) fn remove_groups(&self) {
        self.spawners.remove_groups();
    }

    /// Everything that is decided before the command is started.
    pub(crate) fn prepare(&self, host: &Host) -> Result<Ready, Error> {
        let policy = self.policy.as_ref().ok_or(Error::NoPolicy)?.shared();
        let policy = self.plans.limited(Arc::clone(policy), &self.limits);
        if self.arguments.is_empty() {
            return Err(Error::NoCommand);
        }
        if let Some(wrong) = policy::nothing_starts(&policy) {
            return Err(Error::NothingStarts(wrong));
        }
        if let Some(directory) = &self.directory
            && let Err(error) = directory.join(".").metadata()
        {
            return Err(Error::Directory(directory.clone(), error));
        }
        let mut command = Command {
            arguments: self.arguments.clone(),
            environment: std::env::vars_os().collect(),
            directory: self.directory.clone(),
            pass_fds: self.passed.iter().map(|fd| fd.as_raw_fd()).collect(),
            ..Command::default()
        };
        if let Some(RawFd::MIN..=2) = command.pass_fds.iter().min() {
            let message = "descriptors 0, 1 and 2 cannot be passed: set them as streams";
            return Err(Error::Stream(io::Error::other(message)));
        }
        let limited = policy.limits.get(LimitKind::Output).is_some();
        let (wiring, readers) = self
            .streams
            .wire(&mut command, limited)
            .map_err(Error::Stream)?;
        let mut command = command.under(&policy, host)?;
        for change in &self.environment {
            change.apply(&mut command);
        }
        let set = |name: &OsStr| {
            let since_clear = self.environment.iter().rev();
            let mut since_clear = since_clear.take_while(|change| !matches!(change, Change::Clear));
            since_clear.any(|change| change.names(name))
        };
        let temporary = self.temporaries.take(&policy, &mut command, &set)?;
        let policy = match &temporary {
            Some(own) => Arc::clone(own.policy()),
            None => policy,
        };
        command.look_up();
        let about = About {
            host: *host,
            program: launch::program(&command),
            domains: launch::domains(&command, &policy),
            datagrams: command.passes_datagrams(),
            terminals: command.terminals(&policy, wiring.pipes()),
        };
        let plan = self.plans.plan(&policy, about)?;
        Ok(Ready {
            policy,
            plan,
            command,
            wiring,
            readers,
            passed: self.passed.clone(),
            spawners: Arc::clone(&self.spawners),
            kill_on_exit: self.kill_on_exit,
            temporary: temporary.map(|own| (own, Arc::clone(&self.temporaries))),
        })
    }
}
