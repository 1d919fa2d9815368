//! Rounds: every task whose event is ready is served before any task is served again.
//!
//! wait(2) tells the event of the youngest tracee first. A few young tasks that stop all the time would
//! keep older ones in their stops. So all events that are ready are taken before the first of them is
//! answered. Where only one task stops, that would be a second call for each event, so then it is tried
//! at each eighth event only.

use crate::supervise::{SuperviseError, Supervisor};
use crate::trace::{self, Tid, Wait};
use std::collections::VecDeque;

/// Any tracee, for a wait.
pub const ANYBODY: Tid = -1;

/// How many events are waited for one by one, where one task at a time has an event.
const LOOK: u32 = 8;

/// The same beside many tasks, where the look costs as much as some events.
const LOOK_AT_MANY: u32 = 32;

/// Events that were waited for and are not answered yet, in their order: one stop of each task at most,
/// and its end.
#[derive(Debug, Default)]
pub struct Round {
    ready: VecDeque<Wait>,
    /// Whether more than one event was ready the last time.
    crowded: bool,
    single: u32,
}

impl Round {
    /// The next event of this round.
    pub fn next(&mut self) -> Option<Wait> {
        self.ready.pop_front()
    }

    /// After a wait: whether to look for further events. `many`: there are many tasks.
    pub fn is_due(&mut self, many: bool) -> bool {
        self.single += 1;
        self.crowded || self.single >= if many { LOOK_AT_MANY } else { LOOK }
    }

    /// The next event of this task, out of its turn.
    fn take(&mut self, tid: Tid) -> Option<Wait> {
        let at = self.ready.iter().position(|wait| of(wait) == Some(tid))?;
        self.ready.remove(at)
    }
}

fn of(wait: &Wait) -> Option<Tid> {
    match wait {
        Wait::Gone(tid, _) => Some(*tid),
        Wait::Stopped(tracee, _) => Some(tracee.tid()),
        Wait::Interrupted => None,
    }
}

impl Supervisor<'_> {
    /// Begins a round with this event and all that are ready. If it is the only one it is returned.
    pub fn begin_round(&mut self, first: Wait) -> Result<Option<Wait>, SuperviseError> {
        self.round.single = 0;
        self.round.crowded = false;
        let Some(second) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? else {
            return Ok(Some(first));
        };
        self.round.crowded = true;
        self.round.ready.extend([first, second]);
        // No task has a second stop before the first is answered, so that this ends.
        while let Some(wait) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? {
            self.round.ready.push_back(wait);
        }
        Ok(None)
    }

    /// An event whose turn has come, as it is now. A task that was killed in its stop, or whose place
    /// another thread has taken by an execve, has another event by now, which must not be answered as if
    /// it were the first one.
    pub fn still(&mut self, wait: Wait) -> Result<Wait, SuperviseError> {
        let Wait::Stopped(tracee, stop) = wait else {
            return Ok(wait);
        };
        let tid = tracee.tid();
        match self.poll(tid)? {
            None | Some(Wait::Interrupted) => Ok(Wait::Stopped(tracee, stop)),
            Some(later) => Ok(later),
        }
    }

    /// The next event of this task if one is ready.
    pub fn poll(&mut self, tid: Tid) -> Result<Option<Wait>, SuperviseError> {
        match self.round.take(tid) {
            Some(wait) => Ok(Some(wait)),
            None => self.wait_by(|meter| trace::poll(tid, meter)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Exit;

    #[test]
    fn a_lone_task_is_not_looked_beside_each_time() {
        let mut round = Round::default();
        let due = (0..LOOK).filter(|_| round.is_due(false)).count();
        assert_eq!(due, 1);
        let mut round = Round::default();
        let due = (0..LOOK_AT_MANY).filter(|_| round.is_due(true)).count();
        assert_eq!(due, 1);
    }

    #[test]
    fn an_event_is_taken_out_of_its_turn_once() {
        let mut round = Round::default();
        for tid in [7, 8, 9] {
            round.ready.push_back(Wait::Gone(tid, Exit::Code(0)));
        }
        assert!(matches!(round.take(8), Some(Wait::Gone(8, _))));
        assert!(round.take(8).is_none());
        assert!(matches!(round.next(), Some(Wait::Gone(7, _))));
        assert!(matches!(round.next(), Some(Wait::Gone(9, _))));
        assert!(round.next().is_none());
    }
}
