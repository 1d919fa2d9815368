//! The output of verdicts: stdout, or a file that a later run can continue.

use super::case;
use super::ids::{Ids, Numbers};
use crate::report::Ending;
use crate::report::evidence::{self, Content};
use serde::Deserialize;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The cases that already have a verdict.
#[derive(Debug, Default)]
pub struct Done {
    ids: Ids,
    /// The lines of cases whose verdict has no id.
    lines: Numbers,
}

impl Done {
    /// Whether this case has a verdict.
    pub fn contains(&self, id: &Value, line: u64) -> bool {
        match id {
            Value::Null => self.lines.contains(line),
            id => self.ids.contains(id),
        }
    }

    /// Adds a case; false if it already has a verdict.
    fn insert(&mut self, id: &Value, line: u64) -> bool {
        match id {
            Value::Null => self.lines.insert(line),
            id => self.ids.insert(id),
        }
    }
}

/// The writer of verdicts: whole lines, one write each.
pub struct Output {
    to: To,
    /// Why a line could not be written. No line may follow a partial one.
    broken: Option<io::ErrorKind>,
}

/// Where they go.
enum To {
    Stdout(io::Stdout),
    File(File),
}

impl Output {
    /// Opens stdout or a file; also returns the cases that already have a verdict there.
    ///
    /// # Errors
    /// A message, with the next step.
    pub fn open(path: Option<&Path>, resume: bool) -> Result<(Output, Done), String> {
        let Some(path) = path else {
            return Ok((To::Stdout(io::stdout()).into(), Done::default()));
        };
        let failed = |error: io::Error| format!("--output {}: {error}", path.display());
        let mut file = evidence::open(path, Content::Kept).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > 0 && !resume {
            return Err(format!(
                "--output {}: it already holds verdicts; continue with --resume, or remove it",
                path.display()
            ));
        }
        // A device or pipe has no length, and reading it may never end.
        let (done, whole) = match length {
            0 => Default::default(),
            _ => done(&mut file).map_err(failed)?,
        };
        if whole < length {
            // The last line may be partial because that run was killed: its case runs again.
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

/// A verdict, as far as `--resume` needs it.
#[derive(Deserialize)]
struct Line {
    id: Value,
    #[serde(default)]
    line: u64,
    #[serde(default)]
    ending: Option<Ending>,
}

impl Line {
    /// Whether the case is retried: it did not run, or not to its end. Its program or directory, for
    /// example, may exist now.
    fn is_open(&self) -> bool {
        let again = [Ending::NotStarted, Ending::Failed, Ending::Killed];
        self.ending.is_some_and(|ending| again.contains(&ending))
    }
}

/// Reads each whole line of a file of verdicts; returns their total length.
fn each(file: &mut File, mut verdict: impl FnMut(&Line, u64)) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let (mut at, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text)?;
        if !text.ends_with(b"\n") {
            return Ok(at);
        }
        let Ok(line) = case::object::<Line>(&text) else {
            let message = "it holds a line that is not a verdict of a batch; name another file";
            return Err(io::Error::other(message));
        };
        verdict(&line, at);
        at += read as u64;
    }
}

/// The cases in a file that are not retried, and the length up to the end of its last whole line.
fn done(file: &mut File) -> io::Result<(Done, u64)> {
    let mut done = Done::default();
    let whole = each(file, |line, _| {
        if !line.is_open() {
            done.insert(&line.id, line.line);
        }
    })?;
    Ok((done, whole))
}

/// Removes the earlier verdicts of retried cases: the last verdict of each case stays. The file is
/// replaced atomically, so that it is complete even if this program is killed.
///
/// # Errors
/// A message. The file is then unchanged.
pub fn compact(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| {
        format!(
            "--output {}: it still holds the earlier verdicts of retried cases, because it cannot be \
             replaced: {error}; the last verdict of each case counts",
            path.display()
        )
    };
    let mut file = evidence::open(path, Content::Kept).map_err(failed)?;
    let old = superseded(&mut file).map_err(failed)?;
    if old.is_empty() {
        return Ok(());
    }
    let (new, mut to) = beside(path, &file).map_err(failed)?;
    let written = copy(&mut file, &old, &mut to).and_then(|()| std::fs::rename(&new, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}

/// The offsets of verdicts that a later one of the same case replaces, in ascending order.
fn superseded(file: &mut File) -> io::Result<Vec<u64>> {
    let mut open = Vec::new();
    let mut finished = Done::default();
    each(file, |line, at| match line.is_open() {
        true => open.push((at, line.id.clone(), line.line)),
        false => _ = finished.insert(&line.id, line.line),
    })?;
    // From the end: the first verdict found for a case is its last.
    let old = open
        .into_iter()
        .rev()
        .filter(|(_, id, line)| finished.contains(id, *line) || !finished.insert(id, *line));
    let mut old: Vec<u64> = old.map(|(at, ..)| at).collect();
    old.reverse();
    Ok(old)
}

/// A new file in the same directory, with the permissions of this one.
fn beside(path: &Path, file: &File) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!(".{name}.{}", std::process::id());
    let new = path.with_file_name(name);
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    to.set_permissions(file.metadata()?.permissions())?;
    Ok((new, to))
}

/// Copies a file except the lines at these offsets.
fn copy(file: &mut File, without: &[u64], to: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let mut writer = BufWriter::new(to);
    let mut at = 0;
    for &begin in without {
        io::copy(&mut reader.by_ref().take(begin - at), &mut writer)?;
        at = begin + reader.skip_until(b'\n')? as u64;
    }
    io::copy(&mut reader, &mut writer)?;
    writer.flush()
}
