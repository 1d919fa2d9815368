//! `jail learn -- COMMAND`: runs a command, lets through and records what its policy lacks, and writes the
//! policy that a person would have written.
//!
//! It never opens what is guarded: the entries of `deny`, `hide` and `protect` of the policy and of
//! [`base::GUARDS`], and the baseline, hold while it learns. So learning is safe on code that one does not trust.
//!
//! | file | holds |
//! |---|---|
//! | `base` | the policy that is continued, and the one that holds while it is learned |
//! | `beside` | what lies beside the recorded paths |
//! | `caches` | directories that call themselves caches |
//! | `continued` | the entries for what the domains of the policy's file lack |
//! | `domains` | what package managers run for packages, as domains |
//! | `domain_text` | domains in the text of a policy |
//! | `evidence` | what an entry rests on, as text |
//! | `record` | what the run needed beyond it |
//! | `kinds` | the programs that package managers run for packages |
//! | `open` | those domains while jail learns |
//! | `file` | entries into the text of a policy |
//! | `replay` | whether what was seen passes under the result |
//! | `scene` | what else is known of the run |
//! | `sockets` | kinds of sockets that have no peer |
//! | `sqlite` | which files are databases of SQLite |
//! | `tell` | what is said at the end |

mod base;
mod beside;
mod caches;
mod continued;
mod domain_text;
mod domains;
mod evidence;
mod file;
mod kinds;
mod open;
mod record;
mod replay;
mod scene;
mod sockets;
mod sqlite;
mod tell;

use super::FAILED;
use super::run::{self, prepared_command, wire, without_children};
use crate::embed;
use crate::launch::{self, Command, Temporary, Withheld};
use crate::learn::{self, Learned, Level};
use crate::plan::{Plan, PlanOptions};
use crate::policy::{LimitKind, Policy};
use crate::report::{Report, Settings};
use crate::supervise::{Options, Outcome, SuperviseError};
use crate::sys;
use crate::syscalls::signal_name;
use crate::trace::Exit;
use base::Base;
use clap::Args;
use open::Continued;
use record::Recorder;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// The options of `jail learn`, as typed.
#[derive(Debug, Args)]
pub struct Learn {
    /// The policy to write; if it exists, it is continued. Printed to stdout if absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What a new policy extends: presets or files
    #[arg(long, value_name = "POLICY", default_value = "base")]
    extends: Vec<String>,
    /// Let this guarded place be learned, and lift its protection in the policy: for a command that is
    /// trusted with it
    #[arg(long, value_name = "PATH")]
    lift: Vec<String>,
    /// How far entries go beyond what was seen: 0 exact, 1 directories, 2 patterns, 3 broader
    #[arg(long, value_name = "0..3", default_value_t = 2,
          value_parser = clap::value_parser!(u8).range(0..=3))]
    generalize: u8,
    /// Propose a domain for build scripts, the compiler and built programs of cargo, hooks of npm, builds of pip and
    /// what `go generate` runs, with what they changed and reached
    #[arg(long, conflicts_with = "audit")]
    domains: bool,
    /// Write nothing: print what the policy would have denied
    #[arg(long)]
    audit: bool,
    /// Do not print denials, and say less at the end
    #[arg(short, long)]
    quiet: bool,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Learns from one run; returns the command's exit code, or that of jail's own failure.
pub fn run(learn: &Learn, color: bool) -> u8 {
    match prepare(learn, color) {
        Ok(ready) => without_children(|| ready.run(learn, color)),
        Err(text) => {
            eprintln!("jail: {text}");
            FAILED
        }
    }
}

/// All that is decided before the command is started.
struct Ready {
    base: Base,
    /// What holds while it is learned.
    policy: Policy,
    /// The domains of the policy that are continued.
    continued: Vec<Continued>,
    plan: Arc<Plan>,
    command: Command,
    temporary: Option<Temporary>,
}

fn prepare(learn: &Learn, color: bool) -> Result<Ready, String> {
    if let Some(error) = launch::untraceable() {
        return Err(format!(
            "{error}. To learn, jail must trace the command; nothing was run"
        ));
    }
    let base = Base::new(learn.output.as_deref(), &learn.extends, &learn.lift, color)?;
    let mut policy = base.guarded(learn.domains, color)?;
    let host = launch::probe_for(&policy, &Withheld::from_environment());
    let (mut command, temporary) = prepared_command(&learn.command, &mut policy, &host)
        .map_err(|error| format!("{error}; nothing was run"))?;
    command.look_up();
    let program = launch::program(&command);
    let limited = policy.limits.get(LimitKind::Output).is_some();
    let terminals = command.terminals(&policy, [false, limited, limited]);
    let continued = open::open(&mut policy, base.domains(), &terminals, host.landlock_abi);
    let options = PlanOptions {
        command: program.as_deref(),
        domains: launch::domains(&command, &policy),
        terminals: &terminals,
        datagrams: command.passes_datagrams(),
        alone: true,
        learns: true,
        asks: false,
        records: learn.domains || !continued.is_empty(),
        ..PlanOptions::default()
    };
    let plan = Plan::with(&policy, &host, options).map_err(|error| error.to_string())?;
    Ok(Ready {
        base,
        policy,
        continued,
        plan: Arc::new(plan),
        command,
        temporary,
    })
}

