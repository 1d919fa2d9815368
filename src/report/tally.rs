//! Denials counted, and which of them are worth a message: each kind of denial once, and never
//! more than a bounded number of messages or bytes, however long a hostile program goes on.
//!
//! A repeated denial costs a look-up: no allocation, no text. It never writes.

use crate::judge::Reason;
use crate::syscalls::{Call, Kind};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Messages for one system call that one entry denies: with other arguments each.
pub const MESSAGES_EACH: usize = 10;
/// Messages in all.
pub const MESSAGES: usize = 100;
/// Pairs of entry and system call that are told apart. A policy of usual size cannot reach it.
const GROUPS: usize = 4096;

/// Counts of denials.
#[derive(Debug, Default)]
pub struct Tally {
    groups: HashMap<Key, Group>,
    messages: usize,
    silent: bool,
    total: u64,
}

/// What to say of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Nothing: it was said before, or enough was.
    Nothing,
    /// A message of its own.
    Message,
    /// That further ones of this entry and system call are only counted.
    GroupFull,
    /// That further ones are only counted.
    Full,
}

/// The denials of one system call by one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The system call's number.
    pub nr: u32,
    /// What denied it.
    pub reason: Reason,
    /// How often.
    pub times: u64,
}

/// A [`Reason`] as a number, and the system call's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: u32,
    nr: u32,
    which: usize,
}

#[derive(Debug)]
struct Group {
    count: Count,
    /// The arguments of the messages so far.
    shown: Vec<[u64; 6]>,
    muted: bool,
}

impl Key {
    fn new(reason: Reason, nr: u32) -> Self {
        let (kind, which) = match reason {
            // One object a rule: its address tells it from others, and is used for nothing else.
            Reason::Baseline(rule) => (0, std::ptr::from_ref(rule).addr()),
            Reason::Rule(index) => (1, index),
            Reason::Entry(index) => (2, index),
            Reason::Default => (3, 0),
            Reason::Always => (4, 0),
            Reason::UnknownNumber => (5, 0),
            Reason::Path(index) => (6, index),
            Reason::PathDefault => (7, 0),
            Reason::Metadata => (8, 0),
            Reason::Command => (9, 0),
            Reason::Pathless => (10, 0),
            Reason::Changed => (11, 0),
            Reason::Peer(index) => (12, index),
            Reason::PeerDefault => (13, 0),
            Reason::Closed(rule) => (14, std::ptr::from_ref(rule).addr()),
            Reason::Unpinned => (15, 0),
            Reason::Terminal => (16, 0),
            Reason::PolicyFile(index) => (18, index),
            Reason::Unsearched(index) => (17, index),
        };
        Self { kind, nr, which }
    }
}

/// What tells one path from another.
fn named(path: &[u8]) -> [u64; 6] {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    [hasher.finish(), 0, 0, 0, 0, 0]
}

impl Tally {
    /// Counts a denial, and says what to say of it.
    ///
    /// A denial of a path is told once for each path.
    pub fn add(&mut self, reason: Reason, call: &Call, path: Option<&[u8]>) -> Say {
        self.total += 1;
        let key = Key::new(reason, call.nr);
        let full = self.groups.len() >= GROUPS;
        let group = match self.groups.get_mut(&key) {
            Some(group) => group,
            None if full => return Say::Nothing,
            None => self.groups.entry(key).or_insert(Group {
                count: Count {
                    nr: call.nr,
                    reason,
                    times: 0,
                },
                shown: Vec::new(),
                muted: false,
            }),
        };
        group.count.times += 1;
        if self.silent || group.muted {
            return Say::Nothing;
        }
        let arguments = path.map_or_else(|| telling(call), named);
        if group.shown.contains(&arguments) {
            return Say::Nothing;
        }
        if self.messages >= MESSAGES {
            self.silent = true;
            return Say::Full;
        }
        if group.shown.len() >= MESSAGES_EACH {
            group.muted = true;
            return Say::GroupFull;
        }
        group.shown.push(arguments);
        self.messages += 1;
        Say::Message
    }

    /// How many denials there were.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether each denial had its message.
    pub fn all_shown(&self) -> bool {
        self.total == self.messages as u64
    }

    /// The counts, the most frequent first.
    pub fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> = self.groups.values().map(|group| group.count).collect();
        counts.sort_unstable_by_key(|count| {
            let Key { kind, nr, which } = Key::new(count.reason, count.nr);
            (std::cmp::Reverse(count.times), nr, kind, which)
        });
        counts
    }
}

