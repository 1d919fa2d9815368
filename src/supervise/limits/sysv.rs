//! System V semaphores and message queues: the kernel keeps them, in no process's memory, and they stay
//! when their makers have ended.
//!
//! Nothing tells who has made one. So each semget(2) and msgget(2) is seen at its return, and what it gives
//! is the jail's unless it was there before.

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
    pub fn of(call: &str) -> Option<Kind> {
        match call {
            "semget" => Some(Kind::Semaphores),
            "msgget" => Some(Kind::Messages),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Kind::Semaphores => "/proc/sysvipc/sem",
            Kind::Messages => "/proc/sysvipc/msg",
        }
    }

    /// The id of one, and what it takes in bytes, by its line (proc_sysvipc(5)).
    fn read(self, line: &str) -> Option<(i64, u64)> {
        // key semid perms nsems …, key msqid perms cbytes qnum …
        let mut fields = line.split_ascii_whitespace().skip(1);
        let id = fields.next()?.parse().ok()?;
        let number: u64 = fields.nth(1)?.parse().ok()?;
        let bytes = match self {
            Kind::Semaphores => number.saturating_mul(LINE),
            Kind::Messages => {
                let messages: u64 = fields.next()?.parse().ok()?;
                number.saturating_add(messages.saturating_mul(LINE))
            }
        };
        Some((id, bytes))
    }
}

/// Those of one kind.
#[derive(Debug)]
pub struct Kept {
    kind: Kind,
    own: HashSet<i64>,
    others: HashSet<i64>,
    /// What the jail's took at the last look, and when the next one may begin.
    last: u64,
    rest: Instant,
}

impl Kept {
    /// None yet: what is there is others'.
    pub fn new(kind: Kind) -> Self {
        let mut kept = Self {
            kind,
            own: HashSet::new(),
            others: HashSet::new(),
            last: 0,
            rest: Instant::now(),
        };
        kept.sum();
        kept
    }

    /// A task of the jail has got this one.
    pub fn got(&mut self, id: i64) {
        if !self.others.contains(&id) {
            self.own.insert(id);
        }
    }

    /// What the jail's take, in bytes.
    pub fn sum(&mut self) -> u64 {
        let begin = Instant::now();
        if begin >= self.rest {
            // A kernel without System V has no such file.
            let text = std::fs::read_to_string(self.kind.path()).unwrap_or_default();
            self.last = self.sum_of(&text);
            self.rest = begin + begin.elapsed() * REST;
        }
        self.last
    }

    fn sum_of(&mut self, text: &str) -> u64 {
        let mut sum: u64 = 0;
        // Only what is there is remembered.
        let (mut own, mut others) = (HashSet::new(), HashSet::new());
        for (id, bytes) in text.lines().skip(1).filter_map(|line| self.kind.read(line)) {
            if self.own.contains(&id) {
                own.insert(id);
                sum = sum.saturating_add(bytes);
            } else {
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

    #[test]
    fn what_the_jail_has_made_counts_until_it_is_removed() {
        let none = |kind| Kept {
            kind,
            own: HashSet::new(),
            others: HashSet::new(),
            last: 0,
            rest: Instant::now(),
        };
        let text = "key semid perms nsems uid gid cuid cgid otime ctime\n\
            0 1 600 10 5 5 5 5 0 0\n0 2 600 20 5 5 5 5 0 0\ntorn 3\n";
        let mut sets = none(Kind::Semaphores);
        assert_eq!(sets.sum_of(text), 0);
        // The first was there before: somebody outside has made it.
        sets.got(1);
        sets.got(4);
        let more = format!("{text}0 4 600 30 5 5 5 5 0 0\n");
        assert_eq!(sets.sum_of(&more), 30 * LINE);
        assert_eq!(sets.sum_of(text), 0);
        let text = "key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime\n\
            0 7 600 1000 2 1 1 5 5 5 5 0 0 0\n";
        let mut queues = none(Kind::Messages);
        queues.got(7);
        assert_eq!(queues.sum_of(text), 1000 + 2 * LINE);
    }
}
