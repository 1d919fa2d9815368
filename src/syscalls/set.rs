//! A set of table rows, as bits.

use super::{COUNT, Syscall, all};

const WORDS: usize = COUNT.div_ceil(64);

/// A set of system calls. Copies are a few words; every operation is `const`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SyscallSet([u64; WORDS]);

impl SyscallSet {
    /// The empty set.
    pub const fn new() -> SyscallSet {
        SyscallSet([0; WORDS])
    }

    /// The set of every row.
    pub const fn full() -> SyscallSet {
        let mut set = SyscallSet::new();
        let mut row = 0;
        while row < COUNT {
            set.insert_index(row);
            row += 1;
        }
        set
    }

    /// Adds the row at that [`Syscall::index`].
    ///
    /// # Panics
    /// If there is no such row.
    pub const fn insert_index(&mut self, row: usize) {
        assert!(row < COUNT, "no such row");
        self.0[row / 64] |= 1 << (row % 64);
    }

    /// Removes the row at that [`Syscall::index`].
    pub const fn remove_index(&mut self, row: usize) {
        if row < COUNT {
            self.0[row / 64] &= !(1 << (row % 64));
        }
    }

    /// Whether the row at that [`Syscall::index`] is in it.
    pub const fn contains_index(&self, row: usize) -> bool {
        row < COUNT && self.0[row / 64] >> (row % 64) & 1 == 1
    }

    /// Adds a call.
    pub fn insert(&mut self, syscall: &Syscall) {
        self.insert_index(syscall.index());
    }

    /// Removes a call.
    pub fn remove(&mut self, syscall: &Syscall) {
        self.remove_index(syscall.index());
    }

    /// Whether a call is in it.
    pub fn contains(&self, syscall: &Syscall) -> bool {
        self.contains_index(syscall.index())
    }

    /// The union.
    #[must_use]
    pub const fn union(mut self, other: SyscallSet) -> SyscallSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] |= other.0[word];
            word += 1;
        }
        self
    }

    /// The intersection.
    #[must_use]
    pub const fn intersection(mut self, other: SyscallSet) -> SyscallSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] &= other.0[word];
            word += 1;
        }
        self
    }

    /// The calls in this set that are not in the other.
    #[must_use]
    pub const fn difference(mut self, other: SyscallSet) -> SyscallSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] &= !other.0[word];
            word += 1;
        }
        self
    }

    /// The number of calls.
    pub const fn len(&self) -> usize {
        let mut count = 0;
        let mut word = 0;
        while word < WORDS {
            count += self.0[word].count_ones() as usize;
            word += 1;
        }
        count
    }

    /// Whether it is empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The calls in it, by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Syscall> + use<> {
        let set = *self;
        all()
            .iter()
            .enumerate()
            .filter(move |(row, _)| set.contains_index(*row))
            .map(|(_, s)| s)
    }
}

impl Default for SyscallSet {
    fn default() -> SyscallSet {
        SyscallSet::new()
    }
}

impl<'a> FromIterator<&'a Syscall> for SyscallSet {
    fn from_iter<I: IntoIterator<Item = &'a Syscall>>(calls: I) -> SyscallSet {
        let mut set = SyscallSet::new();
        for call in calls {
            set.insert(call);
        }
        set
    }
}

impl std::fmt::Debug for SyscallSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|syscall| syscall.name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::by_name;
    use super::*;

    fn set(names: &[&str]) -> SyscallSet {
        names
            .iter()
            .map(|name| by_name(name).expect(name))
            .collect()
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut reads = set(&["read", "readv", "accept"]);
        assert!(reads.contains(by_name("readv").expect("readv")));
        assert!(!reads.contains(by_name("write").expect("write")));
        assert_eq!(reads.len(), 3);
        assert_eq!(
            reads.iter().map(|s| s.name).collect::<Vec<_>>(),
            ["accept", "read", "readv"]
        );
        reads.remove(by_name("accept").expect("accept"));
        assert_eq!(reads, set(&["readv", "read"]));
    }

    #[test]
    fn sets_combine() {
        let (a, b) = (set(&["read", "write"]), set(&["write", "close"]));
        assert_eq!(a.union(b), set(&["read", "write", "close"]));
        assert_eq!(a.intersection(b), set(&["write"]));
        assert_eq!(a.difference(b), set(&["read"]));
        assert!(a.difference(a).is_empty());
        assert_eq!(SyscallSet::full().len(), COUNT);
        assert_eq!(SyscallSet::full().union(a), SyscallSet::full());
    }
}
