//! Events of a jail, for a program that listens in another thread.

use crate::policy::{LimitKind, Policy};
use crate::report::{self, Denial, DomainLimit, Report};
use crate::supervise::{self, Observer};
use crate::trace::{Exit, Tid};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// One event. Ids are those outside the jail.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The command was started.
    Started {
        /// The main process.
        pid: Tid,
        /// The file that was found for it.
        program: PathBuf,
    },
    /// A call was denied.
    Denied(Box<Denial>),
    /// A call ended the jail.
    Killed(Box<Denial>),
    /// The command has exceeded a limit, and is being ended.
    Limit(LimitKind),
    /// Processes in a domain have exceeded a limit of the domain, and are being killed. The command goes on.
    DomainLimit(Box<DomainLimit>),
    /// A 32-bit program was started, and killed.
    Foreign {
        /// The process.
        pid: Tid,
    },
    /// A process runs another program ([`super::Builder::all_events`]).
    Exec {
        /// The process.
        pid: Tid,
        /// The chain of programs from the first to this one.
        ancestry: Vec<String>,
    },
    /// A process or thread was created ([`super::Builder::all_events`]).
    Spawned {
        /// The process that created it.
        parent: Tid,
        /// The new process or thread.
        child: Tid,
        /// Whether it is a thread of `parent`.
        thread: bool,
    },
    /// A signal is delivered ([`super::Builder::all_events`]).
    Signal {
        /// The process.
        pid: Tid,
        /// The signal's number.
        signal: i32,
    },
    /// A process has ended ([`super::Builder::all_events`]).
    Ended {
        /// The process.
        pid: Tid,
        /// How it ended.
        exit: Exit,
    },
}

/// The maximum number of buffered events, so that a jail cannot fill its host's memory. Further ones are
/// dropped and counted.
const ROOM: usize = 4096;
/// The maximum size in bytes of the texts of buffered events, because the command can use long paths.
const ROOM_BYTES: usize = 8 << 20;

/// The listener's end of the stream, which ends with the jail.
#[derive(Debug)]
pub struct Events {
    events: Receiver<Event>,
    shared: Arc<Shared>,
}

/// The state that both ends share.
#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    /// The size in bytes of the buffered events.
    bytes: AtomicUsize,
}

