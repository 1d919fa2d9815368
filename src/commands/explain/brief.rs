//! The plan so short that it can be read at a glance: entries that are enforced alike share a row, which shows the
//! first of them. `--all` prints what is missing here.

use super::View;
use super::row::Row;
use super::subject::{Does, Section};
use crate::commands::table::{Cell, Table};
use crate::policy::{Action, Policy};
use crate::syscalls::Errno;

/// How many columns the entries of a row take up.
const ENTRIES: usize = 37;

const MORE: &str = "`jail explain --all POLICY` prints every entry with its line and the reason for what enforces \
                    it. \
                    `jail explain POLICY 'write ./x'` says what decides a request.";

/// A row as it is in brief: a rule of the baseline by its name, a policy file by its own.
pub fn row(mut row: Row) -> Row {
    if row.origin.is_none() && !row.place.is_empty() {
        row.texts = vec![std::mem::take(&mut row.place)];
    }
    if row.section == Section::Baseline
        && let Does::Act(Action::Deny(_)) = row.does
    {
        // With which error each of them fails is not told here.
        row.does = Does::Act(Action::Deny(Errno::EPERM));
    }
    row
}

/// Whether two rows are one.
pub fn joins(one: &Row, next: &Row) -> bool {
    (one.domain, one.section, one.does) == (next.domain, next.section, next.does)
        && (&one.key, &one.enforcer, one.cost) == (&next.key, &next.enforcer, next.cost)
}

/// A table of all rows, with a title for each section and each domain.
pub fn tables(policy: &Policy, rows: &[Row], view: View) -> String {
    let mut table: Table<2> = Table::new(&[0, 1]);
    let title = |row: &Row| match row
        .domain
        .and_then(|id| policy.domains.get(usize::from(id)))
    {
        Some(domain) => format!("[domain.{}]", domain.name),
        None => row.section.title().to_owned(),
    };
    for rows in rows.chunk_by(|one, next| title(one) == title(next)) {
        let Some(first) = rows.first() else { continue };
        table.title(title(first));
        for row in rows {
            table.row([entries(row), how(row).into()]);
        }
    }
    table.render(view.color, view.width)
}

/// What enforces a row, and the cost.
fn how(row: &Row) -> String {
    match row.cost {
        "none" if row.enforcer == "-" => format!("-: {}; no cost", row.because),
        "none" => format!("{}; no cost", row.enforcer),
        cost => format!("{}; {cost}", row.enforcer),
    }
}

/// The entries of a row, in the colour of what happens to them.
fn entries(row: &Row) -> Cell {
    let does = row.does.text();
    let key = match (row.key.as_str(), row.does) {
        ("", Does::Limit | Does::Own) => String::new(),
        ("", _) => does,
        (key, Does::Act(Action::Allow)) => key.to_owned(),
        (key, _) if does == "deny" || key.ends_with("hide") => key.to_owned(),
        (key, _) => format!("{key} ({does})"),
    };
    row.does.cell().with_text(listed(&key, &row.texts))
}

/// How many entries there are, and the first of them.
pub fn listed(key: &str, texts: &[String]) -> String {
    let mut text = match (key, texts.len()) {
        ("", 1) => String::new(),
        ("", count) => format!("{count}: "),
        (key, 1) => format!("{key}: "),
        (key, count) => format!("{key}, {count}: "),
    };
    for (index, entry) in texts.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let left = ENTRIES.saturating_sub(text.chars().count() + comma.len());
        if entry.chars().count() <= left {
            text.push_str(comma);
            text.push_str(entry);
        } else if index == 0 {
            text.extend(entry.chars().take(left));
            text.push('…');
            return text;
        } else {
            text.push_str(", …");
            return text;
        }
    }
    text
}

/// How to see what is missing.
pub fn more(view: View) -> String {
    let mut table: Table<1> = Table::new(&[0]);
    table.row([MORE.into()]);
    format!("\n{}", table.render(view.color, view.width))
}
