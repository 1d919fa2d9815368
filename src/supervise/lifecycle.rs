//! Tasks begin, execute a program, and end.

use super::limits;
use super::tracee::{Executed, Task};
use super::{Ending, Event, Object, SuperviseError, Supervisor};
use crate::judge::Verdict;
use crate::policy::LimitKind;
use crate::sys::Errno;
use crate::syscalls::Op;
use crate::trace::{Exit, Registers, Resume, Stopped, Tid};
use std::rc::Rc;
use std::time::Instant;

impl Supervisor<'_> {
    /// The answer for the task that has stopped, with a stop at its next call where that must be seen.
    pub(super) fn of_task(
        &mut self,
        tracee: &Stopped,
        answer: impl FnOnce(&mut Self, &Stopped, &Rc<Task>) -> Result<Resume, Errno>,
    ) -> Result<Resume, Errno> {
        let task = self.tracees.at(tracee.tid());
        let how = answer(self, tracee, &task)?;
        let follows = task.process().sockets.is_watched() || task.restart.is_pending();
        Ok(if follows { how.and_stop() } else { how })
    }

    /// A stop that nothing here has asked for.
    pub(super) fn other(&mut self, _: &Stopped, _: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.other += 1;
        Ok(Resume::CONTINUE)
    }

    /// A task stops for the first time, or a group-stop ends.
    pub(super) fn attach_stop(
        &mut self,
        tracee: &Stopped,
        task: &Rc<Task>,
    ) -> Result<Resume, Errno> {
        self.stats.attach += 1;
        self.attached(tracee, task)?;
        if self.is_past_below(task) {
            return Ok(Resume::KILL);
        }
        if self.is_main(tracee.tid()) {
            self.job.main_stopped = None;
        }
        Ok(Resume::CONTINUE)
    }

    /// Whether a task that stops for the first time is below an entry of a domain that is past a limit. That an
    /// adopted one is below an entry no event of a parent has told.
    fn is_past_below(&mut self, task: &Task) -> bool {
        if task.is_adopted()
            && let Some(subtree) = limits::crowded(&self.tracees, task)
        {
            self.past_below(&subtree, LimitKind::Processes);
        }
        task.process().limits.is_past()
    }

    pub(super) fn spawned(&mut self, tracee: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.spawn += 1;
        let Some(child) = tracee.message()? else {
            return Ok(Resume::CONTINUE);
        };
        // The parent was killed: /proc and kcmp(2) tell of the child when it stops.
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::CONTINUE);
        };
        let flags = clone_flags(registers);
        let spawn = self.tracees.spawned(task, child as Tid, flags);
        self.lives(child as Tid);
        if let Some(limit) = self
            .limits
            .exceeded(self.tracees.len(), || self.tracees.living())
            && self.ending.is_none()
        {
            self.past(limit);
            return Ok(Resume::KILL);
        }
        if let Some(subtree) = limits::crowded(&self.tracees, task) {
            self.past_below(&subtree, LimitKind::Processes);
            return Ok(Resume::KILL);
        }
        if self.observer.wants_all() {
            self.observer.event(&Event::Spawn {
                parent: spawn.process,
                child: spawn.child,
                thread: spawn.is_thread(),
            });
        }
        Ok(Resume::CONTINUE)
    }

    pub(super) fn executed(&mut self, tracee: &Stopped) -> Result<Resume, Errno> {
        self.stats.exec += 1;
        let Some(former) = tracee.message()? else {
            return Ok(Resume::CONTINUE);
        };
        let tid = tracee.tid();
        self.replaced += u64::from(former as Tid != tid);
        let own = !self.running;
        self.running = true;
        if own {
            self.started.executed()?;
            self.limits.begins(Instant::now());
        }
        self.lives_on(tid, former as Tid);
        self.tracees.namespaces.enter(tid);
        let Executed {
            task,
            former: caller,
            program,
        } = self.runs(tid, former as Tid, own);
        let plan = match &caller {
            Some(caller) => self.plan.within(caller.domains.judged()),
            None => self.plan,
        };
        // The command's own program is the caller's choice; what it is was judged at the start.
        let mut loaded = || self.paths.loaded(plan, tid, caller.as_deref());
        let refused = if own { None } else { loaded() };
        let before = task.process().domains.set();
        let refused = self.enter(tid, &task, caller.as_deref(), own).or(refused);
        let entered = task.process().domains.set().without(before);
        self.limits.enters(&task, entered);
        if !own {
            if let (Some(caller), Some(registers)) = (&caller, tracee.registers()?) {
                self.ends_execve(caller, registers.call());
            }
            self.asks_no_more(former as Tid);
        }
        if own {
            let filters = self.plan.start_filters().len();
            self.tracees.parentless.begins(tid, filters);
            self.watch_ends(tracee)?;
        }
        if !own && let Some((verdict, object)) = refused {
            return self.refuse_program(tracee, &task, verdict, object);
        }
        if self.wants_ends() {
            self.observer.event(&Event::Exec {
                pid: tid,
                program: &program,
                domains: task.process().domains.set(),
            });
        }
        if tracee
            .registers()?
            .is_some_and(|registers| registers.is_compat())
        {
            // The filter answers each of its calls with ENOSYS: it could not even say so.
            self.observer.event(&Event::Foreign {
                pid: tid,
                program: &program,
            });
            return Ok(Resume::KILL);
        }
        Ok(Resume::CONTINUE)
    }

    /// A process runs a new program. `own`: the command's, whose name is known.
    fn runs(&mut self, tid: Tid, former: Tid, own: bool) -> Executed {
        match own.then(|| self.started.name()).flatten() {
            Some(name) => self.tracees.executed_as(tid, former, name),
            None => self.tracees.executed(tid, former),
        }
    }

    /// A program that must not run was loaded: it is too late for an errno. Only its process ends,
    /// unless the policy says `kill`.
    pub(super) fn refuse_program(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        verdict: Verdict,
        object: Object,
    ) -> Result<Resume, Errno> {
        if let Some(registers) = tracee.registers()? {
            let _ = self.denied(task, registers, verdict, Some(object));
        }
        Ok(Resume::KILL)
    }

    pub(super) fn gone(&mut self, tid: Tid, exit: Exit) -> Result<(), SuperviseError> {
        self.held.gone(tid);
        self.hold.gone(tid);
        self.asks_no_more(tid);
        if let Exit::Signal(signal) = exit {
            self.is_refused_by(tid, signal);
        }
        let task = self.tracees.get(tid).cloned();
        let parent = task.as_ref().and_then(|task| task.process().parent());
        let pid = self.tracees.gone(tid);
        self.limits.gone(tid, task.as_deref(), self.meter.ran(tid));
        // Before the command's own end is looked at: all the rest must end, too.
        if exit == Exit::Signal(libc::SIGKILL) && self.ending.is_none() && self.is_out_of_memory() {
            self.past(LimitKind::Memory);
        }
        if self.is_main(tid) {
            if let Some(failure) = self.started.failure().filter(|_| !self.running) {
                return Err(SuperviseError::Launch(failure));
            }
            self.main_exit = Some(exit);
            self.job.main_stopped = None;
            if let Some(forward) = &mut self.job.forward {
                forward.ended(exit, self.tracees.len() > 0 && self.ending.is_none());
            }
            if self.options.kill_on_exit && self.ending.is_none() {
                self.heed_stop_request();
                // A command that ends when it is asked to was past the limit all the same.
                self.end(self.asked_to_end.map_or(Ending::Exited, Ending::Limit));
            }
            self.rearm_stop_handle()?;
        } else if self.wake_target == Some(tid) {
            self.wake_target = None;
            self.rearm_stop_handle()?;
        }
        if pid == tid && self.wants_ends() {
            self.observer.event(&Event::Exit { pid, parent, exit });
        }
        self.stop_clock();
        // No process is left inside that could continue the command.
        if self.job.main_stopped.is_some() && self.may_stop_alone() {
            self.job.stopping = self.job.main_stopped;
        }
        self.stop_if_due()
    }

    fn wants_ends(&self) -> bool {
        self.observer.wants_all() || self.observer.wants_ends()
    }

    /// Whether this is the main process. Its id may be another's once it has ended.
    pub(super) fn is_main(&self, pid: Tid) -> bool {
        pid == self.started.pid && self.main_exit.is_none()
    }
}

/// The clone(2) flags of the call that a fork, vfork or clone event belongs to.
fn clone_flags(registers: Registers) -> u64 {
    let call = registers.call();
    match call.op() {
        Op::Clone => call.args[0],
        Op::Vfork => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
        Op::Fork => 0,
        // Nothing else makes a task here; whatever it is may share everything.
        _ => (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES) as u64,
    }
}
