//! Reads the lines that `--log` has written. What is no event is a problem with its line number, and the rest
//! is read. It decides nothing.

mod event;
mod tree;

pub use event::{Access, End, Event, Start};
pub use tree::{Process, Tree};

use serde::Deserialize;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;

/// The longest line: no event is as long.
const LONGEST: usize = 1 << 20;
/// How many events are read.
const MOST: usize = 4_000_000;
/// How many problems are kept.
const PROBLEMS: usize = 1_000;
/// Seconds since 1970, to the end of the year 9999: a browser can show them, and microseconds between them fit into
/// 64 bits.
const TIMES: RangeInclusive<f64> = 0.0..=253_402_300_799.0;

/// An event, with its place in the log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The line, from 1.
    pub line: usize,
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    pub event: Event,
}

/// A line that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// A log.
#[derive(Debug, Default)]
pub struct Journal {
    /// Its events, in order.
    pub entries: Vec<Entry>,
    /// What could not be read, the first ones.
    pub problems: Vec<Problem>,
    /// How many lines could not be read.
    pub unread: usize,
    /// Events of kinds that this version does not know.
    pub unknown: usize,
}

/// What each event has.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    time: f64,
}

impl Journal {
    /// Reads a log to its end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(mut log: impl BufRead) -> io::Result<Journal> {
        let mut journal = Journal::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = (&mut log)
                .take(LONGEST as u64 + 1)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            let whole = line.pop_if(|byte| *byte == b'\n').is_some();
            if !whole && line.len() > LONGEST {
                journal.note(number, format!("it is longer than {LONGEST} bytes"));
                skip_line(&mut log)?;
                continue;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if journal.entries.len() >= MOST {
                journal.note(number, format!("there are more than {MOST} events"));
                break;
            }
            journal.add(number, &line, whole);
        }
        Ok(journal)
    }

    fn add(&mut self, number: usize, line: &[u8], whole: bool) {
        let event = serde_json::from_slice::<Head<'_>>(line)
            .and_then(|head| Ok((head.time, Event::parse(&head.event, line)?)));
        match event {
            Ok((time, _)) if !TIMES.contains(&time) => {
                self.note(number, "its time is none of this era".to_owned());
            }
            Ok((time, Some(event))) => self.entries.push(Entry {
                line: number,
                time,
                event,
            }),
            Ok((_, None)) => self.unknown += 1,
            Err(error) if !whole || error.is_eof() => {
                self.note(
                    number,
                    "it is cut off: the log ends within an event".to_owned(),
                );
            }
            Err(error) => {
                // The position within the line; the line is always its first.
                let column = error.column();
                let text = error.to_string();
                let text = text.split(" at line ").next().unwrap_or_default();
                self.note(
                    number,
                    format!("it is no event of a log: {text} (byte {column})"),
                );
            }
        }
    }

    fn note(&mut self, line: usize, text: String) {
        self.unread += 1;
        if self.problems.len() < PROBLEMS {
            self.problems.push(Problem { line, text });
        }
    }

    /// Whether what was allowed is recorded, too.
    pub fn has_accesses(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| matches!(entry.event, Event::Access(_)))
    }

    /// The start of the run.
    pub fn start(&self) -> Option<&Start> {
        self.entries.iter().find_map(|entry| match &entry.event {
            Event::Start(start) => Some(start),
            _ => None,
        })
    }

    /// The end of the run.
    pub fn end(&self) -> Option<&End> {
        self.entries
            .iter()
            .rev()
            .find_map(|entry| match &entry.event {
                Event::End(end) => Some(end),
                _ => None,
            })
    }
}

/// Reads on to the end of a line.
fn skip_line(log: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = log.fill_buf()?;
        let (length, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        log.consume(length);
        if ends {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Journal {
        Journal::read(text).expect("a log")
    }

    #[test]
    fn every_example_of_the_manual_is_read() {
        let manual = include_str!("../../docs/log.md");
        let lines: Vec<&str> = manual
            .lines()
            .filter(|line| line.starts_with('{'))
            .collect();
        let journal = read(lines.join("\n").as_bytes());
        assert_eq!(journal.problems, []);
        assert_eq!((journal.entries.len(), journal.unknown), (lines.len(), 0));
        assert_eq!(journal.start().map(|start| start.pid), Some(4711));
        assert_eq!(journal.end().map(|end| end.exit_code), Some(159));
    }

    #[test]
    fn what_is_no_event_has_its_line_and_the_rest_is_read() {
        let good = r#"{"event":"spawn","time":1.5,"pid":1,"child":2,"thread":false}"#;
        let later = r#"{"event":"later","time":1.5,"more":[]}"#;
        let mut text = format!("{good}\ngarbage\n\n{later}\n{{\"event\":\"spawn\",\"time\":1}}\n")
            .into_bytes();
        text.extend(b"\xff\xfe\n[1]\n{\"event\":\"spawn\",\"time\":1e999,\"pid\":1,\"child\":2,\"thread\":false}\n");
        text.extend(vec![b'x'; LONGEST + 5]);
        text.push(b'\n');
        text.extend(good.as_bytes());
        text.extend(b"\n{\"event\":\"spa");
        let journal = read(&text);
        assert_eq!((journal.entries.len(), journal.unknown), (2, 1));
        let lines: Vec<usize> = journal.problems.iter().map(|it| it.line).collect();
        assert_eq!(lines, [2, 5, 6, 7, 8, 9, 11], "{:#?}", journal.problems);
        let said = journal.problems.iter().map(Problem::to_string);
        let said = said.collect::<Vec<_>>().join("\n");
        for part in [
            "line 2: it is no event of a log: expected value (byte 1)",
            "line 5: it is no event of a log: missing field `pid`",
            "line 9: it is longer than",
            "line 11: it is cut off",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_time_that_no_clock_has_is_a_problem() {
        let read = |time: &str| {
            let line =
                format!(r#"{{"event":"spawn","time":{time},"pid":1,"child":2,"thread":false}}"#);
            read(line.as_bytes()).entries.len()
        };
        for time in ["0", "1796064970.6", "253402300799"] {
            assert_eq!(read(time), 1, "{time}");
        }
        for time in ["-1", "-9.3e18", "253402300800", "1e300", "-1e308"] {
            assert_eq!(read(time), 0, "{time}");
        }
    }

    #[test]
    fn an_empty_log_has_nothing_in_it() {
        assert!(read(b"").entries.is_empty() && read(b"\n\n").problems.is_empty());
    }
}
