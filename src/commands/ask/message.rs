//! The lines of `--ask-socket`, as `docs/ask.md` describes them: one JSON object each. Fields are added, never
//! renamed.

use super::Given;
use crate::report::Denial;
use crate::supervise::Answer;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const VERSION: u32 = 1;

/// A line that jail sends.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToBroker<'a> {
    /// The first line.
    Hello {
        /// The version of the format.
        version: u32,
        /// The version of jail.
        jail: &'a str,
        /// The policy, as it was named.
        policy: &'a str,
        /// The command and its arguments.
        command: Vec<String>,
    },
    /// A question.
    Question {
        /// The number for the answer.
        id: u64,
        /// As `jail explain` takes it: `read /etc/shadow`.
        request: String,
        #[serde(flatten)]
        denial: &'a Denial,
        /// Seconds until it is denied for want of an answer; `None`: no limit.
        timeout: Option<f64>,
    },
    /// A question needs no answer any more.
    Withdrawn {
        /// The question's number.
        id: u64,
    },
}

/// A line that the broker sends: an answer.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FromBroker {
    /// The question's number.
    id: u64,
    /// The answer.
    #[cfg_attr(test, schemars(with = "Answer"))]
    answer: Option<serde_json::Value>,
}

/// A line in either direction.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum Line {
    ToBroker(ToBroker<'static>),
    FromBroker(FromBroker),
}

/// The words for answers, as [`Answer`] is read.
const WORDS: &str = "once, run, always, deny, deny-run or kill";

/// What a line of the broker says.
pub fn parse(line: &[u8]) -> Given {
    let FromBroker { id, answer } = match serde_json::from_slice(line) {
        Ok(read) => read,
        Err(error) => {
            let line = String::from_utf8_lossy(line);
            let shown: String = line.chars().take(60).collect();
            return Given::Malformed(None, format!("`{shown}` is no answer: {error}"));
        }
    };
    let word = answer.map(serde_json::from_value::<Answer>);
    match word {
        Some(Ok(word)) => Given::Answer(id, word),
        Some(Err(_)) | None => Given::Malformed(Some(id), format!("its answer is none of {WORDS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        match parse(line.as_bytes()) {
            Given::Answer(id, answer) => format!("{id} {answer:?}"),
            Given::Malformed(id, text) => format!("{id:?}: {text}"),
        }
    }

    #[test]
    fn each_answer_has_its_word() {
        for (word, answer) in [
            ("once", "Once"),
            ("run", "Run"),
            ("always", "Always"),
            ("deny", "Deny"),
            ("deny-run", "DenyRun"),
            ("kill", "Kill"),
        ] {
            let line = format!(r#"{{"id":7,"answer":"{word}","note":"more"}}"#);
            assert_eq!(said(&line), format!("7 {answer}"));
        }
    }

    #[test]
    fn a_line_that_is_no_answer_names_its_question_where_it_can() {
        for (line, expected) in [
            (
                r#"{"id":3,"answer":"yes"}"#,
                "Some(3): its answer is none of",
            ),
            (r#"{"id":3,"answer":5}"#, "Some(3): its answer is none of"),
            (r#"{"id":3}"#, "Some(3): its answer is none of"),
            (r#"{"id":-3,"answer":"once"}"#, "None: `"),
            ("once", "None: `once` is no answer"),
            ("", "None: `` is no answer"),
            ("[1]", "None: `[1]` is no answer"),
        ] {
            assert!(said(line).starts_with(expected), "{line}: {}", said(line));
        }
        let bytes = parse(&[0xff, 0xfe]);
        assert!(matches!(bytes, Given::Malformed(None, _)));
    }
}
