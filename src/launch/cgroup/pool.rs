//! Cgroups of runs that have ended, for later runs of the same program: to create one and to remove it takes the
//! kernel as long as a start, and at times a hundred times as long.
//!
//! A cgroup is used again only if it is as good as new: no process is in it, its limit was never reached, its peak
//! can be set back, and no more memory is charged to it than the kernel charges in advance.

use super::{Cgroup, Group, create, make};
use crate::plan::Memory;
use crate::sys::process;
use std::sync::{Arc, Mutex, PoisonError};

/// How much memory the kernel charges to a cgroup in advance for each processor: MEMCG_CHARGE_BATCH pages of 4 KiB.
const IN_ADVANCE: u64 = 64 * 4096;
/// How much may be charged to one that is used again, at most, and which part of its limit: an earlier run may have
/// left that, and a later one then lacks it.
const MOST_CHARGED: u64 = 1 << 20;
const PART: u64 = 64;

/// The cgroups that no run uses.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Free>>);

struct Free {
    memory: Memory,
    limit: u64,
    cgroup: Arc<Cgroup>,
    /// The process that created it: a fork of that has the same pool.
    owner: i32,
}

/// Where a run's cgroup goes when the run is over.
pub struct Back {
    pool: Arc<Pool>,
    memory: Memory,
    limit: u64,
}

impl Pool {
    /// As [`make`], or one that was used before.
    pub fn take(self: &Arc<Pool>, memory: Option<Memory>, limit: u64) -> Option<Group> {
        let memory = memory?;
        // This process goes back to its place when the run is over.
        if memory == (Memory::CgroupV2 { alone: true }) {
            return make(Some(memory), limit);
        }
        let cgroup = self.renewed(memory, limit);
        Some(Group {
            cgroup: cgroup.or_else(|| create(memory, limit))?,
            back: Some(Back {
                pool: Arc::clone(self),
                memory,
                limit,
            }),
        })
    }

    /// Removes those that no run uses.
    pub fn clear(&self) {
        let free = std::mem::take(&mut *self.free());
        drop(free);
    }

    fn renewed(&self, memory: Memory, limit: u64) -> Option<Arc<Cgroup>> {
        let own = process::getpid();
        let mut free = self.free();
        let fits = |free: &Free| free.memory == memory && free.limit == limit && free.owner == own;
        // The oldest first. A process leaves its cgroup a moment after its end was told.
        let fits = |free: &Free| fits(free) && free.cgroup.is_free();
        let found = free.iter().position(fits)?;
        let found = free.remove(found);
        drop(free);
        // Removed, if it is not as good as new.
        found
            .cgroup
            .renew(limit, most_charged(limit))
            .then_some(found.cgroup)
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Free>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Back {
    /// Takes it back, unless it was too small. If there are enough, the oldest is removed: its limit may come no
    /// more.
    pub fn give(self, cgroup: Arc<Cgroup>) {
        if cgroup.is_past() {
            return;
        }
        let mut free = self.pool.free();
        let oldest = (free.len() >= process::processors()).then(|| free.remove(0));
        free.push(Free {
            memory: self.memory,
            limit: self.limit,
            cgroup,
            owner: process::getpid(),
        });
        drop(free);
        drop(oldest);
    }
}

fn most_charged(limit: u64) -> u64 {
    let processors = process::processors() as u64;
    let in_advance = processors.saturating_mul(IN_ADVANCE);
    in_advance.min(MOST_CHARGED).min(limit / PART)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::cgroup::probe;
    use crate::plan::MemoryCgroup;

    #[test]
    fn what_an_earlier_run_may_leave_is_a_small_part_of_the_limit() {
        for limit in [0, 1 << 20, 8 << 20, 1 << 30, u64::MAX] {
            let most = most_charged(limit);
            assert!(most <= limit / 64 && most <= MOST_CHARGED, "{limit}");
        }
    }

    #[test]
    fn a_cgroup_is_used_again_for_the_same_limit_and_only_if_it_is_free() {
        let memory = match probe(None) {
            MemoryCgroup::V1 => Memory::CgroupV1,
            MemoryCgroup::V2 => Memory::CgroupV2 { alone: false },
            _ => {
                println!("NOT TRIED HERE: this host or user can make no memory cgroup");
                return;
            }
        };
        let pool = Arc::new(Pool::default());
        let take = |limit| pool.take(Some(memory), limit).expect("a cgroup");
        let path = |group: &Group| group.cgroup.made.path().to_owned();
        let first = take(1 << 26);
        if first.cgroup.renewal.peaks.is_empty() {
            println!("NOT TRIED HERE: this kernel sets no peak back");
            return;
        }
        let at = path(&first);
        let second = take(1 << 26);
        assert!(path(&second) != at);
        drop(first);
        let other = take(1 << 25);
        assert!(path(&other) != at && at.exists());
        let again = take(1 << 26);
        assert_eq!(path(&again), at);
        // A process is still in it.
        let mut sleeper = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        again.take(sleeper.id() as i32).expect("joined");
        drop(again);
        let new = take(1 << 26);
        assert!(path(&new) != at);
        sleeper.kill().expect("killed");
        sleeper.wait().expect("waited for");
        // One that no process is in any more is used again, or removed.
        let again = take(1 << 26);
        assert_eq!(path(&again), at);
        drop((again, new, second, other));
        assert!(!pool.free().is_empty());
        pool.clear();
        assert!(pool.free().is_empty() && !at.exists());
    }
}
