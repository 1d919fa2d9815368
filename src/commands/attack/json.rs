//! The results for machines: one JSON document. Its fields are those of `docs/attack.md`: later versions add
//! fields and never rename one.

use super::Results;
use super::suite::Outcome;
use crate::report;
use serde::Serialize;

/// The version of the document's format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    jail: &'static str,
    policy: &'a str,
    seconds: f64,
    contained: usize,
    escaped: usize,
    not_applicable: usize,
    attacks: Vec<Row<'a>>,
}

/// One attack.
#[derive(Serialize)]
struct Row<'a> {
    name: &'static str,
    area: &'static str,
    tries: &'static str,
    result: Word,
    /// What stopped it, what it reached, or why it says nothing.
    detail: &'a str,
}

#[derive(Serialize)]
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
