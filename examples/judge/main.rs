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
    let entries = problem::entries(&arguments.dir, &arguments.submissions)?;
    let jobs = arguments.jobs.unwrap_or_else(parallel::processors).max(1);

    let compiled = parallel::map(&entries, jobs, |entry| {
        compile::compile(entry, &arguments.policies)
    });
    let ready: Vec<_> = entries.iter().zip(compiled).collect();
    let mut runs = Vec::new();
    for (place, (entry, program)) in ready.iter().enumerate() {
        if let Ok(program) = program {
            runs.extend(
                entry
                    .problem
                    .cases
                    .iter()
                    .map(|case| (place, program, case)),
            );
        }
    }
    let verdicts = parallel::map(&runs, jobs, |(place, program, case)| {
        verdict::judge(program, case, &ready[*place].0.problem.limits)
    });

    let mut rows: Vec<_> = ready.iter().map(|ready| table::Row::new(ready.0)).collect();
    for ((place, _, case), verdict) in runs.iter().zip(verdicts) {
        rows[*place].add(&case.name, verdict);
    }
    for (row, (_, program)) in rows.iter_mut().zip(&ready) {
        if let Err(verdict) = program {
            row.add("compile", verdict.clone());
        }
    }
    table::print(&rows, arguments.json);
    Ok(rows.iter().all(table::Row::is_judged))
}
