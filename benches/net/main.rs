//! What a policy about the network costs, as ratios measured in one run: `cargo bench --bench net`.
//!
//! Each case runs the same work unjailed, under the floor of the file benches and under jail, one
//! after the other, again and again, and compares within each round. Nothing here judges what it
//! prints but the targets.

#[path = "../overhead/affinity.rs"]
mod affinity;
mod connects;
#[allow(dead_code)]
#[path = "../overhead/pairs.rs"]
mod pairs;
mod probe;
#[allow(dead_code)]
#[path = "../files/programs.rs"]
mod programs;
mod stream;
#[allow(dead_code)]
#[path = "../files/table.rs"]
mod table;

use programs::Programs;
use std::error::Error;
use std::process::ExitCode;

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // This program is its own workload.
        [_, "probe", "connect", company, port, count] => probe::connects(company, port, count),
        [_, "probe", "stream", mebibytes] => probe::stream(mebibytes),
        // `cargo test --benches` starts it too, without this.
        _ if !words.contains(&"--bench") => Ok(()),
        _ if !cfg!(target_arch = "x86_64") => Err("the floor is written for x86-64 only".into()),
        _ => measure(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("net: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let programs = Programs::prepare()?;
    stream::print(&programs)?;
    connects::print(&programs)
}
