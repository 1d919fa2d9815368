//! The system calls that the filter hands to the supervisor: what answers each.
//!
//! | a call | is answered by |
//! |---|---|
//! | names paths, or acts on a descriptor | [`path`] |
//! | names peers, or the address of a socket | [`socket`] |
//! | acts on another task | [`target`] |
//! | is not decided by what it names | the judge alone |
//!
//! `stop` is a call in its stop, and what becomes of it. A call that goes on in another form than it was made
//! is [`pending`] until it returns ([`emulate`], with its strings in a page that nothing can change, [`pin`], at
//! a [`place`] that is the same in every process).

mod arguments;
pub mod asked;
pub mod charged;
pub mod emulate;
pub mod lacks;
mod own_filter;
pub mod path;
pub mod pending;
pub mod pin;
mod place;
mod question;
pub mod refusal;
mod region;
pub mod restart;
pub mod restarted;
mod slots;
pub mod socket;
pub mod stop;
pub mod target;

use super::tracee::Task;
use super::{Denial, Ending, Event, Object, Supervisor, ask};
use crate::baseline::{Check, NO_FILTER};
use crate::judge::{Reason, Verdict};
use crate::plan::Plan;
use crate::policy::Action;
use crate::sys::Errno;
use crate::syscalls::{Call, Op, Syscall};
use crate::trace::{Registers, Resume, ResumeAction, Stopped};
use pending::Pending;
use std::rc::Rc;
use stop::{Answer, SyscallStop, errno, refusal};

