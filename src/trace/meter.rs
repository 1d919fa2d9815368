//! The resource usage of a process tree, collected as each process ends.
//!
//! A process's own time is read from its clock before it is reaped, because afterwards the clock may be
//! gone. The times that wait4(2) returns are not used: for a tracee they include all children that it
//! has waited for, which were reported before on their own; for a thread they are those of its whole
//! process. wait4 does not say which children are included, so its times cannot be summed. Its memory
//! figure is a maximum, so counting it twice is harmless. But the command's own process started with the
//! memory of the process that started it, and its maximum keeps that peak: so its figure counts only if
//! it is larger.

use super::Tid;
use crate::sys::wait::{self, Pending};
use crate::sys::{self, Errno};
use std::time::Duration;

/// The usage of the tasks that have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processes that have ended.
    pub processes: u64,
    /// Processes and threads that have ended.
    pub tasks: u64,
    /// The largest peak resident memory of one process, in bytes.
    pub peak: u64,
    time: sys::clock::CpuTime,
}

impl Usage {
    /// The processor time, in user mode and in the kernel.
    ///
    /// The sum is exact. The split between the two is sampled at timer ticks, as everywhere on Linux.
    pub fn cpu(&self) -> (Duration, Duration) {
        let sys::clock::CpuTime { ran, user, both } = self.time;
        let share = match both.is_zero() {
            true => 1.0,
            false => user.as_secs_f64() / both.as_secs_f64(),
        };
        let user = ran.mul_f64(share.clamp(0.0, 1.0)).min(ran);
        (user, ran - user)
    }

    /// The processor time in both modes together.
    pub fn ran(&self) -> Duration {
        self.time.ran
    }

    fn ended(&mut self, time: Option<sys::clock::CpuTime>, peak: u64) {
        self.tasks += 1;
        self.peak = self.peak.max(peak);
        let Some(time) = time else { return };
        self.processes += 1;
        self.time.ran += time.ran;
        self.time.user += time.user;
        self.time.both += time.both;
    }
}

/// Waits, and adds up the usage of the tasks whose end it reports.
#[derive(Debug, Default)]
pub struct Meter {
    usage: Option<Usage>,
    /// The command's own process, until its end.
    main: Option<Tid>,
    /// Its peak resident memory, as read at its end.
    peak: u64,
    strangers: Vec<Tid>,
    /// The process whose end was last told, and its processor time.
    last: Option<(Tid, Duration)>,
}

impl Meter {
    /// Creates one that counts, at the cost of a second call per wait, or one that only waits. Tracees
    /// that are not part of the tree are not counted.
    pub fn new(counts: bool, main: Tid, strangers: Vec<Tid>) -> Self {
        Self {
            usage: counts.then(Usage::default),
            main: Some(main),
            peak: 0,
            strangers,
            last: None,
        }
    }

    /// The processor time of a process whose end was just told, if it was counted.
    pub fn ran(&self, pid: Tid) -> Option<Duration> {
        let (last, ran) = self.last?;
        (last == pid).then_some(ran)
    }

    /// Records the peak memory of the command's own process, which is about to end.
    pub fn saw_peak(&mut self, bytes: u64) {
        self.peak = self.peak.max(bytes);
    }

    /// The peak memory of a process that has ended. `told`: the kernel's figure.
    fn peak_of(main: &mut Option<Tid>, seen: u64, tid: Tid, told: u64) -> u64 {
        if main.take_if(|main| *main == tid).is_none() {
            return told;
        }
        // This process's peak is now at least what it was when the command was started.
        match sys::memory::peak() {
            Some(inherited) if told <= inherited && seen > 0 => seen,
            _ => told,
        }
    }

    /// A tracee that is not part of the tree.
    pub fn leave_out(&mut self, stranger: Tid) {
        self.strangers.push(stranger);
    }

    /// The usage, if it was counted.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// As [`wait::wait`].
    pub(super) fn wait(&mut self, tid: Tid, flags: i32) -> Result<Option<(Tid, i32)>, Errno> {
        let Some(usage) = &mut self.usage else {
            return wait::wait(tid, flags);
        };
        loop {
            match wait::peek(tid, flags)? {
                None => return Ok(None),
                // It was killed in between, so its end comes next.
                Some(Pending::Stop(tid)) => {
                    if let Some(status) = wait::take_stop(tid)? {
                        return Ok(Some((tid, status)));
                    }
                }
                Some(Pending::End(tid)) => {
                    let time = sys::clock::process(tid);
                    if let Some((status, peak)) = wait::take_end(tid)? {
                        self.last = time.map(|time| (tid, time.ran));
                        match self.strangers.iter().position(|stranger| *stranger == tid) {
                            // Another process may get its id later.
                            Some(place) => _ = self.strangers.swap_remove(place),
                            None => {
                                let peak = Self::peak_of(&mut self.main, self.peak, tid, peak);
                                usage.ended(time, peak);
                            }
                        }
                        return Ok(Some((tid, status)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(ran: u64, user: u64, both: u64) -> Option<sys::clock::CpuTime> {
        Some(sys::clock::CpuTime {
            ran: Duration::from_millis(ran),
            user: Duration::from_millis(user),
            both: Duration::from_millis(both),
        })
    }

    #[test]
    fn times_add_up_memory_does_not_and_a_thread_is_no_process() {
        let mut usage = Usage::default();
        usage.ended(time(300, 4, 8), 7);
        usage.ended(None, 0);
        usage.ended(time(100, 0, 8), 5);
        assert_eq!((usage.processes, usage.tasks, usage.peak), (2, 3, 7));
        let parts = [100, 300].map(Duration::from_millis);
        assert_eq!(usage.cpu(), parts.into());
    }

    #[test]
    fn what_is_too_short_for_a_tick_ran_in_user_mode() {
        let mut usage = Usage::default();
        usage.ended(time(3, 0, 0), 0);
        assert_eq!(usage.cpu(), (Duration::from_millis(3), Duration::ZERO));
    }
}
