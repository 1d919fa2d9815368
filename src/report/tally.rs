//! Counts denials, and chooses which get a message: each kind of denial once, and never more than a
//! bounded number of messages or bytes, however many calls a hostile program makes.
//!
//! A repeated denial costs one look-up, without allocation or text. It never writes.

use crate::judge::{Reason, Verdict};
use crate::policy::DomainId;
use crate::syscalls::{Call, Kind};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many messages there are for one system call that one entry denies, about objects in one directory
/// or of one host.
pub const MESSAGES_EACH: usize = 10;
/// The same about objects anywhere.
const MESSAGES_OF_CALL: usize = 30;
/// How many messages there are in total, except those of [`Budget::Named`], of which there are as many.
pub const MESSAGES: usize = 100;
/// How many pairs of entry and system call are counted separately. A policy of usual size cannot reach
/// it.
const GROUPS: usize = 4096;

/// Counts of denials.
#[derive(Debug, Default)]
pub struct Tally {
    groups: HashMap<Key, Group>,
    /// Entries that name what they deny, and had a message.
    named: HashSet<(u32, usize, Option<DomainId>)>,
    spent: [Spent; 2],
    total: u64,
}

/// The budget that a message counts against: a program can cause some denials as often as it wants, and
/// these must not use up the messages about what the policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Budget {
    /// Denials by `default`, the baseline, system calls and rules.
    Other,
    /// Denials by an entry of `deny`, `hide` or `protect`. The first of each entry always gets a
    /// message.
    Named,
}

/// What was spent of a budget.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    messages: usize,
    /// Whether the message was printed that there are no more.
    silent: bool,
}

impl Budget {
    fn of(reason: Reason) -> Budget {
        match reason {
            Reason::Path(_) | Reason::Peer(_) | Reason::PolicyFile(_) | Reason::Unsearched(_) => {
                Budget::Named
            }
            _ => Budget::Other,
        }
    }
}

/// What to print for a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Nothing: it was reported before, or there were enough messages.
    Nothing,
    /// A message of its own.
    Message,
    /// A message that some further ones of this entry and system call are only counted.
    GroupFull,
    /// A message that further ones are only counted, except the first of each entry that names what it
    /// denies.
    Full,
}

/// The denials of one system call by one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The system call's number.
    pub nr: u32,
    /// What denied it.
    pub reason: Reason,
    /// The domain whose entries the reason names.
    pub domain: Option<DomainId>,
    /// The number of denials.
    pub times: u64,
}

/// What decided, and whose entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    reason: Reason,
    domain: Option<DomainId>,
}

impl From<Reason> for Decided {
    fn from(reason: Reason) -> Self {
        let domain = None;
        Self { reason, domain }
    }
}

impl From<&Verdict> for Decided {
    fn from(verdict: &Verdict) -> Self {
        Self {
            reason: verdict.reason,
            domain: verdict.domain,
        }
    }
}

/// A [`Reason`] as a number, and the system call's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: u32,
    nr: u32,
    which: usize,
    domain: Option<DomainId>,
}

#[derive(Debug)]
struct Group {
    count: Count,
    /// The messages so far.
    shown: Vec<Shown>,
    /// Whether the message was printed that there are no more, of a directory or of all.
    muted: bool,
}

/// What one message was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    arguments: [u64; 6],
    /// The directory of its path, or the host of its peer.
    directory: u64,
}

impl Group {
    fn new(nr: u32, Decided { reason, domain }: Decided) -> Self {
        Self {
            count: Count {
                nr,
                reason,
                domain,
                times: 0,
            },
            shown: Vec::new(),
            muted: false,
        }
    }

    fn is_full(&self) -> bool {
        self.shown.len() >= MESSAGES_OF_CALL
    }

    fn has_room(&self, new: Shown) -> bool {
        let beside = |shown: &&Shown| shown.directory == new.directory;
        !self.is_full() && self.shown.iter().filter(beside).count() < MESSAGES_EACH
    }
}

