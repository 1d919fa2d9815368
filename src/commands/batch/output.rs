//! Where the verdicts go: stdout, or a file that a later run goes on with.

use crate::report::evidence::{self, Content};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// What a case's verdict is found by: its id as JSON, or its line where it has none of its own.
pub fn key(id: &Value, line: u64) -> String {
    match id {
        Value::Null => format!("line {line}"),
        id => id.to_string(),
    }
}

/// The verdicts' way out: whole lines, one write each.
pub struct Output {
    to: To,
    /// Why a line could not be written: no other may follow what there is of it.
    broken: Option<io::ErrorKind>,
}

/// Where they go.
enum To {
    Stdout(io::Stdout),
    File(File),
}

impl Output {
    /// stdout, or a file; also the [`key`]s of the cases whose verdicts are there already.
    ///
    /// # Errors
    /// In words, with the next step.
    pub fn open(path: Option<&Path>, resume: bool) -> Result<(Output, HashSet<String>), String> {
        let Some(path) = path else {
            return Ok((To::Stdout(io::stdout()).into(), HashSet::new()));
        };
        let failed = |error: io::Error| format!("--output {}: {error}", path.display());
        let mut file = evidence::open(path, Content::Kept).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > 0 && !resume {
            return Err(format!(
                "--output {}: there are verdicts in it already; go on with --resume, or remove it",
                path.display()
            ));
        }
        // A device or pipe has no length, and reading it no end.
        let (done, whole) = match length {
            0 => Default::default(),
            _ => done(&mut file).map_err(failed)?,
        };
        if whole < length {
            // The last line was cut off when that run was killed: its case runs again.
            file.set_len(whole).map_err(failed)?;
        }
        Ok((To::File(file).into(), done))
    }

    /// Writes a line.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        let written = match &mut self.to {
            To::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(line).and_then(|()| stdout.flush())
            }
            To::File(file) => file.write_all(line),
        };
        self.broken = written.as_ref().err().map(io::Error::kind);
        written
    }
}

impl From<To> for Output {
    fn from(to: To) -> Self {
        Self { to, broken: None }
    }
}

/// The keys in a file, and how long it is up to the end of its last whole line.
fn done(file: &mut File) -> io::Result<(HashSet<String>, u64)> {
    #[derive(Deserialize)]
    struct Line {
        id: Value,
        #[serde(default)]
        line: u64,
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
            Ok(line) => _ = ids.insert(key(&line.id, line.line)),
            Err(_) => {
                let message = "it holds a line that is no verdict of a batch; name another file";
                return Err(io::Error::other(message));
            }
        }
        whole += read as u64;
    }
}
