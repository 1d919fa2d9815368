//! `jail explain POLICY [REQUEST]…`: prints the plan, or how requests are decided: for people, or with
//! `--json` as one document. It runs nothing.
//!
//! | file | holds |
//! |---|---|
//! | `request` | a text to what it asks for |
//! | `answer` | a request to its answer: the verdict, what decided, what enforces it |
//! | `lost` | the entries that match and did not decide |
//! | `subject` | what a row of the plan is about |
//! | `row` | a row of the plan's tables |
//! | `whole` | the plan for people |
//! | `brief` | the same, so short that it can be read at a glance |
//! | `text` | an answer for people |
//! | `json` | both for machines |

mod answer;
mod brief;
mod json;
mod lost;
mod request;
mod row;
mod subject;
#[cfg(test)]
mod tests;
mod text;
mod whole;

use std::io::{self, Write};

use clap::Args;

use self::answer::Answer;
use super::other_host::{HostArgs, OtherHost};
use crate::launch::{self, Withheld};
use crate::plan::{Host, Plan, PlanError, PlanOptions};
use crate::policy::{DomainSet, Policy, sentence_help};
use crate::report::Layout;
use crate::syscalls::CallError;

#[cfg(test)]
pub use json::Document;
pub use subject::name;

#[derive(Debug, Args)]
pub struct Options {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Print every entry and every rule of the baseline, with the reason for what enforces it
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Decide the requests for a program in this domain; repeat it for a program in several
    #[arg(long, value_name = "NAME")]
    pub domain: Vec<String>,
    #[command(flatten)]
    pub host: HostArgs,
}

/// What to print of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Entries that are enforced alike on a row, and only the first of them.
    Brief,
    /// Every entry, with the reason for what enforces it.
    All,
    /// One JSON document.
    Json,
}

impl Options {
    fn form(&self) -> Form {
        match (self.json, self.all) {
            (true, _) => Form::Json,
            (false, true) => Form::All,
            (false, false) => Form::Brief,
        }
    }
}

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Whether to use colours.
    pub color: bool,
    /// The width of the lines; `None`: they are not wrapped.
    pub width: Option<usize>,
}

impl View {
    /// How a paragraph is laid out.
    fn layout(self) -> Layout {
        Layout {
            color: self.color,
            width: self.width,
        }
    }
}

/// Why there is nothing to explain.
#[derive(Debug)]
pub enum ExplainError {
    /// The policy has no plan.
    Plan(PlanError),
    /// The text is not a call.
    Call {
        /// As given.
        text: String,
        /// What is wrong with it.
        source: CallError,
    },
    /// A sentence with an invalid path.
    Path(String),
    /// A sentence with an invalid peer.
    Peer(String),
}

/// The host that is explained.
struct On {
    host: Host,
    /// In messages; `None`: it is this host.
    name: Option<String>,
}

/// Explains a policy, or requests under it. Returns 1 if a request is none.
pub fn run(
    policy: &Policy,
    options: &Options,
    requests: &[String],
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let on = match options.host.read() {
        Ok(Some(OtherHost { host, name, .. })) => On {
            host,
            name: Some(name),
        },
        Ok(None) => On {
            host: launch::probe_for(policy, &Withheld::from_environment()),
            name: None,
        },
        Err(message) => {
            writeln!(err, "jail: {message}")?;
            return Ok(1);
        }
    };
    let mut domains = DomainSet::NONE;
    for name in &options.domain {
        let Some(domain) = policy.domain(name) else {
            let near = policy.near_domains(name);
            writeln!(err, "jail: the policy has no domain `{name}`: {near}")?;
            return Ok(1);
        };
        domains = domains.and(DomainSet::one(domain));
    }
    if !domains.is_none() && requests.is_empty() {
        writeln!(
            err,
            "jail: --domain is about requests: add one, for example 'connect 192.0.2.1:443'"
        )?;
        return Ok(1);
    }
    let on = (&on, domains);
    explain(policy, on, requests, options.form(), view, out, err)
}

fn explain(
    policy: &Policy,
    (on, domains): (&On, DomainSet),
    requests: &[String],
    form: Form,
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let options = PlanOptions {
        alone: true,
        ..PlanOptions::default()
    };
    let plan = match Plan::with(policy, &on.host, options) {
        Ok(plan) => plan,
        Err(error) => {
            writeln!(err, "jail: {}", ExplainError::Plan(error))?;
            return Ok(1);
        }
    };
    let around = policy.context();
    let mut answers = Vec::new();
    let mut code = 0;
    for text in requests {
        match request::parse(text, &around) {
            Ok(request) => answers.push(Answer::in_domains(policy, &plan, domains, text, &request)),
            Err(error) => {
                code = 1;
                writeln!(err, "jail: {error}")?;
            }
        }
    }
    match (form, requests.is_empty()) {
        (Form::Json, _) => out.write_all(&json::document(
            policy,
            on,
            &plan,
            &answers,
            requests.is_empty(),
        ))?,
        (_, true) => out.write_all(whole::text(policy, on, &plan, view, form).as_bytes())?,
        (_, false) => {
            let texts: Vec<String> = answers
                .iter()
                .map(|answer| text::text(policy, answer, view))
                .collect();
            out.write_all(texts.join("\n").as_bytes())?;
        }
    }
    out.flush()?;
    Ok(code)
}

impl std::fmt::Display for ExplainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExplainError::Plan(source) => write!(f, "cannot make a plan: {source}"),
            ExplainError::Call { text, source } => {
                writeln!(f, "not a request: {source}")?;
                writeln!(f, "    {text}")?;
                let before = text
                    .get(..source.range.start)
                    .map_or(0, |head| head.chars().count());
                let marked = text
                    .get(source.range.clone())
                    .map_or(1, |part| part.chars().count());
                write!(f, "    {:before$}{}", "", "^".repeat(marked.max(1)))?;
                match sentence_help(text, source) {
                    Some(help) => write!(f, "\n  {help}"),
                    None => Ok(()),
                }
            }
            ExplainError::Path(message) => write!(f, "not a path: {message}"),
            ExplainError::Peer(message) => write!(f, "not an endpoint: {message}"),
        }
    }
}
