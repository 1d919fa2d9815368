//! The limits that the supervisor keeps: time by the clock, and the number of tasks.

use super::clock::Clock;
use crate::launch::User;
use crate::policy::{LimitKind, Limits};
use crate::sys::Errno;
use crate::trace::Tid;
use std::time::{Duration, Instant};

/// From SIGTERM to SIGKILL, where the policy does not say.
const GRACE: Duration = Duration::from_secs(1);

/// The limits of a jail that runs.
pub struct Watch {
    clock: Option<Clock>,
    wall: Option<(Instant, Duration)>,
    tasks: Option<u64>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Nothing,
    /// The time is up: ask all to end.
    Ask,
    /// They have not.
    Kill,
}

impl Watch {
    pub fn new(limits: &Limits, now: Instant, user: Option<&User>) -> Result<Watch, Errno> {
        let grace = limits.grace.as_ref().map_or(GRACE, |grace| grace.value);
        let wall = limits
            .wall
            .as_ref()
            .map(|wall| (now.checked_add(wall.value).unwrap_or(now), grace));
        Ok(Watch {
            clock: wall.map(|_| Clock::start(user)).transpose()?,
            wall,
            tasks: limits.processes.as_ref().map(|limit| limit.value),
        })
    }

    /// Starts a clock if there is none.
    pub fn need_clock(&mut self, user: Option<&User>) -> Result<(), Errno> {
        if self.clock.is_none() {
            self.clock = Some(Clock::start(user)?);
        }
        Ok(())
    }

    /// Whether this is the clock, which is none of the jail's.
    pub fn is_clock(&self, tid: Tid) -> bool {
        self.clock.as_ref().is_some_and(|clock| clock.is(tid))
    }

    /// Which one that is.
    pub fn clock(&self) -> Option<Tid> {
        self.clock.as_ref().map(Clock::tid)
    }

    /// Whether there is a limit of time.
    pub fn keeps_time(&self) -> bool {
        self.wall.is_some()
    }

    /// The clock has ended.
    pub fn clock_gone(&mut self) {
        self.clock = None;
    }

    /// Nobody is left to be watched.
    pub fn stop(&self) {
        if let Some(clock) = &self.clock {
            clock.stop();
        }
    }

    /// A tick: what time says. `asked`: whether all have been asked to end.
    pub fn due(&self, asked: bool, now: Instant) -> Due {
        match self.wall {
            Some((end, grace)) if asked && now >= end + grace => Due::Kill,
            Some((end, _)) if !asked && now >= end => Due::Ask,
            _ => Due::Nothing,
        }
    }

    /// The limit that so many tasks are past.
    pub fn exceeded(&self, tasks: usize) -> Option<LimitKind> {
        let past = self.tasks.is_some_and(|most| tasks as u64 > most);
        past.then_some(LimitKind::Processes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_asked_once_and_killed_after_the_grace() {
        let now = Instant::now();
        let watch = Watch {
            clock: None,
            wall: Some((now + Duration::from_secs(10), Duration::from_secs(1))),
            tasks: Some(3),
        };
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(watch.due(false, at(9)), Due::Nothing);
        assert_eq!(watch.due(false, at(10)), Due::Ask);
        assert_eq!(watch.due(true, at(10)), Due::Nothing);
        assert_eq!(watch.due(true, at(11)), Due::Kill);
        assert_eq!(watch.exceeded(3), None);
        assert_eq!(watch.exceeded(4), Some(LimitKind::Processes));
    }
}
