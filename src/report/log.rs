//! The file of `--log`. Each event is written at once, as one whole line in one write: nothing is lost
//! when jail is killed, and a reader sees events as they happen. (An event costs a ptrace-stop, a write
//! only a fraction of that: a buffer would save little.) It must never lose an event silently.

use super::json;
use super::schema::Record;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// How long to wait if a non-blocking descriptor is full.
const FULL: Duration = Duration::from_millis(1);

/// The writer of a log.
pub struct Log {
    out: Box<dyn Write>,
    line: Vec<u8>,
    /// Whether the file ends within a line.
    torn: bool,
    lost: u64,
    error: Option<io::Error>,
}

impl Log {
    /// Writes to this.
    pub fn new(out: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            line: Vec::new(),
            torn: false,
            lost: 0,
            error: None,
        }
    }

    /// Writes one event. The first failure is returned; later ones are only counted. Each event is
    /// tried, because a full disk may get room again.
    pub fn write(&mut self, record: &Record<'_>) -> Result<(), &io::Error> {
        let Err(error) = self.try_write(record) else {
            return Ok(());
        };
        self.lost += 1;
        match self.error {
            Some(_) => Ok(()),
            None => Err(self.error.insert(error)),
        }
    }

    /// How many events are not in the log.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How many events are not in the log, if any, and the reason for the first.
    pub fn loss(&self) -> Option<(u64, &io::Error)> {
        self.error.as_ref().map(|error| (self.lost, error))
    }

    fn try_write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.line.clear();
        if self.torn {
            self.line.push(b'\n');
        }
        json::line(&mut self.line, record)?;
        match put(&mut self.out, &self.line) {
            Ok(()) => {
                self.torn = false;
                Ok(())
            }
            Err((written, error)) => {
                self.torn |= written > 0;
                Err(error)
            }
        }
    }
}

/// Writes all of it, however long the reader takes; on failure returns how much was written.
pub fn put(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err((bytes.len() - rest.len(), ErrorKind::WriteZero.into())),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL),
            Err(error) => return Err((bytes.len() - rest.len(), error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::escape;
    use super::super::sample::Sink;
    use super::*;

    fn spawn(child: i32) -> Record<'static> {
        Record::Spawn {
            time: 1.5,
            pid: 1,
            child,
            thread: false,
        }
    }

    fn line(child: i32) -> String {
        format!(r#"{{"event":"spawn","time":1.5,"pid":1,"child":{child},"thread":false}}"#) + "\n"
    }

    #[test]
    fn an_event_is_one_write_of_one_line() {
        let sink = Sink::default();
        let mut log = Log::new(sink.clone());
        for child in 2..5 {
            assert!(log.write(&spawn(child)).is_ok());
        }
        assert_eq!(sink.writes(), [2, 3, 4].map(line));
        assert!(log.loss().is_none());
    }

    #[test]
    fn hostile_text_is_escaped_and_reads_back_as_it_was() {
        let sink = Sink::default();
        let hostile = "a\n\x1b[2J\u{7f}\u{9b}1mé\u{202e}\u{301}\u{e0001}\"\\".to_owned();
        let record = Record::Waiting {
            time: 1.5,
            processes: std::slice::from_ref(&hostile),
        };
        assert!(Log::new(sink.clone()).write(&record).is_ok());
        let line = sink.text();
        assert!(
            line.contains("\\u009b1mé\\u202e\\u0301\\udb40\\udc01"),
            "{line}"
        );
        assert_eq!(
            line.chars().filter(|&c| !escape::is_plain(c)).count(),
            1,
            "its end"
        );
        let read: serde_json::Value = serde_json::from_str(&line).expect("a JSON value");
        assert_eq!(read["processes"][0], hostile);
    }

    #[test]
    fn an_interrupted_or_short_write_goes_on() {
        let sink = Sink::default();
        sink.answer([
            Err(ErrorKind::Interrupted),
            Ok(3),
            Err(ErrorKind::WouldBlock),
            Ok(2),
        ]);
        let mut log = Log::new(sink.clone());
        assert!(log.write(&spawn(2)).is_ok());
        assert_eq!(sink.text(), line(2));
    }

    #[test]
    fn a_failure_is_told_once_and_every_lost_event_counted() {
        let sink = Sink::default();
        sink.answer([Err(ErrorKind::StorageFull), Err(ErrorKind::StorageFull)]);
        let mut log = Log::new(sink.clone());
        assert_eq!(
            log.write(&spawn(2)).map_err(io::Error::kind),
            Err(ErrorKind::StorageFull)
        );
        assert!(log.write(&spawn(3)).is_ok());
        assert!(log.write(&spawn(4)).is_ok());
        assert_eq!(sink.text(), line(4));
        assert_eq!(log.loss().map(|(lost, _)| lost), Some(2));
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let sink = Sink::default();
        sink.answer([
            Ok(5),
            Err(ErrorKind::StorageFull),
            Err(ErrorKind::StorageFull),
        ]);
        let mut log = Log::new(sink.clone());
        for child in 2..6 {
            let _ = log.write(&spawn(child));
        }
        assert_eq!(sink.text(), format!("{{\"eve\n{}{}", line(4), line(5)));
    }

    #[test]
    fn a_sink_that_takes_nothing_is_a_failure() {
        let sink = Sink::default();
        sink.answer([Ok(0)]);
        assert!(Log::new(sink).write(&spawn(2)).is_err());
    }
}
