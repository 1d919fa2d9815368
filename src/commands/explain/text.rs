//! An answer for people.

use anstyle::Style;

use super::View;
use super::answer::Answer;
use super::subject::action;
use crate::commands::table::{Cell, Table};
use crate::judge::{Reason, Verdict};
use crate::policy::{Action, Policy};

/// How many entries that lost are listed.
const MOST_LOST: usize = 12;

pub fn text(policy: &Policy, answer: &Answer, view: View) -> String {
    let mut table: Table<2> = Table::new(&[1]);
    table.title(answer.request.clone());
    let mut row = |head: &str, cell: Cell| {
        table.row([Cell::styled(head, Style::new().dimmed()), cell]);
    };
    if !answer.within.is_none() {
        row(
            "in domain",
            policy.domain_names(answer.within).join(", ").into(),
        );
    }
    row("verdict", outcome(&answer.verdict));
    row("decided by", answer.decided_by.clone().into());
    // A rule is already shown completely.
    let is_rule = matches!(answer.verdict.reason, Reason::Rule(_));
    let line = answer.origin.filter(|_| !is_rule);
    if let Some(line) = line
        .map(|origin| policy.line(origin))
        .filter(|line| !line.is_empty())
    {
        row("", line.into());
    }
    for condition in &answer.provided {
        row("provided that", condition.clone().into());
    }
    for note in &answer.notes {
        let head = if answer.provided.is_empty() {
            "note"
        } else {
            ""
        };
        row(head, note.clone().into());
    }
    let enforcer = answer.enforcer.with_abi(answer.landlock_abi);
    row(
        "enforced by",
        format!("{enforcer}; cost: {}", answer.cost.text()).into(),
    );
    for line in &answer.lifted {
        row("lifted", line.clone().into());
    }
    if let Some(call) = &answer.at_call {
        row("at the call", call.clone().into());
    }
    let mut label = "not by";
    for (name, reason) in &answer.not_by {
        row(label, format!("{name}: {reason}").into());
        label = "";
    }
    let mut label = "also said";
    for lost in answer.also.iter().take(MOST_LOST) {
        row(label, lost.line(policy).into());
        label = "";
    }
    let more = answer.also.len().saturating_sub(MOST_LOST);
    if more > 0 {
        row("", format!("and {more} more, which --json lists").into());
    }
    let mut text = table.render(view.color, view.width);
    if let Some(remedy) = &answer.remedy {
        text.push('\n');
        view.layout().paragraph(&mut text, remedy);
    }
    text
}

fn outcome(verdict: &Verdict) -> Cell {
    let text = match verdict.action {
        Action::Allow if verdict.check.is_some() => "allowed for targets in the jail".to_owned(),
        Action::Allow => "allowed".to_owned(),
        Action::Deny(errno) if verdict.quiet => {
            format!("denied with {}, not reported", errno.name())
        }
        Action::Deny(errno) => format!("denied with {}", errno.name()),
        Action::Kill => "kills the whole jail".to_owned(),
    };
    action(verdict.action).with_text(text)
}
