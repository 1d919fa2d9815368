//! `jail batch CASES`: runs many commands, each in its own jail, and prints one verdict per line in the
//! order in which they end.
//!
//! Supervisors are threads of this process, which have no other children. A verdict is written when no
//! process of its jail is left, so a killed batch leaves whole lines for all cases that have ended.

mod base64;
mod case;
mod cases;
mod copy;
mod ids;
mod output;
mod progress;
mod stop;

use super::{Batch, FAILED};
use crate::embed::{self, Builder, Error, Finished, Stdio};
use crate::launch::{self, Withheld};
use crate::plan::Host;
use crate::policy::{self, Layers, PathContext, Policy, Problems, Relative};
use crate::report::evidence::{self, Content};
use crate::report::{self, Ending, Verdict};
use crate::sys;
use caps::{CapSet, Capability};
use case::Case;
use cases::{Cases, Next};
use output::{Done, Output};
use progress::Progress;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stop::{Run as Running, Stop};

/// How many policies are kept, each for one directory; a batch usually has one.
const POLICIES: usize = 64;

/// Runs the batch; returns jail's exit code: 0 if every case ran, 1 if one could not be started, 125 if
/// the batch itself failed.
pub fn run(batch: &Batch, color: bool) -> u8 {
    match begin(batch, color) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("jail: {message}");
            FAILED
        }
    }
}

fn begin(batch: &Batch, color: bool) -> Result<u8, String> {
    // Commands that run as the same user must not reach this process's memory or descriptors, so make it
    // undumpable. This needs CAP_SYS_PTRACE: children share the memory until they execute, and without
    // the capability a tracer may not trace a process that is not dumpable. Without it, the jail's rule
    // against tracing processes outside protects this process.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_PTRACE).unwrap_or(false) {
        sys::process::set_dumpable(false)
            .map_err(|errno| format!("prctl(PR_SET_DUMPABLE): {}", errno.desc()))?;
    }
    let jobs = match batch.jobs {
        Some(jobs) => jobs.get(),
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    if batch.resume && batch.output.is_none() {
        return Err("--resume continues a file of verdicts: give --output FILE".to_owned());
    }
    let mut cases = Cases::open(batch.cases.as_deref())?;
    let policies = loaded_policies(batch, &mut cases, color)?;
    let (output, done) = Output::open(batch.output.as_deref(), batch.resume)?;
    let work = Work {
        batch,
        name: cases.name().to_owned(),
        host: launch::probe_once(&Withheld::from_environment()),
        timer: sys::signal::heed_ticks().is_ok(),
        policies,
        progress: progress(batch, cases.count()),
        cases: Mutex::new(cases),
        done,
        output: Mutex::new(output),
        failed: AtomicBool::new(false),
        stop: Stop::new(),
        broken: Mutex::new(None),
    };
    work.run_jobs(jobs);
    work.progress.clear();
    let broken = work
        .broken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(message) = broken {
        return Err(message);
    }
    if let Some(path) = batch.output.as_deref().filter(|_| batch.resume)
        && let Err(message) = output::compact(path)
    {
        eprintln!("jail: {message}");
    }
    Ok(work.failed.into_inner().into())
}

/// The policies that the batch and its cases name.
fn loaded_policies(batch: &Batch, cases: &mut Cases, color: bool) -> Result<Policies, String> {
    let policies = Policies {
        warned: AtomicBool::new(batch.quiet),
        ..Policies::default()
    };
    if !batch.policy.named().is_empty() {
        let policy = batch.policy.layers()?;
        // An error in this policy affects every case, so it is reported once, before any case runs.
        let builder = policies.get(&policy, None).map_err(|problems| {
            eprintln!("{}", problems.render(color));
            format!(
                "the policy {} cannot be used; nothing was run",
                policy.name()
            )
        })?;
        if let Some(wrong) = builder.nothing_starts() {
            return Err(format!(
                "the policy {} cannot be used: {wrong}; nothing was run",
                policy.name()
            ));
        }
    }
    // Loaded before any case runs, because a case may be allowed to change the file. Errors are reported
    // by the cases that name the policy.
    for (policy, directory) in cases.policies() {
        let layers = batch.policy.over(Some(policy))?;
        let _ = layers.map(|layers| policies.get(&layers, directory.as_deref()));
    }
    Ok(policies)
}

fn progress(batch: &Batch, total: Option<u64>) -> Progress {
    // If the verdicts are shown on the terminal, a line of progress would disturb them.
    let shown = batch.output.is_none() && io::stdout().is_terminal();
    match batch.quiet || shown || !io::stderr().is_terminal() {
        true => Progress::hidden(),
        false => Progress::of(total),
    }
}

/// Builders for each policy, by its name and by the directory that its paths start from.
#[derive(Default)]
struct Policies {
    known: Mutex<HashMap<Named, Known>>,
    /// What all others are clones of: they share the plans, and the memory in which commands start.
    first: Builder,
    /// Whether the warning about a policy that opens the home directory was printed: once is enough.
    warned: AtomicBool,
}