/// The arguments by which two denials differ for people: flags, requests, families. Which process,
/// descriptor, address or amount it was would make a message of each call in a loop. (`ioctl` and
/// `fcntl` take an address or an amount, which the table can only call a number.)
fn telling(call: &Call) -> [u64; 6] {
    let Some(syscall) = call.syscall() else {
        return [0; 6];
    };
    let mut telling = [0; 6];
    for ((argument, value), slot) in syscall.args.iter().zip(call.args).zip(&mut telling) {
        let varies = argument.kind.is_pointer()
            || matches!(
                argument.kind,
                Kind::Fd | Kind::Dirfd | Kind::Pid | Kind::Size | Kind::Offset | Kind::Ulong
            );
        if !varies {
            *slot = argument.kind.significant(value);
        }
    }
    telling
}

#[cfg(test)]
mod tests {
    use super::super::sample::call;
    use super::*;

    #[test]
    fn a_repeated_denial_is_said_once_and_counted() {
        let mut tally = Tally::default();
        let socket = call("socket", &[2, 1, 0]);
        assert_eq!(tally.add(Reason::Entry(0), &socket, None), Say::Message);
        assert!(tally.all_shown());
        for _ in 1..1200 {
            assert_eq!(tally.add(Reason::Entry(0), &socket, None), Say::Nothing);
        }
        assert!(!tally.all_shown());
        let nr = socket.nr;
        assert_eq!(
            tally.counts(),
            [Count {
                nr,
                reason: Reason::Entry(0),
                times: 1200
            }]
        );
    }

    #[test]
    fn other_flags_are_another_message_but_other_processes_and_descriptors_are_not() {
        let mut tally = Tally::default();
        let mut add = |call| tally.add(Reason::Default, &call, None);
        assert_eq!(add(call("socket", &[2, 1, 0])), Say::Message);
        assert_eq!(add(call("socket", &[10, 1, 0])), Say::Message);
        assert_eq!(add(call("kill", &[1, 9])), Say::Message);
        assert_eq!(add(call("kill", &[1, 15])), Say::Message);
        for other in 2..2000 {
            assert_eq!(add(call("kill", &[other, 9])), Say::Nothing);
            assert_eq!(
                add(call("socket", &[2 | other << 32, 1, 0])),
                Say::Nothing,
                "upper half"
            );
        }
        assert_eq!(add(call("ioctl", &[0, 0x5412, 7])), Say::Message);
        assert_eq!(add(call("ioctl", &[5, 0x5412, 8])), Say::Nothing);
        assert_eq!(add(call("fchmod", &[0, 0o777])), Say::Message);
        assert_eq!(add(call("fchmod", &[5, 0o777])), Say::Nothing);
        assert_eq!(add(call("openat", &[3, 0x1000, 0, 0])), Say::Message);
        assert_eq!(add(call("openat", &[4, 0x2000, 0, 0])), Say::Nothing);
    }

    #[test]
    fn the_same_call_denied_by_another_entry_is_another_message() {
        let mut tally = Tally::default();
        let socket = call("socket", &[2, 1, 0]);
        for reason in [
            Reason::Entry(0),
            Reason::Entry(1),
            Reason::Rule(0),
            Reason::Default,
        ] {
            assert_eq!(tally.add(reason, &socket, None), Say::Message);
        }
    }

    #[test]
    fn a_flood_of_different_calls_gets_ten_messages_each() {
        let mut tally = Tally::default();
        let mut messages = 0;
        let mut others = Vec::new();
        for request in 0..1_000_000 {
            match tally.add(Reason::Rule(0), &call("ioctl", &[0, request]), None) {
                Say::Nothing => {}
                Say::Message => messages += 1,
                other => others.push(other),
            }
        }
        assert_eq!((messages, others), (MESSAGES_EACH, vec![Say::GroupFull]));
        assert_eq!(tally.total(), 1_000_000);
    }

    #[test]
    fn a_flood_of_everything_is_bounded_in_messages_and_memory() {
        let mut tally = Tally::default();
        let mut messages = 0;
        let mut full = 0;
        for index in 0..20_000 {
            for nr in 0..20 {
                let call = Call {
                    nr,
                    args: [index as u64; 6],
                };
                match tally.add(Reason::Entry(index), &call, None) {
                    Say::Message => messages += 1,
                    Say::Full => full += 1,
                    _ => {}
                }
            }
        }
        assert_eq!((messages, full), (MESSAGES, 1));
        assert_eq!(tally.groups.len(), GROUPS);
        assert_eq!(tally.total(), 400_000);
        let shown: usize = tally.groups.values().map(|group| group.shown.len()).sum();
        assert_eq!(shown, MESSAGES);
    }

    #[test]
    fn the_most_frequent_comes_first() {
        let mut tally = Tally::default();
        for (times, request) in [(1, 3), (3, 5), (2, 4)] {
            for _ in 0..times {
                tally.add(
                    Reason::Default,
                    &Call {
                        nr: request,
                        args: [0; 6],
                    },
                    None,
                );
            }
        }
        let times: Vec<_> = tally
            .counts()
            .iter()
            .map(|count| (count.nr, count.times))
            .collect();
        assert_eq!(times, [(5, 3), (4, 2), (3, 1)]);
    }
}
