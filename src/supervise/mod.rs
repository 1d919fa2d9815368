//! The loop: every stop of every tracee gets exactly one answer, until none is left.
//!
//! It decides nothing by itself: the judge decides, the tree of processes answers what registers
//! cannot, ptrace enforces. It must never leave a tracee in a stop, and never outlive an error:
//! whatever fails here kills the tree.

mod bounds;
mod control;
mod credentials;
mod denial;
mod event;
mod limits;
mod outcome;
mod syscall;
mod tracee;

pub use control::stop_handle::{Bell, Call as BellCall};
pub use denial::{Denial, Object, PathObject, PeerObject};
pub use event::{Event, Observer};
pub use outcome::{Ending, Outcome, Stats, SuperviseError, Used};
pub use tracee::Program;

use crate::baseline::Check;
use crate::judge::Verdict;
use crate::launch::Started;
use crate::plan::Plan;
use crate::policy::{Action, LimitKind};
use crate::sys::{self, Errno};
use crate::syscalls::Op;
use crate::trace::{self, Exit, Meter, Registers, Resume, Stop, Stopped, Tid, Wait};
use control::forward::Forward;
use control::{round, watchdog};
use credentials::Credentials;
use std::rc::Rc;
use std::time::{Duration, Instant};
use syscall::{arguments, charged, path, refusal, restart, socket, target};
use tracee::{Executed, Namespaces, Task, Tracees};

/// How a jail is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Kill what the main command leaves behind when it ends; else wait for it.
    pub kill_on_exit: bool,
    /// This process stands for the command: signals sent to it are passed on, and it stops and
    /// continues with the command. For a program that does nothing else.
    pub stand_in: bool,
    /// Measure what the tree uses, for [`Event::Used`].
    pub measure: bool,
    /// By this another thread can end the jail.
    pub bell: Option<Bell>,
    /// What limits time may be a timer and its signal, which `sys::signal::heed_ticks` has prepared:
    /// for a program that owns its signals.
    pub timer: bool,
}

/// How long a child is held for its parent's event.
const PATIENCE: Duration = Duration::from_millis(2);

/// Any tracee, for a wait.
const ANYBODY: Tid = -1;

/// One running jail.
struct Supervisor<'a> {
    plan: &'a Plan,
    options: Options,
    observer: &'a mut dyn Observer,
    /// What this thread may do, as the command. Before `started`, whose end takes what it has given up.
    credentials: Credentials,
    started: Started,
    tracees: Tracees,
    /// The init of the jail's pid namespace, which is none of the jail's: as the clock it is traced
    /// and nothing else. It ends when all others have.
    init: Option<Tid>,
    /// The paths that calls name.
    files: path::Files,
    /// The peers that calls name.
    net: socket::Net,
    /// Events that were ready when the last round began.
    round: round::Round,
    /// Children that stopped before their parent's event has said whose they are, and when.
    held: Vec<(Stopped, Instant)>,
    /// Whether the command's own execve has happened.
    running: bool,
    /// How the main command ended, once it has.
    main_exit: Option<Exit>,
    /// Set when the tree is being killed, and why.
    ending: Option<Ending>,
    /// The stopping signal that was last delivered to the main command, and whether a process of
    /// the jail sent it.
    delivered: (i32, bool),
    /// The signal by which the main command is stopped, while it is.
    main_stopped: Option<i32>,
    /// The signal by which this process is about to stop as well.
    stopping: Option<i32>,
    forward: Option<Forward>,
    limits: limits::Watch,
    /// What keeps the limits while this thread cannot, once it may be needed.
    watchdog: Option<watchdog::Watchdog>,
    /// The process whose end wakes this thread when the bell is rung, where the command has ended and
    /// there is no clock.
    sleeper: Option<Tid>,
    /// Until when none is started.
    watchdog_rest: Option<Instant>,
    /// The limit for which all have been asked to end.
    asked_to_end: Option<LimitKind>,
    /// Whether a task may have installed a seccomp filter of its own.
    own_filters: bool,
    own_filter: refusal::OwnFilter,
    meter: Meter,
    /// First threads whose place another took by its execve: their end is never told.
    replaced: u64,
    stats: Stats,
}

