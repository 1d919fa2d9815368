//! The limits that the supervisor keeps: time by the clock, processor time, the number of tasks, and
//! memory where no cgroup keeps it.

mod cpu;
pub mod memory;
pub mod state;
pub mod subtree;
mod subtrees;
mod turn;

use super::control::timer::Clock;
use super::control::watchdog;
use super::tracee::{Task, Tracees};
use crate::launch::{Started, User};
use crate::plan::Plan;
use crate::policy::{DomainSet, LimitKind};
use crate::sys::Errno;
use crate::syscalls::Call;
use crate::trace::{Resume, Stopped, Tid};
pub(super) use cpu::Cpu;
pub(super) use memory::Memory;
use memory::moments;
pub(super) use memory::smaps::peak;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
pub(super) use subtree::Subtree;
pub(super) use subtrees::crowded;
use subtrees::{Past, Subtrees};

/// How often the clock ticks: what a limit of time may be late by.
const TICK: Duration = Duration::from_millis(50);
/// The same where memory is added up, which grows faster.
const FAST_TICK: Duration = Duration::from_millis(20);

/// From SIGTERM to SIGKILL, where the policy does not say.
const GRACE: Duration = Duration::from_secs(1);

/// How long a command may take to get to its program at least, where there is a limit of time: that limit
/// is the program's, and a crowded machine or a slow file system is none of its doing.
const START: Duration = Duration::from_secs(10);

/// The limits of a jail that runs.
pub struct LimitWatch {
    clock: Option<Clock>,
    /// Whether a clock may be a timer.
    timer: bool,
    wall: Option<(Instant, Duration)>,
    /// The limit of time, until the command's program runs.
    unbegun: Option<Duration>,
    tasks: Option<u64>,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
    /// The limits of domains.
    subtrees: Subtrees,
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

impl LimitWatch {
    /// `timer`: whether ticks may be signals.
    pub fn new(
        plan: &Plan,
        started: &Started,
        timer: bool,
        now: Instant,
    ) -> Result<LimitWatch, Errno> {
        let limits = &plan.limits;
        let grace = limits.time(LimitKind::Grace).unwrap_or(GRACE);
        let unbegun = limits.time(LimitKind::Wall);
        let wall = unbegun.map(|wall| (after(now, wall.max(START)), grace));
        let cpu = limits.time(LimitKind::Cpu).map(Cpu::new);
        let own = || nix::unistd::geteuid().as_raw();
        let user = started.user().map_or_else(own, |user| user.uid);
        let writable = plan.files.writable.as_deref();
        let ipc = started.isolation().ipc;
        // The launcher has made a cgroup where it could.
        let memory = limits
            .number(LimitKind::Memory)
            .filter(|_| started.group().is_none())
            .map(|most| Memory::new(most, user, writable, ipc));
        let of_domains = plan.entry.iter().flat_map(|entry| entry.limits().cloned());
        let writable = writable.map(<[PathBuf]>::to_vec);
        let subtrees = Subtrees::new(of_domains.collect(), user, writable, ipc);
        let adds_up = memory.is_some() || subtrees.any(LimitKind::Memory);
        let every = match adds_up {
            true => FAST_TICK,
            false => TICK,
        };
        let ticks = wall.is_some() || cpu.is_some() || adds_up || subtrees.any(LimitKind::Cpu);
        Ok(LimitWatch {
            clock: ticks
                .then(|| Clock::start(every, adds_up, timer, started.user()))
                .transpose()?,
            timer,
            wall,
            unbegun,
            tasks: limits.number(LimitKind::Processes),
            cpu,
            memory,
            subtrees,
        })
    }

    /// The command's program runs from now on: its time begins.
    pub fn begins(&mut self, now: Instant) {
        if let (Some(length), Some((end, _))) = (self.unbegun.take(), &mut self.wall) {
            *end = after(now, length);
        }
    }

