//! What must not grow with size: the start by the length of the policy, and a stop by how many tracees
//! there are that do nothing.
//!
//! Ratios are to the first line of each table.

use crate::Result;
use crate::affinity::on_one_cpu;
use crate::pairs::{Rounds, Spread, inner, whole};
use crate::programs::Programs;
use std::fs;

const START_ROUNDS: usize = 200;
const IDLE_ROUNDS: usize = 15;
/// Entries of the long policy, half of them directories and half files.
const ENTRIES: usize = 500;
/// At most this times a start under `base`.
const LONG: f64 = 1.3;
/// At most this times a stop beside no idle task.
const BESIDE: f64 = 1.5;
/// Denied calls of one measurement.
const STOPS: &str = "2000";

/// The start of `true` under each preset, and under a policy of many entries.
pub fn policies(programs: &Programs) -> Result<()> {
    let long = long_policy(programs)?;
    let policies = ["base", "compute", "workspace", "net", "permissive", &long];
    let rounds = Rounds::interleave(START_ROUNDS, policies.len(), |variant| {
        whole(&[&programs.jail, "--policy", policies[variant], "--", "true"])
    })?;
    let name = format!("base and {ENTRIES} entries");
    let labels = ["base", "compute", "workspace", "net", "permissive", &name];
    let labels: Vec<(String, Option<f64>)> = labels
        .iter()
        .map(|label| ((*label).to_owned(), (*label == name).then_some(LONG)))
        .collect();
    print("start and end of `true`, by policy, µs", &rounds, &labels);
    Ok(())
}

/// A policy whose entries name what is there.
fn long_policy(programs: &Programs) -> Result<String> {
    let place = programs.directory.join("entries");
    fs::create_dir(&place)?;
    let mut entries = Vec::with_capacity(ENTRIES);
    for number in 0..ENTRIES {
        let entry = place.join(number.to_string());
        match number % 2 {
            0 => fs::create_dir(&entry)?,
            _ => fs::write(&entry, "")?,
        }
        entries.push(format!("{:?}", entry.to_string_lossy()));
    }
    let policy = programs.directory.join("long.toml");
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\n{},\n]\n",
        entries.join(",\n")
    );
    fs::write(&policy, text)?;
    Ok(policy.to_string_lossy().into_owned())
}

/// A denied call beside idle threads, and beside idle processes.
pub fn idle(programs: &Programs) -> Result<()> {
    let counts = ["0", "64", "1000", "4000"];
    let deny = &programs.deny;
    let jail: &[&str] = &[&programs.jail, "--quiet", "--policy", deny, "--"];
    let floor: &[&str] = &[&programs.floor, "deny"];
    for kind in ["threads", "processes"] {
        for (name, before) in [("jail --quiet", jail), ("floor: stop, read, answer", floor)] {
            let rounds = on_one_cpu(|| {
                Rounds::interleave(IDLE_ROUNDS, counts.len(), |variant| {
                    let probe = [&programs.this, "probe", "getppid", STOPS, counts[variant]];
                    let words = [before, &probe[..], &[kind]].concat();
                    Ok(inner(&words)? / 1e3)
                })
            })?;
            let labels: Vec<(String, Option<f64>)> = counts
                .iter()
                .map(|count| {
                    let judged = name.starts_with("jail") && *count != "0";
                    (format!("{count} idle {kind}"), judged.then_some(BESIDE))
                })
                .collect();
            let title = format!("{name}: getppid denied beside idle {kind}, on one CPU, µs");
            print(&title, &rounds, &labels);
        }
    }
    Ok(())
}

fn print(title: &str, rounds: &Rounds, labels: &[(String, Option<f64>)]) {
    println!(
        "{title:<64}{:>9}{:>9}{:>9}{:>22}  target",
        "q1", "median", "q3", "to the first (q1–q3)"
    );
    for (variant, (label, target)) in labels.iter().enumerate() {
        let all = rounds.spread(variant);
        let values = [all.low, all.median, all.high].map(|value| format!("{value:>9.2}"));
        let mut line = format!("  {label:<62}{}", values.concat());
        if variant > 0 {
            let Spread {
                low, median, high, ..
            } = rounds.ratio(variant, 0);
            line += &format!("{:>22}", format!("{median:.2} ({low:.2}–{high:.2})"));
            if let Some(target) = target {
                let verdict = if median <= *target { "met" } else { "missed" };
                line += &format!("  ≤ {target:.2} {verdict}");
            }
        }
        println!("{line}");
    }
    println!();
}
