//! What the supervisor's thread may do while a jail runs: no more than the command may.
//!
//! What it does in a tracee's name is then allowed or not as it is to the tracee. It has the command's
//! user and groups, and of the capabilities those that are effective in the stopped task. All others it
//! keeps in reserve: nothing here may need them before the end, but for a look at a task that could
//! raise more than it has raised ([`as_tracer`]).

use crate::baseline::Watch;
use crate::launch::Started;
use crate::plan::Plan;
use crate::sys::{Errno, process};
use crate::trace::Tid;
use caps::{CapSet, CapsHashSet};
use nix::unistd::{self, Gid, ResGid, ResUid};
use std::cell::RefCell;

thread_local! {
    /// Where the stopped task has lowered capabilities: what this thread has, as it has, and what
    /// looking at the task takes.
    static LOWERED: RefCell<Option<(CapsHashSet, CapsHashSet)>> = const { RefCell::new(None) };
}

/// While it lives, this thread is as the command is.
pub struct Credentials {
    /// What this thread had; `None` where it stays as it is: it does nothing in a tracee's name.
    before: Option<Before>,
    /// Capabilities that the command has kept.
    kept: CapsHashSet,
    /// Those of them that this thread has.
    effective: CapsHashSet,
}

struct Before {
    effective: CapsHashSet,
    /// Users and groups, where the command has others.
    ids: Option<Ids>,
}

struct Ids {
    users: ResUid,
    groups: ResGid,
    further: Vec<Gid>,
}

impl Credentials {
    pub fn new(plan: &Plan, started: &Started) -> Result<Self, Errno> {
        let kept: CapsHashSet = started.capabilities().iter().copied().collect();
        let mut credentials = Self {
            before: None,
            effective: kept.clone(),
            kept,
        };
        // Another user's processes it must be able to signal, without a capability.
        let supervises =
            plan.files.watch.and(plan.net.watch) != Watch::NONE || plan.entry.is_some();
        if !supervises && started.user().is_none() {
            return Ok(credentials);
        }
        let ids = started.user().map(|_| Ids::read()).transpose()?;
        let reserve = ids.as_ref().map(|ids| ids.users.effective.as_raw());
        credentials.before = Some(Before {
            effective: caps::read(None, CapSet::Effective).map_err(failed)?,
            ids,
        });
        if let Some(user) = started.user() {
            user.take(reserve)?;
            // The kernel has set it anew, by fs.suid_dumpable: this user's processes must not look in.
            process::set_dumpable(false)?;
        }
        credentials.set()?;
        Ok(credentials)
    }

    /// Takes over the effective capabilities of a stopped task: it may have given up some of those
    /// kept, or have lowered them for a call that it makes for another process.
    pub fn take(&mut self, tid: Tid) -> Result<(), Errno> {
        if self.kept.is_empty() || self.before.is_none() {
            return Ok(());
        }
        let of_task = |set| -> CapsHashSet {
            // It was killed meanwhile: then nothing can be done in its name either.
            let all = caps::read(Some(tid), set).unwrap_or_default();
            all.intersection(&self.kept).copied().collect()
        };
        let effective = of_task(CapSet::Effective);
        let permitted = of_task(CapSet::Permitted);
        let lowered = permitted != effective;
        LOWERED.replace(lowered.then(|| (effective.clone(), permitted)));
        if effective == self.effective {
            return Ok(());
        }
        self.effective = effective;
        self.set()
    }

    fn set(&self) -> Result<(), Errno> {
        caps::set(None, CapSet::Effective, &self.effective).map_err(failed)
    }
}

/// Looks at the stopped task's own descriptors, directory or memory through /proc, which takes every
/// capability that it could raise (ptrace(2), "Ptrace access mode checking").
pub fn as_tracer<T>(look: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let Some((effective, permitted)) = LOWERED.with_borrow(Clone::clone) else {
        return look();
    };
    let set = |all: &CapsHashSet| caps::set(None, CapSet::Effective, all).map_err(failed);
    set(&permitted)?;
    let found = look();
    set(&effective)?;
    found
}

fn failed(_: caps::errors::CapsError) -> Errno {
    Errno::last()
}

impl Drop for Credentials {
    fn drop(&mut self) {
        LOWERED.take();
        let Some(before) = &self.before else {
            return;
        };
        let restore = || caps::set(None, CapSet::Effective, &before.effective);
        let _ = restore();
        if let Some(ids) = &before.ids {
            let _ = ids.restore();
            let _ = restore();
        }
    }
}

impl Ids {
    fn read() -> Result<Ids, Errno> {
        Ok(Ids {
            users: unistd::getresuid()?,
            groups: unistd::getresgid()?,
            further: unistd::getgroups()?,
        })
    }

    fn restore(&self) -> Result<(), Errno> {
        let Ids { users, groups, .. } = self;
        let further: Vec<u32> = self.further.iter().map(|gid| gid.as_raw()).collect();
        process::set_user_ids(
            users.real.as_raw(),
            users.effective.as_raw(),
            users.saved.as_raw(),
        )?;
        process::set_group_ids(
            groups.real.as_raw(),
            groups.effective.as_raw(),
            groups.saved.as_raw(),
        )?;
        process::set_groups(&further)
    }
}
