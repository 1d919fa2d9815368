//! An established connection: nothing of it is looked at, so that it must be as fast as unjailed.

use crate::Result;
use crate::pairs::{Rounds, inner};
use crate::programs::Programs;

const ROUNDS: usize = 30;
const MEBIBYTES: &str = "1024";
/// At least this part of the unjailed throughput.
const TARGET: f64 = 0.98;

pub fn print(programs: &Programs) -> Result<()> {
    let policy = programs.directory.join("localhost.toml");
    let policy = policy.to_str().ok_or("a path that is no text")?;
    std::fs::write(
        policy,
        "extends = [\"localhost\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\n",
    )?;
    let probe = [&programs.this, "probe", "stream", MEBIBYTES];
    let jailed = [&[&programs.jail, "--policy", policy, "--"], &probe[..]].concat();
    let rounds = Rounds::interleave(ROUNDS, 2, |variant| match variant {
        0 => inner(&probe),
        _ => inner(&jailed),
    })?;
    println!("1 GiB over loopback, one process to itself, GiB/s        q1   median       q3");
    for (variant, label) in ["unjailed", "jail --policy localhost"].iter().enumerate() {
        let spread = rounds.spread(variant);
        // Nanoseconds a MiB.
        let speed = |nanoseconds: f64| 1e9 / nanoseconds / 1024.0;
        println!(
            "  {label:<48}{:>9.2}{:>9.2}{:>9.2}",
            speed(spread.high),
            speed(spread.median),
            speed(spread.low)
        );
    }
    // Throughput: the ratio of times, the other way round.
    let ratio = rounds.ratio(0, 1);
    let met = if ratio.median >= TARGET {
        "met"
    } else {
        "missed"
    };
    println!(
        "  throughput to unjailed {:.3} ({:.3}–{:.3})  ≥ {TARGET} {met}\n",
        ratio.median, ratio.low, ratio.high
    );
    Ok(())
}
