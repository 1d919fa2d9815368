//! `jail replay LOG --policy POLICY`: decides a recorded run under another policy. It runs nothing.

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::explain::View;
use super::logs::open;
use super::table::{Cell, Table};
use super::{FAILED, Replay};
use crate::journal::Journal;
use crate::plan::{Host, Plan};
use crate::policy::{Action, Policy};
use crate::replay::{Group, Outcome, replay};
use crate::report::{escaped, line};

/// The maximum number of characters of a request or reason on a terminal.
const TEXT: usize = 400;
/// How many groups of one kind the text shows.
const SHOWN: usize = 40;

/// What is not in any log.
const REST: &str =
    "calls that were allowed and name no path or peer are not in a log: they are not decided here";
/// What is not in this log.
const NO_ACCESSES: &str = "the log has no calls that were allowed, only denials: record it with --log-accesses to decide them";

/// Decides the log. Returns 1 if something that was allowed would be denied, 125 if the log or the policy cannot
/// be used, otherwise 0.
pub(super) fn run(
    asked: &Replay,
    dir: &Path,
    color: bool,
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let Some(layers) = asked.policy.layers_or_message(err)? else {
        return Ok(FAILED);
    };
    let name = layers.name();
    let policy = match Policy::of(&layers, dir) {
        Ok(policy) => policy,
        Err(problems) => {
            writeln!(err, "{}", problems.render(color))?;
            writeln!(
                err,
                "jail: the policy {name} cannot be used; nothing was decided"
            )?;
            return Ok(FAILED);
        }
    };
    let plan = match Plan::new(&policy, &Host::newest()) {
        Ok(plan) => plan,
        Err(error) => {
            writeln!(err, "jail: {name}: cannot make a plan: {error}")?;
            return Ok(FAILED);
        }
    };
    let Some(journal) = open(&asked.log, err)? else {
        return Ok(FAILED);
    };
    let outcome = replay(&journal, &policy, &plan);
    if !outcome.untold.is_empty() {
        writeln!(
            err,
            "jail: the log does not tell which programs were in {} of {name}: what such a domain denies is undecidable; record under a policy that has it",
            quoted(&outcome.untold)
        )?;
    }
    let accesses = journal.has_accesses();
    match asked.json {
        true => {
            let document = Document::new((&asked.log, &name), &outcome, &journal);
            out.write_all(&line(&document))?;
        }
        false => out.write_all(text(&outcome, accesses, view).as_bytes())?,
    }
    Ok(u8::from(!outcome.denied.is_empty()))
}

/// Domains, as a sentence names them.
fn quoted(names: &[String]) -> String {
    let names = names.iter().map(|name| format!("[domain.{name}]"));
    names.collect::<Vec<_>>().join(", ")
}

/// The outcome for people.
fn text(outcome: &Outcome, accesses: bool, view: View) -> String {
    let mut table = Table::new(&[1]);
    let lists = [
        ("was allowed, would be denied", &outcome.denied),
        ("was denied, would be allowed", &outcome.allowed),
        ("was denied, would get another answer", &outcome.answers),
        ("undecidable", &outcome.undecidable),
    ];
    for (title, list) in lists {
        if list.is_empty() {
            continue;
        }
        let count: usize = list.iter().map(|group| group.count).sum();
        table.title(format!("{title}: {count}"));
        for group in list.iter().take(SHOWN) {
            add(&mut table, group);
        }
        if list.len() > SHOWN {
            let more = format!("and {} more kinds; --json has all", list.len() - SHOWN);
            table.row(["".into(), more.into()]);
        }
    }
    let mut text = table.render(view.color, view.width);
    let calls = outcome.calls;
    text.push_str(&format!(
        "{} of {calls} recorded calls are decided as they were\n",
        outcome.same
    ));
    if !accesses {
        text.push_str(NO_ACCESSES);
        text.push('\n');
    }
    text.push_str(REST);
    text.push('\n');
    text
}

fn add(table: &mut Table<2>, group: &Group) {
    let more = match group.count {
        1 => String::new(),
        count => format!("  (and {} like it)", count - 1),
    };
    let by = group
        .program
        .as_deref()
        .map(|name| format!(" by {}", escaped(name, 40)));
    let example = escaped(&group.example, TEXT);
    let style = Style::new().bold();
    let place = format!("line {}", group.line);
    table.row([
        place.into(),
        Cell::styled(format!("{example}{}{more}", by.unwrap_or_default()), style),
    ]);
    let (word, color) = match group.action {
        None => ("why".to_owned(), AnsiColor::Yellow),
        Some(Action::Allow) => ("allowed".to_owned(), AnsiColor::Green),
        Some(Action::Kill) => ("killed".to_owned(), AnsiColor::Red),
        Some(Action::Deny(errno)) => (format!("denied with {errno}"), AnsiColor::Red),
    };
    table.row([
        Cell::styled(word, Style::new().fg_color(Some(color.into()))),
        escaped(&group.reason, TEXT).into(),
    ]);
}

/// The outcome as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The log.
    log: &'a str,
    /// The policy.
    policy: &'a str,
    /// How many calls the log has.
    calls: usize,
    /// How many of them are decided as they were.
    same: usize,
    /// Calls that were allowed and would be denied.
    denied: Vec<Item<'a>>,
    /// Calls that were denied and would be allowed.
    allowed: Vec<Item<'a>>,
    /// Calls that were denied and would get another answer.
    answers: Vec<Item<'a>>,
    /// Calls of which the log does not tell enough.
    undecidable: Vec<Item<'a>>,
    /// Whether the log has calls that were allowed.
    accesses: bool,
    /// The domains of the policy of which the log does not say which programs were in them.
    untold: &'a [String],
    /// How many lines are no events.
    unread: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Item<'a> {
    /// The first call of its kind, as a request.
    example: &'a str,
    /// Its line in the log.
    line: usize,
    /// The program that made it.
    program: Option<&'a str>,
    /// How many calls there are of this kind.
    count: usize,
    /// What the policy says: `allow`, `deny`, `kill` or an errno; `None`: that cannot be decided.
    action: Option<String>,
    /// What decides, or why nothing can.
    reason: &'a str,
}

impl<'a> Document<'a> {
    fn new((log, policy): (&'a str, &'a str), outcome: &'a Outcome, journal: &Journal) -> Self {
        let items = |list: &'a [Group]| {
            let item = |group: &'a Group| Item {
                example: &group.example,
                line: group.line,
                program: group.program.as_deref(),
                count: group.count,
                action: group.action.map(|action| action.to_string()),
                reason: &group.reason,
            };
            list.iter().map(item).collect()
        };
        Document {
            version: 1,
            log,
            policy,
            calls: outcome.calls,
            same: outcome.same,
            denied: items(&outcome.denied),
            allowed: items(&outcome.allowed),
            answers: items(&outcome.answers),
            undecidable: items(&outcome.undecidable),
            accesses: journal.has_accesses(),
            untold: &outcome.untold,
            unread: journal.unread,
        }
    }
}
