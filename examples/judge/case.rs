//! One run in a jail. Nothing else of the judge knows how that is done.

use crate::compile::Place;
use crate::limits::Limits;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What shall run.
pub struct Jailed<'a> {
    pub policy: &'a Path,
    pub command: Vec<String>,
    /// Variables of its environment, besides those that the policy passes on.
    pub env: &'a [(&'a str, &'a str)],
    /// Where it starts; the relative paths of its policy lie here.
    pub dir: &'a Path,
    pub input: &'a [u8],
    /// `None`: those of the policy.
    pub limits: Option<&'a Limits>,
}

/// How a run ended.
pub enum Ending {
    Exited(i64),
    /// The signal's name.
    Signalled(String),
    /// The call that the policy killed it for.
    Forbidden(String),
    Time,
    Memory,
    Output,
    Tasks,
    /// The jail failed, or could not start the command: [`CaseResult::error`].
    Failed,
}

/// What is known of a run.
pub struct CaseResult {
    pub ending: Ending,
    pub output: Vec<u8>,
    pub errors: String,
    /// Why the jail failed.
    pub error: String,
    /// The first call that was denied.
    pub denied: Option<String>,
    pub cpu: f64,
    pub wall: f64,
    pub memory: u64,
}

/// Runs it to its end, and that of all that it has started.
///
/// # Errors
/// The jail could not be run at all, in words.
pub fn run_case(jailed: &Jailed<'_>) -> Result<CaseResult, String> {
    let scratch = Place::new().map_err(|error| format!("no directory for the policy: {error}"))?;
    let policy = match jailed.limits {
        None => jailed.policy.to_owned(),
        Some(limits) => with_limits(&scratch, jailed.policy, limits)?,
    };
    let report = scratch.path().join("report.json");
    let mut command = Command::new(jail());
    command
        .arg("--quiet")
        .arg("--kill-on-exit")
        .arg("--policy")
        .arg(&policy);
    command
        .arg("--report")
        .arg(&report)
        .arg("--cwd")
        .arg(jailed.dir);
    for (name, value) in jailed.env {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    command.arg("--").args(&jailed.command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run jail: {error}"))?;
    let stdin = child.stdin.take();
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Whoever does not read it to its end may have its reasons.
            let _ = stdin.map(|mut stdin| stdin.write_all(jailed.input));
        });
        child.wait_with_output()
    });
    let ran = ran.map_err(|error| format!("cannot wait for jail: {error}"))?;
    let text = std::fs::read(&report).map_err(|error| format!("jail left no report: {error}"))?;
    let report: Value =
        serde_json::from_slice(&text).map_err(|error| format!("jail's report: {error}"))?;
    let text = |at: &str| {
        report
            .pointer(at)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |at: &str| {
        report
            .pointer(at)
            .and_then(Value::as_f64)
            .unwrap_or_default()
    };
    let bytes = |at: &str| report.pointer(at).and_then(Value::as_u64);
    Ok(CaseResult {
        ending: match text("/ending").as_str() {
            "exited" => Ending::Exited(report["code"].as_i64().unwrap_or(-1)),
            "signalled" => Ending::Signalled(text("/signal/name")),
            "policy" => Ending::Forbidden(text("/killed_by/call")),
            "time" => Ending::Time,
            "memory" => Ending::Memory,
            "output" => Ending::Output,
            "tasks" => Ending::Tasks,
            _ => Ending::Failed,
        },
        output: ran.stdout,
        errors: String::from_utf8_lossy(&ran.stderr).into_owned(),
        error: text("/error"),
        denied: report
            .pointer("/denied/first/call")
            .and_then(Value::as_str)
            .map(str::to_owned),
        cpu: number("/cpu/user") + number("/cpu/system"),
        wall: number("/wall"),
        memory: bytes("/memory/tree")
            .or(bytes("/memory/peak"))
            .unwrap_or_default(),
    })
}

/// A policy that extends the language's with the problem's limits.
fn with_limits(scratch: &Place, policy: &Path, limits: &Limits) -> Result<PathBuf, String> {
    let path = scratch.path().join("policy.toml");
    let text = format!(
        "extends = [{policy:?}]\n[limits]\ncpu = {:?}\nwall = {:?}\nmemory = {:?}\noutput = {:?}\nprocesses = {}\n",
        limits.cpu, limits.wall, limits.memory, limits.output, limits.processes
    );
    std::fs::write(&path, text).map_err(|error| format!("cannot write a policy: {error}"))?;
    Ok(path)
}

/// The binary that was built with this example, else the one that PATH has.
fn jail() -> PathBuf {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).and_then(Path::parent);
    let built = beside.map(|target| target.join("jail"));
    built
        .filter(|path| path.exists())
        .unwrap_or_else(|| "jail".into())
}
