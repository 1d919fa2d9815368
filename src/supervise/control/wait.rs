//! Every wait of the supervisor: the watchdog is told of it, and no wait keeps time from being looked at.

use super::watchdog::{Past, Watchdog};
use crate::policy::LimitKind;
use crate::supervise::{Ending, Event, SuperviseError, Supervisor};
use crate::sys::{self, Errno};
use crate::trace::{self, Meter, Resume, Stop, Tid, Wait};
use std::time::{Duration, Instant};

/// How long no other watchdog is started after one could not be.
const REST: Duration = Duration::from_millis(100);

/// Between two looks for the return of a call, at first and at most.
const PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

impl Supervisor<'_> {
    /// Starts the watchdog before the first event that another task of the jail can make last: those of
    /// a command that only runs, waits and ends need none. Where there is no process left for it, the
    /// jail goes on, and it is tried again.
    pub fn need_watchdog(&mut self, stop: Stop) {
        let harmless = matches!(
            stop,
            Stop::Signal(_) | Stop::Group(_) | Stop::Attach | Stop::Other(_)
        );
        // The only task holds no lock while it is stopped.
        let alone = stop == Stop::Exit && self.tracees.len() <= 1;
        if self.running && self.ending.is_none() && !harmless && !alone {
            self.start_watchdog();
        }
    }

    /// Starts the watchdog if there is none.
    pub fn start_watchdog(&mut self) {
        if self.watchdog.is_some() {
            return;
        }
        let now = Instant::now();
        if self.watchdog_rest.is_some_and(|until| now < until) {
            return;
        }
        let limits = self.limits.for_watchdog(&self.started);
        let asked = self.asked_to_end.is_some();
        let bell = self.options.bell.clone();
        match Watchdog::start(limits, bell, asked, &self.tracees.tasks()) {
            Ok(watchdog) => {
                for pid in watchdog.pids() {
                    self.meter.leave_out(pid);
                }
                if let Some(bell) = &self.options.bell {
                    bell.watched_by(watchdog.leavers());
                }
                self.watchdog = Some(watchdog);
            }
            Err(_) => self.watchdog_rest = Some(now + REST),
        }
    }

    pub fn is_watchdog(&self, tid: Tid) -> bool {
        self.watchdog
            .as_ref()
            .is_some_and(|it| it.pids().any(|pid| pid == tid))
    }

    /// A task of the tree will run.
    pub fn lives(&self, tid: Tid) {
        if let Some(watchdog) = &self.watchdog {
            let task = self.tracees.get(tid);
            watchdog.born(tid, task.map_or(tid, |task| task.pid()));
        }
    }

    /// A process runs another program, in the thread that was `former` until now.
    pub fn lives_on(&self, pid: Tid, former: Tid) {
        if let Some(watchdog) = self.watchdog.as_ref().filter(|_| former != pid) {
            watchdog.replaced(former);
        }
    }

    /// Waits. What has ended is no process of the jail any more when the supervisor is at work again.
    pub fn wait_by(
        &mut self,
        wait: impl FnOnce(&mut Meter) -> Result<Option<Wait>, Errno>,
    ) -> Result<Option<Wait>, SuperviseError> {
        if let Some(watchdog) = &self.watchdog {
            watchdog.waits();
        }
        let found = wait(&mut self.meter);
        if let Some(watchdog) = &self.watchdog {
            if let Ok(Some(Wait::Gone(tid, _))) = found {
                watchdog.gone(tid, self.ended_time());
            }
            watchdog.works();
        }
        self.heed_watchdog();
        found.map_err(SuperviseError::system("wait4"))
    }

    /// The watchdog may have ended the tree while this thread could not.
    pub fn heed_watchdog(&mut self) {
        let past = self.watchdog.as_ref().and_then(Watchdog::past);
        let Some(past) = past.filter(|_| self.ending.is_none()) else {
            return;
        };
        let by_time = matches!(past, Past::Asked | Past::Wall);
        if by_time && self.asked_to_end.is_none() {
            self.asked_to_end = Some(LimitKind::Wall);
            self.observer.event(&Event::Limit(LimitKind::Wall));
        }
        match past {
            Past::Asked => {}
            Past::Wall => self.end(Ending::Limit(LimitKind::Wall)),
            Past::Cpu => self.past(LimitKind::Cpu),
            Past::Memory => self.past(LimitKind::Memory),
        }
    }

    /// Waits for a call to return, and answers nothing else until then but time and the caller.
    pub fn finish(&mut self, tid: Tid) -> Result<(), SuperviseError> {
        let mut pause = PAUSE;
        loop {
            let found = match self.poll(tid)? {
                None if self.limits.has_timer() => {
                    self.wait_by(|meter| trace::wait_on(tid, meter))?
                }
                found => found,
            };
            match found {
                Some(Wait::Gone(tid, exit)) => return self.gone(tid, exit),
                Some(Wait::Stopped(tracee, stop)) => return self.stopped(tracee, stop),
                Some(Wait::Interrupted) => self.look_at_timer(),
                None if !sys::wait::is_own(tid) => return Ok(()),
                None => {
                    self.look_at_clock()?;
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            self.heed_bell();
        }
    }

    /// The clock may have ticked, where it is a process.
    fn look_at_clock(&mut self) -> Result<(), SuperviseError> {
        let Some(clock) = self.limits.clock() else {
            return Ok(());
        };
        match self.poll(clock)? {
            Some(Wait::Stopped(tracee, _)) => {
                tracee
                    .resume(Resume::Continue)
                    .map_err(SuperviseError::system("ptrace"))?;
                self.tick();
                Ok(())
            }
            Some(Wait::Gone(..)) => self.clock_gone(),
            Some(Wait::Interrupted) | None => Ok(()),
        }
    }
}
