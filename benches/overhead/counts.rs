//! What a start consists of, in numbers that a loaded machine does not change much: system calls by their names, page
//! faults, processor time, memory; and the size of the program.

use crate::Result;
use crate::programs::{Programs, command, path_of_true};
use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;

/// How often each command is run.
const RUNS: usize = 100;
/// How many of the most frequent system calls are named.
const NAMED: usize = 12;
const PRESETS: [&str; 5] = ["permissive", "base", "compute", "workspace", "net"];

/// Prints the table.
pub fn print(programs: &Programs) -> Result<()> {
    let jail = programs.jail.as_str();
    let mut cases: Vec<(String, Vec<&str>)> = vec![
        ("`true` unjailed".to_owned(), vec![path_of_true()?]),
        ("jail --version".to_owned(), vec![jail, "--version"]),
    ];
    for preset in PRESETS {
        let words = vec![jail, "--policy", preset, "--", "true"];
        cases.push((format!("jail --policy {preset} -- true"), words));
    }
    println!(
        "What a start consists of; medians of {RUNS} runs. The system calls are those of jail itself, not of its"
    );
    println!(
        "child. Under strace jail also tries whether it can trace, which takes about ten of them."
    );
    let (calls, faults, cpu, peak) = ("calls", "faults", "cpu µs", "peak KiB");
    println!("  {:<36}{calls:>8}{faults:>8}{cpu:>9}{peak:>10}", "");
    let mut named = Vec::new();
    for (label, words) in &cases {
        let used = used(words)?;
        let calls = system_calls(programs, words);
        let total = match &calls {
            Some(calls) => calls.values().sum::<u64>().to_string(),
            None => "-".to_owned(),
        };
        let Used { faults, cpu, peak } = used;
        println!("  {label:<36}{total:>8}{faults:>8}{cpu:>9}{peak:>10}");
        named.extend(calls.map(|calls| (label, calls)));
    }
    if named.is_empty() {
        println!("  NOT TRIED HERE: strace, which counts the system calls");
    }
    for (label, calls) in named {
        let mut calls: Vec<(String, u64)> = calls.into_iter().collect();
        calls.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let most = calls.iter().take(NAMED);
        let most: Vec<String> = most
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        println!("  {label}: {}", most.join(", "));
    }
    println!("  the program: {} KiB", fs::metadata(jail)?.len() / 1024);
    println!();
    Ok(())
}

/// What a command and the processes that it waited for used.
#[derive(Clone, Copy)]
struct Used {
    faults: i64,
    cpu: i64,
    peak: i64,
}

/// The median of each.
fn used(words: &[&str]) -> Result<Used> {
    let mut all = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        all.push(once(words)?);
    }
    let median = |of: fn(&Used) -> i64| {
        let mut values: Vec<i64> = all.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Ok(Used {
        faults: median(|used| used.faults),
        cpu: median(|used| used.cpu),
        peak: median(|used| used.peak),
    })
}

#[allow(unsafe_code, clippy::zombie_processes)]
fn once(words: &[&str]) -> Result<Used> {
    let child = command(words).spawn()?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the child is this process's and not waited for elsewhere; both addresses are valid for writing, and a
    // zeroed rusage is one.
    let (reaped, usage) = unsafe {
        let pid = child.id() as libc::pid_t;
        let reaped = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (reaped == pid, usage.assume_init())
    };
    if !reaped || status != 0 {
        return Err(format!("{}: status {status:#x}", words.join(" ")).into());
    }
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    Ok(Used {
        faults: usage.ru_minflt,
        cpu: micros(usage.ru_utime) + micros(usage.ru_stime),
        peak: usage.ru_maxrss,
    })
}

/// The system calls of a command, by name. `None`: strace(1) is missing.
fn system_calls(programs: &Programs, words: &[&str]) -> Option<BTreeMap<String, u64>> {
    let file = format!("{}/calls", programs.directory.display());
    let mut strace = vec!["strace", "-c", "-o", &file];
    strace.extend(words);
    let status = command(&strace).status().ok()?;
    let table = fs::read_to_string(&file)
        .ok()
        .filter(|_| status.success())?;
    // % time, seconds, usecs/call, calls, errors (may be empty), name
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let count = words.clone().nth(3)?.parse().ok()?;
        let name = words.next_back()?.to_owned();
        (name != "total").then_some((name, count))
    };
    Some(table.lines().filter_map(row).collect())
}
