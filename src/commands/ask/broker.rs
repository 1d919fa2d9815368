//! The program at the other end of `--ask-socket`. Two threads write and read, so that the supervisor never waits
//! for it.

use super::message::{self, ToBroker, VERSION};
use super::{Front, Given, Question};
use crate::report;
use crate::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for the broker.
const WAITING: usize = 256;
/// Answers that wait for the supervisor.
const READ: usize = 1024;
/// Bytes of an answer.
const MOST: usize = 1 << 16;
/// How long the broker is waited for at the end, so that it gets the last lines.
const PATIENCE: Duration = Duration::from_millis(500);

/// The other end.
pub struct Broker {
    /// `None`: no more lines follow.
    lines: Option<SyncSender<Vec<u8>>>,
    answers: Receiver<Result<Given, String>>,
    /// Nothing is sent here. It is closed when the thread that writes has ended.
    written: Receiver<()>,
}

impl Broker {
    /// Begins the conversation.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn start(socket: UnixStream, policy: &str, command: &[OsString]) -> io::Result<Broker> {
        let (lines, to_write) = sync_channel(WAITING);
        let (answer, answers) = sync_channel(READ);
        let socket = Arc::new(socket);
        let hello = ToBroker::Hello {
            version: VERSION,
            jail: env!("CARGO_PKG_VERSION"),
            policy,
            command: command
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
        };
        // The queue is empty.
        let _ = lines.try_send(report::line(&hello));
        let (done, written) = channel();
        let broker = Broker {
            lines: Some(lines),
            answers,
            written,
        };
        let (reader, lost) = (Arc::clone(&socket), answer.clone());
        // No handler of this program must run in the threads: a signal must end a wait of the supervisor.
        let mask = sys::signal::block_all()?;
        let started = thread::Builder::new()
            .name("jail-asks".to_owned())
            .spawn(move || {
                write(&socket, &to_write, &lost);
                drop(done);
            })
            .and_then(|_| {
                thread::Builder::new()
                    .name("jail-answers".to_owned())
                    .spawn(move || read(&reader, &answer))
            });
        sys::signal::set_mask(&mask)?;
        started.map(|_| broker)
    }

    fn send(&self, line: &ToBroker<'_>) -> bool {
        let lines = self.lines.as_ref();
        lines.is_some_and(|lines| lines.try_send(report::line(line)).is_ok())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.lines = None;
        let _ = self.written.recv_timeout(PATIENCE);
    }
}

impl Front for Broker {
    fn put(&mut self, question: &Question<'_>) -> bool {
        self.send(&ToBroker::Question {
            id: question.id,
            request: question.denial.request(),
            denial: question.denial,
            timeout: question.timeout.as_ref().map(Duration::as_secs_f64),
        })
    }

    fn withdraw(&mut self, id: u64) {
        // A broker that does not read this sends an answer that is ignored.
        self.send(&ToBroker::Withdrawn { id });
    }

    fn answers(&mut self, answers: &mut Vec<Given>) -> Result<(), String> {
        loop {
            match self.answers.try_recv() {
                Ok(Ok(given)) => answers.push(given),
                Ok(Err(why)) => return Err(why),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(CLOSED.to_owned()),
            }
        }
    }
}

const CLOSED: &str = "the broker of --ask-socket has closed the connection";

/// Waits until the socket is ready, which may be one that does not block.
fn wait(socket: &UnixStream, what: PollFlags) {
    let mut fds = [PollFd::new(socket.as_fd(), what)];
    let _ = poll(&mut fds, PollTimeout::NONE);
}

fn is_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn lost(error: &io::Error) -> String {
    format!("the broker of --ask-socket cannot be reached: {error}")
}

fn write(
    mut socket: &UnixStream,
    lines: &Receiver<Vec<u8>>,
    answers: &SyncSender<Result<Given, String>>,
) {
    for line in lines {
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if is_again(&error) => wait(socket, PollFlags::POLLOUT),
                Err(error) => {
                    let _ = answers.send(Err(lost(&error)));
                    return;
                }
            }
        }
    }
}

fn read(mut socket: &UnixStream, answers: &SyncSender<Result<Given, String>>) {
    let mut known: Vec<u8> = Vec::new();
    let mut chunk = [0; 4096];
    let why = loop {
        let read = match socket.read(&mut chunk) {
            Ok(0) => break CLOSED.to_owned(),
            Ok(read) => read,
            Err(error) if is_again(&error) => {
                wait(socket, PollFlags::POLLIN);
                continue;
            }
            Err(error) => break lost(&error),
        };
        known.extend_from_slice(chunk.get(..read).unwrap_or_default());
        while let Some(end) = known.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = known.drain(..=end).collect();
            let line = line.trim_ascii();
            if !line.is_empty() && answers.send(Ok(message::parse(line))).is_err() {
                return;
            }
        }
        if known.len() > MOST {
            break format!("the broker of --ask-socket has sent a line of more than {MOST} bytes");
        }
    };
    let _ = answers.send(Err(why));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn withdrawn(socket: UnixStream, lines: u64) {
        let mut broker = Broker::start(socket, "p.toml", &[]).expect("threads");
        (1..=lines).for_each(|id| broker.withdraw(id));
    }

    #[test]
    fn a_broker_that_reads_has_all_lines_when_jail_ends() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        withdrawn(theirs, 200);
        ours.set_nonblocking(true).expect("a socket");
        let mut text = String::new();
        let _ = (&ours).read_to_string(&mut text);
        assert_eq!(text.lines().count(), 201, "{text}");
    }

    #[test]
    fn one_that_does_not_read_holds_the_end_up_for_a_moment() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut full = &theirs;
        theirs.set_nonblocking(true).expect("a socket");
        while full.write(&[b' '; 4096]).is_ok() {}
        let begin = Instant::now();
        withdrawn(theirs, 9);
        let took = begin.elapsed();
        assert!((PATIENCE..20 * PATIENCE).contains(&took), "{took:?}");
        drop(ours);
    }
}
