//! When to look at memory between two ticks. A program may take memory and give it back, or end, between
//! them. So the supervisor also looks before a task ends and before a call that gives much back. It leaves
//! that out where the tree cannot have too much: memory cannot be filled faster than [`growth`] says.

use crate::supervise::limits::state::ProcessState;
use crate::sys;
use crate::syscalls::{Call, Op};
use std::time::{Duration, Instant};

/// All looks before memory is given back may take so long together, and such a part of the time that the
/// jail has run.
const AT_ONCE: Duration = Duration::from_secs(1);
const PART: u32 = 2;
/// How fast one processor can fill fresh memory at most, and a whole machine, in bytes each microsecond. The
/// kernel clears huge pages at some 10 GB/s.
const FILLS: u64 = 20 << 10;
const FILLS_ALL: u64 = 320 << 10;

/// What says whether a look is needed.
#[derive(Debug)]
pub struct Moments {
    /// What the last look found that came to an end, and when it began.
    known: (u64, Instant),
    /// When the jail began.
    begun: Instant,
    /// How long the looks before memory was given back took.
    spent: Duration,
    processors: u64,
    page: u64,
}

impl Moments {
    pub fn new(now: Instant) -> Self {
        Self {
            known: (0, now),
            begun: now,
            spent: Duration::ZERO,
            processors: sys::process::processors() as u64,
            page: sys::memory::page_size(),
        }
    }

    /// A look that began at this time has found so much.
    pub fn found(&mut self, bytes: u64, begin: Instant) {
        self.known = (bytes, begin);
    }

    /// Such a look took so long.
    pub fn spent(&mut self, time: Duration) {
        self.spent = self.spent.saturating_add(time);
    }

    /// Whether a look is due: the tree may be past its limit by now, and there is time for it.
    pub fn is_due(&self, limit: u64, now: Instant) -> bool {
        let allowed = AT_ONCE + now.saturating_duration_since(self.begun) / PART;
        let (sum, at) = self.known;
        let grown = growth(self.processors, now.saturating_duration_since(at));
        let most = sum.saturating_add(grown).saturating_add(self.inexact());
        most > limit && self.spent <= allowed
    }

    /// What the kernel's quick counts of a process may be wrong by: each processor keeps a batch of pages for
    /// itself (percpu_counter, Linux 6.2 to 6.16), or each thread one of 64 (before).
    pub fn inexact(&self) -> u64 {
        let batch = (2 * self.processors).max(32);
        (batch * self.processors).max(64) * self.page
    }
}

/// Whether a call gives much memory back: see the rules of [`Watch::FILL`](crate::baseline::Watch), whose
/// conditions the filter has checked.
pub fn releases(process: &ProcessState, call: &Call) -> bool {
    match (call.op(), call.args) {
        (Op::Munmap | Op::Madvise | Op::Mremap | Op::Exec(_), _) => true,
        (Op::Mmap, [.., flags, _, _]) => flags & libc::MAP_FIXED as u64 != 0,
        // A heap shrinks if its new end lies before the one that was asked for last.
        (Op::Brk, [end, ..]) => process
            .heap
            .replace(Some(end))
            .is_none_or(|last| end < last),
        _ => false,
    }
}

/// How much memory can be filled in this time at most, in bytes.
fn growth(processors: u64, time: Duration) -> u64 {
    let rate = processors.saturating_mul(FILLS).min(FILLS_ALL);
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.saturating_mul(microseconds.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_look_is_left_out_where_there_cannot_be_too_much() {
        let begin = Instant::now();
        let mut moments = Moments::new(begin);
        moments.processors = 1;
        let after = |micros| begin + Duration::from_micros(micros);
        assert!(!moments.is_due(64 * MIB, begin));
        assert!(!moments.is_due(64 * MIB, after(1_000)));
        assert!(moments.is_due(64 * MIB, after(4_000)));
        moments.found(10 * MIB, after(4_000));
        assert!(!moments.is_due(64 * MIB, after(5_000)));
        assert!(moments.is_due(64 * MIB, after(7_000)));
        moments.found(64 * MIB, after(7_000));
        assert!(moments.is_due(64 * MIB, after(7_000)));
        // Looks may not take all of the time.
        moments.spent(Duration::from_secs(2));
        assert!(!moments.is_due(64 * MIB, after(7_000)));
        assert!(moments.is_due(64 * MIB, after(3_000_000)));
    }

    #[test]
    fn a_heap_is_looked_at_where_it_shrinks() {
        let (one, other) = (ProcessState::default(), ProcessState::default());
        let brk = |process, end| {
            let call = Call {
                nr: Op::Brk.number().expect("a number"),
                args: [end, 0, 0, 0, 0, 0],
            };
            releases(process, &call)
        };
        // It is not known where it ended before.
        assert!(brk(&one, 100));
        assert!(!brk(&one, 200) && !brk(&one, 300));
        assert!(brk(&one, 250) && brk(&other, 300));
        assert!(!brk(&one, 260));
    }
}
