//! The file of `--denials`: one line of JSON for each denial, for a program that reads why a call failed.
//!
//! The jail never waits for the reader. What cannot be written at once is kept, up to a bound, and written
//! with a later line or at the end; what does not fit is dropped as whole lines and counted.

use super::json;
use super::text::FOREIGN;
use super::verdict::{Asked, Denial, DenialAction, Line, Standing};
use crate::judge::Code;
use crate::sys::socket::send_now;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

/// Bytes that wait for the reader.
const QUEUE: usize = 1 << 20;
/// Lines of one run, so that a command that repeats a denied call does not fill a disk.
const MOST: u64 = 100_000;
/// How much a pipe that is ready accepts without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;
/// How long the reader is waited for at the end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a call failed: one line of `--denials`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DenialLine<'a> {
    /// Seconds since 1970 (UTC).
    time: f64,
    /// The stable name of the cause: `fs.read.default`.
    code: &'a str,
    /// Whether a policy could allow it.
    standing: Standing,
    /// What jail did.
    action: DenialAction,
    /// The errno that the call returned.
    errno: Option<&'a str>,
    /// The request, as `jail explain` takes it: `read /etc/shadow`.
    what: String,
    /// The program that made the call.
    program: Option<&'a str>,
    /// The process.
    pid: i32,
    /// The policy file or preset that decided.
    source: Option<&'a str>,
    /// The line in it, from 1.
    line: Option<u32>,
    /// The entry.
    entry: Option<&'a str>,
    /// Its author's reason.
    why: Option<&'a str>,
    /// The domain that decided; absent: the main policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    /// The answer, if a person or a program was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    /// What to add to the policy, as TOML that is merged into it; `None`: no addition can allow it.
    remedy: Option<&'a str>,
    /// The line of a file that must be removed or narrowed.
    remove: Option<&'a Line>,
    /// What to change in the policy, as a sentence.
    advice: Option<&'a str>,
}

impl<'a> DenialLine<'a> {
    /// The line of a denial.
    pub fn new(time: f64, denial: &'a Denial) -> Self {
        let reason = &denial.reason;
        Self {
            time,
            code: &denial.code,
            standing: denial.standing,
            action: denial.action,
            errno: denial.errno.as_deref(),
            what: denial.request(),
            program: denial.ancestry.last().map(String::as_str),
            pid: denial.pid,
            source: reason.source.as_deref(),
            line: reason.line,
            entry: reason.entry.as_deref(),
            why: reason.why.as_deref(),
            domain: reason.domain.as_deref(),
            asked: denial.asked,
            remedy: denial.remedy.as_deref(),
            remove: denial.remove.as_ref(),
            advice: denial.advice.as_deref(),
        }
    }
}

impl DenialLine<'_> {
    /// The line of a program of a foreign ABI, which was killed.
    pub fn foreign(time: f64, pid: i32, ancestry: &[String]) -> DenialLine<'_> {
        DenialLine {
            time,
            code: Code::SyscallForeign.name(),
            standing: Standing::Final,
            action: DenialAction::Kill,
            errno: None,
            what: "a 32-bit program".to_owned(),
            program: ancestry.last().map(String::as_str),
            pid,
            source: None,
            line: None,
            entry: FOREIGN.entry,
            why: FOREIGN.why,
            domain: None,
            asked: None,
            remedy: None,
            remove: None,
            advice: None,
        }
    }
}

/// What is missing.
pub struct Lost<'a> {
    /// How many lines.
    pub lines: u64,
    /// The first error; `None`: the reader was too slow, or there were too many lines.
    pub error: Option<&'a io::Error>,
}

/// The writer.
pub struct Denials {
    out: File,
    is_socket: bool,
    queue: Vec<u8>,
    lines: u64,
    lost: u64,
    error: Option<io::Error>,
    /// Whether the reader has gone.
    gone: bool,
}

impl Denials {
    /// Writes to this.
    pub fn new(out: File) -> Self {
        let is_socket = out
            .metadata()
            .is_ok_and(|found| found.file_type().is_socket());
        Self {
            out,
            is_socket,
            queue: Vec::new(),
            lines: 0,
            lost: 0,
            error: None,
            gone: false,
        }
    }

