//! What is to be run, and how.

use super::event::{self, Sender};
use super::nurseries::Nurseries;
use super::plans::{About, Plans};
use super::pump::{Output, Wiring, past_streams};
use super::{Error, Handle, Outcome};
use crate::launch::{self, Command, Temporary};
use crate::plan::{Host, Plan};
use crate::policy::{self, Limits, Policy};
use crate::report::{self, Report, Verdict};
use crate::supervise::{Bell, Event, Observer, Options};
use crate::sys;
use crate::trace::Tid;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

/// How much of each output is kept, where nothing else is said.
const KEPT: usize = 1 << 20;

/// The library's front door: `Jail::builder()`.
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
    /// A builder that has nothing yet.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// What the command reads.
#[derive(Debug, Clone, Default)]
pub enum Stdin {
    /// Nothing: /dev/null.
    #[default]
    Null,
    /// What this process reads.
    Inherit,
    /// These bytes, through a pipe.
    Bytes(Arc<[u8]>),
    /// A file, from where it is.
    File(Arc<OwnedFd>),
}

/// Where the command writes.
#[derive(Debug, Clone, Default)]
pub enum Stdio {
    /// To a pipe: it is counted, and kept up to [`Builder::keep`].
    #[default]
    Capture,
    /// To a pipe that the host reads while it runs: [`Handle::stdout`] and [`Handle::stderr`]. The command
    /// waits for the reader. [`Builder::run`] captures it, for it has no handle.
    Piped,
    /// Nowhere: /dev/null.
    Null,
    /// Where this process writes.
    Inherit,
    /// To a file.
    File(Arc<OwnedFd>),
}

macro_rules! stdin_from_bytes {
    ($($type:ty),*) => {
        $(impl From<$type> for Stdin {
            fn from(bytes: $type) -> Self {
                let bytes: &[u8] = bytes.as_ref();
                Self::Bytes(bytes.into())
            }
        })*
    };
}
stdin_from_bytes!(&str, String, &[u8], Vec<u8>);

impl<const N: usize> From<&[u8; N]> for Stdin {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<File> for Stdin {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// One end of a pipe, say, of which another jail has the other. It is open as long as a builder has it.
impl From<OwnedFd> for Stdin {
    fn from(fd: OwnedFd) -> Self {
        Self::File(Arc::new(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// As for [`Stdin`]: who reads the other end of a pipe waits for the builder's end, too.
impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self::File(Arc::new(fd))
    }
}

/// What is to be run, and how. It can be run many times, and from many threads at once.
#[derive(Debug, Clone)]
pub struct Builder {
    policy: Option<Arc<Policy>>,
    limits: Limits,
    arguments: Vec<OsString>,
    /// Changes to the environment: `None` removes all of it.
    environment: Vec<Option<(OsString, OsString)>>,
    directory: Option<PathBuf>,
    stdin: Stdin,
    stdout: Stdio,
    stderr: Stdio,
    keep: usize,
    passed: Vec<Arc<OwnedFd>>,
    kill_on_exit: bool,
    all_events: bool,
    /// Shared with its clones, as the next is.
    plans: Arc<Plans>,
    nurseries: Arc<Nurseries>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            policy: None,
            limits: Limits::default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            stdin: Stdin::default(),
            stdout: Stdio::default(),
            stderr: Stdio::default(),
            keep: KEPT,
            passed: Vec::new(),
            kill_on_exit: true,
            all_events: false,
            plans: Arc::default(),
            nurseries: Arc::default(),
        }
    }
}

impl Builder {
    /// The policy. Its relative paths are relative to the directory that it was loaded for: see
    /// [`Policy::load_to_run_in`] where [`Builder::directory`] is another.
    pub fn policy(mut self, policy: impl Into<Arc<Policy>>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Limits, each in place of the policy's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The command and its arguments, in place of any before. The program is looked up in the
    /// command's `PATH` unless it has a slash.
    pub fn command<S: Into<OsString>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.arguments = command.into_iter().map(Into::into).collect();
        self
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of the environment, which is this process's otherwise, as far as the policy
    /// passes it on.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push(Some((name.into(), value.into())));
        self
    }

    /// Nothing of the environment so far, this process's included.
    pub fn env_clear(mut self) -> Self {
        self.environment.push(None);
        self
    }

    /// The working directory; this process's, or the policy's, otherwise.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// What the command reads; nothing otherwise.
    pub fn stdin(mut self, stdin: impl Into<Stdin>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Where its stdout goes; it is captured otherwise.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
        self
    }

    /// Where its stderr goes; it is captured otherwise.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = stderr.into();
        self
    }

    /// How much of each captured output is kept, in bytes; 1 MiB otherwise. What is past that is
    /// read and counted: the command is not held up.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// A descriptor past 2 that the command inherits, by its number here. All others are closed.
    pub fn pass(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.passed.push(Arc::new(fd.into()));
        self
    }

