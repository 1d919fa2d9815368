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
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for the broker.
const WAITING: usize = 256;
/// Answers that wait for the supervisor.
const READ: usize = 1024;
/// Bytes of an answer.
const MOST: usize = 1 << 16;

/// The other end.
pub struct Broker {
    lines: SyncSender<Vec<u8>>,
    answers: Receiver<Result<Given, String>>,
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
        let broker = Broker { lines, answers };
        let (reader, lost) = (Arc::clone(&socket), answer.clone());
        // No handler of this program must run in the threads: a signal must end a wait of the supervisor.
        let mask = sys::signal::block_all()?;
        let started = thread::Builder::new()
            .name("jail-asks".to_owned())
            .spawn(move || write(&socket, &to_write, &lost))
            .and_then(|_| {
                thread::Builder::new()
                    .name("jail-answers".to_owned())
                    .spawn(move || read(&reader, &answer))
            });
        sys::signal::set_mask(&mask)?;
        started.map(|_| broker)
    }

    fn send(&self, line: &ToBroker<'_>) -> bool {
        self.lines.try_send(report::line(line)).is_ok()
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
