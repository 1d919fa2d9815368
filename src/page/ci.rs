//! The denials of a log for a CI system: annotations of GitHub Actions ([`github`]), and a summary in Markdown
//! ([`markdown`]).

use super::TEXT;
use super::data::ending;
use crate::journal::{Event, Journal, Tree};
use crate::report::{Annotation, Denial, DenialAction, escaped, times};
use crate::sorting::sort_by_key;
use std::collections::HashMap;
use std::fmt::Write;

/// How many annotations are made: GitHub shows ten of a level for each step, and one says what is left out.
const ANNOTATIONS: usize = 9;
/// How many requests the summary lists. GitHub shows summaries of up to 1 MiB.
const LISTED: usize = 100;
/// The maximum number of characters of a request or an advice in the summary.
const CELL: usize = 500;

/// A denied request, with how often it was denied.
struct Denied<'a> {
    denial: &'a Denial,
    request: String,
    times: u64,
}

impl Denied<'_> {
    fn level(&self) -> &'static str {
        match self.denial.action {
            DenialAction::Kill => "error",
            DenialAction::Deny | DenialAction::Other => "warning",
        }
    }

    /// What decided: `net.toml:6 "**/.env"`.
    fn reason(&self) -> String {
        let reason = &self.denial.reason;
        let mut text = match (&reason.source, reason.line) {
            (Some(source), Some(line)) => format!("{source}:{line}"),
            (Some(source), None) => source.clone(),
            (None, _) => self.denial.code.clone(),
        };
        if let Some(entry) = &reason.entry {
            let _ = write!(text, " {entry}");
        }
        text
    }

    fn by(&self) -> String {
        self.denial.ancestry.join(" → ")
    }
}

/// Each denied request once: first what ended the jail, then in the order of the log.
fn denied(journal: &Journal) -> Vec<Denied<'_>> {
    let mut all: Vec<Denied<'_>> = Vec::new();
    let mut known: HashMap<(String, &str), usize> = HashMap::new();
    for entry in &journal.entries {
        let Event::Denied(denial) = &entry.event else {
            continue;
        };
        let request = denial.request();
        let place = *known
            .entry((request.clone(), denial.code.as_str()))
            .or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => known.times += 1,
            None => all.push(Denied {
                denial,
                request,
                times: 1,
            }),
        }
    }
    sort_by_key(&mut all, |it| it.denial.action != DenialAction::Kill);
    all
}

/// Whether a source of an entry is a file, and not a preset or an option of the command line.
fn is_file(source: &str) -> bool {
    source.contains('/') || source.ends_with(".toml")
}

/// Annotations of GitHub Actions, a line for each denied request, at the lines of the policies that decided.
pub fn github(journal: &Journal) -> String {
    let all = denied(journal);
    let mut text = String::new();
    for it in all.iter().take(ANNOTATIONS) {
        let mut properties = Vec::new();
        let reason = &it.denial.reason;
        if let Some(source) = reason.source.as_deref().filter(|source| is_file(source)) {
            properties.push(("file", escaped(source, TEXT)));
            properties.extend(reason.line.map(|line| ("line", line.to_string())));
        }
        let request = escaped(&it.request, CELL);
        properties.push(("title", format!("denied {request}")));
        let mut message = format!("by {}, {}", escaped(&it.by(), CELL), times(it.times));
        let _ = write!(message, "\ndecided by {}", escaped(&it.reason(), CELL));
        let _ = write!(message, "\ncode {}", escaped(&it.denial.code, CELL));
        for line in [&reason.why, &it.denial.advice].into_iter().flatten() {
            let _ = write!(message, "\n{}", escaped(line, TEXT));
        }
        let annotation = Annotation {
            level: it.level(),
            properties: &properties,
            message: &message,
        };
        let _ = writeln!(text, "{annotation}");
    }
    if let Some(more) = all.len().checked_sub(ANNOTATIONS + 1) {
        let annotation = Annotation {
            level: "notice",
            properties: &[("title", "more was denied".to_owned())],
            message: &format!("{} further requests; the summary lists them", more + 1),
        };
        let _ = writeln!(text, "{annotation}");
    }
    text
}

/// A summary in Markdown, as GitHub and GitLab show it: how the run ended, and what was denied.
pub fn markdown(journal: &Journal) -> String {
    let all = denied(journal);
    let mut text = format!("### jail: {}\n\n", plain(&ending(journal)));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("", "");
    row("---", "---");
    if let Some(start) = journal.start() {
        row("command", &code(&start.command.join(" ")));
        row("policy", &code(&start.policy));
    }
    row("processes", &Tree::new(journal).processes.len().to_string());
    let sum: u64 = all.iter().map(|it| it.times).sum();
    let what = match all.len() {
        0 => "nothing".to_owned(),
        1 => format!("1 request, {}", times(sum)),
        requests => format!("{requests} requests, {}", times(sum)),
    };
    row("denied", &what);
    let lost = journal.end().map_or(0, |end| end.lost);
    if lost > 0 {
        row(
            "missing",
            &format!("{lost} events, which the log did not take"),
        );
    }
    if all.is_empty() {
        return text;
    }
    text += "\n| denied | times | by | decided by | what to do |\n|---|---:|---|---|---|\n";
    for it in all.iter().take(LISTED) {
        let advice = it.denial.advice.as_deref().unwrap_or_default();
        let cells = [
            code(&it.request),
            it.times.to_string(),
            code(&it.by()),
            code(&it.reason()),
            plain(advice),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if all.len() > LISTED {
        let _ = writeln!(text, "\nand {} further requests", all.len() - LISTED);
    }
    text
}

/// A part of a table as code.
fn code(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("<code>{}</code>", plain(text)),
    }
}

/// Text that means nothing to Markdown or HTML: no table cell, no tag, no link, no mention of a user.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in escaped(text, CELL).chars() {
        // A point could be that of `www.`, which is made a link.
        let point = character == '.' && plain.ends_with(['w', 'W']);
        match character {
            '&' | '<' | '>' | '|' | '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '!' | '#'
            | '@' | ':' | '\\' => {
                let _ = write!(plain, "&#{};", u32::from(character));
            }
            _ if point => plain += "&#46;",
            _ => plain.push(character),
        }
    }
    plain
}
