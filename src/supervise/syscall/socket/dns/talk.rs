//! Which sockets of a process speak with a resolver.

use crate::net::Protocol;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// A process whose resolver has been silent for so long is not watched any more.
const SILENCE: Duration = Duration::from_secs(10);
/// Sockets of a process that are watched at the same time.
const MOST_SOCKETS: usize = 64;

/// What is kept for each process.
#[derive(Debug, Default)]
pub struct ProcessState {
    /// Its talk with a resolver, if it has one.
    talk: RefCell<Option<Talk>>,
}

/// What a process has to do with resolvers.
#[derive(Debug)]
struct Talk {
    sockets: HashMap<RawFd, Spoken>,
    until: Instant,
}

/// How a socket speaks with a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    pub(super) protocol: Protocol,
    pub(super) resolver: IpAddr,
}

#[cfg(test)]
impl Spoken {
    pub fn of_test() -> Self {
        Self {
            protocol: Protocol::Udp,
            resolver: IpAddr::from([127, 0, 0, 1]),
        }
    }
}

impl ProcessState {
    /// It has a socket to a resolver.
    pub(super) fn begin(&self, fd: u64, spoken: Spoken) {
        let mut talk = self.talk.borrow_mut();
        let talk = talk.get_or_insert_with(|| Talk {
            sockets: HashMap::new(),
            until: Instant::now(),
        });
        talk.until = Instant::now() + SILENCE;
        let fd = fd as u32 as RawFd;
        if talk.sockets.len() < MOST_SOCKETS || talk.sockets.contains_key(&fd) {
            talk.sockets.insert(fd, spoken);
        }
    }

    /// Whether its calls are to be seen.
    pub fn is_watched(&self) -> bool {
        let mut talk = self.talk.borrow_mut();
        if talk.as_ref().is_some_and(|it| Instant::now() >= it.until) {
            *talk = None;
        }
        talk.is_some()
    }

    /// Keeps for a process what can be kept for one.
    #[cfg(test)]
    pub fn fill(&self) {
        self.begin(3, Spoken::of_test());
    }

    /// How a socket of it speaks with a resolver, if it does.
    pub(super) fn spoken(&self, fd: RawFd) -> Option<Spoken> {
        self.talk.borrow().as_ref()?.sockets.get(&fd).copied()
    }

    /// Something was said just now.
    pub(super) fn speaks(&self) {
        if let Some(talk) = self.talk.borrow_mut().as_mut() {
            talk.until = Instant::now() + SILENCE;
        }
    }

    pub(super) fn closed(&self, fd: RawFd) {
        let mut talk = self.talk.borrow_mut();
        if let Some(open) = talk.as_mut() {
            open.sockets.remove(&fd);
            if open.sockets.is_empty() {
                *talk = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_watched_while_it_has_a_socket_to_a_resolver() {
        let process = ProcessState::default();
        let spoken = Spoken {
            protocol: Protocol::Udp,
            resolver: [127, 0, 0, 53].into(),
        };
        assert!(!process.is_watched());
        process.begin(5, spoken);
        process.begin(6, spoken);
        process.closed(5);
        assert!(process.is_watched());
        process.closed(6);
        assert!(!process.is_watched());
    }
}
