//! jail taken apart: its stages called one by one, each in a process that has just started, as
//! jail itself has. Warm loops would hide what a start-up consists of: pages touched for the
//! first time.

use crate::Result;
use caps::{CapSet, Capability};
use jail::internal::launch::{self, Command};
use jail::internal::plan::Plan;
use jail::internal::policy::Policy;
use jail::internal::supervise::{self, Event, Observer, Options};
use jail::internal::sys;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds on the clock that all processes share.
pub fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

/// When the command's execve was seen.
struct Watch(Option<u128>);

impl Observer for Watch {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Exec { .. } = event {
            self.0.get_or_insert_with(now);
        }
    }

    fn wants_all(&self) -> bool {
        true
    }
}

/// Runs `true` under `base` stage by stage; prints when each stage ended, in ns after `since`.
pub fn start(since: &str) -> Result<()> {
    let entered = now();
    let since: u128 = since.parse()?;
    let policy = Policy::load("base", Path::new(".")).map_err(|problems| problems.render(false))?;
    let loaded = now();
    let host = launch::probe(&launch::Withheld::default());
    let probed = now();
    let plan = Plan::new(&policy, &host)?;
    let planned = now();
    let command = Command {
        arguments: vec!["true".into()],
        environment: std::env::vars_os().collect(),
        ignore_sigpipe: sys::signal::pipe_was_ignored(),
        ..Command::default()
    };
    let started = launch::start(&command, &plan)?;
    sys::process::set_dumpable(false)?;
    let launched = now();
    let mut watch = Watch(None);
    let options = Options {
        stand_in: true,
        ..Options::default()
    };
    supervise::run(started, &plan, options, &mut watch)?;
    let ended = now();
    let executed = watch.0.ok_or("no exec was seen")?;
    let times = [entered, loaded, probed, planned, launched, executed, ended];
    print_all(&times.map(|time| time.saturating_sub(since)));
    Ok(())
}

/// What the child does between fork and execve, here without a fork: ns of each step.
pub fn confine() -> Result<()> {
    let policy = Policy::load("base", Path::new(".")).map_err(|problems| problems.render(false))?;
    let plan = Plan::new(&policy, &launch::probe(&launch::Withheld::default()))?;
    let bounding: Vec<Capability> =
        match caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
            true => caps::read(None, CapSet::Bounding)?.into_iter().collect(),
            false => Vec::new(),
        };
    let mut durations = Vec::new();
    let mut last = Instant::now();
    let mut lap = || {
        durations.push(last.elapsed().as_nanos());
        last = Instant::now();
    };
    sys::process::close_range(3, u32::MAX)?;
    lap();
    for capability in bounding {
        caps::drop(None, CapSet::Bounding, capability)?;
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::clear(None, CapSet::Permitted)?;
    lap();
    sys::process::no_new_privs()?;
    if let Some(ruleset) = launch::ruleset(plan.domain, &plan.files, &plan.net)? {
        sys::landlock::restrict_self(ruleset.as_fd(), false)?;
    }
    lap();
    seccompiler::apply_filter(&plan.filter)?;
    lap();
    print_all(&durations);
    Ok(())
}

/// jail's own `main` on this process's arguments; prints its ns.
pub fn command_line() -> Result<()> {
    let before = now();
    let _ = jail::main();
    print_all(&[now().saturating_sub(before)]);
    Ok(())
}

fn print_all(values: &[u128]) {
    let words: Vec<String> = values.iter().map(u128::to_string).collect();
    println!("{}", words.join(" "));
}
