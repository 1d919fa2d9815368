//! `jail --policy POLICY -- COMMAND`: the whole pass.

use super::{FAILED, Run};
use crate::launch::{self, Command};
use crate::plan::{Plan, Wishes};
use crate::policy::{Policy, Surroundings};
use crate::report::{Report, Settings};
use crate::supervise::{self, Event, Observer, Options, Outcome, SuperviseError};
use crate::sys;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
            return Err(fail(format_args!(
                "--pass-fd {fd}: no such open descriptor"
            )));
        }
    }
    if let Some(fd) = run
        .pass_fds
        .iter()
        .find(|fd| is_log(run.log.as_deref(), **fd))
    {
        return Err(fail(format_args!(
            "--pass-fd {fd} would give the log to the command, which could then forge it"
        )));
    }
    let log = run.log.as_deref().map(open_log).transpose()?;
    let name = run.policy.as_deref().unwrap_or_default();
    let start = run.directory.as_deref().unwrap_or(Path::new("."));
    let policy = Policy::load_to_run_in(name, Path::new("."), Surroundings::at(start)).map_err(
        |problems| {
            eprintln!("{}", problems.render(color));
            fail(format_args!(
                "the policy {name} cannot be used; nothing was run"
            ))
        },
    )?;
    let given = Command {
        environment: std::env::vars_os().collect(),
        arguments: run.command,
        directory: run.directory,
        pass_fds: run.pass_fds,
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
        ..Command::default()
    };
    let mut command = given
        .under(&policy)
        .map_err(|missing| fail(format_args!("{missing}; nothing was run")))?;
    set_environment(&mut command, run.env_clear, &run.variables)?;
    let program = launch::program(&command);
    let wishes = Wishes {
        command: program.as_deref(),
        trace_denials: run.trace_denials,
        datagrams: command.passes_datagrams(),
    };
    let plan = Plan::with(&policy, &launch::probe(), wishes).map_err(fail)?;
    let options = Options {
        kill_on_exit: run.kill_on_exit,
        stand_in: true,
    };
    let mut report = Report::new(
        &policy,
        Settings {
            quiet: run.quiet,
            color,
            width: sys::terminal::columns(std::io::stderr()),
            stats: run.stats,
            silent: plan.files.silent || plan.net.silent,
            log,
            command: command.arguments.clone(),
            policy_name: name.to_owned(),
        },
    );
    match jail(command, &plan, options, &mut report) {
        Ok(outcome) => {
            report.end(&outcome);
            if outcome.interrupted {
                // A shell that runs a loop goes on after a command that exited, and stops after
                // one that died of Ctrl-C.
                sys::signal::die_by(libc::SIGINT);
            }
            Ok(outcome.exit_code())
        }
        Err(error) => {
            report.failed(&error);
            Err(error.exit_code())
        }
    }
}

fn jail(
    command: Command,
    plan: &Plan,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    let started = launch::start(&command, plan).map_err(SuperviseError::Launch)?;
    // Stdin is the command's alone from here on.
    drop(command);
    // Neither its memory nor its descriptors are to be had through /proc or ptrace. The child has
    // an address space of its own, and its execve makes it dumpable again.
    if let Err(errno) = sys::process::set_dumpable(false) {
        return Err(SuperviseError::System {
            call: "prctl(PR_SET_DUMPABLE)",
            errno,
        });
    }
    observer.event(&Event::Start {
        pid: started.pid,
        program: started.program(),
    });
    supervise::run(started, plan, options, observer)
}

/// What the command line says of the environment: it has the last word.
fn set_environment(command: &mut Command, clear: bool, variables: &[OsString]) -> Result<(), u8> {
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

/// Whether `--log` names this descriptor.
fn is_log(log: Option<&OsStr>, fd: RawFd) -> bool {
    log.is_some_and(|log| log.as_bytes() == format!("fd:{fd}").as_bytes())
}

/// `--log FILE` or `--log fd:N`, and its name in messages.
fn open_log(target: &OsStr) -> Result<(File, String), u8> {
    let name = target.to_string_lossy().into_owned();
    let Some(number) = target.as_bytes().strip_prefix(b"fd:") else {
        let path = PathBuf::from(target);
        return File::create(&path)
            .map(|file| (file, name))
            .map_err(|error| {
                fail(format_args!(
                    "--log {}: cannot write it: {error}",
                    path.display()
                ))
            });
    };
    let fd: Option<RawFd> = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok());
    match fd.and_then(sys::process::duplicate) {
        Some(fd) => Ok((File::from(fd), name)),
        None => Err(fail(format_args!(
            "--log {name}: no such open descriptor; open it first, as in `{}>log.jsonl`",
            String::from_utf8_lossy(number)
        ))),
    }
}