/// Supervises a started command until its whole tree is gone. Must be called on the thread that
/// started it, and that thread must have no other children: their exits would be reaped here.
pub fn run(
    mut started: Started,
    plan: &Plan,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    let forward = options
        .stand_in
        .then(|| Forward::new(started.pid, started.isolation().pid))
        .transpose();
    let tracees = Tracees::new(started.pid, Namespaces::new(started.isolation()));
    let mut limits = match limits::Watch::new(plan, &started, options.timer, Instant::now()) {
        Ok(limits) => limits,
        Err(errno) => {
            give_up(&started, None);
            return Err(SuperviseError::System {
                call: "fork of a clock",
                errno,
            });
        }
    };
    let waits = match &forward {
        Ok(Some(forward)) if !forward.ticks => limits.need_clock(None),
        _ => Ok(()),
    };
    if let Err(errno) = waits.and_then(|()| hang_bell(&options, &started, &mut limits)) {
        give_up(&started, Some(&limits));
        return Err(SuperviseError::system("fork of a clock or pidfd_open")(
            errno,
        ));
    }
    let credentials = Credentials::new(plan, &started).map_err(|errno| {
        give_up(&started, Some(&limits));
        SuperviseError::system("capset or setresuid")(errno)
    })?;
    charged::begin(started.group()).map_err(|errno| {
        give_up(&started, Some(&limits));
        SuperviseError::system("dup of a cgroup's file")(errno)
    })?;
    let counts = options.measure || limits.keeps_cpu();
    let strangers = limits.clock().into_iter().chain(started.init());
    let meter = Meter::new(counts, started.pid, strangers.collect());
    let mut supervisor = Supervisor {
        plan,
        options,
        observer,
        files: path::Files::new(started.take_handed()),
        net: socket::Net::new(plan),
        init: started.init(),
        started,
        credentials,
        tracees,
        round: round::Round::default(),
        held: Vec::new(),
        running: false,
        main_exit: None,
        ending: None,
        delivered: (0, false),
        main_stopped: None,
        stopping: None,
        forward: None,
        limits,
        watchdog: None,
        sleeper: None,
        watchdog_rest: None,
        asked_to_end: None,
        own_filters: false,
        own_filter: refusal::OwnFilter::default(),
        meter,
        replaced: 0,
        stats: Stats::default(),
    };
    let result = forward
        .map_err(SuperviseError::system("sigaction"))
        .and_then(|forward| {
            supervisor.forward = forward;
            supervisor.supervise()
        });
    if result.is_err() {
        supervisor.abandon();
    }
    if let Some(bell) = &supervisor.options.bell {
        bell.take_down();
    }
    supervisor.tell_usage();
    result
}

/// Ends a command that cannot be supervised, and the clock. Both are waited for: they are this
/// program's children, and would stay its zombies.
fn give_up(started: &Started, limits: Option<&limits::Watch>) {
    started.kill();
    if let Some(limits) = limits {
        limits.stop();
    }
    wait_for_all(&mut Meter::default());
}

