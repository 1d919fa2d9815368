//! Problems as one JSON document.

use std::io::{self, Write};

use serde::Serialize;

use super::Checked;
use super::problem::Problem;
use crate::policy::{Policy, Severity};
use crate::report;

/// The version of the document's format.
const VERSION: u32 = 1;

/// The fields, their order and their meaning are those of `docs/lints.md`: later versions add fields and
/// never rename one.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    jail: &'static str,
    errors: usize,
    warnings: usize,
    files: Vec<File<'a>>,
    problems: Vec<Problem<'a>>,
}

/// A file that was named on the command line.
#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    valid: bool,
    contains: Option<Contains>,
    lifted: Vec<Lifted<'a>>,
}

/// How much a valid policy contains, with what it inherits.
#[derive(Serialize)]
struct Contains {
    entries: usize,
    paths: usize,
    endpoints: usize,
    rules: usize,
    tests: usize,
}

/// An inherited entry that the policy lifts, in whole or in part.
#[derive(Serialize)]
struct Lifted<'a> {
    key: &'a str,
    text: &'a str,
    at: String,
    by: String,
    why: &'a str,
}

pub fn print(checked: &[Checked<'_>], out: &mut dyn Write) -> io::Result<()> {
    let problems: Vec<Problem<'_>> = checked
        .iter()
        .flat_map(|file| {
            let problems = file.diagnostics.iter();
            problems.map(|problem| Problem::new(&file.sources, file.file, problem))
        })
        .collect();
    let count = |severity| {
        let all = checked.iter().flat_map(|file| &file.diagnostics);
        all.filter(|problem| problem.severity == severity).count()
    };
    out.write_all(&report::line(&Document {
        version: VERSION,
        jail: env!("CARGO_PKG_VERSION"),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        files: checked.iter().map(file).collect(),
        problems,
    }))?;
    out.flush()
}

fn file<'a>(checked: &'a Checked<'_>) -> File<'a> {
    let policy = checked.policy.as_ref();
    File {
        file: checked.file,
        valid: policy.is_some(),
        contains: policy.map(|policy| Contains {
            entries: policy.syscalls.len(),
            paths: policy.paths.len(),
            endpoints: policy.peers.len(),
            rules: policy.rules.len(),
            tests: policy.tests.len(),
        }),
        lifted: policy.map(lifted).unwrap_or_default(),
    }
}

fn lifted(policy: &Policy) -> Vec<Lifted<'_>> {
    let lifts = policy.lifts.iter().flat_map(|lift| {
        lift.lifted.iter().map(move |entry| Lifted {
            key: &entry.key,
            text: &entry.text,
            at: policy.place(entry.origin),
            by: policy.place(lift.origin),
            why: &lift.why,
        })
    });
    lifts.collect()
}
