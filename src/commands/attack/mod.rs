//! `jail attack --policy POLICY`: tries a list of escapes under a policy, and says what came of each.
//!
//! The attacks are code of this executable, which jail starts again as the command of a jail. What they aim at
//! is made for them in a temporary directory: files, sockets, a terminal, a process. What the policy allows
//! openly is no escape, so the judge is asked first. Nothing here runs an attack outside of a jail: only a jail
//! is started with one.
//!
//! | file | holds |
//! |---|---|
//! | `list` | the attacks, one row each |
//! | `kind`, `given` | what an attack is, and what it is told |
//! | `inside` | the attacks themselves |
//! | `start` | this executable as the command of a jail |
//! | `scene`, `sockets`, `bystander`, `tool` | what they aim at |
//! | `openly`, `host` | why an attack may say nothing: the policy, the host |
//! | `suite` | one attack from its scene to its result |
//! | `text`, `json` | the results |
//! | `rehearsal` | for tests: the attacks as a caller starts them |

mod bystander;
mod given;
mod host;
mod inside;
mod json;
mod kind;
mod list;
mod openly;
mod rehearsal;
mod scene;
mod sockets;
mod start;
mod suite;
mod text;
mod tool;
mod tools;

use super::FAILED;
use super::explain::View;
use super::policy_args::PolicyArgs;
use crate::launch::{self, Command as Jailed, User, Withheld};
use crate::plan::Host;
use crate::policy::{self, Layers, PathContext, Policy};
use clap::Args;
use kind::Attack;
use list::ATTACKS;
use openly::{Entry, Judged};
use scene::Scene;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use suite::Outcome;

pub use rehearsal::{Rehearsed, rehearse};
pub use start::start;

/// Tests name another policy in it, which holds while the attacks run.
const UNDER: &str = "JAIL_ATTACK_UNDER";

/// How many attacks run at once, at most.
const JOBS: usize = 8;

/// The options of `jail attack`, as typed.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Only this attack; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the attacks, and run none
    #[arg(long)]
    list: bool,
    /// How long each race runs
    #[arg(long, value_name = "N", default_value_t = 0.2, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds up to 3600".to_owned()),
    }
}

/// One attack and what came of it.
pub struct Row {
    attack: &'static Attack,
    outcome: Outcome,
}

/// All of them.
pub struct Results {
    policy: String,
    seconds: f64,
    rows: Vec<Row>,
}

impl Results {
    /// How many were contained, escaped, and say nothing.
    fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        let [contained, escaped, other] = &mut counts;
        for row in &self.rows {
            match row.outcome {
                Outcome::Contained(_) => *contained += 1,
                Outcome::Escaped(_) => *escaped += 1,
                Outcome::NotApplicable(_) | Outcome::Unstarted(_) => *other += 1,
            }
        }
        counts
    }
}

/// Runs the suite; the exit code is 0, 1 if an attack escaped, 125 if none could be tried.
pub fn run(
    options: &Options,
    color: bool,
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if options.list {
        for attack in ATTACKS {
            writeln!(out, "{:18} {}", attack.name, attack.tries)?;
        }
        return Ok(0);
    }
    let results = match results(options, color) {
        Ok(results) => results,
        Err(message) => {
            writeln!(err, "jail: {message}")?;
            return Ok(FAILED);
        }
    };
    let written = match options.json {
        true => json::document(&results),
        false => text::text(&results, view).into_bytes(),
    };
    out.write_all(&written)?;
    out.flush()?;
    let [_, escaped, _] = results.counts();
    Ok(u8::from(escaped > 0))
}

/// The command line of a jail with an attack. An entry replaces the flag that sets the same key.
fn jailed(
    program: &Path,
    arguments: &[OsString],
    words: &[OsString],
    work: &Path,
    entries: &[Entry],
) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--quiet", "--kill-on-exit", "--cwd"])
        .arg(work);
    let key = |entry: &Entry| entry.split('=').next().map(|key| format!("--set={key}="));
    let keys: Vec<String> = entries.iter().filter_map(key).collect();
    let replaced = |word: &&OsString| {
        let word = word.to_string_lossy();
        keys.iter().any(|key| word.starts_with(key))
    };
    command.args(arguments.iter().filter(|word| !replaced(word)));
    for entry in entries {
        command.args(["--set", entry]);
    }
    command.arg("--").args(words);
    command
}

fn chosen(only: &[String]) -> Result<Vec<&'static Attack>, String> {
    if only.is_empty() {
        return Ok(ATTACKS.iter().collect());
    }
    let find = |name: &String| {
        list::by_name(name).ok_or_else(|| {
            let names = ATTACKS.iter().map(|attack| attack.name);
            let near = crate::condition::nearest(name, names);
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("there is no attack `{name}`{near}; `jail attack --list` lists them")
        })
    };
    only.iter().map(find).collect()
}

