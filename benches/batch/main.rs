//! What a jail costs where thousands are run, as ratios measured in one run:
//! `cargo bench --bench batch`.
//!
//! `jail batch --jobs 2` runs a small program again and again, and so does the same harness with
//! nothing but fork, PTRACE_SEIZE and exec, one after the other, round after round. Nothing here
//! judges what it prints but the target.

mod bare;
mod latency;
#[allow(dead_code)]
#[path = "../overhead/pairs.rs"]
mod pairs;
mod table;

use pairs::Rounds;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use table::Table;

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many runs one measurement has.
const RUNS: usize = 2000;
const ROUNDS: usize = 9;
/// At least 0.8 times the throughput.
const TARGET: f64 = 1.0 / 0.8;

/// What `pairs` starts programs by.
mod programs {
    pub fn command(words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]);
        command
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match &words[..] {
        // This program is its own bare harness.
        [_, "bare", jobs, count, file, command @ ..] => bare::run(jobs, count, file, command),
        [_, "spawn", jobs, count, file, command @ ..] => bare::spawn(jobs, count, file, command),
        // `cargo test --benches` starts it too, without this.
        words if !words.contains(&"--bench") => Ok(()),
        _ => measure(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("batch: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Cases, and where their verdicts go.
struct Files(PathBuf);

impl Files {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("jail-bench-batch-{}", std::process::id()));
        fs::create_dir(&path)?;
        let case = "{\"command\": [\"/bin/true\"]}\n";
        fs::write(path.join("true.jsonl"), case.repeat(RUNS))?;
        let limited = "{\"command\": [\"/bin/true\"], \"limits\": {\"wall\": \"10s\", \"output\": \"1MiB\"}}\n";
        fs::write(path.join("limited.jsonl"), limited.repeat(RUNS))?;
        // What a judge has: it writes where it is, in a directory of its own for each case, under all limits.
        fs::write(
            path.join("judge.toml"),
            "extends = [\"compute\"]\n[fs]\nwrite = [\".\"]\n",
        )?;
        let limits = r#"{"wall": "10s", "cpu": "5s", "memory": "256MiB", "processes": 20, "output": "1MiB", "file-size": "10MiB"}"#;
        let (mut own, mut all, mut both) = (String::new(), String::new(), String::new());
        for number in 0..RUNS {
            let directory = path.join(format!("d{number}"));
            fs::create_dir(&directory)?;
            let (command, cwd) = (r#""command": ["/bin/true"]"#, directory.display());
            writeln!(own, r#"{{{command}, "cwd": "{cwd}"}}"#)?;
            writeln!(all, r#"{{{command}, "limits": {limits}}}"#)?;
            writeln!(both, r#"{{{command}, "cwd": "{cwd}", "limits": {limits}}}"#)?;
        }
        for (name, cases) in [("own", own), ("all", all), ("both", both)] {
            fs::write(path.join(format!("{name}.jsonl")), cases)?;
        }
        Ok(Self(path))
    }

    fn name(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn measure() -> Result<()> {
    let files = Files::new()?;
    let output = files.name("verdicts.jsonl");
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let jail = env!("CARGO_BIN_EXE_jail");
    let runs = RUNS.to_string();
    let (cases, limited) = (files.name("true.jsonl"), files.name("limited.jsonl"));
    let batch = |policy, cases| {
        vec![
            jail, "batch", "--jobs", "2", "--policy", policy, "--output", &output, cases,
        ]
    };
    let variants = [
        vec![own.as_str(), "bare", "2", &runs, &output, "/bin/true"],
        batch("permissive", &cases),
        batch("base", &cases),
        batch("compute", &cases),
        batch("compute", &limited),
    ];
    let rounds = Rounds::interleave(ROUNDS, variants.len(), |variant| {
        let _ = fs::remove_file(&output);
        one(&variants[variant], &output)
    })?;
    let mut table = Table::new("2,000 runs of `true`, two at a time, µs each");
    table.add(
        &rounds,
        &[
            ("fork, seize, exec", None),
            ("jail batch --policy permissive", Some(TARGET)),
            ("jail batch --policy base", Some(TARGET)),
            ("jail batch --policy compute", Some(TARGET)),
            ("the same, with a limit of time and of output", None),
        ],
    );
    table.print();
    latency::measure(&own, jail, &files)
}

/// Microseconds of one run; all of them must have had their verdict.
fn one(words: &[&str], output: &str) -> Result<f64> {
    let before = Instant::now();
    let status = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .status()?;
    let micros = before.elapsed().as_secs_f64() * 1e6 / RUNS as f64;
    let lines = fs::read_to_string(output)?.lines().count();
    match status.success() && lines == RUNS {
        true => Ok(micros),
        false => Err(format!("{}: {status}, {lines} verdicts", words.join(" ")).into()),
    }
}
