//! Which names an address is known by: leases of what resolvers answered to the command, and of what
//! the supervisor has looked up itself, as the host's programs do (nss: /etc/hosts, DNS and whatever
//! else is configured).
//!
//! A look-up may take its time: another thread makes it, and the jail waits for it only where an
//! address is about to be denied that a name may stand for.

use crate::net::NamePattern;
use crate::net::leases::Leases;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What is looked up is taken to stand so long: a lease has a longer least time.
const LOOKED_UP: Duration = Duration::ZERO;
/// A look-up that is younger is not made again.
const FRESH: Duration = Duration::from_secs(2);
/// How long denials wait for one, from its beginning.
const PATIENCE: Duration = Duration::from_secs(3);

/// Names and addresses.
pub(super) struct Names {
    patterns: Vec<NamePattern>,
    leases: Leases,
    /// Answers that are still to come: a name and its addresses, and the end.
    answers: Option<Receiver<(String, Vec<IpAddr>)>>,
    /// When the last look-up was begun.
    begun: Option<Instant>,
}

impl Names {
    /// For these names; looks them up at once.
    pub fn new<'a>(patterns: impl Iterator<Item = &'a NamePattern>) -> Names {
        let mut names = Names {
            patterns: patterns.cloned().collect(),
            leases: Leases::new(),
            answers: None,
            begun: None,
        };
        names.begin();
        names
    }

    /// The names that stand for an address at present.
    pub fn of(&self, address: IpAddr) -> Vec<&str> {
        match self.patterns.is_empty() {
            true => Vec::new(),
            false => self.leases.names(address, Instant::now()),
        }
    }

    /// A resolver has answered. Names that the policy is not about are kept, too: for messages.
    pub fn answered(&mut self, answer: &crate::net::dns::Answer) {
        let now = Instant::now();
        for (address, ttl) in &answer.addresses {
            let ttl = Duration::from_secs((*ttl).into());
            self.leases.lease(&answer.name, *address, ttl, now);
        }
    }

    /// Looks the policy's names up, anew unless it has just been done. Whether one of them stands for
    /// the address now.
    pub fn look_up(&mut self, address: IpAddr) -> bool {
        let stale = self.begun.is_none_or(|begun| begun.elapsed() >= FRESH);
        if self.answers.is_none() && stale {
            self.begin();
        }
        // Whoever comes later does not wait for a resolver that does not answer.
        let until = self.begun.unwrap_or_else(Instant::now) + PATIENCE;
        while let Some(answers) = &self.answers {
            let left = until.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok((name, addresses)) => {
                    let now = Instant::now();
                    for address in addresses {
                        self.leases.lease(&name, address, LOOKED_UP, now);
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.answers = None,
            }
        }
        let matches = |name: &&str| self.patterns.iter().any(|known| known.matches(name));
        self.of(address).iter().any(matches)
    }

    fn begin(&mut self) {
        let names: Vec<String> = self
            .patterns
            .iter()
            .filter(|pattern| !pattern.is_wildcard())
            .map(|pattern| pattern.as_str().to_owned())
            .collect();
        if names.is_empty() {
            return;
        }
        self.begun = Some(Instant::now());
        let (sender, receiver) = channel();
        let look = move || {
            for name in names {
                let found = (name.as_str(), 0)
                    .to_socket_addrs()
                    .map(|found| found.map(|address| address.ip()).collect())
                    .unwrap_or_default();
                if sender.send((name, found)).is_err() {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new()
            .name("jail-names".to_owned())
            .spawn(look);
        // Without a thread nothing is known, and what is not known is denied.
        self.answers = started.is_ok().then_some(receiver);
    }
}
