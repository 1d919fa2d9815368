//! `jail batch CASES`: many commands, each in a jail of its own, and a verdict a line in the order in
//! which they end.
//!
//! Supervisors are threads of this process, which have no other children. A verdict is written when
//! nobody of its jail is left, so that a batch that is killed has whole lines of all that has ended.

mod case;
mod output;

use super::{Batch, FAILED};
use crate::embed::{self, Builder, Error, Stdio};
use crate::launch;
use crate::plan::Host;
use crate::policy::{self, Policy, Problems, Surroundings};
use crate::report;
use crate::report::evidence::{self, Content};
use crate::sys;
use caps::{CapSet, Capability};
use case::Case;
use indicatif::{ProgressBar, ProgressStyle};
use output::Output;
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What some editors begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Policies that are kept, each for a directory; a batch has one, usually.
const POLICIES: usize = 64;

/// Runs the batch; returns jail's exit code: 0 when every case has a verdict of its own making, 1 when
/// one could not be started, 125 when the batch itself failed.
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
    // Neither its memory nor its descriptors are to be had by what it runs as the same user. Its children
    // share the memory until they execute, and who is not privileged may not trace what is not dumpable:
    // there the jail must do, which lets nobody trace what is outside.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_PTRACE).unwrap_or(false) {
        sys::process::set_dumpable(false)
            .map_err(|errno| format!("prctl(PR_SET_DUMPABLE): {}", errno.desc()))?;
    }
    let jobs = match batch.jobs {
        Some(jobs) => jobs.get(),
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    if batch.resume && batch.output.is_none() {
        return Err("--resume goes on with the verdicts in a file: give --output FILE".to_owned());
    }
    let (cases, name): (Box<dyn BufRead + Send>, String) = match &batch.cases {
        Some(path) if path.as_os_str() != "-" => match File::open(path) {
            Ok(file) => (Box::new(BufReader::new(file)), path.display().to_string()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        },
        _ => (Box::new(BufReader::new(io::stdin())), "stdin".to_owned()),
    };
    let policies = Policies {
        warned: AtomicBool::new(batch.quiet),
        ..Policies::default()
    };
    if let Some(policy) = &batch.policy {
        // What is wrong with it is wrong with every case: said once, before any.
        policies.get(policy, None).map_err(|problems| {
            eprintln!("{}", problems.render(color));
            format!("the policy {policy} cannot be used; nothing was run")
        })?;
    }
    let (output, done) = Output::open(batch.output.as_deref(), batch.resume)?;
    let total = batch.cases.as_deref().and_then(count);
    let work = Work {
        batch,
        name,
        host: launch::probe(),
        timer: sys::signal::heed_ticks().is_ok(),
        policies,
        cases: Mutex::new(Cases {
            lines: cases,
            line: 0,
            ids: HashMap::new(),
            skipped: 0,
        }),
        done,
        output: Mutex::new(output),
        bar: progress(batch, total),
        failed: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        broken: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let spawned = std::thread::Builder::new()
                .name("jail-batch".to_owned())
                .spawn_scoped(scope, || work.run());
            if let Err(error) = spawned {
                work.fail(format!("no thread for a job: {error}; use fewer --jobs"));
            }
        }
    });
    work.bar.finish_and_clear();
    let broken = work
        .broken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    match broken {
        Some(message) => Err(message),
        None => Ok(work.failed.into_inner().into()),
    }
}

/// How many lines a file has.
fn count(path: &Path) -> Option<u64> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    let (mut lines, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line).ok()? > 0 {
        lines += u64::from(!line.trim_ascii().is_empty());
        line.clear();
    }
    Some(lines)
}

fn progress(batch: &Batch, total: Option<u64>) -> ProgressBar {
    // Where the verdicts themselves are shown it would be in their way.
    let shown = batch.output.is_none() && io::stdout().is_terminal();
    if batch.quiet || shown || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:30} {pos}/{len}  {msg}  {eta} left",
        ),
        None => (ProgressBar::no_length(), "{pos} done  {msg}  {per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What runs under a policy, by its name and by the directory that its paths start from: their plans
/// are kept there.
#[derive(Default)]
struct Policies {
    known: Mutex<HashMap<Named, Builder>>,
    /// Whether it has been said that a policy opens the home directory: once is enough.
    warned: AtomicBool,
}

/// A policy's name, and the directory.
type Named = (String, Option<PathBuf>);

impl Policies {
    fn get(&self, name: &str, directory: Option<&Path>) -> Result<Builder, Problems> {
        let key = (name.to_owned(), directory.map(Path::to_owned));
        let mut known = lock(&self.known);
        if let Some(policy) = known.get(&key) {
            return Ok(policy.clone());
        }
        let around = Surroundings::at(directory.unwrap_or(Path::new(".")));
        let policy = Policy::load_to_run_in(name, Path::new("."), around)?;
        let opens_home = policy::opened_home(&policy).is_some();
        if opens_home && !self.warned.swap(true, Ordering::Relaxed) {
            super::run::warn_of_home(&policy);
        }
        let policy = Builder::default().policy(policy);
        if known.len() >= POLICIES {
            known.clear();
        }
        known.insert(key, policy.clone());
        Ok(policy)
    }
}

/// A panic elsewhere leaves all of this usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The cases that are left.
struct Cases {
    lines: Box<dyn BufRead + Send>,
    /// The number of the line read last, from 1.
    line: u64,
    /// Ids that were given, as JSON, and their lines.
    ids: HashMap<String, u64>,
    skipped: u64,
}

/// A case, or what is wrong with its line.
struct Next {
    id: Value,
    line: u64,
    case: Result<Case, String>,
}

/// What the threads share.
struct Work<'a> {
    batch: &'a Batch,
    name: String,
    host: Host,
    /// Whether a timer can interrupt waits here.
    timer: bool,
    policies: Policies,
    cases: Mutex<Cases>,
    /// The [`output::key`]s of the cases that have a verdict already.
    done: HashSet<String>,
    output: Mutex<Output>,
    bar: ProgressBar,
    /// Whether a case could not be run.
    failed: AtomicBool,
    stop: AtomicBool,
    /// Why the batch itself has failed.
    broken: Mutex<Option<String>>,
}