/// A policy, and the directory; `None`: that of the batch, or any.
type Named = (Layers, Option<PathBuf>);

/// A loaded policy.
struct Known {
    policy: Arc<Policy>,
    builder: Builder,
}

impl Policies {
    fn get(&self, layers: &Layers, directory: Option<&Path>) -> Result<Builder, Problems> {
        let key = (layers.clone(), directory.map(Path::to_owned));
        let mut known = lock(&self.known);
        if let Some(found) = known.get(&key) {
            return Ok(found.builder.clone());
        }
        // The same policy, in the batch's directory or in the first one that a case names.
        let other = known.iter().find(|((named, _), _)| named == layers);
        let other = other.map(|(_, other)| &other.policy);
        if let Some(same) = other.filter(|other| other.relative == Relative::Nothing) {
            return Ok(self.first.clone().policy(Arc::clone(same)));
        }
        let start = directory.unwrap_or(Path::new("."));
        let policy = match other.and_then(|other| other.moved(start)) {
            Some(moved) => moved,
            None => Policy::of_to_run_in(layers, Path::new("."), PathContext::at(start))?,
        };
        let opens_home = policy::opened_home(&policy).is_some();
        if opens_home && !self.warned.swap(true, Ordering::Relaxed) {
            super::run::warn_of_home(&policy);
        }
        let policy = Arc::new(policy);
        let builder = self.first.clone().policy(Arc::clone(&policy));
        if known.len() >= POLICIES {
            known.clear();
        }
        let new = Known {
            policy,
            builder: builder.clone(),
        };
        known.insert(key, new);
        Ok(builder)
    }
}

/// A panic in another thread leaves the data usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state that the threads share.
struct Work<'a> {
    batch: &'a Batch,
    /// The name of the file of cases.
    name: String,
    host: Host,
    /// Whether a timer can interrupt waits here.
    timer: bool,
    policies: Policies,
    cases: Mutex<Cases>,
    /// The cases that already have a verdict.
    done: Done,
    output: Mutex<Output>,
    progress: Progress,
    /// Whether a case could not be run.
    failed: AtomicBool,
    stop: Stop,
    /// Why the batch itself failed.
    broken: Mutex<Option<String>>,
}

/// A finished case.
struct Run {
    verdict: Verdict,
    /// Whether it ran, in whatever way it ended.
    ran: bool,
    /// The kept parts of its stdout and stderr.
    kept: [Option<Vec<u8>>; 2],
}

/// A line of the output: what is known of the case, then its verdict.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Line<'a> {
    #[serde(flatten)]
    fields: Fields<'a>,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// The fields of a line in addition to the verdict.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Fields<'a> {
    /// The case's `id`; without one, the number of its line. `None`: the line is no case.
    #[cfg_attr(test, schemars(extend("type" = ["string", "number", "null"])))]
    id: &'a Value,
    /// The number of the case's line.
    line: u64,
    /// What `--keep` has kept of stdout.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    /// What it has kept of stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    /// The same of stdout in base64, with `--base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    /// The same of stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
}

impl<'a> Fields<'a> {
    fn new(id: &'a Value, line: u64, kept: [Option<Vec<u8>>; 2], base64: bool) -> Self {
        let [text, encoded] = match base64 {
            true => [
                [None, None],
                kept.map(|kept| kept.map(|it| base64::encode(&it))),
            ],
            false => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                [kept.map(|kept| kept.map(text)), [None, None]]
            }
        };
        let ([stdout, stderr], [stdout_base64, stderr_base64]) = (text, encoded);
        Self {
            id,
            line,
            stdout,
            stderr,
            stdout_base64,
            stderr_base64,
        }
    }
}

impl Run {
    /// One that did not run, or whose jail failed.
    fn failed(verdict: Verdict) -> Run {
        Run {
            verdict,
            ran: false,
            kept: [None, None],
        }
    }
}

