//! Runs a command under a policy, and prints how it ended.
//!
//! ```text
//! cargo run --manifest-path examples/minimal/Cargo.toml -- compute sort -n
//! ```

use jail::{Jail, Limits, Policy, Stdin};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(policy), Some(program)) = (words.next(), words.next()) else {
        eprintln!("usage: minimal POLICY COMMAND [ARGUMENT]...");
        return ExitCode::from(125);
    };
    let policy = match Policy::load(&policy) {
        Ok(policy) => policy,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(125);
        }
    };
    let outcome = Jail::builder()
        .policy(policy)
        .command([program])
        .args(words)
        .stdin(Stdin::Inherit)
        .limits(Limits::new().wall(Duration::from_secs(10)))
        .run();
    match outcome {
        Ok(outcome) => {
            let verdict = &outcome.verdict;
            print!("{}", String::from_utf8_lossy(&outcome.stdout));
            println!(
                "{:?} with exit code {} after {:?}, {:?} of it on a processor",
                verdict.ending,
                verdict.exit_code,
                verdict.wall_time(),
                verdict.cpu_time(),
            );
            if let Some(first) = &verdict.denied.first {
                println!(
                    "{} calls were denied, first {}",
                    verdict.denied.total, first.call
                );
            }
            ExitCode::from(verdict.exit_code)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