/// A case that has its verdict.
#[derive(Default)]
struct Run {
    document: Vec<u8>,
    /// Whether it ran, however it ended.
    ran: bool,
    /// What was kept of its stdout and stderr.
    kept: [Option<Vec<u8>>; 2],
}

/// What a line has besides the verdict.
#[derive(Serialize)]
struct Fields<'a> {
    id: &'a Value,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
}

impl Work<'_> {
    /// A thread's part.
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(next) = self.next() else { return };
            self.judge(next);
        }
    }

    fn fail(&self, message: String) {
        lock(&self.broken).get_or_insert(message);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The next case that has no verdict yet.
    fn next(&self) -> Option<Next> {
        let mut cases = lock(&self.cases);
        let mut text = Vec::new();
        loop {
            text.clear();
            match cases.lines.read_until(b'\n', &mut text) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    self.fail(format!("{}:{}: {error}", self.name, cases.line + 1));
                    return None;
                }
            }
            cases.line += 1;
            let line = cases.line;
            let text = match line {
                1 => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text),
                _ => &text,
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            let mut case = Case::read(text);
            let mut id = case::id(text, line);
            if !id.is_null()
                && let Some(other) = cases.ids.insert(id.to_string(), line)
            {
                case = Err(format!("the id {id} is that of line {other}, too"));
                // Its verdict is not that of the other.
                id = Value::Null;
            }
            if self.done.contains(&output::key(&id, line)) {
                cases.skipped += 1;
                self.bar.inc(1);
                continue;
            }
            return Some(Next { id, line, case });
        }
    }

    fn judge(&self, next: Next) {
        let Next { id, line, case } = next;
        let run = case.and_then(|case| self.jail(case));
        let run = run.unwrap_or_else(|message| {
            let message = format!("{}:{line}: {message}", self.name);
            let policy = self.batch.policy.as_deref().unwrap_or_default();
            Run {
                document: report::not_started(policy, &[], FAILED, message),
                ..Run::default()
            }
        });
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let [stdout, stderr] = run.kept.map(|kept: Option<Vec<u8>>| kept.map(text));
        let fields = Fields {
            id: &id,
            line,
            stdout,
            stderr,
        };
        if !run.ran {
            self.failed.store(true, Ordering::Relaxed);
        }
        let written = lock(&self.output).line(&report::with_fields(&run.document, &fields));
        match written {
            Ok(()) => {}
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.stop.store(true, Ordering::Relaxed);
            }
            Err(error) => self.fail(format!("cannot write a verdict: {error}")),
        }
        self.bar.inc(1);
    }

    /// Runs a case on this thread.
    fn jail(&self, case: Case) -> Result<Run, String> {
        let name = case.policy.as_deref().or(self.batch.policy.as_deref());
        let name = name.ok_or("no policy: give --policy, or `policy` in the case")?;
        let policy = self
            .policies
            .get(name, case.cwd.as_deref())
            .map_err(|problems| format!("the policy {name}: {}", problems.render(false)))?;
        let command: Vec<OsString> = case.command.iter().map(OsString::from).collect();
        let ready = self
            .builder(&case, policy)?
            .command(command.clone())
            .prepare(&self.host);
        let finished = match ready {
            Ok(ready) => ready.run(None, self.timer, Default::default()),
            Err(error) => {
                let document = embed::failed(name, &command, &error);
                return Ok(Run {
                    document,
                    ..Run::default()
                });
            }
        };
        let ran = finished.result.is_ok();
        let kept = match finished.result {
            Ok(outcome) if self.batch.keep.is_some() => {
                let kept = |file: &Option<PathBuf>, bytes| file.is_none().then_some(bytes);
                [
                    kept(&case.stdout_file, outcome.stdout),
                    kept(&case.stderr_file, outcome.stderr),
                ]
            }
            Ok(_) | Err(Error::Jail(_)) => Default::default(),
            Err(error) => return Err(error.to_string()),
        };
        Ok(Run {
            document: finished.document,
            ran,
            kept,
        })
    }

    fn builder(&self, case: &Case, policy: Builder) -> Result<Builder, String> {
        let mut builder = policy.limits(case.limits()?);
        if let Some(directory) = &case.cwd {
            builder = builder.directory(directory);
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
