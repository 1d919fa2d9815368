//! What a change costs: two builds of jail, measured in turn in one run.
//!
//! `cargo bench --bench compare -- PATH [SECTION…]`, where PATH is the other build's `jail`, for example
//! that of an earlier commit. Each round runs the same work unjailed, under the other build and under
//! this one. The printed ratio is this build's time to the other's, taken within a round. Sections:
//! `start`, `opens`, `builds`.

#[path = "../overhead/affinity.rs"]
mod affinity;
#[allow(dead_code)]
#[path = "../files/builds.rs"]
mod builds;
#[path = "../files/floor.rs"]
mod floor;
#[allow(dead_code)]
#[path = "../overhead/pairs.rs"]
mod pairs;
#[path = "../files/probe.rs"]
mod probe;
#[path = "../files/programs.rs"]
mod programs;
#[allow(dead_code)]
#[path = "../files/stats.rs"]
mod stats;
#[allow(dead_code)]
#[path = "../files/table.rs"]
mod table;
#[path = "../files/trees.rs"]
mod trees;

use affinity::on_one_cpu;
use pairs::{Rounds, Spread, inner, whole};
use programs::Programs;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One part of the output. The second argument is the other build.
type Section = fn(&Programs, &str) -> Result<()>;

const SECTIONS: [(&str, Section); 3] = [("start", start), ("opens", opens), ("builds", all_builds)];

const START_ROUNDS: usize = 300;
const OPEN_ROUNDS: usize = 40;
const OPENS: &str = "1000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // This program is its own workload.
        [_, "probe", company, found, path, count] => probe::run(company, found, path, count),
        // `cargo test --benches` starts it too, without this.
        _ if !words.contains(&"--bench") => Ok(()),
        _ => {
            let mut given = words.iter().skip(1).filter(|word| !word.starts_with("--"));
            match given.next() {
                Some(other) => measure(other, &given.copied().collect::<Vec<_>>()),
                // `cargo bench` starts every bench; this one needs another build to compare with.
                None => {
                    println!(
                        "compare: give it another build's jail: cargo bench --bench compare -- PATH"
                    );
                    Ok(())
                }
            }
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(other: &str, wanted: &[&str]) -> Result<()> {
    if let Some(unknown) = wanted
        .iter()
        .find(|word| !SECTIONS.iter().any(|(name, _)| name == *word))
    {
        let names = SECTIONS.map(|(name, _)| name).join(", ");
        return Err(format!("no section {unknown}; there are {names}").into());
    }
    let programs = Programs::prepare()?;
    let before = programs.directory.join("jail-before");
    fs::copy(other, &before).map_err(|error| format!("{other}: {error}"))?;
    let before = before.to_string_lossy();
    println!(
        "{:<52}{:>10}{:>10}{:>10}{:>24}",
        "medians", "unjailed", "before", "after", "after/before (q1–q3)"
    );
    for (name, section) in SECTIONS {
        if wanted.is_empty() || wanted.contains(&name) {
            section(&programs, &before)?;
        }
    }
    Ok(())
}

/// A line: variants are the unjailed work, the other build and this one.
fn print(title: &str, rounds: &Rounds) {
    let median = |variant| rounds.spread(variant).median;
    let Spread {
        low,
        median: ratio,
        high,
        ..
    } = rounds.ratio(2, 1);
    println!(
        "{title:<52}{:>10.2}{:>10.2}{:>10.2}{:>24}",
        median(0),
        median(1),
        median(2),
        format!("{ratio:.3} ({low:.3}–{high:.3})")
    );
}

/// The start and end of `true` under presets, in microseconds.
fn start(programs: &Programs, before: &str) -> Result<()> {
    for policy in ["permissive", "base", "compute", "workspace"] {
        let variants: [&[&str]; 3] = [
            &["true"],
            &[before, "--policy", policy, "--", "true"],
            &[&programs.jail, "--policy", policy, "--", "true"],
        ];
        let run = |variant: usize| whole(variants[variant]);
        let rounds = Rounds::interleave(START_ROUNDS, variants.len(), run)?;
        print(&format!("true, {policy}, µs"), &rounds);
    }
    Ok(())
}

/// One open and close on one processor, in microseconds.
fn opens(programs: &Programs, before: &str) -> Result<()> {
    programs.policies(&[])?;
    for (name, tree) in [("writable", &programs.work), ("read-only", &programs.fixed)] {
        let file = tree.join("src").join("file.c");
        fs::create_dir_all(tree.join("src"))?;
        fs::write(&file, "int x;\n")?;
        let file = file.to_string_lossy();
        for company in ["alone", "beside"] {
            for (kind, policy) in policies(programs) {
                let run = |variant: usize| {
                    let jail = [None, Some(before), Some(&*programs.jail)][variant];
                    let start = jail.map(|jail| vec![jail, "--quiet", "--policy", policy, "--"]);
                    let probe = [&programs.this, "probe", company, "found", &file, OPENS];
                    let words = [start.unwrap_or_default(), probe.to_vec()].concat();
                    Ok(inner(&words)? / 1e3)
                };
                let rounds = on_one_cpu(|| Rounds::interleave(OPEN_ROUNDS, 3, run))?;
                print(
                    &format!("open, {name} tree, {company}, {kind}, µs"),
                    &rounds,
                );
            }
        }
    }
    Ok(())
}

/// Whole commands, in milliseconds.
fn all_builds(programs: &Programs, before: &str) -> Result<()> {
    let temporary = std::env::temp_dir();
    programs.policies(&[&temporary.to_string_lossy()])?;
    for job in &builds::COMMANDS {
        for (kind, policy) in policies(programs) {
            let jail = |jail| vec![jail, "--quiet", "--policy", policy, "--"];
            let variants = [vec![], jail(before), jail(&programs.jail)];
            let rounds = rounds(programs, job, &variants)?;
            print(&format!("{}, {kind}, ms", job.title), &rounds);
        }
    }
    Ok(())
}

/// Milliseconds of the command behind each of these beginnings of a command line, round after round;
/// once unjailed before all that, to warm caches.
fn rounds(programs: &Programs, job: &builds::Job, variants: &[Vec<&str>]) -> Result<Rounds> {
    let place = programs.work.join("tree");
    (job.prepare)(&place)?;
    let measure = |before: &[&str]| {
        builds::once(&["/bin/sh", "-c", job.clean], &place)?;
        builds::once(&[before, &["/bin/sh", "-c", job.command]].concat(), &place)
    };
    measure(&[])?;
    let run = |variant: usize| Ok(measure(&variants[variant])?.0);
    let rounds = Rounds::interleave(job.rounds, variants.len(), run)?;
    fs::remove_dir_all(&place)?;
    Ok(rounds)
}

/// The policies that the measurements run under: subtrees alone, and with a denied pattern.
fn policies(programs: &Programs) -> [(&'static str, &str); 2] {
    [
        ("subtrees", &programs.subtrees),
        ("pattern", &programs.pattern),
    ]
}