impl Key {
    fn new(Decided { reason, domain }: Decided, nr: u32) -> Self {
        let (kind, which) = match reason {
            // There is one object per rule: its address only serves to distinguish rules.
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
        Self {
            kind,
            nr,
            which,
            domain,
        }
    }
}

impl Shown {
    fn of(call: &Call, object: Option<&[u8]>) -> Self {
        match object {
            Some(object) => Self {
                arguments: [hash(object), 0, 0, 0, 0, 0],
                directory: hash(directory(object)),
            },
            None => Self {
                arguments: telling(call),
                directory: 0,
            },
        }
    }
}

/// A hash that distinguishes paths and peers.
fn hash(object: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    hasher.finish()
}

/// The directory of a path, or the host of an endpoint.
fn directory(object: &[u8]) -> &[u8] {
    let separator = match object.first() {
        Some(b'/') => b'/',
        _ => b':',
    };
    let end = object.iter().rposition(|byte| *byte == separator);
    object.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl Tally {
    /// Counts a denial, and returns what to print for it.
    ///
    /// A denial of a path or a peer is reported once for each. The first denial by each entry that names
    /// what it denies is reported in any case.
    pub fn add(&mut self, decided: impl Into<Decided>, call: &Call, object: Option<&[u8]>) -> Say {
        self.total += 1;
        let decided = decided.into();
        let key = Key::new(decided, call.nr);
        let budget = Budget::of(decided.reason);
        let entry = (key.kind, key.which, key.domain);
        let is_first = budget == Budget::Named
            && !self.named.contains(&entry)
            && self.named.len() < GROUPS
            && self.named.insert(entry);
        let spent = match budget {
            Budget::Other => &mut self.spent[0],
            Budget::Named => &mut self.spent[1],
        };
        let full = self.groups.len() >= GROUPS;
        let group = match self.groups.get_mut(&key) {
            Some(group) => group,
            None if full && is_first => {
                spent.messages += 1;
                return Say::Message;
            }
            None if full => return Say::Nothing,
            None => {
                let new = Group::new(call.nr, decided);
                self.groups.entry(key).or_insert(new)
            }
        };
        group.count.times += 1;
        if is_first {
            group.shown.push(Shown::of(call, object));
            spent.messages += 1;
            return Say::Message;
        }
        if spent.silent || group.muted && group.is_full() {
            return Say::Nothing;
        }
        let new = Shown::of(call, object);
        if group.shown.contains(&new) {
            return Say::Nothing;
        }
        if spent.messages >= MESSAGES {
            spent.silent = true;
            return Say::Full;
        }
        if !group.has_room(new) {
            return match std::mem::replace(&mut group.muted, true) {
                true => Say::Nothing,
                false => Say::GroupFull,
            };
        }
        group.shown.push(new);
        spent.messages += 1;
        Say::Message
    }

    /// The number of denials.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many had no message.
    pub fn unshown(&self) -> u64 {
        let messages: usize = self.spent.iter().map(|spent| spent.messages).sum();
        self.total.saturating_sub(messages as u64)
    }

    /// The counts, the most frequent first.
    pub fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> = self.groups.values().map(|group| group.count).collect();
        counts.sort_unstable_by_key(|count| {
            let decided = Decided {
                reason: count.reason,
                domain: count.domain,
            };
            let key = Key::new(decided, count.nr);
            let entry = (key.nr, key.kind, key.which, key.domain);
            (std::cmp::Reverse(count.times), entry)
        });
        counts
    }
}

/// The arguments that make two denials different for people: flags, requests, families. Process ids,
/// descriptors, addresses and sizes do not count: they would give each call in a loop its own message.
/// (`ioctl` and `fcntl` take an address or a size, which the table can only call a number.)
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
        assert_eq!(tally.unshown(), 0);
        for _ in 1..1200 {
            assert_eq!(tally.add(Reason::Entry(0), &socket, None), Say::Nothing);
        }
        assert_eq!(tally.unshown(), 1199);
        let nr = socket.nr;
        assert_eq!(
            tally.counts(),
            [Count {
                nr,
                reason: Reason::Entry(0),
                domain: None,
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

    /// A program that wants to hide a denied theft causes other denials before it.
    #[test]
    fn decoys_do_not_silence_a_denial_of_something_else() {
        let open = call("openat", &[]);
        let mut tally = Tally::default();
        for decoy in 0..1000 {
            let path = format!("/decoys/{decoy}");
            tally.add(Reason::PathDefault, &open, Some(path.as_bytes()));
        }
        let say = tally.add(Reason::PathDefault, &open, Some(b"/home/u/.ssh/id_ed25519"));
        assert_eq!(say, Say::Message, "another directory");

        // In all ways: many directories, many calls, many entries.
        for decoy in 0..10_000_u32 {
            let path = format!("/{}/{decoy}", decoy % 100);
            let by = Call {
                nr: decoy % 40,
                args: [0; 6],
            };
            tally.add(Reason::PathDefault, &by, Some(path.as_bytes()));
            tally.add(Reason::Path(0), &by, Some(path.as_bytes()));
            tally.add(Reason::Entry(decoy as usize), &by, None);
        }
        assert_eq!(tally.groups.len(), GROUPS);
        let say = |tally: &mut Tally, reason| tally.add(reason, &open, Some(b"/0/secret"));
        for reason in [Reason::Path(1), Reason::Peer(1), Reason::PolicyFile(1)] {
            assert_eq!(say(&mut tally, reason), Say::Message, "{reason:?}");
            assert_ne!(say(&mut tally, reason), Say::Message, "{reason:?}");
        }
        let messages: usize = tally.spent.iter().map(|spent| spent.messages).sum();
        assert!(messages <= 2 * MESSAGES + 4, "{messages}");
        assert_eq!(tally.unshown(), tally.total() - messages as u64);
    }

    #[test]
    fn the_first_denial_of_a_named_entry_is_told_when_its_budget_is_spent() {
        let mut tally = Tally::default();
        for decoy in 0..10_000_u32 {
            let path = format!("/{}/{decoy}", decoy % 100);
            let by = Call {
                nr: decoy % 40,
                args: [0; 6],
            };
            tally.add(Reason::Path(0), &by, Some(path.as_bytes()));
        }
        assert!(tally.spent[1].silent && tally.groups.len() < GROUPS);
        let open = call("openat", &[]);
        let mut say = |reason| tally.add(reason, &open, Some(b"/0/secret"));
        assert_eq!(say(Reason::Path(1)), Say::Message);
        assert_eq!(say(Reason::Path(1)), Say::Nothing);
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
