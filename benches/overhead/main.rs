//! What jail costs, as ratios measured in one run: `cargo bench [-- SECTION…]`.
//!
//! Each case runs the same work unjailed, under the [floor] and under jail, one after the other,
//! again and again, and compares within each round: a noise that lasts longer than a round cancels
//! out. Nothing here judges what it prints but the targets.

mod affinity;
mod cases;
mod counts;
mod floor;
mod pairs;
mod probe;
mod programs;
mod session;
mod sizes;
mod startup;
mod steps;
mod table;

use programs::Programs;
use std::error::Error;
use std::process::ExitCode;

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One part of the table.
type Section = fn(&Programs) -> Result<()>;

/// The sections, in the order in which they are printed.
const SECTIONS: [(&str, Section); 8] = [
    ("start", cases::start),
    ("counts", counts::print),
    ("calls", cases::calls),
    ("processes", cases::processes),
    ("policies", sizes::policies),
    ("idle", sizes::idle),
    ("session", session::print),
    ("steps", startup::print),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // This program is its own workload and its own taken-apart jail.
        [_, "probe", work, count, idle] => probe::run(work, count, idle, "threads"),
        [_, "probe", work, count, idle, kind] => probe::run(work, count, idle, kind),
        [_, "start-rounds", floor, jail, rounds] => cases::print_start_rounds(floor, jail, rounds),
        [_, "stages", since] => steps::start(since),
        [_, "confine"] => steps::confine(),
        ["jail", ..] => steps::command_line(),
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
            eprintln!("overhead: {error}");
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
        if wanted.is_empty() || wanted.contains(&name) {
            section(&programs)?;
        }
    }
    Ok(())
}
