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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The version of jail.
    jail: &'static str,
    /// How many errors there are.
    errors: usize,
    /// How many warnings there are.
    warnings: usize,
    /// The files that were named.
    files: Vec<File<'a>>,
    /// The problems of all files.
    problems: Vec<Problem<'a>>,
}

/// A file that was named on the command line.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct File<'a> {
    /// The file, as its path was given, or the preset.
    file: &'a str,
    /// Whether the policy can be used.
    valid: bool,
    /// What the policy has; `None`: it is not valid.
    contains: Option<Contains>,
    /// The inherited entries that `lift` takes away.
    lifted: Vec<Lifted<'a>>,
}

/// How much a valid policy contains, with what it inherits.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Contains {
    /// Entries of `[syscalls]`.
    entries: usize,
    /// Entries of `[fs]`.
    paths: usize,
    /// Entries of `[net]`.
    endpoints: usize,
    /// `[[rule]]`s.
    rules: usize,
    /// Sentences of `[[test]]`.
    tests: usize,
}

/// An inherited entry that the policy lifts, in whole or in part.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Lifted<'a> {
    /// The list that has the entry.
    key: &'a str,
    /// The entry, as the policy writes it.
    text: &'a str,
    /// The file and the line of the entry.
    at: String,
    /// The file and the line that lifts it.
    by: String,
    /// The reason.
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
