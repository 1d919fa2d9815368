//! Problems for people: each with its file, line and caret; and a line for each valid file.

use std::io::{self, Write};

use super::Checked;
use crate::policy::{self, Policy};

pub fn print(
    checked: &[Checked<'_>],
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    for file in checked {
        if !file.diagnostics.is_empty() {
            let text = policy::render(&file.sources, &file.diagnostics, color);
            writeln!(err, "{text}\n")?;
        }
        let (Some(policy), name) = (&file.policy, file.file) else {
            continue;
        };
        writeln!(
            out,
            "{name}: ok: {}, {}, {}, {}, {}",
            count(policy.syscalls.len(), "entry", "entries"),
            count(policy.paths.len(), "path", "paths"),
            count(policy.peers.len(), "endpoint", "endpoints"),
            count(policy.rules.len(), "rule", "rules"),
            count(policy.tests.len(), "test", "tests"),
        )?;
        for line in lifted(policy) {
            writeln!(out, "{name}: {line}")?;
        }
    }
    Ok(())
}

/// The lifted entries, one per line.
fn lifted(policy: &Policy) -> Vec<String> {
    let lines = policy.lifts.iter().flat_map(|lift| {
        lift.lifted.iter().map(move |entry| {
            let what = match entry.whole {
                true => format!("{} \"{}\"", entry.key, entry.text),
                false => format!("\"{}\" of {} \"{}\"", lift.text, entry.key, entry.text),
            };
            let (at, by) = (policy.place(entry.origin), policy.place(lift.origin));
            format!("lifted: {what} at {at}, by {by}: {}", lift.why)
        })
    });
    lines.collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