impl Work<'_> {
    /// Runs all cases, on so many threads.
    fn run_jobs(&self, jobs: usize) {
        std::thread::scope(|scope| {
            let before_end = || {
                self.progress.clear();
                self.policies.first.remove_groups();
            };
            scope.spawn(move || self.stop.watch(before_end));
            let worker = || {
                std::thread::Builder::new()
                    .name("jail-batch".to_owned())
                    .spawn_scoped(scope, || self.run())
            };
            let mut workers = Vec::new();
            for _ in 0..jobs {
                match worker() {
                    Ok(worker) => workers.push(worker),
                    Err(error) => {
                        self.fail(format!(
                            "cannot start a thread for a job: {error}; use fewer --jobs"
                        ));
                        break;
                    }
                }
            }
            let lost = workers.into_iter().filter_map(|worker| worker.join().err());
            if lost.count() > 0 {
                self.fail("a thread of the batch panicked".to_owned());
            }
            self.stop.over();
        });
    }

    /// The loop of a thread.
    fn run(&self) {
        while !self.stop.is_wanted() {
            let next = lock(&self.cases).next(&self.done);
            let next = match next {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(message) => return self.fail(message),
            };
            self.progress.skip(next.skipped);
            let Some(running) = self.stop.run() else {
                return;
            };
            self.judge(next, &running);
        }
    }

    fn fail(&self, message: String) {
        lock(&self.broken).get_or_insert(message);
        self.stop.start_no_more();
    }

    fn judge(&self, next: Next, running: &Running<'_>) {
        let Next { id, line, case, .. } = next;
        let run = case.and_then(|case| self.jail(case, running));
        let run = run.unwrap_or_else(|message| {
            let message = format!("{}:{line}: {message}", self.name);
            let policy = self.batch.policy.over(None).ok().flatten();
            let policy = policy.map(|layers| layers.name()).unwrap_or_default();
            Run::failed(report::not_started(&policy, &[], FAILED, message))
        });
        if !run.ran {
            self.failed.store(true, Ordering::Relaxed);
        }
        let line = report::line(&Line {
            fields: Fields::new(&id, line, run.kept, self.batch.base64),
            verdict: &run.verdict,
        });
        let written = lock(&self.output).line(&line);
        match written {
            Ok(()) => {}
            // The reader has closed the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stop.start_no_more(),
            Err(error) => self.fail(format!("cannot write a verdict: {error}")),
        }
        self.progress.ran_one();
    }

    /// Runs a case on this thread.
    fn jail(&self, case: Case, running: &Running<'_>) -> Result<Run, String> {
        let layers = self.batch.policy.over(case.policy.clone())?;
        let layers = layers.ok_or("no policy: give --policy, or `policy` in the case")?;
        let policy = self
            .policies
            .get(&layers, case.cwd.as_deref())
            .map_err(|problems| {
                format!("the policy {}: {}", layers.name(), problems.render(false))
            })?;
        let command: Vec<OsString> = case.command.iter().map(OsString::from).collect();
        let ready = self
            .builder(&case, policy)?
            .command(command.clone())
            .prepare(&self.host);
        let Finished {
            mut verdict,
            kept: [stdout, stderr],
            error,
        } = match ready {
            Ok(ready) => ready.run(
                Some(running.stop_handle.clone()),
                self.timer,
                Default::default(),
            ),
            Err(error) => return Ok(Run::failed(embed::failed(&layers.name(), &command, &error))),
        };
        match error {
            Some(Error::Jail(_)) => return Ok(Run::failed(verdict)),
            Some(error) => return Err(error.to_string()),
            None => {}
        }
        if self.was_interrupted(&verdict) {
            verdict.ending = Ending::Killed;
        }
        let kept = |file: &Option<PathBuf>, bytes| {
            let keeps = self.batch.keep.is_some() && file.is_none();
            keeps.then_some(bytes)
        };
        Ok(Run {
            verdict,
            ran: true,
            kept: [
                kept(&case.stdout_file, stdout),
                kept(&case.stderr_file, stderr),
            ],
        })
    }

    /// Whether a command ended because it got the same signal that ended the batch. Its verdict is then
    /// meaningless, and `--resume` runs the case again.
    fn was_interrupted(&self, verdict: &Verdict) -> bool {
        let signal = verdict.signal.as_ref().map(|signal| signal.number);
        let ended = matches!(verdict.ending, Ending::Exited | Ending::Signalled);
        ended && !verdict.success() && self.stop.has_hit(signal)
    }

    fn builder(&self, case: &Case, policy: Builder) -> Result<Builder, String> {
        let mut builder = policy.limits(case.limits()?);
        if let Some(directory) = &case.cwd {
            builder = builder.current_dir(directory);
        }
        for (name, value) in &case.env {
            builder = builder.env(name, value);
        }
        if let Some(text) = &case.stdin {
            builder = builder.stdin(text.as_str());
        }
        if let Some(path) = &case.stdin_file {
            builder = builder.stdin(opened(path, File::open(path))?);
        }
        let output = |path: &Option<PathBuf>| -> Result<Stdio, String> {
            Ok(match (path, self.batch.keep) {
                (Some(path), _) => opened(path, evidence::open(path, Content::Replaced))?.into(),
                (None, Some(_)) => Stdio::Capture,
                (None, None) => Stdio::Null,
            })
        };
        Ok(builder
            .keep(self.batch.keep.unwrap_or_default())
            .stdout(output(&case.stdout_file)?)
            .stderr(output(&case.stderr_file)?))
    }
}

fn opened(path: &Path, file: io::Result<File>) -> Result<File, String> {
    file.map_err(|error| format!("{}: {error}", path.display()))
}