impl Ready {
    fn run(self, learn: &Learn, color: bool) -> u8 {
        let Ready {
            base,
            policy,
            continued,
            plan,
            command,
            temporary,
        } = self;
        let settings = Settings {
            quiet: learn.quiet,
            color,
            width: sys::terminal::columns(std::io::stderr()),
            command: learn.command.clone(),
            policy_name: base.name().to_owned(),
            ..Settings::default()
        };
        let watches = learn.domains || !continued.is_empty();
        let report = Report::new(&policy, settings);
        let mut recorder = Recorder::new(report, watches.then_some(&policy), &continued);
        let options = Options {
            stand_in: true,
            timer: sys::signal::heed_ticks().is_ok(),
            ..Options::default()
        };
        let wiring = wire(false, policy.limits.get(LimitKind::Output).is_some());
        let judged = command.clone();
        let (result, _) = embed::run(command, wiring, &plan, options, (None, None), &mut recorder);
        let recorded = recorder.finish(&result);
        let ran = Ran {
            base,
            policy: &policy,
            command: judged,
        };
        match result {
            // Nothing ran.
            Err(error @ SuperviseError::Launch(_)) => error.exit_code(),
            Err(error) => ran
                .write(learn, recorded, None, color)
                .max(error.exit_code()),
            Ok(outcome) => {
                let failed = ran.write(learn, recorded, Some(&outcome), color);
                run::remove(temporary);
                if outcome.interrupted && failed == 0 {
                    sys::signal::die_by(libc::SIGINT);
                }
                match failed {
                    0 => outcome.exit_code(),
                    failed => failed,
                }
            }
        }
    }
}

/// A run that has ended.
struct Ran<'a> {
    base: Base,
    policy: &'a Policy,
    command: Command,
}

impl Ran<'_> {
    /// Writes the policy and says what it is. Returns [`FAILED`] if it could not be written.
    fn write(
        &self,
        learn: &Learn,
        recorded: record::Recorded,
        outcome: Option<&Outcome>,
        color: bool,
    ) -> u8 {
        if learn.audit {
            return self.audit(learn, &recorded);
        }
        let level = Level::from_number(learn.generalize).unwrap_or(Level::Patterns);
        let scene = self.scene(&recorded);
        let Learned { mut entries, left } = learn::generalize(&recorded.requests, &scene, level);
        let partial = partial(outcome);
        let words = &learn.command;
        let disk = self.base.disk();
        let text = self.base.text().unwrap_or_default();
        let sockets = replay::closed_sockets(self, (text, &entries), &recorded);
        entries.extend(sockets.iter().map(|(socket, seen)| socket.entry(seen)));
        let change = |domains| file::Change {
            entries: &entries,
            domains,
            command: words,
            partial: partial.as_deref(),
        };
        let result = self.base.text().and_then(|text| {
            let main = change(&[]).apply(text, disk)?;
            let domains = continued::entries(self, &main.text, &recorded, (&scene, level));
            Ok((text, domains))
        });
        let result = result.as_ref().map_err(String::clone);
        let changed = result.and_then(|(text, domains)| change(domains).apply(text, disk));
        let changed = match changed {
            Ok(changed) => changed,
            Err(error) => {
                eprintln!("jail: {error}; nothing was written");
                return FAILED;
            }
        };
        let (text, domains) = match learn.domains {
            true => domains::propose(self, changed.text, &recorded, (&scene, level)),
            false => (changed.text, Vec::new()),
        };
        let mut replayed = replay::replay(self, &text, &recorded, color);
        replayed.requests += sockets.len();
        if let Err(error) = self.base.save(&text) {
            eprintln!("jail: {error}");
            return FAILED;
        }
        let told = tell::Told {
            name: self.base.name(),
            exists: self.base.disk().is_some(),
            added: &changed.added,
            in_domains: &changed.in_domains,
            left: &left,
            domains: learn.domains.then_some(&domains),
            recorded: &recorded,
            sockets: sockets.len(),
            replayed: &replayed,
            partial: partial.as_deref(),
            quiet: learn.quiet,
        };
        let _ = std::io::stderr().write_all(told.text().as_bytes());
        0
    }

    /// Says what the policy would have denied.
    fn audit(&self, learn: &Learn, recorded: &record::Recorded) -> u8 {
        let text = self.base.text().unwrap_or_default();
        let sockets = replay::closed_sockets(self, (text, &[]), recorded);
        let name = match learn.output {
            Some(_) => self.base.name().to_owned(),
            None => learn.extends.join(" with "),
        };
        let told = tell::audit(&name, recorded, &sockets);
        let _ = std::io::stderr().write_all(told.as_bytes());
        0
    }

    /// A policy with this text, for this run.
    fn settled(&self, text: &str, color: bool) -> Result<Policy, String> {
        let mut policy = self.base.load(text, color)?;
        if let Some(own) = &self.policy.tmpdir {
            policy.settle_tmpdir(own);
        }
        Ok(policy)
    }
}

/// Why the run may not have shown all that the command needs; `None`: it ended well.
fn partial(outcome: Option<&Outcome>) -> Option<String> {
    match outcome.map(|outcome| (outcome.exit, outcome.exit_code())) {
        Some((_, 0)) => None,
        Some((Exit::Signal(signal), _)) => {
            let name = signal_name(signal).map_or(format!("signal {signal}"), str::to_owned);
            Some(format!("the command was ended by {name}"))
        }
        Some((_, code)) => Some(format!("the command ended with exit code {code}")),
        None => Some("jail could not follow the command to its end".to_owned()),
    }
}
