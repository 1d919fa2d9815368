//! System V semaphores and message queues: the kernel keeps them, in no process's memory, and they stay
//! when their makers have ended.
//!
//! Nothing tells who has made one. So each semget(2) and msgget(2) is seen at its return, and what it gives
//! is the jail's unless it was there before. What is first seen while such a call is under way may be what it
//! makes: no process owns it then. A task may end in its call, which never returns: then what is new, and of
//! the command's user, is the jail's.

use crate::syscalls::{Call, Op};
use std::collections::HashSet;
use std::time::Instant;

/// `struct sem` of ipc/sem.c fills a line of the cache, and so does the head of a message.
const LINE: u64 = 64;
/// After a look, which takes some milliseconds where there are tens of thousands, none begins for so many
/// times as long.
const REST: u32 = 4;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Semaphores,
    Messages,
}

impl Kind {
    /// The call that makes one.
    pub fn of(call: &Call) -> Option<Kind> {
        match call.op() {
            Op::Semget => Some(Kind::Semaphores),
            Op::Msgget => Some(Kind::Messages),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Kind::Semaphores => "/proc/sysvipc/sem",
            Kind::Messages => "/proc/sysvipc/msg",
        }
    }

    /// The id of one, what it takes in bytes, and the user that made it, by its line (proc_sysvipc(5)).
    fn read(self, line: &str) -> Option<(i64, u64, u32)> {
        // key semid perms nsems uid gid cuid …, key msqid perms cbytes qnum lspid lrpid uid gid cuid …
        let mut fields = line.split_ascii_whitespace().skip(1);
        let id = fields.next()?.parse().ok()?;
        let number: u64 = fields.nth(1)?.parse().ok()?;
        let (bytes, maker) = match self {
            Kind::Semaphores => (number.saturating_mul(LINE), fields.nth(2)?),
            Kind::Messages => {
                let messages: u64 = fields.next()?.parse().ok()?;
                let bytes = number.saturating_add(messages.saturating_mul(LINE));
                (bytes, fields.nth(4)?)
            }
        };
        Some((id, bytes, maker.parse().ok()?))
    }
}

/// Those of one kind.
#[derive(Debug)]
pub struct Kept {
    kind: Kind,
    /// Whose count that are made by a call which never returns.
    user: u32,
    own: HashSet<i64>,
    others: HashSet<i64>,
    /// Whether a task has ended in a call that may make one since the last look.
    unfinished: bool,
    /// What the jail's took at the last look, and when the next one may begin.
    last: u64,
    rest: Instant,
}

impl Kept {
    /// None yet: what is there is others'.
    pub fn new(kind: Kind, user: u32) -> Self {
        let mut kept = Self {
            kind,
            user,
            own: HashSet::new(),
            others: HashSet::new(),
            unfinished: false,
            last: 0,
            rest: Instant::now(),
        };
        kept.sum(false);
        kept
    }

    /// A task has ended in a call that may have made one.
    pub fn unfinished(&mut self) {
        self.unfinished = true;
        self.rest = Instant::now();
    }

    /// A task of the jail has got this one.
    pub fn got(&mut self, id: i64) {
        if !self.others.contains(&id) {
            self.own.insert(id);
        }
    }

    /// What the jail's take, in bytes. `making`: whether a call that may make one is under way.
    pub fn sum(&mut self, making: bool) -> u64 {
        let begin = Instant::now();
        if begin >= self.rest {
            // A kernel without System V has no such file.
            let text = std::fs::read_to_string(self.kind.path()).unwrap_or_default();
            self.last = self.sum_of(&text, making);
            self.rest = begin + begin.elapsed() * REST;
        }
        self.last
    }

    fn sum_of(&mut self, text: &str, making: bool) -> u64 {
        let unfinished = std::mem::take(&mut self.unfinished);
        let mut sum: u64 = 0;
        // Only what is there is remembered.
        let (mut own, mut others) = (HashSet::new(), HashSet::new());
        for (id, bytes, maker) in text.lines().skip(1).filter_map(|line| self.kind.read(line)) {
            let known = self.others.contains(&id);
            if self.own.contains(&id) || unfinished && !known && maker == self.user {
                own.insert(id);
                sum = sum.saturating_add(bytes);
            } else if known || !making {
                others.insert(id);
            }
        }
        (self.own, self.others) = (own, others);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing of a jail of the user 5.
    fn kept(kind: Kind) -> Kept {
        Kept {
            kind,
            user: 5,
            own: HashSet::new(),
            others: HashSet::new(),
            unfinished: false,
            last: 0,
            rest: Instant::now(),
        }
    }

    #[test]
    fn what_the_jail_has_made_counts_until_it_is_removed() {
        let text = "key semid perms nsems uid gid cuid cgid otime ctime\n\
            0 1 600 10 5 5 5 5 0 0\n0 2 600 20 5 5 5 5 0 0\ntorn 3\n";
        let mut sets = kept(Kind::Semaphores);
        assert_eq!(sets.sum_of(text, false), 0);
        // The first was there before: a process outside has made it.
        sets.got(1);
        sets.got(4);
        let more = format!("{text}0 4 600 30 5 5 5 5 0 0\n");
        assert_eq!(sets.sum_of(&more, false), 30 * LINE);
        assert_eq!(sets.sum_of(text, false), 0);
        let text = "key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime\n\
            0 7 600 1000 2 1 1 5 5 5 5 0 0 0\n";
        let mut queues = kept(Kind::Messages);
        queues.got(7);
        assert_eq!(queues.sum_of(text, false), 1000 + 2 * LINE);
    }

    #[test]
    fn what_is_seen_before_its_call_has_returned_is_the_jails() {
        let text = "key semid perms nsems uid gid cuid cgid otime ctime\n\
            0 1 600 10 5 5 5 5 0 0\n0 2 600 20 5 5 6 5 0 0\n";
        let mut sets = kept(Kind::Semaphores);
        assert_eq!(sets.sum_of(text, true), 0);
        sets.got(1);
        assert_eq!(sets.sum_of(text, false), 10 * LINE);
        // Its task was killed: what is new is the user's that made it.
        let mut sets = kept(Kind::Semaphores);
        sets.sum_of(text, true);
        sets.unfinished();
        assert_eq!(sets.sum_of(text, false), 10 * LINE);
        assert_eq!(sets.sum_of(text, false), 10 * LINE);
        // What was there before stays another's.
        let mut sets = kept(Kind::Semaphores);
        sets.sum_of(text, false);
        sets.unfinished();
        assert_eq!(sets.sum_of(text, false), 0);
        let text = "key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime\n\
            0 7 600 1000 2 1 1 6 5 5 5 0 0 0\n";
        let mut queues = kept(Kind::Messages);
        queues.unfinished();
        assert_eq!(queues.sum_of(text, false), 1000 + 2 * LINE);
    }
}