    /// Whether what the command leaves behind when it ends is killed, as it is otherwise, or waited
    /// for.
    pub fn kill_on_exit(mut self, kill: bool) -> Self {
        self.kill_on_exit = kill;
        self
    }

    /// Whether [`Handle::events`] tell of each process, program and signal, too; it costs time.
    pub fn all_events(mut self, all: bool) -> Self {
        self.all_events = all;
        self
    }

    /// Runs it to its end: no process of it is left then. Blocks; from async code, call it through
    /// your runtime's way to block, such as `spawn_blocking`.
    ///
    /// # Errors
    /// Where the command did not get to its program, or the jail failed. Whatever the command itself
    /// does, and however it ends, is an outcome.
    pub fn run(&self) -> Result<Outcome, Error> {
        if matches!(self.stdout, Stdio::Piped) || matches!(self.stderr, Stdio::Piped) {
            let captured = |to: &Stdio| match to {
                Stdio::Piped => Stdio::Capture,
                other => other.clone(),
            };
            let builder = self.clone();
            let (stdout, stderr) = (captured(&self.stdout), captured(&self.stderr));
            return builder.stdout(stdout).stderr(stderr).run();
        }
        let ready = self.prepare(&self.host())?;
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("jail".to_owned())
                .spawn_scoped(scope, || ready.run(None, false, Told::default()).result)
                .map_err(Error::Thread)?
                .join()
                .unwrap_or(Err(Error::Lost))
        })
    }

    /// Starts it; returns when the command is started.
    ///
    /// # Errors
    /// Where it cannot be started. A program that turns out not to be runnable only when it is
    /// executed shows at [`Handle::wait`].
    pub fn spawn(&self) -> Result<Handle, Error> {
        Handle::start(self.prepare(&self.host())?, self.all_events)
    }

    /// Why no program can start under the policy, if it has one of that kind.
    pub(crate) fn nothing_starts(&self) -> Option<String> {
        self.policy.as_deref().and_then(policy::nothing_starts)
    }

    /// What this host can do, as far as these limits can depend on it.
    fn host(&self) -> Host {
        match &self.policy {
            Some(policy) if self.limits.memory.is_none() => launch::probe_for(policy),
            _ => launch::probe(),
        }
    }

    /// Everything that is decided before the command is started.
    pub(crate) fn prepare(&self, host: &Host) -> Result<Ready, Error> {
        let policy = self.policy.clone().ok_or(Error::NoPolicy)?;
        let policy = self.plans.limited(policy, &self.limits);
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
            let message = "a descriptor to pass is one of 0, 1 and 2: give it as a stream";
            return Err(Error::Stream(io::Error::other(message)));
        }
        let limited = policy.limits.output.is_some();
        let (wiring, readers) = self.wire(&mut command, limited).map_err(Error::Stream)?;
        let mut command = command.under(&policy).map_err(Error::Unavailable)?;
        for change in &self.environment {
            match change {
                None => command.environment.clear(),
                Some((name, value)) => command.set_variable(name, value),
            }
        }
        let set = |name: &OsStr| {
            let mut changes = self.environment.iter().rev().map_while(Option::as_ref);
            changes.any(|(known, _)| known == name)
        };
        let mut policy = policy;
        let mut temporary = None;
        if policy.tmpdir.is_some() {
            // Each run has another directory, and so another policy.
            let mut own = Policy::clone(&policy);
            temporary =
                Temporary::settle(&mut own, &mut command, &set).map_err(Error::Unavailable)?;
            policy = Arc::new(own);
        }
        let about = About {
            host: *host,
            program: launch::program(&command),
            datagrams: command.passes_datagrams(),
            terminals: command.terminals(&policy, wiring.pipes()),
        };
        let plan = self.plans.plan(&policy, about).map_err(Error::Plan)?;
        Ok(Ready {
            policy,
            plan,
            command,
            wiring,
            readers,
            passed: self.passed.clone(),
            nurseries: Arc::clone(&self.nurseries),
            kill_on_exit: self.kill_on_exit,
            temporary,
        })
    }

    fn wire(&self, command: &mut Command, limited: bool) -> io::Result<(Wiring, Readers)> {
        let mut wiring = Wiring::default();
        match &self.stdin {
            Stdin::Null => command.stdin = Some(null()?),
            Stdin::Inherit => {}
            Stdin::Bytes(bytes) => wiring.stdin = Some(bytes.to_vec()),
            Stdin::File(file) => command.stdin = Some(other(file.as_raw_fd())?.into()),
        }
        let (stdout, stdout_reader) = piped(&self.stdout)?;
        let (stderr, stderr_reader) = piped(&self.stderr)?;
        (command.stdout, wiring.stdout) = self.output(&stdout, 1, limited)?;
        (command.stderr, wiring.stderr) = self.output(&stderr, 2, limited)?;
        Ok((wiring, [stdout_reader, stderr_reader]))
    }

    /// Where an output goes by itself, and what of it goes through a pipe.
    fn output(&self, to: &Stdio, own: RawFd, limited: bool) -> io::Result<Wired> {
        Ok(match (to, limited) {
            // `piped` has replaced it.
            (Stdio::Capture | Stdio::Piped, _) => (None, Some(Output::Keep(self.keep))),
            (Stdio::Null, true) => (None, Some(Output::Keep(0))),
            (Stdio::Null, false) => (Some(null()?), None),
            (Stdio::Inherit, true) => (None, Some(Output::Pass(other(own)?))),
            (Stdio::Inherit, false) => (None, None),
            (Stdio::File(file), true) => (None, Some(Output::Pass(other(file.as_raw_fd())?))),
            (Stdio::File(file), false) => (Some(other(file.as_raw_fd())?.into()), None),
        })
    }
}

