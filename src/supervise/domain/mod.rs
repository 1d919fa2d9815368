//! Which domains a task is in, and how it enters them.
//!
//! A task enters by an execve. Before it goes on, the task installs the filter of the domain, by calls that replace
//! its own: so the new program has the filter from its first instruction, and all that it makes inherits it. When
//! the program is loaded, its process is in the domain. It is in what the execve matched when it was judged, and in
//! what the program matches that was loaded; if the task lacks the filter of one of these, it is killed.

pub mod state;

use super::object::Object;
use super::syscall::stop::refusal;
use super::tracee::Task;
use super::{PathObject, Supervisor};
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::plan::{Entry, Plan, domains_of};
use crate::policy::{DomainSet, MOST_ARGUMENTS};
use crate::sys::Errno;
use crate::trace::{Stopped, Tid};
use std::os::unix::ffi::OsStringExt;

impl Supervisor<'_> {
    /// The domains by which a call of this task is judged.
    pub(super) fn domains_of(&self, tracee: &Stopped, task: &Task) -> Result<DomainSet, Errno> {
        if self.plan.entry.is_none() {
            return Ok(DomainSet::NONE);
        }
        let process = task.process();
        let mut set = process.domains.set();
        if process.domains.is_assumed() {
            // The kernel tells by the filter that has trapped the call, but for a filter of the command's own.
            // All tasks come from the command, and the filter of its own domains does not tell them.
            set = set.and(self.plan.start_domains());
            set = match tracee.message()?.and_then(domains_of) {
                Some(told) if !self.own_filter.may_be() => set.and(told),
                _ => set.and(self.tracees.domains()),
            };
        }
        Ok(set)
    }

    /// The plan by which the last call of a task was judged.
    pub(super) fn plan_of(&self, task: &Task) -> &Plan {
        self.plan.within(task.domains.judged())
    }

    /// The domains that the program enters which has just been loaded. Why it must not run, if the task does not
    /// have the filter of one of them.
    pub(super) fn enter(
        &self,
        pid: Tid,
        task: &Task,
        former: Option<&Task>,
        own: bool,
    ) -> Option<(Verdict, Object)> {
        let entry = self.plan.entry.as_deref()?;
        let start = self.plan.start_domains();
        let process = task.process();
        process.domains.enter(start);
        task.domains.add(start);
        let (path, loaded) = loaded(entry, pid);
        if own {
            // What was found when the command was looked up may have been exchanged.
            process.domains.enter(loaded);
        }
        let entering = former.map_or(DomainSet::NONE, |task| task.domains.entering());
        process.domains.enter(entering.and(loaded));
        let missing = process.domains.set().without(task.domains.filters());
        (!missing.is_none()).then(|| {
            let object = PathObject {
                access: Access::Exec,
                given: path.clone(),
                resolved: path,
                exists: true,
            };
            (refusal(Reason::Changed), Object::Path(object))
        })
    }
}

/// The program that has been loaded, and the domains that it enters.
fn loaded(entry: &Entry, pid: Tid) -> (Vec<u8>, DomainSet) {
    const DELETED: &[u8] = b" (deleted)";
    let path = std::fs::read_link(format!("/proc/{pid}/exe"));
    let path = path.map_or_else(|_| Vec::new(), |path| path.into_os_string().into_vec());
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).take(MOST_ARGUMENTS + 1);
    let mut words: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
    // Each argument ends with a NUL.
    if words.len() <= MOST_ARGUMENTS {
        words.pop();
    }
    let plain = path.strip_suffix(DELETED).unwrap_or(&path);
    let set = entry.entered(&[&path, plain], &words);
    (path, set)
}
