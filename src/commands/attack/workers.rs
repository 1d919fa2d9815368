//! Many attacks under one policy, on a few threads. Each thread has a directory of its own, in which it makes the
//! scenes of its attacks, so that a policy is read once for a thread.

use super::kind::Attack;
use super::openly::{Entry, Judged};
use super::scene::Scene;
use super::suite::{self, Outcome, Row};
use crate::launch::{self, Command as Jailed, Temporary, User, Withheld};
use crate::plan::Host;
use crate::policy::{self, Layers, PathContext, Policy};
use crate::sorting::sort_by_key;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many attacks run at once, at most.
const JOBS: usize = 8;

/// The command line of a jail with an attack. An entry replaces the flag that sets the same key.
pub fn jailed(
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

/// Runs the attacks, each thread with what `make` makes for it; the results in the order of the list.
pub fn on_threads<T>(
    attacks: &[&'static Attack],
    make: impl Fn() -> Result<T, String> + Sync,
    run: impl Fn(&mut T, &'static Attack) -> Result<Outcome, String> + Sync,
) -> Result<Vec<Row>, String> {
    let next = AtomicUsize::new(0);
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        attacks.get(at).map(|attack| (at, *attack))
    };
    let found: Mutex<Vec<(usize, Result<Outcome, String>)>> = Mutex::default();
    let work = || {
        let mut own = None;
        while let Some((at, attack)) = take() {
            let outcome = match &mut own {
                Some(own) => run(own, attack),
                None => make().and_then(|made| run(own.insert(made), attack)),
            };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((at, outcome));
        }
    };
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 1..(2 * jobs).min(JOBS) {
            // Where no thread can be had, fewer do the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    sort_by_key(&mut found, |(at, _)| *at);
    let row = |(attack, (_, outcome)): (&&'static Attack, (usize, Result<Outcome, String>))| {
        let outcome = outcome.map_err(|why| format!("the attack {}: {why}", attack.name))?;
        Ok(Row { attack, outcome })
    };
    attacks.iter().zip(found).map(row).collect()
}

/// A policy that is attacked.
pub struct Suite<'a> {
    layers: Layers,
    program: &'a Path,
    seconds: f64,
    host: Host,
    user: Option<User>,
    /// Where the directories are made.
    base: PathBuf,
}

/// What a thread keeps from one attack to the next.
pub struct Worker<'a> {
    suite: &'a Suite<'a>,
    directory: Temporary,
    judged: Judged,
    /// A file that may be read.
    allowed: PathBuf,
}

impl<'a> Suite<'a> {
    /// The error is a message.
    pub fn new(
        layers: Layers,
        program: &'a Path,
        seconds: f64,
        color: bool,
    ) -> Result<Suite<'a>, String> {
        let name = layers.name();
        let policy = loaded(&layers, Path::new(".")).map_err(|problems| {
            let problems = problems.render(color);
            format!("the policy {name} cannot be used\n{problems}")
        })?;
        if let Some(wrong) = policy::nothing_starts(&policy) {
            return Err(format!("the policy {name} cannot be used: {wrong}"));
        }
        let host = launch::probe_for(&policy, &Withheld::from_environment());
        let command = Jailed::default().under(&policy, &host);
        let command = command.map_err(|error| error.to_string())?;
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
        let own = std::env::temp_dir();
        let usual = [
            own.as_path(),
            Path::new("/var/tmp"),
            Path::new("/dev/shm"),
            Path::new("/tmp"),
        ];
        let mut best: Option<(usize, PathBuf)> = None;
        let mut wrong = "there is no directory for temporary files".to_owned();
        for base in usual.iter().filter_map(|base| base.canonicalize().ok()) {
            match self.worker_in(&base) {
                Ok((_, denied)) => {
                    if best.as_ref().is_none_or(|(most, _)| denied > *most) {
                        best = Some((denied, base));
                    }
                    if denied == Judged::AIMS {
                        break;
                    }
                }
                Err(why) => wrong = why,
            }
        }
        best.map(|(_, base)| base).ok_or(wrong)
    }

    /// For one thread.
    pub fn worker(&'a self) -> Result<Worker<'a>, String> {
        self.worker_in(&self.base).map(|(worker, _)| worker)
    }

    /// Also how many of the aims of attacks on files the policy denies there.
    fn worker_in<'b>(&'b self, base: &Path) -> Result<(Worker<'b>, usize), String> {
        let directory = Temporary::make(base, self.user.as_ref(), None);
        let directory = directory
            .map_err(|error| format!("cannot make a directory in {}: {error}", base.display()))?;
        let scene = Scene::make(directory.path(), self.program, None)?;
        let policy = loaded(&self.layers, &scene.given.work);
        let policy = policy.map_err(|problems| problems.render(false))?;
        let judged = Judged::new(policy, &self.host)?;
        let (denied, allowed) = (judged.denied(&scene), judged.readable(&scene));
        let worker = Worker {
            suite: self,
            directory,
            judged,
            allowed,
        };
        Ok((worker, denied))
    }
}

impl Worker<'_> {
    /// Runs one attack in a new scene.
    pub fn attack(&mut self, attack: &Attack, start: suite::Start<'_>) -> Result<Outcome, String> {
        let program = self.suite.program;
        if let Some(why) = (attack.host)() {
            return Ok(Outcome::NotApplicable(why));
        }
        let mut scene = Scene::make(self.directory.path(), program, Some(attack))?;
        scene.given.seconds = self.suite.seconds;
        scene.given.allowed.clone_from(&self.allowed);
        if let Some(why) = scene.lacks(attack.aim) {
            return Ok(Outcome::NotApplicable(why.to_owned()));
        }
        match self.judged.openly(attack.aim, &mut scene) {
            Err(why) => Ok(Outcome::NotApplicable(why)),
            Ok(entries) => suite::attack(attack, &mut scene, program, &entries, start),
        }
    }
}

fn loaded(layers: &Layers, work: &Path) -> Result<Policy, policy::Problems> {
    Policy::of_to_run_in(layers, Path::new("."), PathContext::at(work))
}
