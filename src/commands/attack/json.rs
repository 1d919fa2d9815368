//! The results for machines: one JSON document. Its fields are those of `docs/attack.md`: later versions add
//! fields and never rename one.

use super::Results;
use super::suite::Outcome;
use crate::report;
use serde::Serialize;

/// The version of the document's format.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The version of jail.
    jail: &'static str,
    /// The policy, as it was named.
    policy: &'a str,
    /// How many seconds each race ran.
    seconds: f64,
    /// How many attacks were contained.
    contained: usize,
    /// How many escaped.
    escaped: usize,
    /// How many say nothing under this policy or on this host.
    not_applicable: usize,
    /// The attacks.
    attacks: Vec<Row<'a>>,
}

/// One attack.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Row<'a> {
    /// Its name, which does not change.
    name: &'static str,
    /// The area that it belongs to.
    area: &'static str,
    /// What it tries to do.
    tries: &'static str,
    /// What came of it.
    result: Word,
    /// What stopped it, what it reached, or why it says nothing.
    detail: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum Word {
    Contained,
    Escaped,
    NotApplicable,
}

/// The document.
pub fn document(results: &Results) -> Vec<u8> {
    let [contained, escaped, not_applicable] = results.counts();
    let rows = results.rows.iter().map(|result| {
        let (word, detail) = match &result.outcome {
            Outcome::Contained(detail) => (Word::Contained, detail),
            Outcome::Escaped(detail) => (Word::Escaped, detail),
            Outcome::NotApplicable(detail) | Outcome::Unstarted(detail) => {
                (Word::NotApplicable, detail)
            }
        };
        Row {
            name: result.attack.name,
            area: result.attack.area,
            tries: result.attack.tries,
            result: word,
            detail,
        }
    });
    report::line(&Document {
        version: VERSION,
        jail: env!("CARGO_PKG_VERSION"),
        policy: &results.policy,
        seconds: results.seconds,
        contained,
        escaped,
        not_applicable,
        attacks: rows.collect(),
    })
}
