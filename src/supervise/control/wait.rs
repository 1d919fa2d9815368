//! Every wait of the supervisor: the watchdog is told of it, and no wait keeps time from being looked at.

use super::round::ANYBODY;
use super::watchdog::{Past, Watchdog};
use crate::policy::LimitKind;
use crate::supervise::syscall::charged;
use crate::supervise::tracee::{Tracees, held};
use crate::supervise::{Ending, Event, SuperviseError, Supervisor};
use crate::sys::{self, Errno};
use crate::trace::{self, Exit, Meter, Resume, Stop, Stopped, Tid, Wait};
use std::time::{Duration, Instant};

/// How long no other watchdog is started after one could not be.
const REST: Duration = Duration::from_millis(100);

/// Pauses between looks for an event that no wait can wait for: short ones first, then longer ones.
pub struct Pause(Duration);

impl Pause {
    const SHORTEST: Duration = Duration::from_micros(20);
    const LONGEST: Duration = Duration::from_millis(1);

    pub fn new() -> Self {
        Self(Self::SHORTEST)
    }

    pub fn sleep(&mut self) {
        std::thread::sleep(self.0);
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

/// The watchdog, as far as there is one.
#[derive(Default)]
pub struct Guard {
    /// What keeps the limits while this thread cannot, once it may be needed.
    pub watchdog: Option<Watchdog>,
    /// Until when none is started.
    rest: Option<Instant>,
}

impl Supervisor<'_> {
    /// The next event. The parent's of a child that is held follows the spawn at once, unless the
    /// parent was killed in between: then nothing more may ever come, and there must be no wait for it.
    pub fn next(&mut self) -> Result<Option<Wait>, SuperviseError> {
        loop {
            if let Some(wait) = self.round.next() {
                return self.still(wait).map(Some);
            }
            let wait = match self.held.is_empty() {
                true if self.must_continue_ending() => match self.wait_for_ends()? {
                    Some(wait) => wait,
                    None => return Ok(None),
                },
                true => match self.wait_for_any()? {
                    Some(wait) => wait,
                    None => return Ok(None),
                },
                false => {
                    let now = Instant::now();
                    self.release(|_, _, since| now.duration_since(since) >= held::PATIENCE)?;
                    let Some(wait) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? else {
                        std::thread::sleep(held::PATIENCE / 40);
                        continue;
                    };
                    wait
                }
            };
            if !self.round.is_due(self.has_hints()) {
                return Ok(Some(wait));
            }
            if let Some(alone) = self.begin_round(wait)? {
                return Ok(Some(alone));
            }
        }
    }

    /// Lets go of children that are held.
    fn release(
        &mut self,
        which: impl Fn(&Tracees, Tid, Instant) -> bool,
    ) -> Result<(), SuperviseError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let free = |tid, since| which(&self.tracees, tid, since);
        for tracee in self.held.take(free) {
            self.stats.attach += 1;
            let task = self.tracees.adopt(tracee.tid());
            self.lives(tracee.tid());
            let how = if self.ending.is_some() {
                Resume::KILL
            } else {
                self.attached(&tracee, &task)
                    .map_err(SuperviseError::system("ptrace"))?;
                Resume::CONTINUE
            };
            tracee
                .resume(how)
                .map_err(SuperviseError::system("ptrace"))?;
        }
        Ok(())
    }

    /// Lets go of children that are held whose parent's event has come.
    pub fn release_known(&mut self) -> Result<(), SuperviseError> {
        self.release(|tracees, tid, _| tracees.knows(tid))
    }

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
        if self.guard.watchdog.is_some() {
            return;
        }
        let now = Instant::now();
        if self.guard.rest.is_some_and(|until| now < until) {
            return;
        }
        let limits = self.limits.for_watchdog(&self.started);
        let asked = self.asked_to_end.is_some();
        let stop_handle = self.options.stop_handle.clone();
        match Watchdog::start(limits, stop_handle, asked, &self.tracees.tasks()) {
            Ok(watchdog) => {
                for pid in watchdog.pids() {
                    self.meter.leave_out(pid);
                }
                if let Some(stop_handle) = &self.options.stop_handle {
                    stop_handle.has_watchdog(watchdog.leavers());
                }
                self.guard.watchdog = Some(watchdog);
            }
            Err(_) => self.guard.rest = Some(now + REST),
        }
    }

    pub fn is_watchdog(&self, tid: Tid) -> bool {
        self.guard
            .watchdog
            .as_ref()
            .is_some_and(|it| it.pids().any(|pid| pid == tid))
    }

    /// A task of the tree will run.
    pub fn lives(&self, tid: Tid) {
        if let Some(watchdog) = &self.guard.watchdog {
            let task = self.tracees.get(tid);
            watchdog.born(tid, task.map_or(tid, |task| task.pid()));
        }
    }

    /// A process runs another program, in the thread that was `former` until now.
    pub fn lives_on(&self, pid: Tid, former: Tid) {
        if let Some(watchdog) = self.guard.watchdog.as_ref().filter(|_| former != pid) {
            watchdog.replaced(former);
        }
    }

    /// Waits. What has ended is no process of the jail any more when the supervisor is at work again.
    pub fn wait_by(
        &mut self,
        wait: impl FnOnce(&mut Meter) -> Result<Option<Wait>, Errno>,
    ) -> Result<Option<Wait>, SuperviseError> {
        if let Some(watchdog) = &self.guard.watchdog {
            watchdog.waits();
        }
        let found = wait(&mut self.meter);
        if let Some(watchdog) = &self.guard.watchdog {
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
        let past = self.guard.watchdog.as_ref().and_then(Watchdog::past);
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

    /// Whether this is a tracee that is not part of the jail: the clock, the namespace's init, or the
    /// process that makes calls in the command's cgroup.
    pub fn is_helper(&self, tid: Tid) -> bool {
        self.limits.is_clock(tid) || self.init == Some(tid) || charged::has(tid)
    }

    /// A helper has stopped: no signal is for it. Each stop of the clock is a tick.
    pub fn continue_helper(&mut self, helper: Stopped) -> Result<(), SuperviseError> {
        let ticks = self.limits.is_clock(helper.tid());
        helper
            .resume(Resume::CONTINUE)
            .map_err(SuperviseError::system("ptrace"))?;
        if ticks {
            self.tick();
            self.stop_clock();
        }
        Ok(())
    }

    /// A task has ended, or a helper.
    pub fn gone_or_helper(&mut self, tid: Tid, exit: Exit) -> Result<(), SuperviseError> {
        if self.limits.is_clock(tid) {
            return self.clock_gone();
        }
        if self.is_watchdog(tid) {
            self.guard.watchdog = None;
        } else if self.init == Some(tid) {
            // A process outside has ended it: the kernel kills all others, which is told next.
            self.init = None;
        } else if charged::has(tid) {
            self.performer_gone(tid, exit);
        } else {
            return self.gone(tid, exit);
        }
        Ok(())
    }

    /// Waits for a call to return, and answers nothing else until then but time and the caller.
    pub fn finish(&mut self, tid: Tid) -> Result<(), SuperviseError> {
        let mut pause = Pause::new();
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
                    pause.sleep();
                }
            }
            self.heed_stop_request();
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
                    .resume(Resume::CONTINUE)
                    .map_err(SuperviseError::system("ptrace"))?;
                self.tick();
                Ok(())
            }
            Some(Wait::Gone(..)) => self.clock_gone(),
            Some(Wait::Interrupted) | None => Ok(()),
        }
    }
}
