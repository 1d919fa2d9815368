//! What must not depend on size: `cargo bench --bench scale`.
//!
//! How evenly busy tasks are served, by how many there are: the most often served against the least
//! often, without and with a jail that supervises each open (goal: 2). How long the library takes to run
//! `true` under a limit of time, by the memory of the program that calls it (goal: the same). Nothing
//! here judges what it prints but the goals.

#[path = "../../tests/programs/probe/fair.rs"]
mod fair;

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// An error of the bench itself: printed, then it ends.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Milliseconds that tasks are busy for.
const BUSY: &str = "3000";
const OPENED: &str = "/etc/passwd";
const SUPERVISED: &str = "extends = [\"permissive\"]\n[fs]\ndeny = [\"/etc/**/*.pem\"]\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        // This program is its own workload.
        Some("fair") => return code(fair::fair(&arguments[1..])),
        Some("fair-worker") => return code(fair::worker(&arguments[1..])),
        // `cargo test --benches` starts it too, without this.
        _ if !arguments.iter().any(|argument| argument == "--bench") => Ok(()),
        _ => measure(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn measure() -> Result<()> {
    let policy = std::env::temp_dir().join(format!("jail-scale-{}.toml", std::process::id()));
    std::fs::write(&policy, SUPERVISED)?;
    let path = policy.to_string_lossy().into_owned();
    println!("kind       tasks   unjailed max/min    jailed max/min   jailed opens/s");
    for kind in ["threads", "processes"] {
        for tasks in ["10", "100", "1000"] {
            let this = std::env::current_exe()?;
            let words = ["fair", kind, tasks, BUSY, OPENED];
            let (outside, _) = served(Command::new(&this).args(words))?;
            let mut jail = Command::new(env!("CARGO_BIN_EXE_jail"));
            jail.args(["--policy", &path, "--"]).arg(&this).args(words);
            let (inside, opens) = served(&mut jail)?;
            println!("{kind:<10} {tasks:>5} {outside:>18.2} {inside:>17.2} {opens:>16.0}");
        }
    }
    std::fs::remove_file(&policy)?;
    println!("\nhost's memory   median start under a limit of time");
    for mebibytes in [1, 64, 256, 1024] {
        let memory = vec![1u8; mebibytes << 20];
        println!(
            "{mebibytes:>9} MiB {:>15.2} ms",
            start()?.as_secs_f64() * 1e3
        );
        drop(std::hint::black_box(memory));
    }
    Ok(())
}

/// The most often served task against the least often served one, and the sum of all each second.
fn served(command: &mut Command) -> Result<(f64, f64)> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok());
    let (Some(sum), Some(least), Some(most)) = (number(2), number(4), number(6)) else {
        return Err(format!("{command:?} printed {text:?}").into());
    };
    let seconds = BUSY.parse::<f64>()? / 1e3;
    Ok((most / least, sum / seconds))
}

/// The median of some runs of `true` by the library.
fn start() -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..41 {
        let builder = jail::Jail::builder()
            .policy(jail::Policy::parse(
                "extends = [\"permissive\"]\n",
                "scale.toml",
            )?)
            .limits(jail::Limits::new().wall(Duration::from_secs(60)))
            .command(["true"]);
        let begin = Instant::now();
        builder.run()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
