//! System V shared memory that nobody has attached: it stays where it is, in no process's memory.

use crate::trace::Tid;
use std::collections::HashSet;
use std::path::Path;

/// Segments, as /proc/sysvipc/shm tells them (proc_sysvipc(5)).
#[derive(Debug)]
pub struct Segments {
    /// Those that were there at the start, or that somebody outside has made since.
    others: HashSet<i64>,
    /// Whose count.
    user: u32,
}

/// A line of it.
struct Segment {
    id: i64,
    attached: u64,
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
        Self { others, user }
    }

    /// What those take that nobody has attached, in bytes. `processes`: those of the jail, sorted. Of
    /// a process that has ended nobody knows whose it was: what it has made counts.
    pub fn detached(&mut self, processes: &[Tid]) -> u64 {
        let is_other = |pid: Tid| {
            processes.binary_search(&pid).is_err() && Path::new(&format!("/proc/{pid}")).exists()
        };
        self.detached_of(&text(), is_other)
    }

    fn detached_of(&mut self, text: &str, is_other: impl Fn(Tid) -> bool) -> u64 {
        let mut sum: u64 = 0;
        for segment in read(text).filter(|segment| segment.user == self.user) {
            if self.others.contains(&segment.id) {
                continue;
            }
            if is_other(segment.maker) {
                self.others.insert(segment.id);
            } else if segment.attached == 0 {
                sum = sum.saturating_add(segment.bytes);
            }
        }
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
            attached: number(6)?,
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
    fn segments_count_that_are_new_and_detached_and_the_users() {
        let text = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n\
            0 1 600 99 7 7 0 5 5 5 5 0 0 0 4096 1\n\
            0 2 600 99 7 7 1 5 5 5 5 0 0 0 8192 0\n\
            0 3 600 99 7 7 0 5 5 6 5 0 0 0 16384 0\n\
            0 4 600 99 8 7 0 6 5 5 5 0 0 0 32768 0\n\
            torn 5\n";
        let mut segments = Segments {
            others: HashSet::from([4]),
            user: 5,
        };
        assert_eq!(segments.detached_of(text, |_| false), 4097);
        segments.others.clear();
        assert_eq!(segments.detached_of(text, |_| false), 4097 + 32768);
        assert_eq!(segments.detached_of(text, |maker| maker == 8), 4097);
        // Its maker may end: it stays another's.
        assert_eq!(segments.detached_of(text, |_| false), 4097);
        assert_eq!(segments.detached_of("", |_| false), 0);
    }
}
