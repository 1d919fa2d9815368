//! Writes to stderr without blocking the process tree.
//!
//! While the supervisor waits for a reader, every process that needs an answer waits too, and a hostile
//! one can keep the reader from reading (it has the same pipe or terminal). A message that cannot be
//! written soon is dropped and counted.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long the first message that cannot be written may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// How much a pipe that is ready accepts without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;

/// The destination of messages.
pub struct Console<W> {
    out: W,
    /// Whether the last message was dropped; then the next one is not waited for.
    stalled: bool,
    lost: u64,
}

impl<W: AsFd + Write> Console<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            stalled: false,
            lost: 0,
        }
    }

    fn is_ready(&self, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up; otherwise the last fraction of a millisecond would be a busy loop.
            let left = PollTimeout::try_from(left + Duration::from_micros(999))
                .unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.out.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, left) {
                // Interrupted by a noted signal, or by the tick.
                Err(nix::Error::EINTR) if Instant::now() < until => {}
                Ok(1..) => return true,
                _ => return false,
            }
        }
    }
}

/// The output for a report's messages.
pub trait Messages {
    /// Writes a whole message, or drops it. Dropping is not an error.
    fn say(&mut self, text: &str);

    /// How many messages were dropped.
    fn lost(&self) -> u64;
}

impl<W: AsFd + Write> Messages for Console<W> {
    fn say(&mut self, text: &str) {
        let patience = if self.stalled {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let until = Instant::now() + patience;
        for chunk in text.as_bytes().chunks(CHUNK) {
            self.stalled = !self.is_ready(until);
            if self.stalled {
                self.lost += 1;
                return;
            }
            match self.out.write_all(chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.lost += 1;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}

/// An output that discards messages.
pub struct Discard;

impl Messages for Discard {
    fn say(&mut self, _: &str) {}

    fn lost(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    fn pipe() -> (File, File) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        (reader.into(), writer.into())
    }

    #[test]
    fn a_pipe_without_a_reader_does_not_block() {
        let (mut reader, writer) = pipe();
        let mut console = Console::new(writer);
        let begin = Instant::now();
        for _ in 0..1000 {
            console.say(&"x".repeat(1000));
        }
        assert!(console.lost() > 900, "{} lost", console.lost());
        assert!(begin.elapsed() < Duration::from_secs(5));
        // Once there is room again, messages are written again.
        let lost = console.lost();
        let mut buffer = [0; 20_000];
        reader.read_exact(&mut buffer).unwrap();
        console.say("heard");
        assert_eq!(console.lost(), lost);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let (reader, writer) = pipe();
        drop(reader);
        let mut console = Console::new(writer);
        console.say("nobody");
        assert_eq!(console.lost(), 0);
    }
}
