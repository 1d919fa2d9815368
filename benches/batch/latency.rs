//! How long one run takes: the median and the 99th percentile of a batch, which a judge's time limits and an agent's
//! loop feel, as the harness itself tells it, and the processor time. Beside it what has no jail, and bubblewrap where
//! it is installed.

use crate::{Files, RUNS, Result};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What one batch took.
struct Measured {
    /// Of each run, in microseconds, sorted.
    walls: Vec<f64>,
    /// Of the whole batch, in seconds.
    whole: f64,
    /// Processor time of everything, in seconds.
    cpu: f64,
}

/// Prints a table for one run at a time and for two.
pub fn measure(own: &str, jail: &str, files: &Files) -> Result<()> {
    let output = files.name("latency.jsonl");
    let runs = RUNS.to_string();
    let (cases, limited) = (files.name("true.jsonl"), files.name("limited.jsonl"));
    let judge = files.name("judge.toml");
    let bubblewrap = [
        "bwrap",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--unshare-all",
        "/bin/true",
    ];
    for jobs in ["1", "2"] {
        let harness = |how, command: &[&'static str]| -> Vec<String> {
            let words = [own, how, jobs, &runs, &output];
            words
                .into_iter()
                .chain(command.iter().copied())
                .map(str::to_owned)
                .collect()
        };
        let batch = |policy: &str, cases: &str| -> Vec<String> {
            let words = [
                jail, "batch", "--jobs", jobs, "--policy", policy, "--output", &output, cases,
            ];
            words.map(str::to_owned).to_vec()
        };
        let mut variants = vec![
            ("posix_spawn and wait", harness("spawn", &["/bin/true"])),
            ("fork, seize, exec", harness("bare", &["/bin/true"])),
            (
                "jail batch --policy permissive",
                batch("permissive", &cases),
            ),
            ("jail batch --policy base", batch("base", &cases)),
            ("jail batch --policy compute", batch("compute", &cases)),
            (
                "the same, with a limit of time and of output",
                batch("compute", &limited),
            ),
        ];
        for (label, cases) in [
            ("jail batch, writing to its own directory", "true"),
            ("the same, another directory for each run", "own"),
            ("the same, all limits", "all"),
            ("the same, both", "both"),
        ] {
            let cases = files.name(&format!("{cases}.jsonl"));
            variants.push((label, batch(&judge, &cases)));
        }
        let works = Command::new(bubblewrap[0])
            .args(&bubblewrap[1..])
            .stderr(Stdio::null())
            .status();
        match works {
            Ok(status) if status.success() => {
                variants.push(("bubblewrap", harness("spawn", &bubblewrap)));
            }
            Ok(_) => println!("bubblewrap cannot make its namespaces here"),
            Err(_) => println!("bubblewrap is not installed"),
        }
        println!(
            "{:<50}{:>9}{:>9}{:>9}{:>9}",
            format!("one run of `true`, {jobs} at a time, µs"),
            "p50",
            "p99",
            "runs/s",
            "cpu"
        );
        for (label, words) in variants {
            let found = one(&words, &output)?;
            let at = |part: usize| found.walls[(found.walls.len() - 1) * part / 100];
            let count = found.walls.len() as f64;
            println!(
                "  {label:<48}{:>9.0}{:>9.0}{:>9.0}{:>9.0}",
                at(50),
                at(99),
                count / found.whole,
                found.cpu * 1e6 / count
            );
        }
        println!();
    }
    Ok(())
}

fn one(words: &[String], output: &str) -> Result<Measured> {
    let _ = fs::remove_file(output);
    let (cpu, begin) = (children()?, Instant::now());
    let status = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .status()?;
    let whole = begin.elapsed().as_secs_f64();
    let cpu = children()? - cpu;
    let mut walls = Vec::with_capacity(RUNS);
    for line in fs::read_to_string(output)?.lines() {
        let verdict: serde_json::Value = serde_json::from_str(line)?;
        let wall = verdict["wall"].as_f64().ok_or("a verdict without `wall`")?;
        walls.push(wall * 1e6);
    }
    if !status.success() || walls.len() != RUNS {
        return Err(format!("{}: {status}, {} verdicts", words.join(" "), walls.len()).into());
    }
    walls.sort_by(f64::total_cmp);
    Ok(Measured { walls, whole, cpu })
}

/// The processor time of all children that have been waited for, in seconds (proc_pid_stat(5)), in steps of 10 ms.
fn children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}
