//! `jail --policy POLICY -- COMMAND`: loads, plans, runs and reports.

use super::ask::Answering;
use super::denials;
use super::hints::{Ran, hints};
use super::target::{descriptor, not_open, passed};
use super::untraced;
use super::{FAILED, Run, TraceDenials, write_policy};
use crate::embed::{self, Output, Wiring};
use crate::launch::{self, Command, Kept, Temporary, Withheld};
use crate::plan::{Host, Plan, PlanOptions};
use crate::policy::{self, LimitKind, List, PathContext, Policy, opened_home};
use crate::report::evidence::{self, Content};
use crate::report::{self, Place, Report, Settings};
use crate::supervise::Options;
use crate::sys;
use nix::sys::stat::{SFlag, fstat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Runs the command; returns jail's exit code.
pub fn run(run: Run, color: bool) -> u8 {
    // Checked before anything is opened here, because jail itself may use a free number later.
    let mut passed = run.pass_fds.iter();
    let closed = passed.find(|&&fd| !sys::process::is_open(fd)).copied();
    let report = match run.report.as_deref().map(|to| open_report(&run, to)) {
        Some(Err(failure)) => return failure.tell(),
        opened => opened.and_then(Result::ok),
    };
    match prepare(&run, closed, color) {
        Ok(Some(ready)) => without_children(|| ready.run(&run, report, color)),
        Ok(None) => 0,
        Err(failure) => {
            let code = failure.tell();
            if let Some(place) = report {
                let policy = run.policy.layers().map(|layers| layers.name());
                let policy = policy.unwrap_or_default();
                let verdict = report::not_started(&policy, &run.command, code, failure.report());
                if let Err(message) = report::write(place, &verdict) {
                    eprintln!("jail: {message}");
                }
            }
            code
        }
    }
}

/// Calls `supervise` on a thread that has no children. This process may have had children before it
/// executed jail: `jail … 2> >(tee log)` in bash. That thread then also handles signals.
pub(super) fn without_children(supervise: impl FnOnce() -> u8 + Send) -> u8 {
    if !sys::wait::has_any() {
        return supervise();
    }
    let Ok(mask) = sys::signal::block_all() else {
        return FAILED;
    };
    let supervise = || match sys::signal::set_mask(&mask) {
        Ok(()) => supervise(),
        Err(_) => FAILED,
    };
    std::thread::scope(|scope| scope.spawn(supervise).join().unwrap_or(FAILED))
}

/// Why jail itself failed before the command was started.
struct Failure {
    message: String,
    /// The errors of the policy, and the same in the form for stderr.
    problems: Option<(String, String)>,
}

impl Failure {
    /// Prints it; returns jail's exit code.
    fn tell(&self) -> u8 {
        if let Some((_, shown)) = &self.problems {
            eprintln!("{shown}");
        }
        eprintln!("jail: {}", self.message);
        FAILED
    }

    /// The message for the report.
    fn report(&self) -> String {
        match &self.problems {
            Some((problems, _)) => format!("{}\n{problems}", self.message),
            None => self.message.clone(),
        }
    }
}

fn fail(message: impl std::fmt::Display) -> Failure {
    Failure {
        message: message.to_string(),
        problems: None,
    }
}

/// All that is decided before the command is started. The process ends after the run, so it does not need the
/// memory of hundreds of entries back.
struct Ready {
    policy: ManuallyDrop<Policy>,
    plan: ManuallyDrop<Arc<Plan>>,
    command: Command,
    log: Option<(File, String)>,
    denials: Option<(File, String)>,
    /// What is asked about what the policy leaves open.
    answering: Option<Answering>,
    temporary: Option<Temporary>,
}

/// What jail writes to, and what it asks.
struct Opened {
    log: Option<(File, String)>,
    denials: Option<(File, String)>,
    answering: Option<Answering>,
}

impl Opened {
    /// `closed`: a descriptor that is to be passed, and that is not open.
    fn of(run: &Run, closed: Option<RawFd>) -> Result<Opened, Failure> {
        if let Some(fd) = closed {
            return Err(fail(format_args!(
                "--pass-fd {fd}: no such open descriptor"
            )));
        }
        if let Some(fd) = passed(run, run.log.as_deref()) {
            return Err(fail(format_args!(
                "--pass-fd {fd} would give the log to the command, which could then forge it"
            )));
        }
        let answering = run.ask.open(&run.pass_fds).map_err(fail)?;
        let log = run.log.as_deref().map(open_log).transpose()?;
        let denials = run.denials.as_deref();
        let denials = denials.map(|to| denials::open(run, to)).transpose();
        Ok(Opened {
            log,
            denials: denials.map_err(fail)?,
            answering,
        })
    }
}

/// The command as the user gave it.
fn given(run: &Run) -> Command {
    Command {
        environment: std::env::vars_os().collect(),
        arguments: run.command.clone(),
        directory: run.directory.clone(),
        pass_fds: run.pass_fds.clone(),
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
        ..Command::default()
    }
}

/// `None`: there is no command, and the policy was saved.
fn prepare(run: &Run, closed: Option<RawFd>, color: bool) -> Result<Option<Ready>, Failure> {
    let Opened {
        log,
        denials,
        answering,
    } = Opened::of(run, closed)?;
    let layers = run.policy.layers().map_err(fail)?;
    let name = layers.name();
    let start = run.directory.as_deref().unwrap_or(Path::new("."));
    let kept = Kept::some();
    let around = PathContext::at(start).kept_by(kept.keeper());
    let mut policy =
        Policy::of_to_run_in(&layers, Path::new("."), around).map_err(|problems| Failure {
            message: format!("the policy {name} cannot be used; nothing was run"),
            problems: Some((problems.render(false), problems.render(color))),
        })?;
    if let Some(to) = &run.write_policy {
        let text = write_policy::write(&layers, to).map_err(|message| {
            let to = to.display();
            fail(format_args!(
                "--write-policy {to}: {message}; nothing was run"
            ))
        })?;
        policy.saved(to, text);
    }
    if run.command.is_empty() {
        return Ok(None);
    }
    if let Some(wrong) = policy::nothing_starts(&policy) {
        return Err(fail(format_args!(
            "the policy {name} cannot be used: {wrong}; nothing was run"
        )));
    }
    if !run.quiet {
        warn_of_home(&policy);
        warn_of_missing(&policy);
    }
    let host = launch::probe_for(&policy, &Withheld::from_environment());
    let mut command = given(run)
        .under(&policy, &host)
        .map_err(|missing| fail(format_args!("{missing}; nothing was run")))?;
    set_environment(&mut command, run.env_clear, &run.variables)?;
    let set = |name: &OsStr| {
        let starts = |variable: &&OsString| variable.as_bytes().starts_with(name.as_bytes());
        let mut named = run.variables.iter().filter(starts);
        named.any(|variable| variable.as_bytes().get(name.len()) == Some(&b'='))
    };
    let temporary = Temporary::settle(&mut policy, &mut command, &set)
        .map_err(|missing| fail(format_args!("{missing}; nothing was run")))?;
    command.look_up();
    command.kept = kept;
    let plan = planned(run, &policy, &command, &host, answering.is_some())?;
    run.ask.check(&plan.judge).map_err(fail)?;
    Ok(Some(Ready {
        answering,
        policy: ManuallyDrop::new(policy),
        plan: ManuallyDrop::new(Arc::new(plan)),
        command,
        log,
        denials,
        temporary,
    }))
}

/// A command of the command line under a policy, with its own temporary directory if the policy has one.
pub(super) fn prepared_command(
    words: &[OsString],
    policy: &mut Policy,
    host: &Host,
) -> Result<(Command, Option<Temporary>), String> {
    let given = Command {
        environment: std::env::vars_os().collect(),
        arguments: words.to_vec(),
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
        ..Command::default()
    };
    let mut command = given
        .under(policy, host)
        .map_err(|missing| missing.to_string())?;
    let temporary = Temporary::settle(policy, &mut command, &|_| false)
        .map_err(|missing| missing.to_string())?;
    Ok((command, temporary))
}

/// The plan, for a run without a supervisor if no tracer can be had. `asks`: questions can be put.
fn planned(
    run: &Run,
    policy: &Policy,
    command: &Command,
    host: &Host,
    asks: bool,
) -> Result<Plan, Failure> {
    let untraceable = launch::untraceable();
    let program = launch::program(command);
    let limited = policy.limits.get(LimitKind::Output).is_some();
    let terminals = command.terminals(policy, [false, limited, limited]);
    let options = PlanOptions {
        command: program.as_deref(),
        domains: launch::domains(command, policy),
        terminals: &terminals,
        trace_denials: untraceable.is_none() && traces(run),
        records: untraceable.is_none() && run.log_accesses,
        datagrams: command.passes_datagrams(),
        alone: true,
        learns: false,
        asks: untraceable.is_none() && asks,
        unsupervised: untraceable.is_some(),
        start: untraceable
            .as_ref()
            .and_then(|_| launch::start_descriptor(command)),
        like: None,
    };
    let plan = Plan::with(policy, host, options).map_err(fail)?;
    if let Some(error) = untraceable {
        untraced::checked(run, policy, &plan, &error).map_err(fail)?;
    }
    Ok(plan)
}

/// Whether denials by Landlock are reported.
fn traces(run: &Run) -> bool {
    match run.trace_denials {
        TraceDenials::Always => true,
        TraceDenials::Never => false,
        // A user at a terminal gets the message at once; a program that reads stderr can request it.
        TraceDenials::Auto => {
            run.log.is_some() || run.denials.is_some() || !run.quiet && io::stderr().is_terminal()
        }
    }
}

/// Prints a warning to stderr if the policy lets the command change the home directory only because jail
/// was started there.
pub(super) fn warn_of_home(policy: &Policy) {
    let Some(found) = opened_home(policy) else {
        return;
    };
    let help = found.help.unwrap_or_default();
    eprintln!("jail: warning: {}: {help}", found.message);
}

/// Prints a warning to stderr for each flag that lets a file be read or executed and names none: a slip would look
/// like a denial. What may be written may be made by the command.
fn warn_of_missing(policy: &Policy) {
    for entry in &policy.paths {
        let opens = matches!(entry.list, List::Read | List::Exec) && entry.pattern.is_literal();
        let Some(flag) = policy.flag(entry.origin).filter(|_| opens) else {
            continue;
        };
        if entry.pattern.base().symlink_metadata().is_err() {
            let flag = report::escaped(flag, 200);
            eprintln!("jail: warning: {flag}: there is no such file or directory");
        }
    }
}

/// Which streams go through pipes of jail under this policy.
fn wire_of(policy: &Policy, report: bool) -> Wiring {
    wire(report, policy.limits.get(LimitKind::Output).is_some())
}

/// What the options say about messages.
fn settings(run: &Run, color: bool) -> Settings {
    Settings {
        quiet: run.quiet,
        color,
        width: sys::terminal::columns(std::io::stderr()),
        stats: run.stats,
        ..Settings::default()
    }
}

impl Ready {
    /// Runs the command to its end; returns jail's exit code.
    fn run(self, run: &Run, report: Option<Place>, color: bool) -> u8 {
        let Ready {
            policy,
            plan,
            command,
            log,
            denials,
            answering,
            temporary,
        } = self;
        let wiring = wire_of(&policy, report.is_some());
        let options = Options {
            kill_on_exit: run.kill_on_exit,
            stand_in: true,
            measure: report.is_some(),
            timer: sys::signal::heed_ticks().is_ok(),
            ..Options::default()
        };
        let mut report = Report::new(
            &policy,
            Settings {
                silent: (!plan.unsupervised && (plan.files.silent || plan.net.silent))
                    .then(|| std::env::args_os().collect()),
                log,
                denials,
                report,
                command: command.arguments.clone(),
                policy_name: policy.name(),
                ..settings(run, color)
            },
        );
        let words = command.arguments.clone();
        let start = command.directory.clone().unwrap_or_else(|| ".".into());
        let ask = |answering| run.ask.begin(answering, &policy, &words, &start);
        match answering.map(ask).transpose() {
            Ok(asker) => report.asks(asker),
            Err(message) => return fail(message).tell(),
        }
        let (result, written) =
            embed::run(command, wiring, &plan, options, (None, None), &mut report);
        report.wrote(written.stdout, written.stderr);
        remove(temporary);
        match result {
            Ok(outcome) => {
                if let Some(code) = outcome.failed() {
                    let run = Ran {
                        command: &words,
                        directory: &start,
                        code,
                        refused: outcome.stats.refused > 0,
                        changes: report.changes(),
                        lacks_peers: report.lacks_peers(),
                    };
                    report.hint(hints(&policy, &plan, &run));
                }
                report.end(&outcome);
                if outcome.interrupted {
                    // A shell that runs a loop continues after a command that exited, but stops after
                    // one that died of Ctrl-C.
                    sys::signal::die_by(libc::SIGINT);
                }
                outcome.exit_code()
            }
            Err(error) => {
                report.failed(&error);
                error.exit_code()
            }
        }
    }
}

/// Says what is left of it, if anything is.
pub fn remove(temporary: Option<Temporary>) {
    if let Some(left) = temporary.and_then(Temporary::remove) {
        eprintln!("jail: the run's temporary directory cannot be removed: {left}");
    }
}

/// The identity of a standard stream.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stream {
    device: u64,
    inode: u64,
    is_pipe: bool,
}

