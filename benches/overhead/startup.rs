//! The microseconds of a start-up, step by step, and how close their sum comes to the whole.

use crate::Result;
use crate::pairs::{Rounds, whole};
use crate::programs::{Programs, command, path_of_true};
use crate::steps::now;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const ROUNDS: usize = 300;

/// Prints the account of `jail --policy base -- true`.
pub fn print(programs: &Programs) -> Result<()> {
    let path = path_of_true()?;
    let mut rows = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rows.push(round(programs, path)?);
    }
    let rounds = Rounds(rows);
    let median = |column: usize| rounds.spread(column).median;

    println!("`jail --policy base -- true`, step by step, median µs");
    let mut sum = 0.0;
    for (column, label) in STEPS.iter().enumerate() {
        println!("  {label:<68}{:>9.1}", median(column));
        sum += median(column);
    }
    println!("  {:<68}{sum:>9.1}", "sum");
    println!("  {:<68}{:>9.1}", "the whole, measured", median(WHOLE));
    println!("  {:<68}{:>9.1}", "the floor's whole", median(WHOLE + 1));
    println!("  {:<68}{:>9.1}", "`true` unjailed", median(WHOLE + 2));
    println!("Within the child's part:");
    for (place, label) in CONFINE.iter().enumerate() {
        println!("  {label:<68}{:>9.1}", median(WHOLE + 3 + place));
    }
    println!();
    Ok(())
}

const STEPS: [&str; 9] = [
    "spawn and exec of jail, dynamic loading, Rust's start",
    "command line, environment, reporter",
    "policy: read the preset, parse it",
    "host: what the kernel can",
    "plan: judge, filter",
    "launch: look-up, capability sets, fork, seize",
    "child: confinement, execve (to the exec-stop)",
    "`true` runs, supervised, to its end",
    "exit of jail, until it is reaped",
];
const WHOLE: usize = STEPS.len();
const CONFINE: [&str; 4] = [
    "close descriptors",
    "capabilities",
    "no_new_privs, Landlock",
    "filter",
];

/// One round: the values of [`STEPS`], three wholes, the values of [`CONFINE`].
fn round(programs: &Programs, path: &str) -> Result<Vec<f64>> {
    let since = now();
    let text = since.to_string();
    let times = numbers(&mut command(&[&programs.this, "stages", &text]))?;
    let reaped = now().saturating_sub(since) as f64 / 1e3;
    let mut main = command(&[&programs.this, "--policy", "base", "--", "true"]);
    let main = numbers(main.arg0("jail"))?;
    let ([entered, .., ended], [main]) = (&times[..], &main[..]) else {
        return Err("a step is missing".into());
    };
    let mut row = vec![*entered, main - (ended - entered)];
    row.extend(times.windows(2).map(|pair| pair[1] - pair[0]));
    row.push(reaped - ended);
    row.push(whole(&[&programs.jail, "--policy", "base", "--", "true"])?);
    row.push(whole(&[&programs.floor, "loop", path])?);
    row.push(whole(&[path])?);
    row.extend(numbers(&mut command(&[&programs.this, "confine"]))?);
    Ok(row)
}

/// The nanoseconds that a program prints, as microseconds.
fn numbers(command: &mut Command) -> Result<Vec<f64>> {
    let output = command.stdout(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |word: &str| Ok(word.parse::<f64>()? / 1e3);
    let numbers = text
        .split_whitespace()
        .map(number)
        .collect::<Result<Vec<f64>>>()?;
    if numbers.is_empty() {
        Err(format!("{command:?}: {}", output.status).into())
    } else {
        Ok(numbers)
    }
}
