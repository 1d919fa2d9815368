//! Processor time of the whole tree: what those that have ended used, and the clocks of those that
//! live. Both tell of a process alone, nothing of what it has waited for, so that each counts once.

use super::turn::Turns;
use crate::supervise::tracee::Tracees;
use crate::sys;
use crate::trace::Tid;
use std::time::Duration;

/// What reading clocks may take at a tick: 2 % of its 50 ms. A clock is a call of about 0.3 µs, so
/// that this is enough for some 3,000 processes; of more the others are read at the next ticks.
const TIME: Duration = Duration::from_millis(1);

/// A limit of processor time.
#[derive(Debug)]
pub struct Cpu {
    limit: Duration,
    round: Turns,
}

impl Cpu {
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            round: Turns::default(),
        }
    }

    /// So much and no more.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the tree is past the limit. `ended`: the time of those that have ended.
    pub fn is_past(&mut self, tracees: &Tracees, processes: &[Tid], ended: Duration) -> bool {
        self.round.go(processes, TIME, |pid| {
            if let (Some(ran), Some(task)) = (sys::clock::ran(pid), tracees.get(pid)) {
                task.process().limits.ran.set(ran);
            }
        });
        let tasks = tracees.all().filter(|task| task.is_leader());
        tasks
            .map(|task| task.process().limits.ran.get())
            .fold(ended, Duration::saturating_add)
            > self.limit
    }

    /// Whether a tree of which all have ended was past the limit.
    pub fn was_past(&self, ended: Duration) -> bool {
        ended > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::tracee::Namespaces;

    #[test]
    fn what_has_ended_and_what_lives_are_added_and_each_counts_once() {
        let mut cpu = Cpu::new(Duration::from_secs(3600));
        let own = std::process::id() as Tid;
        while sys::clock::ran(own) < Some(Duration::from_millis(5)) {}
        let mut tracees = Tracees::new(own, Namespaces::default());
        assert!(!cpu.is_past(&tracees, &[own], Duration::ZERO));
        let rest = Duration::from_secs(3600) - Duration::from_millis(4);
        assert!(cpu.is_past(&tracees, &[own], rest));
        tracees.gone(own);
        assert!(!cpu.is_past(&tracees, &[], rest) && !cpu.was_past(rest));
    }
}