impl Events {
    /// How many events were dropped because the listener did not take them in time.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    fn taken(&self, event: Event) -> Event {
        let bytes = event.bytes();
        self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
        event
    }

    /// The next event, if one comes in time; `Ok(None)` if the jail has ended.
    ///
    /// # Errors
    /// If none has come in time.
    pub fn next_timeout(&self, time: Duration) -> Result<Option<Event>, RecvTimeoutError> {
        match self.events.recv_timeout(time) {
            Ok(event) => Ok(Some(self.taken(event))),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(timeout) => Err(timeout),
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    /// Waits for the next event; `None` if the jail has ended.
    fn next(&mut self) -> Option<Event> {
        self.events.recv().ok().map(|event| self.taken(event))
    }
}

/// The jail's end of the stream.
pub(super) struct Sender {
    events: SyncSender<Event>,
    shared: Arc<Shared>,
    /// Whether to send more than denials and limits.
    all: bool,
}

pub(super) fn channel(all: bool) -> (Sender, Events) {
    let (sender, events) = sync_channel(ROOM);
    let shared = Arc::new(Shared::default());
    let sender = Sender {
        events: sender,
        shared: Arc::clone(&shared),
        all,
    };
    (sender, Events { events, shared })
}

impl Sender {
    /// Sends an event, or counts it as lost if there is no room.
    fn send(&self, event: Event) {
        let bytes = event.bytes();
        // Added before it is sent, because the receiver subtracts it.
        let waiting = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > ROOM_BYTES || self.events.try_send(event).is_err() {
            self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Event {
    /// An estimate of the memory that it takes.
    fn bytes(&self) -> usize {
        let all = |texts: &[String]| {
            texts
                .iter()
                .map(|text| text.len() + size_of::<String>())
                .sum()
        };
        let texts: usize = match self {
            Event::Denied(denial) | Event::Killed(denial) => {
                let path = denial.path.as_ref();
                let path = path.map_or(0, |path| path.given.len() + path.resolved.len());
                let names = denial.peer.as_ref().map_or(0, |peer| all(&peer.names));
                let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                let remedy = text(&denial.advice) + text(&denial.remedy);
                let rest = [all(&denial.ancestry), names];
                size_of::<Denial>() + denial.call.len() + path + remedy + rest.iter().sum::<usize>()
            }
            Event::Exec { ancestry, .. } => all(ancestry),
            Event::Started { program, .. } => program.as_os_str().len(),
            _ => 0,
        };
        size_of::<Event>() + texts
    }
}

/// Passes events of a jail's thread to the report and to a listener.
pub(super) struct EventSink<'a> {
    pub report: Report<'a>,
    pub policy: &'a Policy,
    pub sender: Option<Sender>,
}

impl Observer for EventSink<'_> {
    fn event(&mut self, event: &supervise::Event<'_>) {
        if let Some(sender) = &self.sender
            && let Some(event) = owned(self.policy, event)
        {
            sender.send(event);
        }
        self.report.event(event);
    }

    fn wants_all(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.all)
    }
}

fn owned(policy: &Policy, event: &supervise::Event<'_>) -> Option<Event> {
    use supervise::Event as Inner;
    Some(match *event {
        Inner::Start { pid, program } => Event::Started {
            pid,
            program: program.to_owned(),
        },
        Inner::Denied(ref denial) => Event::Denied(Box::new(report::denial(policy, denial, false))),
        Inner::Killed(ref denial) => Event::Killed(Box::new(report::denial(policy, denial, true))),
        Inner::Limit(limit) => Event::Limit(limit),
        Inner::DomainLimit {
            pid,
            program,
            domain,
            limit,
        } => {
            let names = program.ancestry().into_iter().map(str::to_owned);
            let process = (pid, names.collect());
            Event::DomainLimit(Box::new(DomainLimit::of(policy, process, domain, limit)))
        }
        Inner::Foreign { pid, .. } => Event::Foreign { pid },
        // Only for the console: the outcome is the same as without a jail.
        Inner::Refused { .. } | Inner::Accessed { .. } => return None,
        Inner::Exec { pid, program, .. } => Event::Exec {
            pid,
            ancestry: program.ancestry().into_iter().map(str::to_owned).collect(),
        },
        Inner::Spawn {
            parent,
            child,
            thread,
        } => Event::Spawned {
            parent,
            child,
            thread,
        },
        Inner::Signal { pid, signal, .. } => Event::Signal { pid, signal },
        Inner::Exit { pid, exit, .. } => Event::Ended { pid, exit },
        Inner::Lacking(_)
        | Inner::Socket { .. }
        | Inner::Granted(_)
        | Inner::Waiting { .. }
        | Inner::Used(_) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(length: usize) -> Event {
        Event::Exec {
            pid: 1,
            ancestry: vec!["x".repeat(length)],
        }
    }

    #[test]
    fn events_wait_in_a_bounded_number_of_bytes() {
        let (sender, mut events) = channel(true);
        let length = 1 << 20;
        (0..20).for_each(|_| sender.send(exec(length)));
        let lost = events.lost();
        assert!((13..=14).contains(&lost), "{lost}");
        // Taking an event makes room.
        assert_eq!(events.next(), Some(exec(length)));
        sender.send(exec(length));
        assert_eq!(events.lost(), lost);
        drop(sender);
        assert_eq!(events.by_ref().count() as u64, 20 - lost);
        assert_eq!(events.shared.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn events_wait_in_a_bounded_number() {
        let (sender, events) = channel(true);
        (0..ROOM + 10).for_each(|_| sender.send(Event::Foreign { pid: 1 }));
        assert_eq!(events.lost(), 10);
    }
}
