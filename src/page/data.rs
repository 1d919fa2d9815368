//! What the page shows, as JSON that its script reads: strings once each, and events as numbers.
//!
//! A log has 100,000 events and more, and a browser needs most of the time to open the page for reading them. So
//! the events are in blocks of columns; a block is a text, which the script reads when a row of it is shown. All
//! blocks but the first follow the script.

use super::TEXT;
use crate::journal::{Event, Journal, Tree};
use crate::report::{Denial, PathAccess, PeerAccess, escaped};
use serde::Serialize;
use std::collections::HashMap;

/// The kinds of events, by their number in a row.
pub const KINDS: &[&str] = &[
    "executed",
    "read",
    "wrote",
    "opened",
    "connected",
    "listened",
    "denied",
    "killed",
    "signal",
    "started",
    "ended",
    "other",
];
const EXECUTED: u8 = 0;
const READ: u8 = 1;
const WROTE: u8 = 2;
const OPENED: u8 = 3;
const CONNECTED: u8 = 4;
const LISTENED: u8 = 5;
const DENIED: u8 = 6;
const KILLED: u8 = 7;
const SIGNAL: u8 = 8;
const SPAWNED: u8 = 9;
const ENDED: u8 = 10;
const OTHER: u8 = 11;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Data {
    /// The command line.
    pub command: String,
    /// The policy as named.
    pub policy: String,
    /// When the run began: seconds since 1970.
    pub begin: f64,
    /// How long it took, in seconds.
    pub length: f64,
    /// How it ended, in words.
    pub ending: String,
    /// Whether what was allowed is recorded.
    pub accesses: bool,
    /// What could not be read.
    pub problems: Vec<String>,
    /// How many lines could not be read.
    pub unread: usize,
    /// Events that the log says are missing.
    pub lost: u64,
    /// The names of the kinds.
    pub kinds: &'static [&'static str],
    /// Texts; events name them by their index.
    pub strings: Vec<String>,
    /// Processes in the order of the tree: pid, depth, begin, end (-1: not known), name, ending, and the index
    /// of the parent in this list (-1: none).
    pub processes: Vec<(i32, usize, f64, f64, usize, usize, i64)>,
    /// How many events there are.
    pub count: usize,
    /// How many of each kind.
    pub counts: Vec<usize>,
    /// How many denials each process has.
    pub denials: Vec<usize>,
    /// How many events a block has; the last one may have fewer.
    pub block: usize,
    /// The first block of events: a [`Block`] in JSON.
    pub first: Option<String>,
    /// The other blocks, which are at the end of the page.
    #[serde(skip)]
    pub rest: Vec<String>,
}

/// Events of a block.
const BLOCK: usize = 2048;

/// Columns: microseconds since the event before (the first: since the begin), process less that of the event before
/// (-1: none; before the first: 0), kind as a letter, text, further text.
#[derive(Serialize)]
struct Block(Vec<i64>, Vec<i64>, String, Vec<usize>, Vec<usize>);

/// An event: microseconds, process, kind, text, further text.
type Row = (i64, i64, u8, usize, usize);

impl Block {
    fn new(rows: &[Row]) -> Block {
        let differences = |of: fn(&Row) -> i64| {
            let before = std::iter::once(0).chain(rows.iter().map(of));
            rows.iter()
                .zip(before)
                .map(|(row, before)| of(row) - before)
                .collect()
        };
        Block(
            differences(|row| row.0),
            differences(|row| row.1),
            rows.iter().map(|row| char::from(b'a' + row.2)).collect(),
            rows.iter().map(|row| row.3).collect(),
            rows.iter().map(|row| row.4).collect(),
        )
    }

    fn text(rows: &[Row]) -> String {
        serde_json::to_string(&Block::new(rows)).unwrap_or_default()
    }
}

/// How many events each kind has, and how many denials each process.
fn counted(rows: &[Row], processes: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut counts, mut denials) = (vec![0; KINDS.len()], vec![0; processes]);
    for (_, process, kind, ..) in rows {
        if let Some(count) = counts.get_mut(usize::from(*kind)) {
            *count += 1;
        }
        let own = usize::try_from(*process).ok();
        let own = own.and_then(|process| denials.get_mut(process));
        if let (DENIED | KILLED, Some(count)) = (*kind, own) {
            *count += 1;
        }
    }
    (counts, denials)
}

/// Texts, each once.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    known: HashMap<String, usize>,
}

impl Strings {
    fn put(&mut self, text: &str) -> usize {
        if let Some(index) = self.known.get(text) {
            return *index;
        }
        let index = self.all.len();
        self.all.push(escaped(text, TEXT));
        self.known.insert(text.to_owned(), index);
        index
    }
}