fn results(options: &Options, color: bool) -> Result<Results, String> {
    let chosen = chosen(&options.only)?;
    let layers = options.policy.layers()?;
    let name = layers.name();
    let program = std::env::current_exe();
    let program = program.map_err(|error| format!("this executable has no path: {error}"))?;
    let suite = Suite::new(layers, &program, options.seconds, color)?;
    // For the test that an escape is reported: the attacks run under another policy than the judged one.
    let arguments = match std::env::var_os(UNDER) {
        Some(other) => vec!["--policy".into(), other],
        None => options.policy.arguments(),
    };
    let start = |words: &[OsString], work: &Path, entries: &[Entry]| {
        jailed(&program, &arguments, words, work, entries)
    };
    let rows = on_threads(&chosen, |attack| suite.attack(attack, &start))?;
    let unstarted = |row: &Row| match &row.outcome {
        Outcome::Unstarted(why) => Some(why.clone()),
        _ => None,
    };
    let began = |row: &Row| matches!(row.outcome, Outcome::Contained(_) | Outcome::Escaped(_));
    if let Some(why) = rows.iter().find_map(unstarted)
        && !rows.iter().any(began)
    {
        let program = program.display();
        return Err(format!(
            "no attack can start: under {name}, jail could not run {program}: {why}"
        ));
    }
    Ok(Results {
        policy: name,
        seconds: options.seconds,
        rows,
    })
}

/// Runs the attacks on a few threads; the results in the order of the list.
fn on_threads(
    attacks: &[&'static Attack],
    run: impl Fn(&'static Attack) -> Result<Outcome, String> + Sync,
) -> Result<Vec<Row>, String> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Result<Outcome, String>)>> = Mutex::default();
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..(2 * jobs).min(JOBS) {
            scope.spawn(|| {
                while let Some((at, attack)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    attacks.get(at).map(|attack| (at, *attack))
                } {
                    let outcome = run(attack);
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, outcome));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(at, _)| *at);
    let row = |(attack, (_, outcome)): (&&'static Attack, (usize, Result<Outcome, String>))| {
        let outcome = outcome.map_err(|why| format!("the attack {}: {why}", attack.name))?;
        Ok(Row { attack, outcome })
    };
    attacks.iter().zip(found).map(row).collect()
}

/// A policy that is attacked.
struct Suite<'a> {
    layers: Layers,
    program: &'a Path,
    seconds: f64,
    host: Host,
    user: Option<User>,
    /// Where the scenes are made.
    base: PathBuf,
}

impl<'a> Suite<'a> {
    /// The error is a message.
    fn new(
        layers: Layers,
        program: &'a Path,
        seconds: f64,
        color: bool,
    ) -> Result<Suite<'a>, String> {
        let name = layers.name();
        let policy = loaded(&layers, Path::new(".")).map_err(|problems| {
            format!(
                "the policy {name} cannot be used\n{}",
                problems.render(color)
            )
        })?;
        if let Some(wrong) = policy::nothing_starts(&policy) {
            return Err(format!("the policy {name} cannot be used: {wrong}"));
        }
        let host = launch::probe_for(&policy, &Withheld::from_environment());
        let command = Jailed::default()
            .under(&policy, &host)
            .map_err(|error| error.to_string())?;
        let mut suite = Suite {
            layers,
            program,
            seconds,
            host,
            user: command.user,
            base: std::env::temp_dir(),
        };
        suite.base = suite.most_closed_base()?;
        Ok(suite)
    }

    /// The directory for temporary files in which the policy denies most: it may open one of them.
    fn most_closed_base(&self) -> Result<PathBuf, String> {
        let usual = [
            std::env::temp_dir(),
            "/var/tmp".into(),
            "/dev/shm".into(),
            "/tmp".into(),
        ];
        let mut best: Option<(usize, PathBuf)> = None;
        let mut wrong = String::new();
        for base in usual.iter().filter_map(|base| base.canonicalize().ok()) {
            match self.scene(&base, None) {
                Ok((scene, judged)) => {
                    let denied = judged.denied(&scene);
                    if best.as_ref().is_none_or(|(most, _)| denied > *most) {
                        best = Some((denied, base));
                    }
                    if denied == 3 {
                        break;
                    }
                }
                Err(why) => wrong = why,
            }
        }
        best.map(|(_, base)| base).ok_or(wrong)
    }

    fn scene(&self, base: &Path, attack: Option<&Attack>) -> Result<(Scene, Judged), String> {
        let mut scene = Scene::make(base, self.program, self.user.as_ref(), attack)?;
        scene.given.seconds = self.seconds;
        let policy =
            loaded(&self.layers, &scene.given.work).map_err(|problems| problems.render(false))?;
        let judged = Judged::new(policy, &self.host)?;
        scene.given.allowed = judged.readable(&scene);
        Ok((scene, judged))
    }

    fn attack(&self, attack: &Attack, start: suite::Start<'_>) -> Result<Outcome, String> {
        let (mut scene, judged) = self.scene(&self.base, Some(attack))?;
        let host = || {
            scene
                .lacks(attack.aim)
                .map(str::to_owned)
                .or_else(attack.host)
        };
        if let Some(why) = host() {
            return Ok(Outcome::NotApplicable(why));
        }
        match judged.openly(attack.aim, &mut scene) {
            Err(why) => Ok(Outcome::NotApplicable(why)),
            Ok(entries) => suite::attack(attack, &mut scene, self.program, &entries, start),
        }
    }
}

fn loaded(layers: &Layers, work: &Path) -> Result<Policy, policy::Problems> {
    Policy::of_to_run_in(layers, Path::new("."), PathContext::at(work))
}
