//! Opens a log for `jail replay` and `jail report`, and says which of its lines are no events.

use std::fs::File;
use std::io::{self, BufReader, Write};

use crate::journal::Journal;
use crate::report::escaped;

/// How many problems are told.
const TOLD: usize = 10;
/// The maximum number of characters of a message.
const TEXT: usize = 300;

/// The log in a file, or on stdin for `-`; `None` if there is none, which has been told.
pub(super) fn open(name: &str, err: &mut dyn Write) -> io::Result<Option<Journal>> {
    let shown = escaped(name, TEXT);
    let read = match name {
        "-" => Journal::read(io::stdin().lock()),
        _ => File::open(name).and_then(|file| Journal::read(BufReader::new(file))),
    };
    let journal = match read {
        Ok(journal) => journal,
        Err(error) => {
            writeln!(err, "jail: cannot read the log {shown}: {error}")?;
            return Ok(None);
        }
    };
    for problem in journal.problems.iter().take(TOLD) {
        writeln!(
            err,
            "jail: {shown}: {}",
            escaped(&problem.to_string(), TEXT)
        )?;
    }
    if journal.unread > TOLD {
        let more = journal.unread - TOLD;
        writeln!(err, "jail: {shown}: {more} more lines are no events")?;
    }
    if journal.entries.is_empty() {
        let what = match journal.unread {
            0 => "it is empty",
            _ => "no line of it is an event",
        };
        writeln!(
            err,
            "jail: {shown} is no log: {what}; a log is written by `jail --log FILE`"
        )?;
        return Ok(None);
    }
    Ok(Some(journal))
}
