//! `jail --policy POLICY -- COMMAND`: the whole pass.

use super::{FAILED, Run};
use crate::launch::{self, Command, LaunchError};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::supervise::{self, Event, Observer, Options, Outcome, SuperviseError};
use crate::sys;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

struct Nobody;
impl Observer for Nobody {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Denied(d) | Event::Killed(d) = event {
            eprintln!("jail: denied {} by {:?} pid {}", d.text(), d.program().ancestry(), d.pid());
        }
    }
}

/// Runs the command; returns jail's exit code.
pub fn run(run: Run, color: bool) -> u8 {
    match prepare(run, color) {
        Ok(code) | Err(code) => code,
    }
}

/// Prints why jail itself failed.
fn fail(message: impl std::fmt::Display) -> u8 {
    eprintln!("jail: {message}");
    FAILED
}

fn prepare(run: Run, color: bool) -> Result<u8, u8> {
    // Before anything is opened here: a number that is free now may be taken by jail itself later.
    for &fd in &run.pass_fds {
        if !sys::process::is_open(fd) {
            return Err(fail(format_args!("--pass-fd {fd}: no such open descriptor")));
        }
    }
    let log = run.log.as_deref().map(open_log).transpose()?;
    let name = run.policy.as_deref().unwrap_or_default();
    let policy = Policy::load(name, Path::new(".")).map_err(|problems| {
        eprintln!("{}", problems.render(color));
        fail(format_args!("the policy {name} cannot be used; nothing was run"))
    })?;
    let plan = Plan::new(&policy, &launch::probe()).map_err(fail)?;
    let mut command = Command {
        environment: environment(run.env_clear, &run.variables)?,
        arguments: run.command,
        directory: run.directory,
        pass_fds: run.pass_fds,
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
    };
    let options = Options { kill_on_exit: run.kill_on_exit, stand_in: true };
    let mut observer = Nobody;
    let mut result = jail(&command, &plan, options, &mut observer);
    if let Err(SuperviseError::Launch(error)) = &result
        && let Some(script) = as_script(&command, error)
    {
        command = script;
        result = jail(&command, &plan, options, &mut observer);
    }
    match result {
        Ok(outcome) => Ok(outcome.exit_code()),
        Err(error) => {
            eprintln!("jail: {error}");
            Err(error.exit_code())
        }
    }
}

fn jail(
    command: &Command,
    plan: &Plan,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    let started = launch::start(command, plan).map_err(SuperviseError::Launch)?;
    // Neither its memory nor its descriptors are to be had through /proc or ptrace. The child has
    // an address space of its own, and its execve makes it dumpable again.
    if let Err(errno) = sys::process::set_dumpable(false) {
        return Err(SuperviseError::System { call: "prctl(PR_SET_DUMPABLE)", errno });
    }
    observer.event(&Event::Start { pid: started.pid, program: started.program() });
    supervise::run(started, plan, options, observer)
}

/// The same command through the shell, where the kernel refused a script without a `#!` line.
fn as_script(command: &Command, error: &LaunchError) -> Option<Command> {
    match error {
        LaunchError::Child { step: launch::Step::Exec, errno: sys::Errno::ENOEXEC, program } => {
            launch::through_shell(command, program)
        }
        _ => None,
    }
}

/// The command's environment: the caller's or none, then what `--env` sets, in order.
fn environment(clear: bool, variables: &[OsString]) -> Result<Vec<(OsString, OsString)>, u8> {
    let mut environment: Vec<_> = if clear { Vec::new() } else { std::env::vars_os().collect() };
    for variable in variables {
        let bytes = variable.as_bytes();
        let Some(at) = bytes.iter().position(|&byte| byte == b'=').filter(|&at| at > 0) else {
            let variable = variable.to_string_lossy();
            return Err(fail(format_args!("--env {variable}: write it as NAME=VALUE")));
        };
        let key = OsStr::from_bytes(&bytes[..at]);
        let value = OsStr::from_bytes(&bytes[at + 1..]).to_owned();
        match environment.iter_mut().find(|(existing, _)| existing == key) {
            Some((_, existing)) => *existing = value,
            None => environment.push((key.to_owned(), value)),
        }
    }
    Ok(environment)
}

/// `--log FILE` or `--log fd:N`.
fn open_log(target: &OsStr) -> Result<File, u8> {
    let Some(number) = target.as_bytes().strip_prefix(b"fd:") else {
        let path = PathBuf::from(target);
        return File::create(&path)
            .map_err(|error| fail(format_args!("--log {}: cannot write it: {error}", path.display())));
    };
    let fd: Option<RawFd> = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    match fd.and_then(sys::process::duplicate) {
        Some(fd) => Ok(File::from(fd)),
        None => Err(fail(format_args!(
            "--log {}: no such open descriptor; open it first, as in `{}>log.jsonl`",
            target.to_string_lossy(),
            String::from_utf8_lossy(number)
        ))),
    }
}
