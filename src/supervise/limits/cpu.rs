//! Processor time of the whole tree: what those that have ended used, and the clocks of those that
//! live. Both tell of a process alone, nothing of what it has waited for, so that each counts once.

use super::round::Round;
use crate::sys;
use crate::trace::Tid;
use std::collections::HashMap;
use std::time::Duration;

/// What reading clocks may take at a tick: 2 % of its 50 ms. A clock is a call of about 0.3 µs, so
/// that this is enough for some 3,000 processes; of more the others are read at the next ticks.
const TIME: Duration = Duration::from_millis(1);

/// A limit of processor time.
#[derive(Debug)]
pub struct Cpu {
    limit: Duration,
    round: Round,
    /// What the clocks of the living said when they were last read.
    clocks: HashMap<Tid, Duration>,
}

impl Cpu {
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            round: Round::default(),
            clocks: HashMap::new(),
        }
    }

    /// So much and no more.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the tree is past the limit. `ended`: the time of those that have ended.
    pub fn is_past(&mut self, processes: &[Tid], ended: Duration) -> bool {
        let clocks = &mut self.clocks;
        self.round.go(processes, TIME, |pid| {
            if let Some(ran) = sys::clock::ran(pid) {
                clocks.insert(pid, ran);
            }
        });
        self.clocks
            .values()
            .fold(ended, |sum, ran| sum.saturating_add(*ran))
            > self.limit
    }

    /// Whether a tree of which all have ended was past the limit.
    pub fn was_past(&self, ended: Duration) -> bool {
        ended > self.limit
    }

    #[cfg(test)]
    pub fn keeps(&self, tid: Tid) -> bool {
        self.clocks.contains_key(&tid)
    }

    #[cfg(test)]
    pub fn fill(&mut self, tid: Tid) {
        self.clocks.insert(tid, Duration::ZERO);
    }

    /// It has ended: its time is among that of those.
    pub fn gone(&mut self, tid: Tid) {
        self.clocks.remove(&tid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_and_what_lives_are_added_and_each_counts_once() {
        let mut cpu = Cpu::new(Duration::from_secs(3600));
        let own = std::process::id() as Tid;
        while sys::clock::ran(own) < Some(Duration::from_millis(5)) {}
        assert!(!cpu.is_past(&[own], Duration::ZERO));
        let rest = Duration::from_secs(3600) - Duration::from_millis(4);
        assert!(cpu.is_past(&[own], rest));
        cpu.gone(own);
        assert!(!cpu.is_past(&[], rest) && !cpu.was_past(rest));
    }
}
