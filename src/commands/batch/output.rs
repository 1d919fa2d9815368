//! Where the verdicts go: stdout, or a file that a later run goes on with.

use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// The verdicts' way out: whole lines, one write each.
pub enum Output {
    Stdout(io::Stdout),
    File(File),
}

impl Output {
    /// stdout, or a file; also the ids of the cases whose verdicts are there already.
    ///
    /// # Errors
    /// In words, with the next step.
    pub fn open(path: Option<&Path>, resume: bool) -> Result<(Output, HashSet<String>), String> {
        let Some(path) = path else {
            return Ok((Output::Stdout(io::stdout()), HashSet::new()));
        };
        let failed = |error: io::Error| format!("--output {}: {error}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > 0 && !resume {
            return Err(format!(
                "--output {}: there are verdicts in it already; go on with --resume, or remove it",
                path.display()
            ));
        }
        let (done, whole) = done(&mut file).map_err(failed)?;
        if whole < length {
            // The last line was cut off when that run was killed: its case runs again.
            file.set_len(whole).map_err(failed)?;
        }
        Ok((Output::File(file), done))
    }

    /// Writes a line.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(line)?;
                stdout.flush()
            }
            Output::File(file) => file.write_all(line),
        }
    }
}

/// The ids in a file, and how long it is up to the end of its last whole line.
fn done(file: &mut File) -> io::Result<(HashSet<String>, u64)> {
    #[derive(Deserialize)]
    struct Line {
        id: Value,
    }
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let (mut ids, mut whole, mut line) = (HashSet::new(), 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok((ids, whole));
        }
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) => _ = ids.insert(line.id.to_string()),
            Err(_) => {
                let message = "it holds a line that is no verdict of a batch; name another file";
                return Err(io::Error::other(message));
            }
        }
        whole += read as u64;
    }
}
