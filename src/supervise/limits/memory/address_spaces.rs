//! Which processes share their memory: what a child of vfork(2) or posix_spawn(3) has is its parent's until
//! it executes a program, and counts once.

use crate::supervise::tracee::{Task, Tracees};
use crate::sys::files::{Shared, share};
use crate::trace::Tid;
use std::collections::HashSet;
use std::rc::Rc;

fn is_adopted(tracees: &Tracees, pid: Tid) -> bool {
    tracees
        .get(pid)
        .map(Rc::as_ref)
        .is_some_and(Task::is_adopted)
}

/// Without those whose parent's event has not come and that share their memory with another one of these.
pub fn certain(tracees: &Tracees, processes: &[Tid]) -> Vec<Tid> {
    let adopted = |pid: &Tid| is_adopted(tracees, *pid);
    let (adopted, mut certain): (Vec<Tid>, Vec<Tid>) =
        processes.iter().partition(|pid| adopted(pid));
    for pid in adopted {
        // What the kernel does not tell must not leave the sum: it counts.
        let shares = |other: &Tid| share(pid, *other, Shared::Memory) == Ok(true);
        if !certain.iter().any(shares) {
            certain.push(pid);
        }
    }
    certain
}

/// Of those that share their memory one.
pub fn once(tracees: &Tracees, processes: &[Tid]) -> Vec<Tid> {
    let mut seen = HashSet::new();
    let mut first = |pid: &Tid| match tracees.get(*pid) {
        Some(task) => seen.insert(task.space().id()),
        None => true,
    };
    processes.iter().copied().filter(|pid| first(pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::tracee::Namespaces;

    const VM: u64 = libc::CLONE_VM as u64;

    fn tracees() -> Tracees {
        Tracees::of_test(1, Namespaces::default(), |_| true)
    }

    fn spawned(tracees: &mut Tracees, parent: Tid, child: Tid, flags: u64) {
        let parent = tracees.at(parent);
        tracees.spawned(&parent, child, flags);
    }

    #[test]
    fn memory_that_several_share_counts_once() {
        let mut tracees = tracees();
        spawned(&mut tracees, 1, 2, VM);
        spawned(&mut tracees, 2, 3, VM);
        spawned(&mut tracees, 1, 4, 0);
        spawned(&mut tracees, 4, 5, VM);
        assert_eq!(once(&tracees, &[1, 2, 3, 4, 5]), [1, 4]);
        // The others go on with it.
        tracees.gone(1);
        assert_eq!(once(&tracees, &[2, 3, 4, 5]), [2, 4]);
        tracees.executed(3, 3);
        assert_eq!(once(&tracees, &[2, 3, 4, 5]), [2, 3, 4]);
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_has_its_own_memory() {
        let mut tracees = tracees();
        tracees.adopt(2);
        tracees.executed(2, 2);
        spawned(&mut tracees, 1, 2, VM);
        assert_eq!(once(&tracees, &[1, 2]), [1, 2]);
    }

    #[test]
    fn children_of_an_adopted_child_share_what_its_parents_event_says() {
        let mut tracees = tracees();
        // The kernel tells nothing of these ids.
        tracees.adopt(2);
        spawned(&mut tracees, 2, 3, VM);
        assert_eq!(once(&tracees, &[2, 3]), [2]);
        spawned(&mut tracees, 1, 2, VM);
        assert_eq!(once(&tracees, &[1, 2, 3]), [1]);
    }

    #[test]
    fn an_adopted_process_counts_unless_it_shares_its_memory() {
        let own = std::process::id() as Tid;
        let mut tracees = tracees();
        tracees.adopt(own);
        assert_eq!(certain(&tracees, &[own]), [own]);
        // There is no such process.
        assert_eq!(certain(&tracees, &[Tid::MAX, own]), [Tid::MAX, own]);
        assert_eq!(certain(&tracees, &[own, own]), [own]);
        tracees.executed(own, own);
        assert_eq!(certain(&tracees, &[own, own]), [own, own]);
    }
}
