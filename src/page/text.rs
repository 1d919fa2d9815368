//! The same for a terminal: the processes as a tree, with what each did.

use super::TEXT;
use super::data::{KINDS, describe, ending};
use crate::journal::{Event, Journal, Process, Tree};
use crate::report::escaped;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many things of one kind are shown for a process.
const SHOWN: usize = 12;
/// How many processes are shown.
const PROCESSES: usize = 2_000;

/// What a process did, by kind: each thing once, in order, with how often.
type Deeds = BTreeMap<u8, Vec<(String, String, usize)>>;

/// The text of a log. `width`: the terminal's; longer lines are cut.
pub fn text(journal: &Journal, width: Option<usize>) -> String {
    let tree = Tree::new(journal);
    let mut deeds: Vec<Deeds> = Vec::new();
    deeds.resize_with(tree.processes.len(), Deeds::new);
    let mut denials = 0;
    for (entry, process) in journal.entries.iter().zip(&tree.of_entry) {
        denials += usize::from(matches!(entry.event, Event::Denied(_) | Event::Foreign(_)));
        // How a process ended, and what it made, is in the tree.
        if matches!(
            entry.event,
            Event::Exit(_) | Event::Spawn { .. } | Event::Start(_)
        ) {
            continue;
        }
        if let Some(deeds) = process.and_then(|index| deeds.get_mut(index)) {
            add(deeds, &entry.event);
        }
    }
    let mut lines = head(journal, &tree, denials);
    let first = journal.entries.first().map_or(0.0, |entry| entry.time);
    let order = tree.order();
    for index in order.iter().take(PROCESSES) {
        if let (Some(process), Some(deeds)) = (tree.processes.get(*index), deeds.get(*index)) {
            show(&mut lines, process, deeds, first);
        }
    }
    if order.len() > PROCESSES {
        lines.push(format!(
            "and {} more processes; the page of --format html has all",
            order.len() - PROCESSES
        ));
    }
    let mut text = String::new();
    for line in lines {
        // Also what jail itself wrote: the command may be able to change its log.
        let line = escaped(&line, usize::MAX);
        let _ = writeln!(text, "{}", cut(&line, width));
    }
    text
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn head(journal: &Journal, tree: &Tree, denials: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(start) = journal.start() {
        lines.push(format!(
            "command    {}",
            escaped(&start.command.join(" "), TEXT)
        ));
        lines.push(format!("policy     {}", escaped(&start.policy, TEXT)));
    }
    lines.push(format!("ended      {}", ending(journal)));
    let (processes, events) = (tree.processes.len(), journal.entries.len());
    let has = [
        counted(processes, "process", "processes"),
        counted(events, "event", "events"),
        counted(denials, "denial", "denials"),
    ];
    lines.push(format!("has        {}", has.join(", ")));
    if !journal.has_accesses() {
        let note = "what was allowed is not in this log; record it with --log-accesses";
        lines.push(format!("note       {note}"));
    }
    lines.push(String::new());
    lines
}

fn add(deeds: &mut Deeds, event: &Event) {
    let (kind, what, more) = describe(event);
    let list = deeds.entry(kind).or_default();
    // Only the first ones are shown, so only these are compared.
    match list
        .iter_mut()
        .take(SHOWN)
        .find(|(known, ..)| *known == what)
    {
        Some((.., times)) => *times += 1,
        None => list.push((what, more, 1)),
    }
}

/// A process and what it did.
fn show(lines: &mut Vec<String>, process: &Process, deeds: &Deeds, first: f64) {
    let indent = "  ".repeat(process.depth.min(30));
    let name = escaped(process.name(), 80);
    let until = match process.end {
        Some(end) => format!("{:.3} s", end - first),
        None => "the end".to_owned(),
    };
    let how = process.ending.as_deref().unwrap_or("still running");
    let from = process.begin - first;
    lines.push(format!(
        "{indent}{name} (pid {})  {from:.3} s to {until}, {how}",
        process.pid
    ));
    for (kind, list) in deeds {
        let word = KINDS.get(usize::from(*kind)).copied().unwrap_or("other");
        for (what, more, times) in list.iter().take(SHOWN) {
            let times = match times {
                1 => String::new(),
                times => format!(" ({times} times)"),
            };
            let more = match more.is_empty() {
                true => String::new(),
                false => format!("  {}", escaped(more, TEXT)),
            };
            lines.push(format!(
                "{indent}  {word:<10} {}{times}{more}",
                escaped(what, TEXT)
            ));
        }
        if list.len() > SHOWN {
            lines.push(format!(
                "{indent}  {word:<10} and {} more",
                list.len() - SHOWN
            ));
        }
    }
}

/// A line that fits into the terminal.
fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{kept}…")
        }
        _ => line.to_owned(),
    }
}