impl Supervisor<'_> {
    /// A call that the filter passed on.
    pub fn called(&mut self, tracee: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.seccomp += 1;
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::CONTINUE);
        };
        task.paths.calls();
        // The exit of a call that is judged again may be another part's.
        if !task.restart.has_changed() {
            task.restart.forget();
        }
        if self.own_filter.may_be() && is_foreign(tracee)? {
            return Ok(Resume::returning(registers, NO_CALL));
        }
        if let Some(error) = self.limits.refuses(&self.tracees, task, &registers.call()) {
            return Ok(Resume::returning(registers, -(error as i64)));
        }
        if self.running && self.gives_back_by(task, &registers.call()) {
            return Ok(Resume::KILL);
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
        if !self.running && is_of_launch(call.op()) {
            // The policy is about what the command does.
            return Ok(Resume::CONTINUE);
        }
        self.ends_execve(task, call);
        let domains = self.domains_of(tracee, task)?;
        task.domains.calls(domains);
        let plan = self.plan.within(domains);
        let verdict = plan.judge.call(&call);
        let rules = plan.judge.needs_objects(&call);
        let by_peers = is_about_peers(plan, &call, rules, &verdict);
        let by_paths = rules || matches!(verdict.check, Some(Check::Paths));
        if !by_peers && !by_paths {
            return self.decide_by_registers(tracee, task, registers, verdict);
        }
        let seen = self.paths.seen.clone();
        let lacks = self.paths.lacks.clone();
        let mut stop = SyscallStop {
            plan,
            tracees: &self.tracees,
            task,
            tracee,
            registers,
            call,
            rules,
            vector: Vec::new(),
            seen: seen.as_deref(),
            lacks: lacks.as_deref(),
        };
        let answer = loop {
            let answer = if by_peers {
                self.stats.peers += 1;
                self.sockets.answer(&mut self.paths, &mut stop)?
            } else {
                self.stats.paths += 1;
                self.paths.answer(&mut stop)?
            };
            // Each round lets one more path or peer through, of which a call names a few.
            if !stop.learns(&answer) {
                break answer;
            }
        };
        self.tell_lacks(task, call, matches!(answer, Answer::Go(_)));
        match answer {
            Answer::Go(resume) => {
                self.goes_on_by_answers(task, call);
                const REFUSED: [i64; 2] = [-(libc::EPERM as i64), -(libc::EACCES as i64)];
                if matches!(resume.action, ResumeAction::Return(_, value) if REFUSED.contains(&value))
                {
                    self.stats.refused += 1;
                }
                self.tell_seen(task, &call);
                Ok(resume)
            }
            Answer::Deny(verdict, object) => self.denied_or_asked(task, registers, verdict, object),
        }
    }

    /// A call that is not decided by a path or a peer.
    fn decide_by_registers(
        &mut self,
        tracee: &Stopped,
        task: &Rc<Task>,
        registers: Registers,
        mut verdict: Verdict,
    ) -> Result<Resume, Errno> {
        let call = registers.call();
        // The jail's filter lets such a call run without a stop: another filter has made this one.
        if verdict.action == Action::Allow
            && verdict.check.is_none()
            && !is_exec(call.syscall())
            && is_foreign(tracee)?
        {
            return Ok(Resume::returning(registers, NO_CALL));
        }
        let seen = self.paths.seen.clone();
        let mut stop = SyscallStop {
            plan: self.plan.within(task.domains.judged()),
            tracees: &self.tracees,
            task,
            tracee,
            registers,
            call,
            rules: false,
            vector: Vec::new(),
            seen: seen.as_deref(),
            lacks: None,
        };
        if verdict.check == Some(Check::Look) {
            self.stats.paths += 1;
            let how = self.paths.look(&mut stop);
            self.tell_seen(task, &call);
            return Ok(how);
        }
        if verdict.check == Some(Check::Socket) {
            self.observer.event(&Event::Socket {
                call: &call,
                program: &task.program(),
            });
        }
        if verdict.check == Some(Check::OwnFilter) {
            if let Some(how) = self.paths.emulation.before_filter(&stop) {
                return Ok(how);
            }
            self.installs_filter(tracee.tid(), &call);
        }
        if let Some(check) = verdict.check {
            match self.tracees.check(task, check, &call) {
                target::Checked::Inside => {}
                target::Checked::Outside(denied) => {
                    if let Some(errno) = arguments::wrong(tracee.tid(), &call) {
                        let value = -i64::from(errno.number());
                        return Ok(Resume::returning(registers, value));
                    }
                    verdict = denied.verdict(verdict, check, &call);
                }
                target::Checked::Done(value) => return Ok(Resume::returning(registers, value)),
            }
        }
        Ok(self.denied(task, registers, verdict, None))
    }

    /// Tells what a call was allowed that goes on.
    fn tell_seen(&mut self, task: &Task, call: &Call) {
        let Some(seen) = &self.paths.seen else {
            return;
        };
        for object in seen.take() {
            self.observer.event(&Event::Accessed {
                pid: task.pid(),
                tid: task.tid(),
                call,
                object: &object,
                program: &task.program(),
                domains: task.process().domains.set(),
            });
        }
    }

    /// Tells what the policy lacks for a call, if it goes on.
    fn tell_lacks(&mut self, task: &Task, call: Call, goes_on: bool) {
        let Some(lacks) = &self.paths.lacks else {
            return;
        };
        let needed = lacks.borrow_mut().take();
        for (verdict, object) in needed.into_iter().filter(|_| goes_on) {
            let lacking = Denial::new(task, call, verdict, Some(object), &self.tracees);
            self.observer.event(&Event::Lacking(lacking));
        }
    }

    /// The answer to a call by its verdict, and its report.
    pub fn denied(
        &mut self,
        task: &Task,
        registers: Registers,
        verdict: Verdict,
        object: Option<Object>,
    ) -> Resume {
        self.denied_as(task, registers, verdict, object, None)
    }

    /// The same for a call that was asked about, with the answer.
    pub fn denied_as(
        &mut self,
        task: &Task,
        registers: Registers,
        verdict: Verdict,
        object: Option<Object>,
        asked: Option<ask::Answer>,
    ) -> Resume {
        let call = registers.call();
        match verdict.action {
            Action::Allow => Resume::CONTINUE,
            Action::Deny(errno) => {
                self.stats.denied += 1;
                // Another path of the call may have been allowed.
                if let Some(seen) = &self.paths.seen {
                    seen.take();
                }
                if !verdict.quiet {
                    let denial = Denial::new(task, call, verdict, object, &self.tracees);
                    let denial = denial.asked(asked);
                    self.observer.event(&Event::Denied(denial));
                }
                Resume::returning(registers, -i64::from(errno.number()))
            }
            Action::Kill => {
                self.stats.denied += 1;
                let denial = Denial::new(task, call, verdict, object, &self.tracees);
                let denial = denial.asked(asked);
                self.observer.event(&Event::Killed(denial));
                self.end(Ending::Policy);
                Resume::KILL
            }
        }
    }

    /// A syscall-stop: a call returns, or one begins of a process whose calls are all seen.
    pub fn returned(&mut self, tracee: &Stopped, task: &Rc<Task>) -> Result<Resume, Errno> {
        self.stats.returns += 1;
        self.limits.returns(tracee, task)?;
        if let Some(looked) = self.paths.looked(tracee, task)? {
            self.report_refused(task, looked);
        }
        if let Some(pending) = task.pending.take() {
            return self.pending_returned(tracee, task, pending);
        }
        if task.restart.is_pending() {
            return restart::stepped(tracee, task);
        }
        // Of a process that talks to a resolver each call is seen.
        match tracee.is_entry()? {
            true => {
                let plan = self.plan.within(task.domains.judged());
                self.sockets.begins(plan, tracee, task)
            }
            false => Ok(Resume::CONTINUE),
        }
    }

    /// A call returns that was under way in another form than it was made.
    fn pending_returned(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        pending: Pending,
    ) -> Result<Resume, Errno> {
        if let Pending::Asked { original } = pending {
            return question::slept(tracee, original);
        }
        if pending.is_of_socket() {
            return socket::Sockets::returned(tracee, task, pending);
        }
        if let Pending::Filter { original, .. } = &pending
            && tracee.result()?.is_some_and(|result| result != 0)
        {
            let verdict = refusal(Reason::Baseline(&NO_FILTER));
            let original = *original;
            let _ = self.denied(task, original, verdict, None);
            return Ok(Resume::set(original.with_result(errno(Errno::EACCES))));
        }
        match path::arrived(self.plan_of(task), tracee, &pending)? {
            Some((verdict, object)) => self.refuse_program(tracee, task, verdict, object),
            None => self.injected_returned(tracee, task, pending),
        }
    }

    /// Landlock has refused a call: it is reported as what the policy denies.
    fn report_refused(&mut self, task: &Task, looked: path::state::Denied) {
        self.stats.denied += 1;
        let path::state::Denied {
            call,
            verdict,
            object,
        } = looked;
        let denial = Denial::new(task, call, verdict, Some(object), &self.tracees);
        self.observer.event(&Event::Denied(denial));
    }
}

/// Whether a call is answered by what `[net]` says. `rules`: whether a rule looks at what it names.
fn is_about_peers(plan: &Plan, call: &Call, rules: bool, verdict: &Verdict) -> bool {
    call.syscall().is_some_and(names_peer)
        && match verdict.check {
            Some(Check::Peers) => true,
            Some(_) => rules || plan.net.watches_bind(),
            None => rules,
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
    Ok(data.is_some_and(|data| crate::plan::domains_of(data).is_none()))
}

/// Whether a call names a peer, or the address of a socket.
fn names_peer(syscall: &Syscall) -> bool {
    matches!(syscall.op, Op::Bind | Op::Peer(_))
}

/// Whether the launcher makes such a call under the filter: it installs the filters of domains and the jail's own,
/// and executes the command.
fn is_of_launch(op: Op) -> bool {
    matches!(op, Op::Exec(_) | Op::Seccomp | Op::Prctl)
}

fn is_exec(syscall: Option<&Syscall>) -> bool {
    syscall.is_some_and(|syscall| matches!(syscall.op, Op::Exec(_)))
}