/// Where stdout and stderr can be read.
type Readers = [Option<PipeReader>; 2];

/// Where an output goes that is a new pipe, and the end of that which the host reads.
fn piped(to: &Stdio) -> io::Result<(Stdio, Option<PipeReader>)> {
    match to {
        Stdio::Piped => {
            let (reader, writer) = io::pipe()?;
            let writer = past_streams(writer.into())?;
            let reader = past_streams(reader.into())?;
            Ok((writer.into(), Some(reader.into())))
        }
        other => Ok((other.clone(), None)),
    }
}

type Wired = (Option<Arc<OwnedFd>>, Option<Output>);

/// Another descriptor, past 2, for the same open file.
fn other(fd: RawFd) -> io::Result<OwnedFd> {
    sys::process::duplicate(fd).ok_or_else(io::Error::last_os_error)
}

fn null() -> io::Result<Arc<OwnedFd>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    Ok(Arc::new(past_streams(file.into())?))
}

/// All that is decided before the command is started.
pub(crate) struct Ready {
    policy: Arc<Policy>,
    plan: Arc<Plan>,
    command: Command,
    wiring: Wiring,
    /// The host's ends of pipes.
    readers: Readers,
    /// Open until the command has them.
    passed: Vec<Arc<OwnedFd>>,
    nurseries: Arc<Nurseries>,
    kill_on_exit: bool,
    /// Removed when the run is over.
    temporary: Option<Temporary>,
}

/// A run that is over: its outcome, and its document on a line.
pub(crate) struct Finished {
    pub result: Result<Outcome, Error>,
    pub document: Vec<u8>,
}

/// Who is told while it runs.
#[derive(Default)]
pub(crate) struct Told {
    /// The main process's id, once.
    pub started: Option<mpsc::Sender<Tid>>,
    pub(super) events: Option<Sender>,
}

impl Ready {
    /// Where the host reads stdout and stderr.
    pub(super) fn take_readers(&mut self) -> Readers {
        std::mem::take(&mut self.readers)
    }

    /// Runs it on this thread, which must have no children. `timer`: see [`Options::timer`].
    pub(crate) fn run(self, bell: Option<Bell>, timer: bool, told: Told) -> Finished {
        let Ready {
            policy,
            plan,
            command,
            wiring,
            readers,
            passed,
            nurseries,
            kill_on_exit,
            temporary,
        } = self;
        // Those that were not taken have no reader.
        drop(readers);
        let options = Options {
            kill_on_exit,
            stand_in: false,
            measure: true,
            bell,
            timer,
        };
        let name = policy.sources.first().map(|source| source.name.clone());
        let arguments = command.arguments.clone();
        let report = Report::recording(&policy, arguments, name.unwrap_or_default());
        let mut observer = Starting {
            started: told.started,
            told: event::Told {
                report,
                policy: &policy,
                sender: told.events,
            },
        };
        let mut nursery = nurseries.take();
        let (result, written) = super::run(
            command,
            wiring,
            &plan,
            options,
            nursery.as_mut(),
            &mut observer,
        );
        nurseries.put(nursery);
        drop(passed);
        drop(temporary);
        let mut report = observer.told.report;
        report.wrote(written.stdout, written.stderr);
        let document = match &result {
            Ok(outcome) => report.end(outcome),
            Err(error) => report.failed(error),
        };
        let document = document.unwrap_or_default();
        let [stdout, stderr] = written.kept;
        let result = result.map_err(Error::Jail).and_then(|_| {
            let verdict = Verdict::parse(&document).map_err(|_| Error::Lost)?;
            Ok(Outcome {
                verdict,
                stdout,
                stderr,
            })
        });
        Finished { result, document }
    }
}

/// Tells once that the command was started.
struct Starting<'a> {
    started: Option<mpsc::Sender<Tid>>,
    told: event::Told<'a>,
}

impl Observer for Starting<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Start { pid, .. } = *event
            && let Some(started) = self.started.take()
        {
            let _ = started.send(pid);
        }
        self.told.event(event);
    }

    fn wants_all(&self) -> bool {
        self.told.wants_all()
    }
}

/// The document of a command that was not started, or whose thread was lost.
pub(crate) fn failed(policy: &str, command: &[OsString], error: &Error) -> Vec<u8> {
    report::not_started(policy, command, error.exit_code(), error.to_string())
}
