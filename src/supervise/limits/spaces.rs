//! Which processes share their memory, by the flags of their births: what a child of vfork(2) or
//! posix_spawn(3) has is its parent's until it executes a program, and counts once.

use crate::sys;
use crate::trace::Tid;
use std::collections::{HashMap, HashSet};

/// Processes that share memory, each with the number of what it shares.
#[derive(Debug, Default)]
pub struct Spaces {
    shared: HashMap<Tid, u64>,
    last: u64,
    /// Those of which nobody has said yet how they were born.
    adopted: HashSet<Tid>,
}

impl Spaces {
    /// A process was made by another one, by a call with these clone(2) flags.
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) {
        self.left(child);
        if flags & libc::CLONE_VM as u64 != 0 {
            let next = self.last + 1;
            let space = *self.shared.entry(parent).or_insert(next);
            self.last = self.last.max(space);
            self.shared.insert(child, space);
        }
    }

    /// It has memory of its own, or none at all.
    pub fn left(&mut self, pid: Tid) {
        self.shared.remove(&pid);
        self.adopted.remove(&pid);
    }

    /// A process runs whose parent's event has not come yet.
    pub fn adopted(&mut self, pid: Tid) {
        self.adopted.insert(pid);
    }

    /// Without those that were adopted and share their memory with another one of these.
    pub fn certain(&self, processes: &[Tid]) -> Vec<Tid> {
        let mut certain = processes.to_vec();
        if !self.adopted.is_empty() {
            certain.retain(|pid| !self.adopted.contains(pid));
            for pid in processes.iter().filter(|pid| self.adopted.contains(pid)) {
                let shares = |other: &Tid| sys::files::shares_memory(*pid, *other);
                if !certain.iter().any(shares) {
                    certain.push(*pid);
                }
            }
        }
        certain
    }

    /// Of those that share their memory one.
    pub fn once(&self, processes: &[Tid]) -> Vec<Tid> {
        let mut seen = HashSet::new();
        let mut first = |pid: &Tid| match self.shared.get(pid) {
            Some(space) => seen.insert(*space),
            None => true,
        };
        processes.iter().copied().filter(|pid| first(pid)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_several_share_counts_once() {
        const VM: u64 = libc::CLONE_VM as u64;
        let mut spaces = Spaces::default();
        spaces.spawned(1, 2, VM);
        spaces.spawned(2, 3, VM);
        spaces.spawned(1, 4, 0);
        spaces.spawned(4, 5, VM);
        assert_eq!(spaces.once(&[1, 2, 3, 4, 5]), [1, 4]);
        // The others go on with it.
        spaces.left(1);
        assert_eq!(spaces.once(&[2, 3, 4, 5]), [2, 4]);
        spaces.left(3);
        assert_eq!(spaces.once(&[2, 3, 4, 5]), [2, 3, 4]);
    }

    #[test]
    fn whoever_was_adopted_counts_unless_it_shares_its_memory() {
        let own = std::process::id() as Tid;
        let mut spaces = Spaces::default();
        spaces.adopted(own);
        assert_eq!(spaces.certain(&[own]), [own]);
        // There is no such process.
        assert_eq!(spaces.certain(&[Tid::MAX, own]), [Tid::MAX, own]);
        assert_eq!(spaces.certain(&[own, own]), [own]);
        spaces.left(own);
        assert_eq!(spaces.certain(&[own, own]), [own, own]);
    }
}