impl Stream {
    /// `None`: it is closed.
    fn of(stream: impl AsFd) -> Option<Self> {
        let found = fstat(stream).ok()?;
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        Some(Self {
            device: found.st_dev,
            inode: found.st_ino,
            is_pipe: kind == SFlag::S_IFIFO,
        })
    }
}

/// Which streams go through pipes of jail: both if the policy limits output; otherwise those that a
/// report counts, and only if they are pipes already, so that the command cannot tell.
pub(super) fn wire(report: bool, limited: bool) -> Wiring {
    let (out, err) = (Stream::of(io::stdout()), Stream::of(io::stderr()));
    let counted =
        |stream: Option<Stream>| stream.is_some_and(|stream| limited || report && stream.is_pipe);
    let pass = |counted: bool, fd: RawFd| match counted {
        true => sys::process::duplicate(fd).map(Output::Pass),
        false => None,
    };
    let joined = out == err;
    Wiring {
        stdin: None,
        stdout: pass(counted(out), 1),
        stderr: pass(counted(err) && !joined, 2),
        joined: joined && counted(out),
    }
}

/// Applies the options about the environment, which take precedence.
fn set_environment(
    command: &mut Command,
    clear: bool,
    variables: &[OsString],
) -> Result<(), Failure> {
    if clear {
        command.environment.clear();
    }
    for variable in variables {
        let bytes = variable.as_bytes();
        let Some(at) = bytes
            .iter()
            .position(|&byte| byte == b'=')
            .filter(|&at| at > 0)
        else {
            let variable = variable.to_string_lossy();
            return Err(fail(format_args!(
                "--env {variable}: write it as NAME=VALUE"
            )));
        };
        let (name, value) = (&bytes[..at], &bytes[at + 1..]);
        command.set_variable(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    Ok(())
}

/// `--log FILE` or `--log fd:N`, and its name in messages.
fn open_log(target: &OsStr) -> Result<(File, String), Failure> {
    let name = target.to_string_lossy().into_owned();
    match descriptor(target) {
        Some(Some(file)) => Ok((file, name)),
        Some(None) => Err(fail(not_open("--log", target, "log.jsonl"))),
        None => match evidence::open(Path::new(target), Content::ReplacedByALog) {
            Ok(file) => Ok((file, name)),
            Err(error) => Err(fail(format_args!("--log {name}: cannot write it: {error}"))),
        },
    }
}

/// `--report FILE` or `--report fd:N`. It is opened first, so that other errors of the command line are
/// reported there.
fn open_report(run: &Run, target: &OsStr) -> Result<Place, Failure> {
    let name = target.to_string_lossy().into_owned();
    if let Some(fd) = passed(run, Some(target)) {
        return Err(fail(format_args!(
            "--pass-fd {fd} would give the report to the command, which could then forge it"
        )));
    }
    if matches!(target.as_bytes(), b"fd:0" | b"fd:1" | b"fd:2") {
        return Err(fail(format_args!(
            "--report {name}: the command also has this descriptor and could forge the report; \
             open another one, as in `3>report.json`"
        )));
    }
    let same = |other: Option<&OsStr>| other == Some(target);
    let mut policies = run.policy.named().iter();
    if same(run.log.as_deref()) || policies.any(|policy| same(Some(OsStr::new(policy)))) {
        return Err(fail(format_args!(
            "--report {name} would replace the log or the policy of that name; name another file"
        )));
    }
    let place = match descriptor(target) {
        Some(Some(file)) => Place::descriptor(file, name.clone()),
        Some(None) => return Err(fail(not_open("--report", target, "report.json"))),
        None => Place::file(Path::new(target)),
    };
    place.map_err(|error| fail(format_args!("--report {name}: {error}")))
}
