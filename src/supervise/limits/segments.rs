//! System V shared memory that nobody has attached: it stays where it is, in no process's memory.

use std::collections::HashSet;

/// Segments, as /proc/sysvipc/shm tells them (proc_sysvipc(5)).
#[derive(Debug)]
pub struct Segments {
    /// Those that were there at the start.
    before: HashSet<i64>,
    /// Whose count.
    user: u32,
}

/// A line of it.
struct Segment {
    id: i64,
    attached: u64,
    user: u32,
    /// Resident and swapped out, in bytes.
    bytes: u64,
}

impl Segments {
    /// Those that this user makes from now on.
    pub fn new(user: u32) -> Self {
        let before = read(&text()).map(|segment| segment.id).collect();
        Self { before, user }
    }

    /// What those take that nobody has attached, in bytes.
    pub fn detached(&self) -> u64 {
        self.detached_of(&text())
    }

    fn detached_of(&self, text: &str) -> u64 {
        let own = |segment: &Segment| {
            segment.attached == 0 && segment.user == self.user && !self.before.contains(&segment.id)
        };
        let bytes = read(text).filter(own).map(|segment| segment.bytes);
        bytes.fold(0, u64::saturating_add)
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
            // Who made it: the owner can be changed.
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
            0 4 600 99 7 7 0 6 5 5 5 0 0 0 32768 0\n\
            torn 5\n";
        let before = HashSet::from([4]);
        let segments = Segments { before, user: 5 };
        assert_eq!(segments.detached_of(text), 4097);
        let segments = Segments {
            before: HashSet::new(),
            user: 5,
        };
        assert_eq!(segments.detached_of(text), 4097 + 32768);
        assert_eq!(segments.detached_of(""), 0);
    }
}