impl Data {
    /// What a journal has.
    pub fn new(journal: &Journal) -> Data {
        let tree = Tree::new(journal);
        let first = journal.entries.first().map_or(0.0, |entry| entry.time);
        let last = journal.entries.last().map_or(first, |entry| entry.time);
        let mut strings = Strings::default();
        // The empty text is number 0.
        strings.put("");
        let order = tree.order();
        let mut place = vec![0usize; tree.processes.len()];
        for (row, index) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(*index) {
                *place = row;
            }
        }
        let row = |index: Option<usize>| -> i64 {
            let found = index.and_then(|index| place.get(index));
            found.map_or(-1, |row| i64::try_from(*row).unwrap_or(-1))
        };
        let processes: Vec<_> = order
            .iter()
            .filter_map(|index| tree.processes.get(*index))
            .map(|it| {
                let end = it.end.map_or(-1.0, |end| end - first);
                let name = strings.put(it.name());
                let ending = strings.put(it.ending.as_deref().unwrap_or("still running"));
                (
                    it.pid,
                    it.depth,
                    it.begin - first,
                    end,
                    name,
                    ending,
                    row(it.parent),
                )
            })
            .collect();
        let mut rows: Vec<Row> = Vec::with_capacity(journal.entries.len());
        for (entry, process) in journal.entries.iter().zip(&tree.of_entry) {
            let (kind, text, more) = describe(&entry.event);
            let time = ((entry.time - first) * 1e6).round() as i64;
            let texts = (strings.put(&text), strings.put(&more));
            rows.push((time, row(*process), kind, texts.0, texts.1));
        }
        let start = journal.start();
        let (counts, denials) = counted(&rows, processes.len());
        let mut blocks = rows.chunks(BLOCK).map(Block::text);
        Data {
            command: start.map_or(String::new(), |start| {
                escaped(&start.command.join(" "), TEXT)
            }),
            policy: start.map_or(String::new(), |start| escaped(&start.policy, TEXT)),
            begin: first,
            length: last - first,
            ending: ending(journal),
            accesses: journal.has_accesses(),
            problems: journal.problems.iter().map(ToString::to_string).collect(),
            unread: journal.unread,
            lost: journal.end().map_or(0, |end| end.lost),
            kinds: KINDS,
            strings: strings.all,
            processes,
            count: rows.len(),
            counts,
            denials,
            block: BLOCK,
            first: blocks.next(),
            rest: blocks.collect(),
        }
    }
}

/// How the run ended.
pub fn ending(journal: &Journal) -> String {
    let Some(end) = journal.end() else {
        return "the log has no end: jail was killed, or the log is cut off".to_owned();
    };
    let how = match end.ending.as_str() {
        "exited" => "the command ended",
        "policy" => "the policy killed the command",
        "time" | "memory" | "tasks" | "output" => "a limit was exceeded",
        "killed" => "the caller killed it",
        "failed" => "jail failed",
        _ => "it ended",
    };
    let error = end
        .error
        .as_deref()
        .map(|error| format!(": {}", escaped(error, TEXT)));
    format!(
        "{how}, exit code {}{}",
        end.exit_code,
        error.unwrap_or_default()
    )
}

/// An event in a row: its kind, what it was about, and further text.
pub fn describe(event: &Event) -> (u8, String, String) {
    let none = String::new;
    match event {
        Event::Start(start) => (EXECUTED, start.program.clone(), start.command.join(" ")),
        Event::Exec { ancestry, .. } => (
            EXECUTED,
            ancestry.last().cloned().unwrap_or_default(),
            ancestry.join(" → "),
        ),
        Event::Spawn { child, thread, .. } => {
            let what = if *thread { "thread" } else { "process" };
            (SPAWNED, format!("{what} {child}"), none())
        }
        Event::Denied(denial) => (
            match denial.action {
                crate::report::DenialAction::Kill => KILLED,
                _ => DENIED,
            },
            denial.request(),
            why(denial),
        ),
        Event::Access(access) => match (&access.path, &access.peer) {
            (Some(path), _) => (of_access(path.access), path.resolved.clone(), none()),
            (None, Some(peer)) => (
                of_way(peer.way),
                peer.endpoint.clone(),
                peer.names.join(", "),
            ),
            (None, None) => (OTHER, none(), none()),
        },
        Event::Foreign(foreign) => (
            KILLED,
            "a 32-bit program".to_owned(),
            foreign.ancestry.join(" → "),
        ),
        Event::Limit(limit) => (
            KILLED,
            format!(
                "past limits.{} = {} of the domain {}",
                limit.key(),
                limit.value,
                limit.domain
            ),
            limit.ancestry.join(" → "),
        ),
        Event::Signal { signal, .. } => (SIGNAL, signal.name.clone(), none()),
        Event::Exit(exit) => match (exit.code, &exit.signal) {
            (Some(code), _) => (ENDED, format!("exited with {code}"), none()),
            (None, Some(signal)) => (ENDED, format!("ended by {}", signal.name), none()),
            (None, None) => (ENDED, none(), none()),
        },
        Event::Waiting { processes } => (
            OTHER,
            "the command has ended, and left processes".to_owned(),
            processes.join(", "),
        ),
        Event::End(_) => (OTHER, "no process is left".to_owned(), none()),
    }
}

fn of_access(access: PathAccess) -> u8 {
    match access {
        PathAccess::Read => READ,
        PathAccess::Write => WROTE,
        PathAccess::Exec => EXECUTED,
        _ => OPENED,
    }
}

fn of_way(way: PeerAccess) -> u8 {
    match way {
        PeerAccess::Listen => LISTENED,
        _ => CONNECTED,
    }
}

/// What decided, and what to change.
fn why(denial: &Denial) -> String {
    let reason = &denial.reason;
    let mut text = denial.code.clone();
    if let (Some(source), Some(line)) = (&reason.source, reason.line) {
        text = format!("{text} [{source}:{line}]");
    }
    if let Some(why) = &reason.why {
        text = format!("{text} {why}");
    }
    if let Some(advice) = &denial.advice {
        text = format!("{text} — {advice}");
    }
    text
}
