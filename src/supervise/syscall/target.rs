//! Calls that act on other tasks: whether the target is in the jail.
//!
//! Only what the baseline's `Check` rules pass on gets here: registers told that the call aims at
//! a task, and only the supervisor knows which tasks are in the jail. A pid may be reused between the check and
//! the call, after its last holder in the jail was reaped; the threat model says so.

use crate::baseline::{Answer, Baseline, Check, Rule, Target};
use crate::judge::{Reason, Verdict};
use crate::policy::Action;
use crate::supervise::tracee::INIT;
use crate::supervise::tracee::{Task, Tracees};
use crate::sys;
use crate::syscalls::{Call, Errno};
use crate::trace::Tid;
use std::collections::BTreeSet;

/// _NSIG of asm/signal.h.
const HIGHEST_SIGNAL: i32 = 64;

/// What the tree says of a target.
pub enum Checked {
    /// The call may go on.
    Inside,
    /// The target is out of the jail.
    Outside(Denied),
    /// The supervisor has done what the caller may: the call returns this.
    Done(i64),
}

/// A denial by a check.
pub struct Denied(Errno);

impl Denied {
    /// The verdict that replaces the judge's "allowed if inside".
    pub fn verdict(self, stop: Verdict, check: Check, call: &Call) -> Verdict {
        let about = |rule: &&'static Rule| {
            rule.answer == Answer::Check(check)
                && call
                    .syscall()
                    .is_some_and(|syscall| rule.syscalls.contains(&syscall.name))
                && rule.applies(&call.args)
        };
        let reason = Baseline::new(0)
            .rules()
            .find(about)
            .map_or(stop.reason, Reason::Baseline);
        Verdict {
            action: Action::Deny(self.0),
            quiet: false,
            reason,
            check: None,
            domain: None,
        }
    }
}

impl Tracees {
    /// Whether the target of a call by `tid` is in the jail.
    pub fn check(&self, task: &Task, check: Check, call: &Call) -> Checked {
        let outside = || Checked::Outside(Denied(Errno::EPERM));
        if self.crosses(task, check, call) {
            return outside();
        }
        let hides_ids = self.namespaces.hides_ids();
        match (check, check.target(&call.args)) {
            (_, Target::Harmless) => Checked::Inside,
            // An id means only tasks of the jail, and their init.
            (_, Target::Task(INIT)) if hides_ids => outside(),
            (_, Target::Task(_) | Target::Group(_)) if hides_ids => Checked::Inside,
            (Check::Signal, Target::Everyone) if hides_ids => Checked::Inside,
            (_, Target::Task(id)) if self.has(id) || self.is_zombie(id) => Checked::Inside,
            // What is not there at all is no secret, and programs tell by it that a process has
            // ended. Answered here: a process that gets that id a moment later must not be reached.
            (_, Target::Task(id)) if sys::process::kill(id, 0) == Err(sys::Errno::ESRCH) => {
                Checked::Done(-i64::from(Errno::ESRCH.number()))
            }
            (_, Target::Task(_) | Target::User(_)) => outside(),
            (Check::Signal, target) => {
                let caller = task.pid();
                let group = match target {
                    Target::Group(group) => Some(group),
                    // The caller is gone: its group must not become everyone.
                    Target::OwnGroup => match sys::process::getpgid(caller) {
                        Ok(group) => Some(group),
                        Err(errno) => return Checked::Done(-i64::from(errno as i32)),
                    },
                    _ => None,
                };
                self.signal(caller, group, call.args[1] as u32 as i32)
            }
            (_, Target::Group(group)) => match self.is_own_group(group) {
                true => Checked::Inside,
                false => outside(),
            },
            (_, Target::OwnGroup) => match sys::process::getpgid(task.pid()) {
                Ok(group) if self.is_own_group(group) => Checked::Inside,
                _ => outside(),
            },
            (_, Target::Everyone) => outside(),
        }
    }

    /// Whether a call other than a signal aims at a task outside of the caller's domains.
    fn crosses(&self, task: &Task, check: Check, call: &Call) -> bool {
        let set = task.domains.judged();
        let Target::Task(id) = check.target(&call.args) else {
            return false;
        };
        let signals = ["tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"];
        let signal = |name| signals.contains(&name) || check == Check::Signal;
        if set.is_none() || call.syscall().is_some_and(|call| signal(call.name)) {
            return false;
        }
        let mut tasks = self.all().map(|task| task.tid());
        let target = match self.namespaces.hides_ids() {
            true => tasks.find(|tid| self.inside(*tid) == id),
            false => Some(id),
        };
        target.is_some_and(|target| !self.is_within(set, target))
    }

    /// A group whose leader was made in the jail: only the jail's own processes are in it, unless
    /// a process outside joins it on purpose.
    fn is_own_group(&self, group: Tid) -> bool {
        self.has(group)
    }

    /// kill(2) to a group or to everyone, which reaches outsiders too: done here for the jail's
    /// own processes alone, with kill's answers. `None`: everyone but the caller.
    fn signal(&self, caller: Tid, group: Option<Tid>, signal: i32) -> Checked {
        let targets: BTreeSet<Tid> = match group {
            Some(group) => self
                .processes()
                .into_iter()
                .filter(|&pid| sys::process::getpgid(pid) == Ok(group))
                .collect(),
            None => self
                .processes()
                .into_iter()
                .filter(|&pid| pid != caller)
                .collect(),
        };
        if targets.is_empty() {
            return Checked::Done(-i64::from(Errno::ESRCH.number()));
        }
        // valid_signal of linux/signal.h. What cannot be delivered must not be remembered.
        if !(0..=HIGHEST_SIGNAL).contains(&signal) {
            return Checked::Done(-i64::from(Errno::EINVAL.number()));
        }
        let results: Vec<_> = targets
            .into_iter()
            .map(|pid| {
                if signal != 0 {
                    self.sent(pid, signal, caller);
                }
                sys::process::kill(pid, signal)
            })
            .collect();
        let errno = results.iter().find_map(|result| result.err());
        match (results.iter().any(Result::is_ok), errno) {
            (false, Some(errno)) => Checked::Done(-i64::from(errno as i32)),
            _ => Checked::Done(0),
        }
    }
}
