//! `jail --policy POLICY -- COMMAND`: the whole pass.

use super::{FAILED, Run};
use crate::launch::{self, Command};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::supervise::{self, Options};
use crate::sys;
use std::ffi::OsString;
use std::path::Path;

/// Runs the command; returns jail's exit code.
pub fn run(run: Run, color: bool) -> u8 {
    match prepare(run, color) {
        Ok(code) | Err(code) => code,
    }
}

fn fail(message: impl std::fmt::Display) -> u8 {
    eprintln!("jail: {message}");
    FAILED
}

struct Nobody;
impl supervise::Observer for Nobody {
    fn event(&mut self, event: &supervise::Event<'_>) {
        if let supervise::Event::Denied(d) | supervise::Event::Killed(d) = event {
            eprintln!("jail: denied {} by {:?} pid {}", d.text(), d.program().ancestry(), d.pid());
        }
    }
}

fn prepare(run: Run, color: bool) -> Result<u8, u8> {
    let policy = stub();
    let host = launch::probe();
    let plan = Plan::new(&policy, &host).map_err(fail)?;
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let command = Command {
        arguments: run.command,
        environment,
        directory: run.directory,
        pass_fds: run.pass_fds,
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
    };
    let started = launch::start(&command, &plan).map_err(|error| {
        eprintln!("jail: {error}");
        error.exit_code()
    })?;
    let _ = sys::process::set_dumpable(false);
    let options = Options { kill_on_exit: run.kill_on_exit, stand_in: true };
    let outcome = supervise::run(started, &plan, options, &mut Nobody).map_err(|error| {
        eprintln!("jail: {error}");
        error.exit_code()
    })?;
    if run.stats {
        eprintln!("{:?}", outcome.stats);
    }
    Ok(outcome.exit_code())
}

fn stub() -> Policy {
    use crate::policy::*;
    use crate::syscalls;
    let origin = Origin { source: 0, line: 1 };
    Policy {
        sources: vec![Source { name: "stub".into(), preset: true }],
        description: None,
        default: Default { action: Action::Allow, origin },
        syscalls: ["socket", "getppid"].map(|key| Entry { key: key.into(), target: Target::Syscall(syscalls::by_name(key).unwrap()), action: Action::Deny(syscalls::Errno::EPERM), quiet: false, why: None, origin }).into(),
        rules: vec![], tests: vec![],
    }
}
