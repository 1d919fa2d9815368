//! Which processes share their memory, by the clone(2) flags of their spawns: what a child of vfork(2) or
//! posix_spawn(3) has is its parent's until it executes a program, and counts once.

use crate::supervise::tracee::{ChildState, Spawn};
use crate::sys::files::{Shared, share};
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
    /// A process was made by another one.
    pub fn spawned(&mut self, spawn: &Spawn) {
        self.adopted.remove(&spawn.child);
        if spawn.state != ChildState::New || spawn.flags & libc::CLONE_VM as u64 == 0 {
            return;
        }
        let next = self.last + 1;
        let space = *self.shared.entry(spawn.process).or_insert(next);
        self.last = self.last.max(space);
        // Before this event it may have made children with which it shares its memory.
        if let Some(before) = self.shared.insert(spawn.child, space) {
            let others = self.shared.values_mut();
            others
                .filter(|other| **other == before)
                .for_each(|other| *other = space);
        }
    }

    #[cfg(test)]
    pub fn keeps(&self, tid: Tid) -> bool {
        self.shared.contains_key(&tid) || self.adopted.contains(&tid)
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
                // What the kernel does not tell must not leave the sum: it counts.
                let shares = |other: &Tid| share(*pid, *other, Shared::Memory) == Ok(true);
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

    fn spawn(process: Tid, child: Tid, flags: u64) -> Spawn {
        Spawn {
            parent: process,
            process,
            child,
            flags,
            state: ChildState::New,
        }
    }

    #[test]
    fn memory_that_several_share_counts_once() {
        const VM: u64 = libc::CLONE_VM as u64;
        let mut spaces = Spaces::default();
        spaces.spawned(&spawn(1, 2, VM));
        spaces.spawned(&spawn(2, 3, VM));
        spaces.spawned(&spawn(1, 4, 0));
        spaces.spawned(&spawn(4, 5, VM));
        assert_eq!(spaces.once(&[1, 2, 3, 4, 5]), [1, 4]);
        // The others go on with it.
        spaces.left(1);
        assert_eq!(spaces.once(&[2, 3, 4, 5]), [2, 4]);
        spaces.left(3);
        assert_eq!(spaces.once(&[2, 3, 4, 5]), [2, 3, 4]);
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_has_its_own_memory() {
        let mut spaces = Spaces::default();
        spaces.adopted(2);
        spaces.left(2);
        spaces.spawned(&Spawn {
            state: ChildState::Executed,
            ..spawn(1, 2, libc::CLONE_VM as u64)
        });
        assert_eq!(spaces.once(&[1, 2]), [1, 2]);
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_leaves_nothing_behind() {
        let mut spaces = Spaces::default();
        spaces.adopted(2);
        spaces.left(2);
        spaces.spawned(&Spawn {
            state: ChildState::Gone,
            ..spawn(1, 2, libc::CLONE_VM as u64)
        });
        assert!(spaces.shared.is_empty() && spaces.adopted.is_empty());
    }

    #[test]
    fn children_of_an_adopted_child_share_what_its_parents_event_says() {
        let mut spaces = Spaces::default();
        spaces.adopted(2);
        spaces.spawned(&spawn(2, 3, libc::CLONE_VM as u64));
        assert_eq!(spaces.once(&[2, 3]), [2]);
        spaces.spawned(&spawn(1, 2, libc::CLONE_VM as u64));
        assert_eq!(spaces.once(&[1, 2, 3]), [1]);
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
