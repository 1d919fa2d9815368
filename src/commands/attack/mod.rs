//! `jail attack --policy POLICY`: tries a list of escapes under a policy, and says what came of each.
//!
//! The attacks are code of this executable, which jail starts again as the command of a jail. What they aim at
//! is made for them in a temporary directory: files, sockets, a terminal, a process. What the policy allows
//! openly is no escape, so the judge is asked first. Nothing here runs an attack outside of a jail: only a jail
//! is started with one.
//!
//! | file | holds |
//! |---|---|
//! | `list` | the attacks, one row each |
//! | `kind`, `given` | what an attack is, and what it is told |
//! | `inside` | the attacks themselves |
//! | `start` | this executable as the command of a jail |
//! | `scene`, `sockets`, `bystander`, `tool` | what they aim at |
//! | `openly`, `host` | why an attack may say nothing: the policy, the host |
//! | `workers` | many attacks under one policy |
//! | `suite` | one attack from its scene to its result |
//! | `text`, `json` | the results |
//! | `rehearsal` | for tests: the attacks as a caller starts them |

mod bystander;
mod given;
mod host;
mod inside;
mod json;
mod kind;
mod list;
mod openly;
mod rehearsal;
mod scene;
mod sockets;
mod start;
mod suite;
mod text;
mod tool;
mod tools;
mod workers;

use super::FAILED;
use super::explain::View;
use super::policy_args::PolicyArgs;
use clap::Args;
use kind::Attack;
use list::ATTACKS;
use openly::Entry;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use suite::{Outcome, Row};
use workers::{Suite, jailed, on_threads};

#[cfg(test)]
pub use json::Document;
pub use rehearsal::{Rehearsed, rehearse};
pub use start::start;

/// Tests name another policy in it, which holds while the attacks run.
const UNDER: &str = "JAIL_ATTACK_UNDER";

/// The options of `jail attack`, as typed.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Only this attack; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the attacks, and run none
    #[arg(long)]
    list: bool,
    /// How long each race runs
    #[arg(long, value_name = "N", default_value_t = 0.2, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds up to 3600".to_owned()),
    }
}

/// All of them.
pub struct Results {
    policy: String,
    seconds: f64,
    rows: Vec<Row>,
}

impl Results {
    /// How many were contained, escaped, and say nothing.
    fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        let [contained, escaped, other] = &mut counts;
        for row in &self.rows {
            match row.outcome {
                Outcome::Contained(_) => *contained += 1,
                Outcome::Escaped(_) => *escaped += 1,
                Outcome::NotApplicable(_) | Outcome::Unstarted(_) => *other += 1,
            }
        }
        counts
    }
}

/// Runs the suite; the exit code is 0, 1 if an attack escaped, 125 if none could be tried.
pub fn run(
    options: &Options,
    color: bool,
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if options.list {
        for attack in ATTACKS {
            writeln!(out, "{:18} {}", attack.name, attack.tries)?;
        }
        return Ok(0);
    }
    let results = match results(options, color) {
        Ok(results) => results,
        Err(message) => {
            writeln!(err, "jail: {message}")?;
            return Ok(FAILED);
        }
    };
    let written = match options.json {
        true => json::document(&results),
        false => text::text(&results, view).into_bytes(),
    };
    out.write_all(&written)?;
    out.flush()?;
    let [_, escaped, _] = results.counts();
    Ok(u8::from(escaped > 0))
}

fn chosen(only: &[String]) -> Result<Vec<&'static Attack>, String> {
    if only.is_empty() {
        return Ok(ATTACKS.iter().collect());
    }
    let find = |name: &String| {
        list::by_name(name).ok_or_else(|| {
            let names = ATTACKS.iter().map(|attack| attack.name);
            let near = crate::condition::nearest(name, names);
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("there is no attack `{name}`{near}; `jail attack --list` lists them")
        })
    };
    only.iter().map(find).collect()
}

fn results(options: &Options, color: bool) -> Result<Results, String> {
    let chosen = chosen(&options.only)?;
    let layers = options.policy.layers()?;
    let name = layers.name();
    let program = std::env::current_exe();
    let program = program.map_err(|error| format!("this executable has no path: {error}"))?;
    let suite = Suite::new(layers, &program, options.seconds, color)?;
    // For the test that an escape is reported: the attacks run under another policy than the judged one.
    let arguments = match std::env::var_os(UNDER) {
        Some(other) => vec!["--policy".into(), other],
        None => options.policy.arguments(),
    };
    let start = |words: &[OsString], work: &Path, entries: &[Entry]| {
        jailed(&program, &arguments, words, work, entries)
    };
    let rows = on_threads(
        &chosen,
        || suite.worker(),
        |worker, attack| worker.attack(attack, &start),
    )?;
    let unstarted = |row: &Row| match &row.outcome {
        Outcome::Unstarted(why) => Some(why.clone()),
        _ => None,
    };
    let began = |row: &Row| matches!(row.outcome, Outcome::Contained(_) | Outcome::Escaped(_));
    if let Some(why) = rows.iter().find_map(unstarted)
        && !rows.iter().any(began)
    {
        let program = program.display();
        return Err(format!(
            "no attack can start: under {name}, jail could not run {program}: {why}"
        ));
    }
    Ok(Results {
        policy: name,
        seconds: options.seconds,
        rows,
    })
}
