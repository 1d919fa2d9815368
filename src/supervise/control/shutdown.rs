//! How a jail comes to its end: limits, a stop request, errors; what is left then, and the outcome.

use super::forward::Forward;
use super::round::ANYBODY;
use super::stop_handle;
use super::wait::Pause;
use crate::policy::LimitKind;
use crate::supervise::limits::{self, Subtree};
use crate::supervise::syscall::charged;
use crate::supervise::tracee::Task;
use crate::supervise::{
    Ending, Event, Outcome, StopHandle, StopReason, SuperviseError, Supervisor, Used,
};
use crate::sys::{self, Errno};
use crate::syscalls::Call;
use crate::trace::{self, Exit, Resume, Stop, Stopped, Tid, Wait};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long tasks that were killed may end by themselves.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long no event may come of them until all that this thread traces are looked up.
const LONG: Duration = Duration::from_secs(1);

/// The ends of tasks.
#[derive(Debug, Default)]
pub struct Ends {
    /// Whether tasks stop before they end.
    watched: bool,
    /// How long no event has come of tasks that were killed.
    silent: Duration,
}

impl Supervisor<'_> {
    /// A tick of the timer may be due.
    pub fn look_at_timer(&mut self) {
        if self.limits.has_ticked() {
            self.tick();
        }
    }

    /// A tick of the clock.
    pub fn tick(&mut self) {
        self.heed_watchdog();
        let asked = self.asked_to_end.is_some();
        match self.limits.due(asked, Instant::now()) {
            limits::Due::Nothing => {}
            // There is no program yet that could be asked.
            _ if !self.running => self.end(Ending::Limit(LimitKind::Wall)),
            limits::Due::Ask => {
                self.asked_to_end = Some(LimitKind::Wall);
                if let Some(watchdog) = &self.guard.watchdog {
                    watchdog.asked();
                }
                self.observer.event(&Event::Limit(LimitKind::Wall));
                self.tracees.kill(libc::SIGTERM);
                // What is stopped must be continued to hear it.
                self.tracees.kill(libc::SIGCONT);
            }
            limits::Due::Kill => self.end(Ending::Limit(LimitKind::Wall)),
        }
        // What memory is used is read from files, whose directories a task of the jail can lock.
        // A late tick, after the last task has ended, must not start a watchdog that nothing stops again.
        let lives = self.running && self.tracees.len() > 0;
        if self.ending.is_none() && lives && self.limits.keeps_memory() {
            self.start_watchdog();
        }
        // Until its execve the command is a copy of this process, and has what this has.
        if self.ending.is_none()
            && self.running
            && let Some(limit) = self.limits.past(&self.tracees, self.ended_time())
        {
            self.past(limit);
        }
        if self.ending.is_none() && self.running {
            for (subtree, limit) in self.limits.past_below(&self.tracees) {
                self.past_below(&subtree, limit);
            }
        }
    }

    /// A task is about to end. If the supervisor adds up memory, it looks at it once more: by ticks alone it
    /// would be chance whether a program is found that ends between two of them.
    pub fn ends(&mut self, _: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        let pid = task.pid();
        if self.running && !self.gives_back(task) {
            self.limits.ends(task);
        }
        self.measure_end(task.tid(), pid);
        // SIGKILL does not wake a task in this stop.
        Ok(Resume::CONTINUE)
    }

    /// A task stops before it ends: what the command's own process has had resident is known only now.
    pub fn measure_end(&mut self, tid: Tid, pid: Tid) {
        if self.running && self.options.measure && self.is_main(pid) {
            let peak = limits::peak(tid);
            self.meter.saw_peak(peak.unwrap_or_default());
        }
    }

    /// A stop of a task that was killed.
    pub fn stopped_in_the_end(&mut self, tracee: &Stopped, stop: Stop) -> Resume {
        if stop == Stop::Exit {
            let pid = self.tracees.at(tracee.tid()).pid();
            self.measure_end(tracee.tid(), pid);
        }
        killed(stop)
    }

    /// From its execve on the command stops before it ends, and so do its children, if the supervisor adds up
    /// memory, or a program of jail's own measures that of the command.
    ///
    /// Another thread of a program that uses the library can take such a stop away, by a wait for any child, and
    /// SIGKILL does not wake a task in it. Then only the end of the watchdog wakes this thread: no such wait sees
    /// it. A process for that alone would cost each jail as much as a third of a short run, so that a library's
    /// command is measured only where a limit of memory needs the watchdog anyway.
    pub fn watch_ends(&mut self, tracee: &Stopped) -> Result<(), Errno> {
        let adds_up = self.limits.keeps_memory();
        self.ends.watched = adds_up || self.options.measure && self.options.timer;
        if adds_up && !self.options.timer {
            self.start_watchdog();
        }
        match self.ends.watched {
            true => tracee.watch_exits(true),
            false => Ok(()),
        }
    }

    /// Whether tasks that are killed must be continued: another thread of this program may have taken the stop
    /// away that each makes before it ends. A program of jail's own has no such thread.
    pub fn must_continue_ending(&self) -> bool {
        self.ending.is_some() && self.ends.watched && !self.options.timer
    }

    /// Waits for the next event of tasks that were killed, and continues them if there is none for a while.
    /// `None`: there is no child left.
    pub fn wait_for_ends(&mut self) -> Result<Option<Wait>, SuperviseError> {
        let begin = Instant::now();
        let mut pause = Pause::new();
        while begin.elapsed() < PATIENCE {
            if let Some(wait) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? {
                self.ends.silent = Duration::ZERO;
                return Ok(Some(wait));
            }
            if !sys::wait::has_any() {
                return Ok(None);
            }
            pause.sleep();
        }
        self.ends.silent += begin.elapsed();
        // What has come meanwhile was not taken away.
        if let Some(wait) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? {
            return Ok(Some(wait));
        }
        self.continue_killed();
        Ok(Some(Wait::Interrupted))
    }

    /// Continues all tasks, which were killed. After a longer silence also those of which no event has told,
    /// since the other thread has taken it.
    fn continue_killed(&mut self) {
        for (tid, _) in self.tracees.tasks() {
            let _ = sys::ptrace::cont(tid, 0);
        }
        if self.ends.silent >= LONG {
            self.ends.silent = Duration::ZERO;
            stop_handle::continue_tracees();
        }
    }

    /// The same for a call of a task, if it gives much back.
    pub fn gives_back_by(&mut self, task: &Task, call: &Call) -> bool {
        if !self.limits.keeps_memory() {
            return false;
        }
        self.limits.releases(task, call) && self.gives_back(task)
    }

    /// A task stops for the first time, or after a group-stop. Each inherits that it stops before it ends.
    /// Where only the command's own process is measured by that, others need not.
    pub fn attached(&mut self, tracee: &Stopped, task: &Task) -> Result<(), Errno> {
        let measured = self.ends.watched && !self.limits.keeps_memory();
        if measured && self.running && !self.is_main(task.pid()) {
            tracee.watch_exits(false)?;
        }
        Ok(())
    }

    /// A process is about to lose memory. Ends the tree if it has more than it may, or the part of it below an
    /// entry of a domain; returns whether it did.
    pub fn gives_back(&mut self, task: &Task) -> bool {
        if self.limits.is_past_before(&self.tracees, task.pid()) {
            self.past(LimitKind::Memory);
            return true;
        }
        let below = self.limits.past_before_below(&self.tracees, task);
        for (subtree, limit) in &below {
            self.past_below(subtree, *limit);
        }
        !below.is_empty()
    }

    /// The processor time of those that have ended.
    pub fn ended_time(&self) -> Duration {
        let usage = self.meter.usage();
        usage.map_or(Duration::ZERO, |usage| usage.ran())
    }

    /// The tree is past a limit: it ends at once. What has been asked to end already is ended for that.
    pub fn past(&mut self, limit: LimitKind) {
        match self.asked_to_end {
            Some(asked) => self.end(Ending::Limit(asked)),
            None => {
                self.observer.event(&Event::Limit(limit));
                self.end(Ending::Limit(limit));
            }
        }
    }

    /// The processes below an entry of a domain are past a limit of the domain: they end at once. The rest goes on.
    pub fn past_below(&mut self, subtree: &Rc<Subtree>, limit: LimitKind) {
        let below = |task: &Task| task.process().limits.is_below(subtree);
        if subtree.is_past_now(limit) && self.ending.is_none() {
            let part = self.tracees.only(below);
            let entered = subtree.pid().and_then(|pid| part.get(pid));
            if let Some(task) = entered.or_else(|| part.all().next()) {
                self.observer.event(&Event::DomainLimit {
                    pid: task.pid(),
                    program: &task.program(),
                    domain: subtree.domain(),
                    limit,
                });
            }
        }
        self.tracees.kill_part(below);
        if subtree.pid().is_some() {
            self.tracees.parentless.is_past(subtree);
        }
    }

    /// The limit that the tree was past at its end, whichever event or tick would have told.
    pub fn was_past(&self) -> Option<LimitKind> {
        match self.is_out_of_memory() {
            true => Some(LimitKind::Memory),
            false => self
                .limits
                .was_past(self.ended_time())
                .then_some(LimitKind::Cpu),
        }
    }

    /// Whether the kernel has killed a process because of the memory limit.
    pub fn is_out_of_memory(&self) -> bool {
        self.started
            .group()
            .is_some_and(crate::launch::Group::is_past)
    }

    /// Ends the jail if a stop was requested.
    pub fn heed_stop_request(&mut self) {
        if self.ending.is_some() {
            return;
        }
        match self
            .options
            .stop_handle
            .as_ref()
            .and_then(StopHandle::requested)
        {
            None => {}
            Some(StopReason::Kill) => self.end(Ending::Caller),
            Some(StopReason::Output) => {
                self.observer.event(&Event::Limit(LimitKind::Output));
                self.end(Ending::Limit(LimitKind::Output));
            }
        }
    }

    /// The main process has ended, and cannot wake this thread any more: if it has left others, a
    /// clock can.
    pub fn rearm_stop_handle(&mut self) -> Result<(), SuperviseError> {
        let Some(stop_handle) = &self.options.stop_handle else {
            return Ok(());
        };
        if self.tracees.len() == 0 && self.held.is_empty() {
            return Ok(());
        }
        if self.limits.need_clock(None).is_err() {
            // This user may have no process left for a clock. Any process of the tree will do, as long as
            // it lives.
            let mut others = self.tracees.leaders().into_iter();
            self.wake_target = others.find(|&pid| stop_handle.wake_through(pid).is_ok());
            return Ok(());
        }
        if let Some(clock) = self.limits.clock() {
            self.meter.leave_out(clock);
            stop_handle
                .wake_through(clock)
                .map_err(SuperviseError::system("pidfd_open"))?;
        }
        Ok(())
    }

    /// Ends the clock and the watchdog once no task is left. The clock may not have become the command's
    /// user yet, who alone can end it: then its next tick comes here again.
    pub fn stop_clock(&self) {
        if self.tracees.len() == 0 && self.held.is_empty() {
            self.limits.stop();
            charged::end();
            if let Some(watchdog) = &self.guard.watchdog {
                watchdog.stop();
            }
        }
    }

    /// The process that makes calls in the command's cgroup has ended: the kernel may have killed it for
    /// want of memory.
    pub fn performer_gone(&mut self, tid: Tid, exit: Exit) {
        charged::gone(tid);
        let killed = exit == Exit::Signal(libc::SIGKILL) && self.ending.is_none();
        if killed && self.tracees.len() > 0 && self.is_out_of_memory() {
            self.past(LimitKind::Memory);
        }
    }

    /// Without a clock there is no time limit: it ends only when no task is left, or is not to end.
    pub fn clock_gone(&mut self) -> Result<(), SuperviseError> {
        self.limits.clock_gone();
        self.heed_stop_request();
        match self.tracees.len() {
            0 => Ok(()),
            _ if self.ending.is_some() => Ok(()),
            _ => Err(SuperviseError::System {
                call: "the clock",
                errno: Errno::ECHILD,
            }),
        }
    }

    /// Kills the tree; the loop goes on until all of it is gone.
    pub fn end(&mut self, why: Ending) {
        self.ending.get_or_insert(why);
        self.tracees.kill(libc::SIGKILL);
        self.tracees.run_anywhere();
        // What is held is killed at its release.
    }

    /// After an error: nothing of the tree may live on.
    pub fn abandon(&mut self) {
        self.tracees.kill(libc::SIGKILL);
        if let Some(init) = self.init {
            let _ = sys::process::kill(init, libc::SIGKILL);
        }
        self.limits.stop();
        charged::end();
        if let Some(watchdog) = &self.guard.watchdog {
            watchdog.stop();
        }
        for child in self.held.take(|_, _| true) {
            let _ = child.resume(Resume::KILL);
        }
        for (tracee, stop) in self.hold.take() {
            let _ = tracee.resume(killed(stop));
        }
        self.ending.get_or_insert(Ending::Caller);
        loop {
            let wait = match self.must_continue_ending() {
                true => self.wait_for_ends(),
                false => self.wait_by(trace::wait),
            };
            match wait {
                Ok(Some(Wait::Stopped(tracee, stop))) => _ = tracee.resume(killed(stop)),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// All tasks have ended: what they used, if that is to be reported.
    pub fn tell_usage(&mut self) {
        if let Some(usage) = self.meter.usage().filter(|_| self.options.measure) {
            let group = self.started.group();
            let tree = match group {
                Some(group) => group.peak(),
                None => self.limits.most_memory(),
            };
            let (user, system) = usage.cpu();
            self.observer.event(&Event::Used(Used {
                user,
                system,
                peak: usage.peak,
                tree,
                processes: usage.processes,
                tasks: usage.tasks + self.replaced,
                most: self.tracees.most(),
            }));
        }
    }

    pub fn outcome(&mut self) -> Result<Outcome, SuperviseError> {
        // A stop may have been requested while the last task was about to end.
        self.heed_stop_request();
        if matches!(self.ending, None | Some(Ending::Exited))
            && let Some(limit) = self.was_past()
        {
            self.ending = None;
            self.past(limit);
        }
        // A tree that ends when asked to was past the limit, also if nothing had to be killed.
        let asked = self.asked_to_end.map(Ending::Limit);
        let ended = self.ending.filter(|ending| *ending != Ending::Exited);
        let ending = ended.or(asked).unwrap_or(Ending::Exited);
        if !self.running && ending == Ending::Limit(LimitKind::Wall) {
            return Err(SuperviseError::NeverRan);
        }
        match self.main_exit {
            Some(exit) => {
                let asked = self.job.forward.as_ref().is_some_and(Forward::interrupted);
                let interrupted = asked && exit == Exit::Signal(libc::SIGINT);
                Ok(Outcome {
                    exit,
                    ending,
                    interrupted,
                    stats: self.stats,
                })
            }
            None => Err(SuperviseError::MainLost),
        }
    }
}

/// The answer to a stop of a task that was killed. SIGKILL does not wake one that ends already.
pub fn killed(stop: Stop) -> Resume {
    match stop {
        Stop::Exit => Resume::CONTINUE,
        _ => Resume::KILL,
    }
}
