//! `jail doctor`: what this host gives jail, what is missing, what that costs, and how to close the gap.
//!
//! | file | holds |
//! |---|---|
//! | `findings` | what was found, as plain data |
//! | `probe` | asks this host |
//! | `rules` | which mechanism enforces each kind of rule |
//! | `gaps` | what is missing, its costs, and the next step |
//! | `text` | all of it for people |
//!
//! Only `probe` asks the host. The others judge [`Findings`], so tests give them those of any host.

mod findings;
mod gaps;
mod probe;
mod rules;
#[cfg(test)]
mod tests;
mod text;

use self::findings::Findings;
use self::gaps::Gap;
use self::rules::{Row, Samples};
use super::explain::View;
use crate::launch::Withheld;
use crate::report;
use serde::Serialize;
use std::io::{self, Write};

/// The version of the document's format.
const VERSION: u32 = 1;

/// The width of the text if stdout is not a terminal.
const WIDTH: usize = 80;

/// The document of `--json`. The fields, their order and their units are those of `docs/doctor.md`: later
/// versions add fields and never rename one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The version of jail.
    jail: &'static str,
    /// Whether a command can be run under a policy.
    runs: bool,
    #[serde(flatten)]
    findings: &'a Findings,
    /// Which mechanism enforces each kind of rule.
    rules: &'a [Row],
    /// What this host lacks; the first matter most.
    gaps: &'a [Gap],
}

/// Probes this host and prints the result. Returns 1 if no command can be run here, otherwise 0.
pub fn run(json: bool, view: View, out: &mut dyn Write) -> io::Result<u8> {
    let findings = probe::probe(&Withheld::from_environment());
    out.write_all(&printed(&findings, json, view))?;
    out.flush()?;
    Ok(u8::from(findings.reason.is_some()))
}

fn printed(findings: &Findings, json: bool, view: View) -> Vec<u8> {
    let samples = Samples::new();
    let rules = samples.rows(&findings.host, findings.supervision());
    let gaps = gaps::gaps(findings, &samples);
    match json {
        true => report::line(&Document {
            version: VERSION,
            jail: env!("CARGO_PKG_VERSION"),
            runs: findings.reason.is_none(),
            findings,
            rules: &rules,
            gaps: &gaps,
        }),
        false => text::text(findings, &rules, &gaps, view).into_bytes(),
    }
}
