//! A call that the policy leaves open: its task waits until a person or a program has answered.

use super::asked::{Asked, Request, Waits};
use super::lacks::is_lacking;
use super::pending::{Pending, again};
use super::socket::{interrupts, made_again, paused};
use crate::judge::Verdict;
use crate::paths::Access;
use crate::policy::Action;
use crate::supervise::ask::{Answer, Asker};
use crate::supervise::object::Object;
use crate::supervise::tracee::Task;
use crate::supervise::{Denial, Event, Supervisor};
use crate::sys::Errno;
use crate::syscalls::Call;
use crate::syscalls::op::Op;
use crate::trace::{Registers, Resume, Stopped, Tid};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What is known of a denied call.
enum Asks {
    /// It is not asked about.
    Nothing,
    /// Its task waits so long, and makes it again.
    Waits(Duration),
    /// The answer denies it.
    Answered(Answer),
}

/// Whether a denied request is one that may be asked about: nothing but the `default` denies it, and it is not
/// one that a program makes just to see whether it can. What is not there to be read stays denied.
fn is_open(verdict: &Verdict, object: &Object) -> bool {
    let is_there = match object {
        Object::Path(path) => path.exists || path.access == Access::Write,
        Object::Peer(_) => true,
    };
    is_lacking(verdict) && !verdict.quiet && is_there && verdict.action != Action::Kill
}

/// The task sleeps in place of its call.
fn park(task: &Task, original: Registers, pause: Duration) -> Result<Resume, Errno> {
    let paused = paused(original, pause)?;
    task.pending.replace(Some(Pending::Asked { original }));
    Ok(paused)
}

/// A task has slept: it makes its own call again, after the handler of a signal that has woken it.
pub fn slept(tracee: &Stopped, original: Registers) -> Result<Resume, Errno> {
    let Some(result) = tracee.result()? else {
        return Ok(Resume::CONTINUE);
    };
    Ok(match interrupts(result) {
        true => made_again(original),
        // Where a filter of the command's own closes poll, it does not sleep.
        false => again(original),
    })
}

impl Supervisor<'_> {
    /// A denied call: it is put to a person or a program where the policy leaves that open, and denied else.
    pub fn denied_or_asked(
        &mut self,
        task: &Rc<Task>,
        registers: Registers,
        mut verdict: Verdict,
        object: Option<Object>,
    ) -> Result<Resume, Errno> {
        let answer = match &object {
            Some(object) if is_open(&verdict, object) => {
                match self.question(task, &registers.call(), &verdict, object) {
                    Asks::Waits(pause) => return park(task, registers, pause),
                    Asks::Answered(answer) => Some(answer),
                    Asks::Nothing => None,
                }
            }
            _ => None,
        };
        if let Some(asked) = self.asked() {
            asked.borrow_mut().denied(task.tid());
        }
        if answer == Some(Answer::Kill) {
            verdict.action = Action::Kill;
        }
        Ok(self.denied_as(task, registers, verdict, object, answer))
    }

    /// What was answered to a denied call, or for how long it is to wait for that.
    fn question(
        &mut self,
        task: &Rc<Task>,
        call: &Call,
        verdict: &Verdict,
        object: &Object,
    ) -> Asks {
        let Some(asked) = self.asked() else {
            return Asks::Nothing;
        };
        let own = match object {
            Object::Path(path) => self.tracees.own(task, &path.resolved),
            Object::Peer(_) => Vec::new(),
        };
        let (tid, request) = (task.tid(), Request::new(task, object, &own));
        let said = || asked.borrow().said(tid, &request, object, &own);
        match said() {
            // It was judged with this answer, which does not open it.
            Some(answer) if answer.allows() => return Asks::Nothing,
            Some(answer) => return Asks::Answered(answer),
            None => {}
        }
        self.take_replies();
        match said() {
            // It is judged again.
            Some(answer) if answer.allows() => return Asks::Waits(Asked::pause(true)),
            Some(answer) => return Asks::Answered(answer),
            None => {}
        }
        let Some(asker) = self.observer.asker() else {
            return Asks::Nothing;
        };
        let mut withdrawn = Vec::new();
        let waits = asked.borrow_mut().wait(tid, &request, &mut withdrawn);
        withdrawn.into_iter().for_each(|id| asker.withdraw(id));
        Asks::Waits(match waits {
            Some(Waits::Open(pause)) => pause,
            Some(Waits::New(id)) => {
                let object = Some(object.clone());
                let denial = Denial::new(task, *call, *verdict, object, &self.tracees);
                let put = asker.ask(id, &denial);
                if !put {
                    asked.borrow_mut().unput(id);
                }
                Asked::pause(put)
            }
            None => Asked::pause(false),
        })
    }

    /// A call goes on: what it needed of answers is used up and told, unless it is to be judged again.
    pub fn goes_on_by_answers(&mut self, task: &Rc<Task>, call: Call) {
        let Some(asked) = self.asked() else {
            return;
        };
        let again = task
            .pending
            .borrow()
            .as_ref()
            .is_some_and(Pending::is_made_again);
        match call.op() {
            Op::Exec(_) => asked.borrow_mut().executes(task.tid()),
            _ if again => {}
            _ => self.answers_used(&asked, task, call),
        }
    }

    /// A task makes a call, or has executed a program: an execve that went on by answers has ended.
    pub fn ends_execve(&mut self, task: &Rc<Task>, call: Call) {
        if let Some(asked) = self.asked() {
            let executed = asked.borrow_mut().has_executed(task.tid());
            if executed {
                self.answers_used(&asked, task, call);
            }
        }
    }

    fn answers_used(&mut self, asked: &RefCell<Asked>, task: &Rc<Task>, call: Call) {
        let used = asked.borrow_mut().used(task.tid());
        for (answer, verdict, object) in used {
            let denial = Denial::new(task, call, verdict, Some(object), &self.tracees);
            let denial = denial.asked(Some(answer));
            self.observer.event(&Event::Granted(denial));
        }
    }

    /// A task has ended, or another one has taken its place.
    pub fn asks_no_more(&mut self, tid: Tid) {
        let Some(asked) = self.asked() else {
            return;
        };
        let mut withdrawn = Vec::new();
        asked.borrow_mut().gone(tid, &mut withdrawn);
        if let Some(asker) = self.observer.asker() {
            withdrawn.into_iter().for_each(|id| asker.withdraw(id));
        }
    }

    fn asked(&self) -> Option<Rc<RefCell<Asked>>> {
        self.paths.lacks.as_ref()?.borrow().asked.clone()
    }

    fn take_replies(&mut self) {
        let replies = self.observer.asker().map(Asker::replies);
        if let Some(asked) = self.asked() {
            let mut asked = asked.borrow_mut();
            replies
                .into_iter()
                .flatten()
                .for_each(|reply| asked.replied(reply));
        }
    }
}
