//! What a policy about files costs, as ratios measured in one run: `cargo bench --bench files
//! [-- SECTION…]`.
//!
//! Each case runs the same work unjailed, under the [floor] and under jail with a policy that the
//! kernel holds and with one that takes a supervisor, one after the other, again and again, and
//! compares within each round. Nothing here judges what it prints but the targets.

#[path = "../overhead/affinity.rs"]
mod affinity;
mod builds;
mod floor;
mod opens;
#[allow(dead_code)]
#[path = "../overhead/pairs.rs"]
mod pairs;
mod probe;
mod programs;
mod stats;
mod table;
mod trees;

use programs::Programs;
use std::error::Error;
use std::process::ExitCode;

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One part of the output.
type Section = fn(&Programs) -> Result<()>;

/// The sections, in the order in which they are printed; the last only if it is asked for.
const SECTIONS: [(&str, Section); 4] = [
    ("opens", opens::print),
    ("builds", builds::print),
    ("cargo", builds::cargo),
    ("project", builds::project),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // This program is its own workload.
        [_, "probe", company, found, path, count] => probe::run(company, found, path, count),
        // `cargo test --benches` starts it too, without this.
        _ if !words.contains(&"--bench") => Ok(()),
        _ if !cfg!(target_arch = "x86_64") => Err("the floor is written for x86-64 only".into()),
        _ => {
            let wanted: Vec<&str> = words
                .iter()
                .skip(1)
                .copied()
                .filter(|word| !word.starts_with("--"))
                .collect();
            measure(&wanted)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(wanted: &[&str]) -> Result<()> {
    if let Some(unknown) = wanted
        .iter()
        .find(|word| !SECTIONS.iter().any(|(name, _)| name == *word))
    {
        let names = SECTIONS.map(|(name, _)| name).join(", ");
        return Err(format!("no section {unknown}; there are {names}").into());
    }
    let programs = Programs::prepare()?;
    for (name, section) in SECTIONS {
        if wanted.contains(&name) || wanted.is_empty() && name != "project" {
            section(&programs)?;
        }
    }
    Ok(())
}