/// Waits until nobody is left of those that were killed.
fn wait_for_all(meter: &mut Meter) {
    loop {
        match trace::wait(meter) {
            Ok(Some(Wait::Stopped(tracee, Stop::Exit))) => _ = tracee.resume(Resume::Continue),
            Ok(Some(Wait::Stopped(tracee, _))) => _ = tracee.resume(Resume::Kill),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// The main process is whose end wakes this thread when somebody rings. Where the command is another
/// user's, the clock that follows it must be made before this thread becomes that user.
fn hang_bell(
    options: &Options,
    started: &Started,
    limits: &mut limits::Watch,
) -> Result<(), Errno> {
    let Some(bell) = &options.bell else {
        return Ok(());
    };
    if started.user().is_some() {
        limits.need_clock(started.user())?;
    }
    bell.hang(started.pid)
}

impl Supervisor<'_> {
    fn supervise(&mut self) -> Result<Outcome, SuperviseError> {
        // Who rang before the bell was hung has woken nobody.
        self.heed_bell();
        while let Some(wait) = self.next()? {
            match wait {
                Wait::Gone(tid, _) if self.limits.is_clock(tid) => self.clock_gone()?,
                Wait::Gone(tid, _) if self.is_watchdog(tid) => self.watchdog = None,
                Wait::Stopped(tracee, _) if self.limits.is_clock(tracee.tid()) => {
                    tracee
                        .resume(Resume::Continue)
                        .map_err(SuperviseError::system("ptrace"))?;
                    self.tick();
                    self.stop_clock();
                }
                // Somebody outside has ended it: the kernel kills all others, which is told next.
                Wait::Gone(tid, _) if self.init == Some(tid) => self.init = None,
                Wait::Gone(tid, exit) if charged::has(tid) => self.performer_gone(tid, exit),
                // No signal is for it.
                Wait::Stopped(tracee, _)
                    if self.init == Some(tracee.tid()) || charged::has(tracee.tid()) =>
                {
                    tracee
                        .resume(Resume::Continue)
                        .map_err(SuperviseError::system("ptrace"))?;
                }
                Wait::Gone(tid, exit) => self.gone(tid, exit)?,
                Wait::Stopped(tracee, stop) => self.stopped(tracee, stop)?,
                Wait::Interrupted => {}
            }
            // A tick may have come while this thread did not wait. Each event can take long.
            self.look_at_timer();
            self.heed_bell();
            self.pass_on();
            self.stop_if_due()?;
        }
        self.outcome()
    }

    /// The next event. The parent's of a child that is held follows the spawn at once, unless the
    /// parent was killed in between: then nothing more may ever come, and nobody must wait for it.
    fn next(&mut self) -> Result<Option<Wait>, SuperviseError> {
        loop {
            if let Some(wait) = self.round.next() {
                return self.still(wait).map(Some);
            }
            let wait = match self.held.is_empty() {
                true => match self.wait_by(trace::wait)? {
                    Some(wait) => wait,
                    None => return Ok(None),
                },
                false => {
                    let now = Instant::now();
                    self.release(|_, _, since| now.duration_since(since) >= PATIENCE)?;
                    let Some(wait) = self.wait_by(|meter| trace::poll(ANYBODY, meter))? else {
                        std::thread::sleep(PATIENCE / 40);
                        continue;
                    };
                    wait
                }
            };
            if !self.round.is_due() {
                return Ok(Some(wait));
            }
            if let Some(alone) = self.begin_round(wait)? {
                return Ok(Some(alone));
            }
        }
    }

    fn stopped(&mut self, tracee: Stopped, stop: Stop) -> Result<(), SuperviseError> {
        if stop == Stop::Attach && self.ending.is_none() && !self.tracees.knows(tracee.tid()) {
            self.held.push((tracee, Instant::now()));
            return Ok(());
        }
        self.need_watchdog(stop);
        self.credentials
            .take(tracee.tid())
            .map_err(SuperviseError::system("capset"))?;
        let how = match self.ending {
            // SIGKILL does not wake a task that ends already.
            Some(_) if stop == Stop::Exit => Resume::Continue,
            Some(_) => Resume::Kill,
            None => self
                .follow(&tracee, stop)
                .map_err(SuperviseError::system("ptrace"))?,
        };
        while let Some(performer) = charged::fresh() {
            self.meter.leave_out(performer);
        }
        tracee
            .resume(how)
            .map_err(SuperviseError::system("ptrace"))?;
        if let Some(tid) = self.files.hurried() {
            self.finish(tid)?;
        }
        if matches!(stop, Stop::Fork | Stop::Vfork | Stop::Clone) {
            self.release(|tracees, tid, _| tracees.knows(tid))?;
        }
        self.stop_if_due()
    }

    /// Lets go of children that are held.
    fn release(
        &mut self,
        which: impl Fn(&Tracees, Tid, Instant) -> bool,
    ) -> Result<(), SuperviseError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let free = |held: &mut (Stopped, Instant)| which(&self.tracees, held.0.tid(), held.1);
        let released: Vec<(Stopped, Instant)> = self.held.extract_if(.., free).collect();
        for (tracee, _) in released {
            self.stats.attach += 1;
            let task = self.tracees.adopt(tracee.tid());
            self.lives(tracee.tid());
            let how = if self.ending.is_some() {
                Resume::Kill
            } else {
                self.attached(&tracee, &task)
                    .map_err(SuperviseError::system("ptrace"))?;
                Resume::Continue
            };
            tracee
                .resume(how)
                .map_err(SuperviseError::system("ptrace"))?;
        }
        Ok(())
    }

    /// The one answer to a stop, with a stop at the task's next call where that must be seen.
    fn follow(&mut self, tracee: &Stopped, stop: Stop) -> Result<Resume, Errno> {
        if stop == Stop::Exec {
            return self.executed(tracee);
        }
        let task = self.tracees.at(tracee.tid());
        let how = self.answer(tracee, stop, &task)?;
        let follows = task.process().net.is_watched() || task.waits.is_pending();
        Ok(if follows { how.and_stop() } else { how })
    }

    fn answer(&mut self, tracee: &Stopped, stop: Stop, task: &Rc<Task>) -> Result<Resume, Errno> {
        match stop {
            Stop::Seccomp => self.call(tracee, task),
            Stop::Syscall => {
                self.stats.returns += 1;
                self.limits.returns(tracee, task)?;
                if let Some(looked) = self.files.looked(tracee, task)? {
                    self.report_refused(task, looked);
                }
                if task.net.is_pending() {
                    return socket::Net::returned(tracee, task);
                }
                if task.files.is_pending() {
                    if let Some((verdict, object)) = path::Files::arrived(self.plan, tracee, task)?
                    {
                        return self.refuse_program(tracee, task, verdict, object);
                    }
                    return self.returned(tracee, task);
                }
                if task.waits.is_pending() {
                    return restart::stepped(tracee, task);
                }
                // Of a process that talks to a resolver each call is seen.
                match tracee.is_entry()? {
                    true => self.net.begins(self.plan, tracee, task),
                    false => Ok(Resume::Continue),
                }
            }
            Stop::Fork | Stop::Vfork | Stop::Clone => self.spawned(tracee, task),
            // Answered by `follow`: it has another task from then on.
            Stop::Exec => Ok(Resume::Continue),
            Stop::Exit => Ok(self.ends(task)),
            Stop::Signal(signal) => self.signalled(tracee, signal, task),
            Stop::Group(signal) => {
                self.stats.group += 1;
                restart::stopped(tracee, task)?;
                if self.is_main(tracee.tid()) {
                    self.main_stopped = Some(signal);
                    if self.is_to_stop(signal) {
                        self.stopping = self.main_stopped;
                    }
                }
                Ok(Resume::Listen)
            }
            Stop::Attach => {
                self.stats.attach += 1;
                self.attached(tracee, task)?;
                if self.is_main(tracee.tid()) {
                    self.main_stopped = None;
                }
                Ok(Resume::Continue)
            }
            Stop::Other(_) => {
                self.stats.other += 1;
                Ok(Resume::Continue)
            }
        }
    }

    /// A call that the filter passed on.
    fn call(&mut self, tracee: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.seccomp += 1;
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::Continue);
        };
        task.files.calls();
        // The exit of a call that is judged again may be another part's.
        if !task.waits.has_changed() {
            task.waits.forget();
        }
        if self.own_filters && is_foreign(tracee)? {
            return Ok(Resume::Return(registers, NO_CALL));
        }
        if let Some(error) = self.limits.refuses(&self.tracees, &registers.call()) {
            return Ok(Resume::Return(registers, -(error as i64)));
        }
        if self.running && self.gives_back_by(task, &registers.call()) {
            return Ok(Resume::Kill);
        }
        let how = self.decide(tracee, task, registers)?;
        Ok(self.limits.calls(task, &registers.call(), how))
    }

    fn decide(
        &mut self,
        tracee: &Stopped,
        task: &Rc<Task>,
        registers: Registers,
    ) -> Result<Resume, Errno> {
        let call = registers.call();
        if !self.running && is_exec(call.syscall()) {
            // The command's own execve: the policy is about what the command does.
            return Ok(Resume::Continue);
        }
        let plan = self.plan;
        let mut asked = path::Asked {
            plan,
            tracees: &self.tracees,
            task,
            tracee,
            registers,
            call,
            rules: plan.judge.needs_objects(&call),
            vector: Vec::new(),
        };
        let mut verdict = plan.judge.call(&call);
        let about_peers = call.syscall().is_some_and(names_peer)
            && match verdict.check {
                Some(Check::Peers) => true,
                Some(_) => asked.rules || plan.net.watches_bind(),
                None => asked.rules,
            };
        if about_peers || asked.rules || matches!(verdict.check, Some(Check::Paths)) {
            let answer = match about_peers {
                true => {
                    self.stats.peers += 1;
                    self.net.answer(&mut self.files, &mut asked)?
                }
                false => {
                    self.stats.paths += 1;
                    self.files.answer(&mut asked)?
                }
            };
            return match answer {
                path::Answer::Go(resume) => {
                    const REFUSED: [i64; 2] = [-(libc::EPERM as i64), -(libc::EACCES as i64)];
                    if matches!(resume, Resume::Return(_, value) if REFUSED.contains(&value)) {
                        self.stats.refused += 1;
                    }
                    Ok(resume)
                }
                path::Answer::Deny(verdict, object) => {
                    Ok(self.denied(task, registers, verdict, object))
                }
            };
        }
        // The jail's filter lets such a call run without a stop: another filter has made this one.
        if verdict.action == Action::Allow
            && verdict.check.is_none()
            && !is_exec(call.syscall())
            && is_foreign(tracee)?
        {
            return Ok(Resume::Return(registers, NO_CALL));
        }
        if verdict.check == Some(Check::Look) {
            self.stats.paths += 1;
            return Ok(self.files.look(&mut asked));
        }
        if verdict.check == Some(Check::OwnFilter) {
            if let Some(how) = self.files.before_filter(&asked) {
                return Ok(how);
            }
            self.installs_filter(tracee.tid(), &call);
            self.own_filters = true;
            self.files.may_be_filtered();
        }
        if let Some(check) = verdict.check {
            match self.tracees.check(task, check, &call) {
                target::Found::Inside => {}
                target::Found::Outside(denied) => {
                    if let Some(errno) = arguments::wrong(tracee.tid(), &call) {
                        let value = -i64::from(errno.number());
                        return Ok(Resume::Return(registers, value));
                    }
                    verdict = denied.verdict(verdict, check, &call);
                }
                target::Found::Done(value) => return Ok(Resume::Return(registers, value)),
            }
        }
        Ok(self.denied(task, registers, verdict, None))
    }

    /// The answer to a call by its verdict, and its report.
    fn denied(
        &mut self,
        task: &Task,
        registers: Registers,
        verdict: Verdict,
        object: Option<Object>,
    ) -> Resume {
        let call = registers.call();
        match verdict.action {
            Action::Allow => Resume::Continue,
            Action::Deny(errno) => {
                self.stats.denied += 1;
                if !verdict.quiet {
                    let denial = Denial::new(task, call, verdict, object, &self.tracees);
                    self.observer.event(&Event::Denied(denial));
                }
                Resume::Return(registers, -i64::from(errno.number()))
            }
            Action::Kill => {
                self.stats.denied += 1;
                let denial = Denial::new(task, call, verdict, object, &self.tracees);
                self.observer.event(&Event::Killed(denial));
                self.end(Ending::Policy);
                Resume::Kill
            }
        }
    }

    /// Landlock has refused a call: it is reported as what the policy denies.
    fn report_refused(&mut self, task: &Task, looked: path::Denied) {
        self.stats.denied += 1;
        let path::Denied {
            call,
            verdict,
            object,
        } = looked;
        let denial = Denial::new(task, call, verdict, Some(object), &self.tracees);
        self.observer.event(&Event::Denied(denial));
    }

    fn spawned(&mut self, tracee: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.spawn += 1;
        let Some(child) = tracee.message()? else {
            return Ok(Resume::Continue);
        };
        // The parent was killed: /proc and kcmp(2) tell of the child when it stops.
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::Continue);
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
            return Ok(Resume::Kill);
        }
        if self.observer.wants_all() {
            self.observer.event(&Event::Spawn {
                parent: spawn.process,
                child: spawn.child,
                thread: spawn.is_thread(),
            });
        }
        Ok(Resume::Continue)
    }

    fn executed(&mut self, tracee: &Stopped) -> Result<Resume, Errno> {
        self.stats.exec += 1;
        let Some(former) = tracee.message()? else {
            return Ok(Resume::Continue);
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
        if own && (self.limits.keeps_memory() || self.measures_ends()) {
            tracee.watch_exits(true)?;
        }
        self.tracees.namespaces.enter(tid);
        let Executed {
            task,
            former: caller,
            program,
        } = self.tracees.executed(tid, former as Tid);
        let refused = self.files.loaded(self.plan, tid, caller.as_deref());
        // The command's own program is the caller's choice; what it is was judged at the start.
        if !own && let Some((verdict, object)) = refused {
            return self.refuse_program(tracee, &task, verdict, object);
        }
        if self.wants_ends() {
            self.observer.event(&Event::Exec {
                pid: tid,
                program: &program,
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
            return Ok(Resume::Kill);
        }
        Ok(Resume::Continue)
    }

    /// A program that must not run was loaded: it is too late for an errno. Only its process ends,
    /// unless the policy says `kill`.
    fn refuse_program(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        verdict: Verdict,
        object: Object,
    ) -> Result<Resume, Errno> {
        if let Some(registers) = tracee.registers()? {
            let _ = self.denied(task, registers, verdict, Some(object));
        }
        Ok(Resume::Kill)
    }

    fn signalled(&mut self, tracee: &Stopped, signal: i32, task: &Task) -> Result<Resume, Errno> {
        self.stats.signal += 1;
        let (tid, pid) = (task.tid(), task.pid());
        let main = self.is_main(pid);
        if let Some(forward) = &mut self.forward {
            match main {
                true => forward.delivered(tracee, signal, &self.tracees)?,
                false => forward.delivered_beside(tracee, signal)?,
            }
            if forward.lend_terminal(tracee, signal)? {
                return Ok(Resume::Continue);
            }
        }
        self.is_refused_by(tid, signal);
        self.tell_sender(tracee, task, signal)?;
        if main && is_stopping(signal) {
            let sender = tracee
                .siginfo()?
                .and_then(|info| sys::signal::sent_by(&info));
            let inside = sender.is_some_and(|sender| self.tracees.has_sent(sender));
            self.delivered = (signal, inside);
        }
        if self.observer.wants_all() {
            self.observer.event(&Event::Signal { pid, tid, signal });
        }
        let can_follow = !task.process().net.is_watched();
        restart::signalled(tracee, signal, task, can_follow)?;
        Ok(Resume::Deliver(signal))
    }

    /// A signal that the supervisor sent for a process of the jail comes from that process.
    fn tell_sender(&mut self, tracee: &Stopped, task: &Task, signal: i32) -> Result<(), Errno> {
        let Some(sender) = task.process().sender(signal) else {
            return Ok(());
        };
        let Some(mut info) = tracee.siginfo()? else {
            return Ok(());
        };
        if info.si_code == libc::SI_USER
            && sys::signal::sender(&info) == self.tracees.namespaces.own_pid()
        {
            let uid = sys::signal::sender_uid(&info);
            sys::signal::set_sender(&mut info, sender, uid);
            tracee.set_siginfo(&info)?;
        }
        Ok(())
    }

    fn gone(&mut self, tid: Tid, exit: Exit) -> Result<(), SuperviseError> {
        // Killed while it was held: its id may soon be another's.
        self.held.retain(|(tracee, _)| tracee.tid() != tid);
        if let Exit::Signal(signal) = exit {
            self.is_refused_by(tid, signal);
        }
        let parent = self
            .tracees
            .get(tid)
            .and_then(|task| task.process().parent());
        let pid = self.tracees.gone(tid);
        self.limits.gone(tid);
        // Before the command's own end is looked at: all the rest must end, too.
        if exit == Exit::Signal(libc::SIGKILL) && self.ending.is_none() && self.is_out_of_memory() {
            self.past(LimitKind::Memory);
        }
        if self.is_main(tid) {
            if let Some(failure) = self.started.failure().filter(|_| !self.running) {
                return Err(SuperviseError::Launch(failure));
            }
            self.main_exit = Some(exit);
            self.main_stopped = None;
            if let Some(forward) = &mut self.forward {
                forward.ended(exit, self.tracees.len() > 0 && self.ending.is_none());
            }
            if self.options.kill_on_exit && self.ending.is_none() {
                self.heed_bell();
                // Who ends when asked to was past the limit all the same.
                self.end(self.asked_to_end.map_or(Ending::Exited, Ending::Limit));
            }
            self.rehang_bell()?;
        } else if self.sleeper == Some(tid) {
            self.sleeper = None;
            self.rehang_bell()?;
        }
        if pid == tid && self.wants_ends() {
            self.observer.event(&Event::Exit { pid, parent, exit });
        }
        self.stop_clock();
        // Nobody is left inside who could continue the command.
        if self.main_stopped.is_some() && self.may_stop_alone() {
            self.stopping = self.main_stopped;
        }
        self.stop_if_due()
    }

    fn wants_ends(&self) -> bool {
        self.observer.wants_all() || self.observer.wants_ends()
    }

    /// Whether this is the main process. Its id may be another's once it has ended.
    fn is_main(&self, pid: Tid) -> bool {
        pid == self.started.pid && self.main_exit.is_none()
    }
}

/// What RET_TRACE means without a tracer: seccomp(2).
const NO_CALL: i64 = -(libc::ENOSYS as i64);

/// Whether a seccomp-stop is not of the jail's filter.
///
/// Of several filters that answer RET_TRACE the newest gives the data (seccomp_run_filters of
/// kernel/seccomp.c), and no filter is newer than the command's. So where both trap a call, it is the
/// command's that is told, and the call does not run. A filter that takes the jail's number on purpose
/// has its calls judged like all others.
fn is_foreign(tracee: &Stopped) -> Result<bool, Errno> {
    let data = tracee.message()?;
    Ok(data.is_some_and(|data| data != u64::from(crate::plan::TRACE_DATA)))
}

fn is_stopping(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
    )
}

/// Whether a call names a peer, or the address of a socket.
fn names_peer(syscall: &crate::syscalls::Syscall) -> bool {
    matches!(syscall.op, Op::Bind | Op::Peer(_))
}

fn is_exec(syscall: Option<&crate::syscalls::Syscall>) -> bool {
    syscall.is_some_and(|syscall| matches!(syscall.op, Op::Exec(_)))
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