    /// Writes one line, or keeps it for later. The first failure is returned.
    pub fn write(&mut self, line: &impl Serialize) -> Result<(), &io::Error> {
        self.lines += 1;
        if self.gone || self.lines > MOST {
            self.lost += 1;
            return Ok(());
        }
        let begin = self.queue.len();
        if json::line(&mut self.queue, line).is_err() || self.queue.len() > QUEUE {
            self.queue.truncate(begin);
            self.lost += 1;
        }
        self.pass_on(Instant::now())
    }

    /// Writes what waits, for a short time: no more lines follow.
    pub fn finish(&mut self) -> Option<Lost<'_>> {
        let _ = self.pass_on(Instant::now() + PATIENCE);
        self.lost += self.queue.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.queue.clear();
        (self.lost > 0).then_some(Lost {
            lines: self.lost,
            error: self.error.as_ref(),
        })
    }

    /// Writes what waits, as far as that is possible until then.
    fn pass_on(&mut self, until: Instant) -> Result<(), &io::Error> {
        let mut written = 0;
        let failure = loop {
            let rest = self.queue.get(written..).unwrap_or_default();
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            if chunk.is_empty() || !is_ready(&self.out, until) {
                break None;
            }
            match put(&self.out, self.is_socket, chunk) {
                Ok(0) => break Some(ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break None,
                Err(error) => break Some(error),
            }
        };
        self.queue.drain(..written.min(self.queue.len()));
        let Some(error) = failure else { return Ok(()) };
        let is_gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind());
        if is_gone {
            self.gone = true;
            self.lost += self.queue.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.queue.clear();
        }
        match self.error {
            Some(_) => Ok(()),
            None => Err(self.error.insert(error)),
        }
    }
}

/// Whether a chunk can be written without waiting.
fn is_ready(out: &File, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up; otherwise the last fraction of a millisecond would be a busy loop.
        let left = match left.is_zero() {
            true => PollTimeout::ZERO,
            false => PollTimeout::try_from(left + Duration::from_micros(999))
                .unwrap_or(PollTimeout::ZERO),
        };
        let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, left) {
            Err(nix::Error::EINTR) if Instant::now() < until => {}
            Ok(1..) => return true,
            _ => return false,
        }
    }
}

fn put(mut out: &File, is_socket: bool, chunk: &[u8]) -> io::Result<usize> {
    match is_socket {
        // A socket that is ready may still block within a chunk.
        true => send_now(out.as_fd(), chunk).map_err(io::Error::from),
        false => out.write(chunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pipe() -> (File, File) {
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        (reader.into(), writer.into())
    }

    fn text(length: usize) -> String {
        "x".repeat(length)
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nothing_up_and_gets_whole_lines() {
        let (mut reader, writer) = pipe();
        let mut denials = Denials::new(writer);
        let begin = Instant::now();
        for _ in 0..3000 {
            assert!(denials.write(&text(1000)).is_ok());
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert!(denials.queue.len() <= QUEUE);
        let lost = denials.lost;
        assert!((1500..2500).contains(&lost), "{lost}");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).expect("text");
            text
        });
        let missing = denials.finish().map(|lost| lost.lines);
        assert_eq!(missing, Some(lost));
        drop(denials);
        let read = reading.join().expect("the reader");
        assert_eq!(read.lines().count() as u64, 3000 - lost);
        assert!(read.lines().all(|line| line.len() == 1002));
    }

    #[test]
    fn a_reader_that_has_gone_is_told_once() {
        let (reader, writer) = pipe();
        drop(reader);
        let mut denials = Denials::new(writer);
        assert!(denials.write(&text(10)).is_err());
        assert!(denials.write(&text(10)).is_ok());
        assert_eq!(denials.finish().map(|lost| lost.lines), Some(2));
    }

    #[test]
    fn a_socket_whose_reader_does_not_read_holds_nothing_up() {
        let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let mut denials = Denials::new(File::from(std::os::fd::OwnedFd::from(one)));
        let begin = Instant::now();
        for _ in 0..5000 {
            assert!(denials.write(&text(1000)).is_ok());
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert!(denials.lost > 0);
        drop(other);
        assert!(denials.finish().is_some());
    }

    #[test]
    fn a_run_has_a_bounded_number_of_lines() {
        let file = File::options()
            .write(true)
            .open("/dev/null")
            .expect("a file");
        let mut denials = Denials::new(file);
        for _ in 0..MOST + 7 {
            let _ = denials.write(&1);
        }
        assert_eq!(denials.finish().map(|lost| lost.lines), Some(7));
    }
}
