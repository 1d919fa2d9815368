//! System V shared memory: a segment keeps its pages, also those that are in the page tables of no
//! process, because no process has attached it or because they were dropped (MADV_DONTNEED).

use crate::trace::Tid;
use std::collections::HashSet;

/// Segments, as /proc/sysvipc/shm tells them (proc_sysvipc(5)).
#[derive(Debug)]
pub struct Segments {
    /// Those that were there at the start, or that a process outside has made since.
    others: HashSet<i64>,
    /// Those that the jail has made.
    own: HashSet<i64>,
    /// Whose count.
    user: u32,
}

/// A line of it.
struct Segment {
    id: i64,
    /// The process that made it, which may be gone.
    maker: Tid,
    /// Its user: the owner can be changed.
    user: u32,
    /// Resident and swapped out, in bytes.
    bytes: u64,
}

impl Segments {
    /// Those that this user makes from now on.
    pub fn new(user: u32) -> Self {
        let others = read(&text()).map(|segment| segment.id).collect();
        Self {
            others,
            own: HashSet::new(),
            user,
        }
    }

    /// What the jail's take, in bytes. `is_own`: whether a process is one of the jail, or has been since
    /// this was last asked.
    pub fn sum(&mut self, is_own: impl Fn(Tid) -> bool) -> u64 {
        self.sum_of(&text(), is_own)
    }

    /// Whether a segment is the jail's: its id is also the inode of what is mapped of it (newseg of
    /// ipc/shm.c).
    pub fn has(&self, inode: u64) -> bool {
        i64::try_from(inode).is_ok_and(|id| self.own.contains(&id))
    }

    fn sum_of(&mut self, text: &str, is_own: impl Fn(Tid) -> bool) -> u64 {
        let mut sum: u64 = 0;
        // Only what is there is remembered: a program may make and remove them for ever.
        let (mut own, mut others) = (HashSet::new(), HashSet::new());
        for segment in read(text).filter(|segment| segment.user == self.user) {
            let id = segment.id;
            // Its maker may end: it stays whose it was.
            let is_new = !self.own.contains(&id) && !self.others.contains(&id);
            if self.own.contains(&id) || is_new && is_own(segment.maker) {
                own.insert(id);
                sum = sum.saturating_add(segment.bytes);
            } else {
                others.insert(id);
            }
        }
        (self.own, self.others) = (own, others);
        sum
    }
}

/// A kernel without System V has no such file.
fn text() -> String {
    std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default()
}

fn read(text: &str) -> impl Iterator<Item = Segment> {
    // key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
    text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        Some(Segment {
            id: fields.get(1)?.parse().ok()?,
            maker: fields.get(4)?.parse().ok()?,
            user: fields.get(9)?.parse().ok()?,
            bytes: number(14)?.saturating_add(number(15)?),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_count_that_are_new_and_the_users_attached_or_not() {
        let text = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n\
            0 1 600 99 7 7 0 5 5 5 5 0 0 0 4096 1\n\
            0 2 600 99 7 7 1 5 5 5 5 0 0 0 8192 0\n\
            0 3 600 99 7 7 0 5 5 6 5 0 0 0 16384 0\n\
            0 4 600 99 8 7 0 6 5 5 5 0 0 0 32768 0\n\
            torn 5\n";
        let mut segments = Segments {
            others: HashSet::from([4]),
            own: HashSet::new(),
            user: 5,
        };
        assert_eq!(segments.sum_of(text, |_| true), 12289);
        segments.others.clear();
        segments.own.clear();
        assert_eq!(segments.sum_of(text, |maker| maker == 7), 12289);
        // The makers have ended since, and their ids may be others'.
        assert_eq!(segments.sum_of(text, |maker| maker == 8), 12289);
        assert_eq!(segments.sum_of("", |_| true), 0);
    }
}