    /// Starts a clock if there is none.
    pub fn need_clock(&mut self, user: Option<&User>) -> Result<(), Errno> {
        if self.clock.is_none() {
            self.clock = Some(Clock::start(TICK, false, self.timer, user)?);
        }
        Ok(())
    }

    /// Whether this is the clock, which is none of the jail's.
    pub fn is_clock(&self, tid: Tid) -> bool {
        self.clock() == Some(tid)
    }

    /// Which process that is, if it is one.
    pub fn clock(&self) -> Option<Tid> {
        self.clock.as_ref().and_then(Clock::tid)
    }

    /// Whether a timer ends waits of this thread.
    pub fn has_timer(&self) -> bool {
        self.clock.as_ref().is_some_and(Clock::interrupts)
    }

    /// What the watchdog keeps, where this thread cannot.
    pub fn for_watchdog<'a>(&self, started: &'a Started) -> watchdog::Limits<'a> {
        watchdog::Limits {
            wall: self.wall,
            cpu: self.cpu.as_ref().map(Cpu::limit),
            memory: self.memory.as_ref().map(Memory::limit),
            group: started.group(),
        }
    }

    /// Whether a timer has ticked.
    pub fn has_ticked(&mut self) -> bool {
        let clock = self.clock.as_mut();
        clock.is_some_and(|clock| clock.has_ticked(Instant::now()))
    }

    /// Whether there is a limit of time, which goes on where all are stopped.
    pub fn keeps_time(&self) -> bool {
        self.wall.is_some()
    }

    /// Whether there is a limit of what the tree uses, or of its time, that is kept here.
    pub fn keeps_usage(&self) -> bool {
        self.keeps_time() || self.keeps_cpu() || self.keeps_memory()
    }

    /// Whether memory is added up here.
    pub fn keeps_memory(&self) -> bool {
        self.memory.is_some() || self.subtrees.any(LimitKind::Memory)
    }

    /// Whether the time of those that have ended must be counted.
    pub fn keeps_cpu(&self) -> bool {
        self.cpu.is_some() || self.subtrees.any(LimitKind::Cpu)
    }

    /// What children of domains with limits are below of whose parent is not known.
    pub fn unknown(&self) -> Vec<Rc<Subtree>> {
        self.subtrees.unknown()
    }

    /// A process has entered these domains.
    pub fn enters(&mut self, task: &Task, set: DomainSet) {
        self.subtrees.enters(task, set);
    }

    /// A tick: the processes in domains that are past a limit.
    pub fn past_below(&mut self, tracees: &Tracees) -> Vec<Past> {
        self.subtrees.past(tracees)
    }

    /// The clock has ended.
    pub fn clock_gone(&mut self) {
        self.clock = None;
    }

    /// No task is left to be watched.
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

    /// A tick: the limit of what the tree uses that it is past. `ended`: the processor time of those
    /// that have ended.
    pub fn past(&mut self, tracees: &Tracees, ended: Duration) -> Option<LimitKind> {
        if self.cpu.is_none() && self.memory.is_none() {
            return None;
        }
        let processes = tracees.leaders();
        let cpu = self.cpu.as_mut();
        if cpu.is_some_and(|cpu| cpu.is_past(tracees, &processes, ended)) {
            return Some(LimitKind::Cpu);
        }
        let memory = self.memory.as_mut();
        memory
            .is_some_and(|memory| memory.is_past(tracees, &processes))
            .then_some(LimitKind::Memory)
    }

    /// Whether a call gives much memory back.
    pub fn releases(&mut self, task: &Task, call: &Call) -> bool {
        match self.memory.is_some() {
            true => moments::releases(&task.process().limits, call),
            false => self.subtrees.releases(task, call),
        }
    }

    /// A process is about to lose memory: what is below an entry of a domain and past its limit.
    pub fn past_before_below(&mut self, tracees: &Tracees, task: &Task) -> Vec<Past> {
        self.subtrees.past_before(tracees, task)
    }

    /// A process is about to lose memory: whether the tree has more than it may.
    pub fn is_past_before(&mut self, tracees: &Tracees, pid: Tid) -> bool {
        let memory = self.memory.as_mut();
        memory.is_some_and(|memory| memory.is_past_before(tracees, pid))
    }

    /// Each sum of memory that a task counts in.
    fn memories<'a>(&'a mut self, task: &'a Task) -> impl Iterator<Item = &'a mut Memory> {
        let all = self.memory.iter_mut();
        all.chain(self.subtrees.memories(task))
    }

    /// A task of a process is about to end.
    pub fn ends(&mut self, task: &Task) {
        for memory in self.memories(task) {
            memory.ends(task);
        }
    }

    /// No task is left: whether they used more processor time than they may, whichever tick would have
    /// seen it.
    pub fn was_past(&self, ended: Duration) -> bool {
        self.cpu.as_ref().is_some_and(|cpu| cpu.was_past(ended))
    }

    /// The most memory that the tree was seen to have, in bytes; `None`: it was never measured.
    pub fn most_memory(&self) -> Option<u64> {
        self.memory.as_ref().and_then(Memory::most)
    }

    /// The error of a call that would make what cannot be counted.
    pub fn refuses(&mut self, tracees: &Tracees, task: &Task, call: &Call) -> Option<Errno> {
        let memory = self.memory.as_mut();
        let refused = memory.and_then(|memory| memory.refuses(tracees, call));
        refused.or_else(|| self.subtrees.refuses(tracees, task, call))
    }

    /// The answer to a call, with a stop at its return where that must be seen.
    pub fn calls(&mut self, task: &Task, call: &Call, how: Resume) -> Resume {
        let how = match &mut self.memory {
            Some(memory) => memory.calls(task, call, how),
            None => how,
        };
        self.subtrees.calls(task, call, how)
    }

    /// A call returns.
    pub fn returns(&mut self, tracee: &Stopped, task: &Task) -> Result<(), Errno> {
        if !task.limits.returns() {
            return Ok(());
        }
        // It may be another call that the supervisor makes before.
        let Some(registers) = tracee.registers()? else {
            return Ok(());
        };
        let (call, result) = (registers.call(), registers.result());
        if !(-4095..0).contains(&result) {
            for memory in self.memories(task) {
                memory.returned(tracee.tid(), &call, result);
            }
        }
        Ok(())
    }

    /// A task has ended: what it has made stays the jail's until the next look. `ran`: the processor time of its
    /// process, if that has ended with it.
    pub fn gone(&mut self, tid: Tid, task: Option<&Task>, ran: Option<Duration>) {
        if let Some(memory) = &mut self.memory {
            memory.gone(tid);
        }
        if let Some(task) = task {
            self.subtrees.gone(task, ran);
        }
    }

    /// The limit that so many tasks are past. `living`: how many of them are not about to end, which
    /// takes a while to tell.
    pub fn exceeded(&self, tasks: usize, living: impl FnOnce() -> usize) -> Option<LimitKind> {
        let most = self.tasks?;
        let past = tasks as u64 > most && living() as u64 > most;
        past.then_some(LimitKind::Processes)
    }
}

fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_asked_once_and_killed_after_the_grace() {
        let now = Instant::now();
        let watch = LimitWatch {
            clock: None,
            timer: false,
            wall: Some((now + Duration::from_secs(10), Duration::from_secs(1))),
            unbegun: None,
            tasks: Some(3),
            cpu: None,
            memory: None,
            subtrees: Subtrees::new(Vec::new(), 0, None, false),
        };
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(watch.due(false, at(9)), Due::Nothing);
        assert_eq!(watch.due(false, at(10)), Due::Ask);
        assert_eq!(watch.due(true, at(10)), Due::Nothing);
        assert_eq!(watch.due(true, at(11)), Due::Kill);
        assert_eq!(watch.exceeded(3, || 4), None);
        assert_eq!(watch.exceeded(4, || 3), None);
        assert_eq!(watch.exceeded(4, || 4), Some(LimitKind::Processes));
    }
}
