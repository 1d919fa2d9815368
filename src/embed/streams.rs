//! The standard streams of a command: where they come from and go to.

use super::pump::{Output, Wiring, past_streams};
use crate::launch::Command;
use crate::sys;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// How much of each output is kept by default.
const KEPT: usize = 1 << 20;

/// The command's stdin.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: /dev/null.
    #[default]
    Null,
    /// This process's stdin.
    Inherit,
    /// These bytes, through a pipe.
    Bytes(Arc<[u8]>),
    /// A file, from its current offset.
    File(Arc<OwnedFd>),
}

/// The destination of the command's stdout or stderr.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// A pipe: the output is counted, and kept up to [`Builder::keep`](super::Builder::keep).
    #[default]
    Capture,
    /// A pipe that the host reads while the command runs: [`Handle::stdout`](super::Handle::stdout) and
    /// [`Handle::stderr`](super::Handle::stderr). The command waits for the reader.
    /// [`Builder::run`](super::Builder::run) captures the output instead, because it has no handle.
    Piped,
    /// Discarded: /dev/null.
    Null,
    /// This process's own stdout or stderr.
    Inherit,
    /// A file.
    File(Arc<OwnedFd>),
}

macro_rules! stdin_from_bytes {
    ($($type:ty),*) => {
        $(impl From<$type> for Stdin {
            fn from(bytes: $type) -> Self {
                let bytes: &[u8] = bytes.as_ref();
                Self::Bytes(bytes.into())
            }
        })*
    };
}
stdin_from_bytes!(&str, String, &[u8], Vec<u8>);

impl<const N: usize> From<&[u8; N]> for Stdin {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<File> for Stdin {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// For example one end of a pipe whose other end belongs to another jail. It is open as long as a
/// builder holds it.
impl From<OwnedFd> for Stdin {
    fn from(fd: OwnedFd) -> Self {
        Self::File(Arc::new(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// As for [`Stdin`]: a reader of the other end of a pipe also waits for the builder to close this end.
impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self::File(Arc::new(fd))
    }
}

/// The three streams.
#[derive(Debug, Clone)]
pub struct Streams {
    pub stdin: Stdin,
    pub stdout: Stdio,
    pub stderr: Stdio,
    /// How much of each captured output is kept, in bytes.
    pub keep: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            stdin: Stdin::default(),
            stdout: Stdio::default(),
            stderr: Stdio::default(),
            keep: KEPT,
        }
    }
}

impl Streams {
    /// Whether the host reads an output from a pipe.
    pub fn are_piped(&self) -> bool {
        matches!(self.stdout, Stdio::Piped) || matches!(self.stderr, Stdio::Piped)
    }

    /// Captures what the host would read from a pipe.
    pub fn capture(&mut self) {
        for to in [&mut self.stdout, &mut self.stderr] {
            if matches!(to, Stdio::Piped) {
                *to = Stdio::Capture;
            }
        }
    }

    /// Sets the command's streams; returns what goes through pipes, and the ends that the host reads.
    pub fn wire(&self, command: &mut Command, limited: bool) -> io::Result<(Wiring, Readers)> {
        let mut wiring = Wiring::default();
        let mut null = Null::default();
        match &self.stdin {
            Stdin::Null => command.stdin = Some(null.open()?),
            Stdin::Inherit => {}
            Stdin::Bytes(bytes) => wiring.stdin = Some(bytes.to_vec()),
            Stdin::File(file) => command.stdin = Some(other(file.as_raw_fd())?.into()),
        }
        let (stdout, stdout_reader) = piped(&self.stdout)?;
        let (stderr, stderr_reader) = piped(&self.stderr)?;
        (command.stdout, wiring.stdout) = self.output(&stdout, (1, limited), &mut null)?;
        (command.stderr, wiring.stderr) = self.output(&stderr, (2, limited), &mut null)?;
        Ok((wiring, [stdout_reader, stderr_reader]))
    }

    /// The direct destination of an output, and the part of it that goes through a pipe.
    fn output(
        &self,
        to: &Stdio,
        (own, limited): (RawFd, bool),
        null: &mut Null,
    ) -> io::Result<Wired> {
        Ok(match (to, limited) {
            // `piped` has replaced this variant.
            (Stdio::Capture | Stdio::Piped, _) => (None, Some(Output::Keep(self.keep))),
            (Stdio::Null, true) => (None, Some(Output::Keep(0))),
            (Stdio::Null, false) => (Some(null.open()?), None),
            (Stdio::Inherit, true) => (None, Some(Output::Pass(other(own)?))),
            (Stdio::Inherit, false) => (None, None),
            (Stdio::File(file), true) => (None, Some(Output::Pass(other(file.as_raw_fd())?))),
            (Stdio::File(file), false) => (Some(other(file.as_raw_fd())?.into()), None),
        })
    }
}

/// The pipes from which stdout and stderr can be read.
pub type Readers = [Option<PipeReader>; 2];

/// For an output to a new pipe: its write end, and the end that the host reads.
fn piped(to: &Stdio) -> io::Result<(Stdio, Option<PipeReader>)> {
    match to {
        Stdio::Piped => {
            let (reader, writer) = io::pipe()?;
            let writer = past_streams(writer.into())?;
            let reader = past_streams(reader.into())?;
            Ok((writer.into(), Some(reader.into())))
        }
        other => Ok((other.clone(), None)),
    }
}

type Wired = (Option<Arc<OwnedFd>>, Option<Output>);

/// Another descriptor, above 2, for the same open file.
fn other(fd: RawFd) -> io::Result<OwnedFd> {
    sys::process::duplicate(fd).ok_or_else(io::Error::last_os_error)
}

/// /dev/null, opened once for all streams of a run. No other run has this open file: it may carry a lock or flags.
#[derive(Default)]
struct Null(Option<Arc<OwnedFd>>);

impl Null {
    fn open(&mut self) -> io::Result<Arc<OwnedFd>> {
        if let Some(open) = &self.0 {
            return Ok(Arc::clone(open));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        let open = Arc::new(past_streams(file.into())?);
        Ok(Arc::clone(self.0.insert(open)))
    }
}
