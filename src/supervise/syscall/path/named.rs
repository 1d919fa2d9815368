//! A call in its stop: what it names, and what the policy says of that.

use super::resolve::{self, LookupFlags, Resolved, Start, View, is_directory, read_path, resolve};
use super::{Judged, Refused, SyscallStop, object, refusal};
use crate::baseline::{NO_CROSSING, Watch};
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::policy::{self, Action};
use crate::supervise::{Object, PathObject};
use crate::sys::Errno;
use crate::syscalls::named::{Named, named};

impl SyscallStop<'_> {
    pub(super) fn view(&self) -> View<'_> {
        let tid = self.tracee.tid();
        let hides = self.plan.files.watch.has(Watch::STAT);
        View {
            tid,
            pid: self.task.pid(),
            tracees: self.tracees,
            hides: hides.then_some(&self.plan.judge),
        }
    }

    /// The paths that the call names.
    pub(super) fn rows(&self) -> &'static [Named] {
        self.call.syscall().map_or(&[], |call| named(call.name))
    }

    /// The call's nth path.
    pub(super) fn row(&self, nth: usize) -> Judged<&'static Named> {
        Ok(self.rows().get(nth).ok_or(Errno::ENOSYS)?)
    }

    /// The path of a row, as the call has it.
    pub(super) fn path(&self, row: &Named) -> Judged<Vec<u8>> {
        Ok(read_path(self.tracee.tid(), self.arg(row.path))?)
    }

    /// Where a row's path leads.
    pub(super) fn found(&self, row: &Named, given: &[u8], wants: LookupFlags) -> Judged<Resolved> {
        let start = row
            .dirfd
            .map_or(Start::Directory, |dirfd| Start::of(self.arg(dirfd)));
        if given.is_empty() && row.may_be_empty(&self.call) {
            return self.descriptor(start);
        }
        Ok(resolve(self.view(), start, given, wants)?)
    }

    /// Where a path leads from the working directory.
    pub fn found_at(&self, given: &[u8], wants: LookupFlags) -> Judged<Resolved> {
        Ok(resolve(self.view(), Start::Directory, given, wants)?)
    }

    /// Whether the domains of the caller allow an access that the main policy denies by its default alone.
    pub(super) fn is_open_in_domains(&self, access: Access, found: &Resolved) -> bool {
        let path = self.own(&found.path);
        let denial = self.plan.judge.path_in_domains(access, &path);
        denial.is_none()
    }

    /// Whether a relative path of the call starts at the working directory.
    pub fn is_at_directory(&self) -> bool {
        let dirfd = self.rows().first().and_then(|row| row.dirfd);
        dirfd.is_none_or(|dirfd| Start::of(self.arg(dirfd)) == Start::Directory)
    }

    pub(super) fn descriptor(&self, start: Start) -> Judged<Resolved> {
        let fd = match start {
            Start::Directory => libc::AT_FDCWD,
            Start::Descriptor(fd) => fd,
        };
        Ok(resolve::descriptor(self.view(), fd)?)
    }

    /// A path as policies have it: the caller's own part of /proc is `/proc/self`.
    pub(super) fn own(&self, path: &[u8]) -> Vec<u8> {
        self.tracees.own(self.task, path)
    }

    /// What rules about paths and arguments say of a call that leads to these.
    pub(super) fn ask_rules(
        &self,
        access: Access,
        given: &[u8],
        paths: &[&Resolved],
    ) -> Judged<()> {
        if !self.rules {
            return Ok(());
        }
        let own: Vec<Vec<u8>> = paths.iter().map(|found| self.own(&found.path)).collect();
        let mut holds = |object: &policy::Object| {
            let path = object.path.as_ref().is_none_or(|(_, pattern)| {
                let mut found = paths.iter().zip(&own);
                found.any(|(found, own)| pattern.covers(&found.path) || pattern.covers(own))
            });
            path && object.peer.is_none()
                && object
                    .argv
                    .as_ref()
                    .is_none_or(|argv| argv.matches(&self.vector))
        };
        let verdict = self.plan.judge.call_on(&self.call, &mut holds);
        match (verdict.action, paths.first()) {
            (Action::Allow, _) => Ok(()),
            (_, Some(found)) => Err(Refused::Denied(verdict, object(access, given, found))),
            (_, None) => Err(Errno::EPERM.into()),
        }
    }

    /// What `[fs]` alone says of an access to what was found.
    pub fn judge_only(&self, access: Access, given: &[u8], found: &Resolved) -> Judged<()> {
        self.judge_path(access, given, found)
    }

    /// What the policy says of an access to what was found.
    pub(super) fn judge(&self, access: Access, given: &[u8], found: &Resolved) -> Judged<()> {
        // A call of two paths asks for both together.
        if self.rows().len() <= 1 {
            self.ask_rules(access, given, &[found])?;
        }
        self.judge_path(access, given, found)
    }

    /// Of what a call would make and what is there already: the kernel says so, unless an entry denies it.
    /// The call asks for a change, and that is reported.
    pub(super) fn judge_existing(&self, given: &[u8], found: &Resolved) -> Judged<()> {
        let judged = self.judge(Access::Handle, given, found);
        judged.map_err(|refused| match refused {
            Refused::Denied(verdict, Object::Path(object)) => {
                let access = Access::Write;
                Refused::Denied(verdict, Object::Path(PathObject { access, ..object }))
            }
            other => other,
        })
    }

    pub(super) fn judge_path(&self, access: Access, given: &[u8], found: &Resolved) -> Judged<()> {
        let denied = |verdict| Err(Refused::Denied(verdict, object(access, given, found)));
        // A pipe, a socket, a memfd: a task that has a descriptor of it has it already.
        let path = &found.path;
        let nameless = found.pathless && (!path.starts_with(b"/") || path.starts_with(b"/memfd:"));
        if nameless {
            // Where any path may be executed, so may this.
            let verdict = self.plan.judge.path(access, b"/");
            return match (access, verdict.action) {
                (Access::Exec, Action::Deny(_) | Action::Kill) => denied(Verdict {
                    reason: Reason::Pathless,
                    ..verdict
                }),
                _ => Ok(()),
            };
        }
        if access == Access::Write && found.path.ends_with(b"/mem") && found.is_of_proc() {
            let rule = &crate::baseline::NO_MEMORY_FILES;
            return denied(refusal(Reason::Baseline(rule)));
        }
        let file = || {
            found
                .object
                .as_ref()
                .is_some_and(|object| !is_directory(object))
        };
        if access == Access::Write && file() {
            super::protect::may_be_file(self, given, &found.path)?;
        }
        let own = self.own(&found.path);
        if self.crosses(access, found) {
            return denied(refusal(Reason::Baseline(&NO_CROSSING)));
        }
        let verdict = self.plan.judge.path(access, &own);
        if verdict.action != Action::Allow {
            if !self.lets(&verdict, || object(access, given, found)) {
                return denied(verdict);
            }
            if let Some(verdict) = self.plan.judge.path_in_domains(access, &own) {
                return denied(verdict);
            }
        }
        // An entry that denies may mean the caller by its number, too.
        if own != found.path {
            let verdict = self.plan.judge.path(access, &found.path);
            if verdict.action != Action::Allow && matches!(verdict.reason, Reason::Path(_)) {
                return denied(verdict);
            }
        }
        let made = found.object.is_some() || access == Access::Write;
        if made && !matches!(access, Access::Stat | Access::Handle) {
            self.see(|| object(access, given, found));
        }
        Ok(())
    }
}
