//! The report: it says how it ended, whatever the command does, and it is there whole or not at all. `output` is
//! about `[limits] output`, and how stdout and stderr pass through jail; `diff`, `replay` and `page` are about the
//! commands that compare policies and read logs.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod denials;
mod diff;
mod endings;
mod output;
mod page;
mod place;
mod replay;
mod usage;

use serde_json::Value;
use std::path::Path;
use support::schema::fitting;
use support::{Dir, Ran, jail};

/// Runs a command under a policy with a report.
#[track_caller]
fn report(policy: &str, options: &[&str], command: &[&str]) -> (Ran, Value) {
    let dir = Dir::new();
    let file = dir.file("report.json");
    let ran = jail(["--policy", policy, "--report", &file])
        .args(options)
        .args(["--"])
        .args(command)
        .output();
    let report = read(&file);
    (ran, report)
}

/// The document in a file, which is one: one line of JSON, and nothing beside it.
#[track_caller]
fn read(file: impl AsRef<Path>) -> Value {
    let is = std::fs::symlink_metadata(&file).expect("a report");
    assert!(is.is_file(), "{is:?}");
    let text = std::fs::read_to_string(&file).expect("a report");
    assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
    let names = std::fs::read_dir(file.as_ref().parent().expect("a directory"));
    for name in names.expect("a directory").flatten() {
        let name = name.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with(".jail-report-"), "{name}");
    }
    fitting("report", &text)
}
