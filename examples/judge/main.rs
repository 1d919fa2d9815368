//! A judge: runs submissions against the test cases of problems, each run in a jail of its own, and
//! prints a table of verdicts.
//!
//! ```text
//! cargo run --example judge -- DIR [SUBMISSION]... [--jobs N] [--json]
//!
//! problems  →  compile  →  run  →  verdict  →  table
//! ```
//!
//! One file is one of these steps; `case.rs` alone knows the jail. See docs/harness.md.

mod case;
mod compare;
mod compile;
mod language;
mod limits;
mod parallel;
mod problem;
mod table;
mod verdict;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::Row;
use verdict::Verdict;

/// Runs submissions against the test cases of problems, in jails, and prints their verdicts.
#[derive(Parser)]
struct Arguments {
    /// A problem, or a directory of problems
    dir: PathBuf,
    /// Files or directories of them, for one problem; else each problem's `submissions`
    submissions: Vec<PathBuf>,
    /// How many jails run at the same time; else one for each processor
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// One JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// The policies of the languages; else those that the judge was built with
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/judge/policies"))]
    policies: PathBuf,
}

/// 0: all is judged, whatever the verdicts; 1: the judge could not say of each; 2: it was not asked
/// rightly.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match judge(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("judge: {message}");
            ExitCode::from(2)
        }
    }
}

fn judge(arguments: &Arguments) -> Result<bool, String> {
    if nix::unistd::geteuid().is_root() {
        eprintln!(
            "judge: run by root: what root owns in /etc can be read by solutions; run it as another user"
        );
    }
    let entries = problem::entries(&arguments.dir, &arguments.submissions)?;
    let jobs = arguments.jobs.unwrap_or_else(parallel::processors).max(1);

    let compiled = parallel::map(&entries, jobs, |entry| {
        compile::compile(entry, &arguments.policies)
    });
    let ready: Vec<_> = entries.iter().zip(compiled).collect();
    let mut runs = Vec::new();
    for (place, (entry, program)) in ready.iter().enumerate() {
        if let Ok(program) = program {
            let cases = entry.problem.cases.iter().enumerate();
            runs.extend(cases.map(|(number, case)| (place, program, number, case)));
        }
    }
    // Of each submission the first case that is known to decide: what comes after it is not run.
    let decided: Vec<_> = ready.iter().map(|_| AtomicUsize::new(usize::MAX)).collect();
    let verdicts = parallel::map(&runs, jobs, |&(place, program, number, case)| {
        if decided[place].load(Ordering::Relaxed) < number {
            return None;
        }
        let judged = verdict::judge(program, case, &ready[place].0.problem.limits);
        if judged.verdict != Verdict::AC {
            decided[place].fetch_min(number, Ordering::Relaxed);
        }
        Some(judged)
    });

    let mut rows: Vec<_> = ready.iter().map(|(entry, _)| Row::new(entry)).collect();
    for (&(place, _, _, case), judged) in runs.iter().zip(verdicts) {
        if let Some(judged) = judged {
            rows[place].add(&case.name, judged);
        }
    }
    for (row, (_, program)) in rows.iter_mut().zip(&ready) {
        if let Err(judged) = program {
            row.add("compile", judged.clone());
        }
    }
    table::print(&rows, arguments.json);
    Ok(rows.iter().all(Row::is_judged))
}
