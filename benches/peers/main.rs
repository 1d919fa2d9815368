//! What jail costs beside other programs that confine a command: `cargo bench --bench peers [-- docs]`.
//!
//! Each [work](works) runs unjailed and under each [peer](peers), one after the other, again and again, and is
//! compared within each round. What a peer enforces stands beside its figures, since they differ in that more
//! than in speed. With `docs`, the table and a plot are also written into docs/performance.md and docs/peers.svg.

#[path = "../overhead/affinity.rs"]
mod affinity;
#[path = "../net/probe.rs"]
mod connects;
#[path = "../files/probe.rs"]
mod opens;
#[allow(dead_code)]
#[path = "../overhead/pairs.rs"]
mod pairs;
mod peers;
mod plot;
mod programs;
mod table;
#[allow(dead_code)]
#[path = "../files/trees.rs"]
mod trees;
mod works;

use pairs::{Rounds, Spread};
use peers::Peer;
use programs::Programs;
use std::error::Error;
use std::process::ExitCode;
use works::{WORKS, Work};

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A work under one peer.
struct Cell {
    /// In the unit of the work.
    time: Spread,
    ratio: Spread,
}

/// All that was measured: for each work, a cell for each peer that can run it.
type Cells = Vec<Vec<Option<Cell>>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // This program is its own workload.
        [_, "opens", path, count] => opens::run("alone", "found", path, count),
        [_, "connects", port, count] => connects::connects("alone", port, count),
        [_, "stream", mebibytes] => connects::stream(mebibytes),
        // `cargo test --benches` starts it too, without this.
        _ if !words.contains(&"--bench") => Ok(()),
        _ => options(&words[1..]).and_then(measure),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
struct Options {
    /// The table and the plot become part of the manual.
    documents: bool,
    /// Two rounds of each work: to see that it works.
    brief: bool,
}

fn options(words: &[&str]) -> Result<Options> {
    let known = ["docs", "brief", "--bench"];
    match words.iter().find(|word| !known.contains(word)) {
        Some(word) => Err(format!("unknown argument {word}; there are docs and brief").into()),
        None => Ok(Options {
            documents: words.contains(&"docs"),
            brief: words.contains(&"brief"),
        }),
    }
}

fn measure(options: Options) -> Result<()> {
    let programs = Programs::prepare()?;
    let (peers, absent) = peers::find(&programs);
    let mut cells = Cells::new();
    for work in &WORKS {
        let row = row(&programs, &peers, work, &options)?;
        table::print(work, &peers, &row);
        cells.push(row);
    }
    let page = table::markdown(&peers, &absent, &cells);
    println!("{page}");
    if options.documents {
        table::into_manual(&page)?;
        std::fs::write(table::PLOT, plot::svg(&peers, &cells))?;
        println!("written: {} and {}", table::MANUAL, table::PLOT);
    }
    Ok(())
}

/// One work under all peers that can run it.
fn row(
    programs: &Programs,
    peers: &[Peer],
    work: &Work,
    options: &Options,
) -> Result<Vec<Option<Cell>>> {
    let rounds = if options.brief { 2 } else { work.rounds };
    let mut able = vec![];
    for (index, peer) in peers.iter().enumerate() {
        match (work.run)(programs, &peer.words()) {
            Ok(_) => able.push(index),
            Err(error) if index == 0 => return Err(error),
            Err(error) => println!("{}: cannot be run under {}: {error}", work.title, peer.name),
        }
    }
    let measure = || {
        Rounds::interleave(rounds, able.len(), |variant| {
            (work.run)(programs, &peers[able[variant]].words())
        })
    };
    let rounds = match work.one_processor {
        true => affinity::on_one_cpu(measure)?,
        false => measure()?,
    };
    let cell = |index: usize| {
        let variant = able.iter().position(|able| *able == index)?;
        Some(Cell {
            time: rounds.spread(variant),
            ratio: rounds.ratio(variant, 0),
        })
    };
    Ok((0..peers.len()).map(cell).collect())
}
