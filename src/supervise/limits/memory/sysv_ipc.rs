//! System V semaphores and message queues: the kernel keeps them, in no process's memory, and they stay
//! when their makers have ended.
//!
//! Nothing tells who has made one. So each semget(2) and msgget(2) is seen at its return, and what it gives
//! is the jail's unless it was there before. What is first seen while such a call is under way may be what it
//! makes: no process owns it then. A task may end in its call, which never returns: then what is new, and of
//! the command's user, is the jail's.

use crate::sys::sysv_ipc;
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

    /// All that there are.
    fn read(self) -> Vec<Found> {
        match self {
            Kind::Semaphores => sysv_ipc::sets().map(Found::from).collect(),
            Kind::Messages => sysv_ipc::queues().map(Found::from).collect(),
        }
    }
}

/// One of them: what it takes, and the user that has made it.
#[derive(Debug, Clone, Copy)]
struct Found {
    id: i64,
    maker: u32,
    bytes: u64,
}

impl From<sysv_ipc::Set> for Found {
    fn from(set: sysv_ipc::Set) -> Self {
        Self {
            id: set.id,
            maker: set.maker,
            bytes: set.semaphores.saturating_mul(LINE),
        }
    }
}

impl From<sysv_ipc::Queue> for Found {
    fn from(queue: sysv_ipc::Queue) -> Self {
        let heads = queue.messages.saturating_mul(LINE);
        Self {
            id: queue.id,
            maker: queue.maker,
            bytes: heads.saturating_add(queue.bytes),
        }
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
            self.last = self.sum_of(&self.kind.read(), making);
            self.rest = begin + begin.elapsed() * REST;
        }
        self.last
    }

    fn sum_of(&mut self, all: &[Found], making: bool) -> u64 {
        let unfinished = std::mem::take(&mut self.unfinished);
        let mut sum: u64 = 0;
        // Only what is there is remembered.
        let (mut own, mut others) = (HashSet::new(), HashSet::new());
        for &Found { id, maker, bytes } in all {
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

    fn set(id: i64, maker: u32, semaphores: u64) -> Found {
        Found::from(sysv_ipc::Set {
            id,
            maker,
            semaphores,
        })
    }

    fn queue(id: i64, maker: u32) -> Found {
        Found::from(sysv_ipc::Queue {
            id,
            maker,
            messages: 2,
            bytes: 1000,
        })
    }

    #[test]
    fn what_the_jail_has_made_counts_until_it_is_removed() {
        let mut all = vec![set(1, 5, 10), set(2, 5, 20)];
        let mut sets = kept(Kind::Semaphores);
        assert_eq!(sets.sum_of(&all, false), 0);
        // The first was there before: a process outside has made it.
        sets.got(1);
        sets.got(4);
        all.push(set(4, 5, 30));
        assert_eq!(sets.sum_of(&all, false), 30 * LINE);
        all.pop();
        assert_eq!(sets.sum_of(&all, false), 0);
        let mut queues = kept(Kind::Messages);
        queues.got(7);
        assert_eq!(queues.sum_of(&[queue(7, 5)], false), 1000 + 2 * LINE);
    }

    #[test]
    fn what_is_seen_before_its_call_has_returned_is_the_jails() {
        let all = [set(1, 5, 10), set(2, 6, 20)];
        let mut sets = kept(Kind::Semaphores);
        assert_eq!(sets.sum_of(&all, true), 0);
        sets.got(1);
        assert_eq!(sets.sum_of(&all, false), 10 * LINE);
        // Its task was killed: what is new is the user's that made it.
        let mut sets = kept(Kind::Semaphores);
        sets.sum_of(&all, true);
        sets.unfinished();
        assert_eq!(sets.sum_of(&all, false), 10 * LINE);
        assert_eq!(sets.sum_of(&all, false), 10 * LINE);
        // What was there before stays another's.
        let mut sets = kept(Kind::Semaphores);
        sets.sum_of(&all, false);
        sets.unfinished();
        assert_eq!(sets.sum_of(&all, false), 0);
        let mut queues = kept(Kind::Messages);
        queues.unfinished();
        assert_eq!(queues.sum_of(&[queue(7, 5)], false), 1000 + 2 * LINE);
    }
}
