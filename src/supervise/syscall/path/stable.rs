//! Who else in the jail could change what was judged before its call goes on.

use super::{Paths, Resolved, SyscallStop};

impl Paths {
    /// A task confines itself by a Landlock domain: so do the other threads of its process where a flag
    /// says so (LANDLOCK_RESTRICT_SELF_TSYNC, Linux 7.0).
    pub(super) fn confine(&self, stop: &SyscallStop<'_>) {
        /// Those that are about logs alone (Linux 6.15).
        const LOG_FLAGS: u64 = 7;
        stop.task.paths.confined.set(true);
        if stop.arg(1) & !LOG_FLAGS & u64::from(u32::MAX) != 0 {
            let pid = stop.task.pid();
            let threads = stop.tracees.threads(pid);
            threads.for_each(|task| task.paths.confined.set(true));
        }
    }

    /// Whether no task of the jail can change these bytes, or which sockets the descriptors of their
    /// owner stand for, before its call goes on.
    pub fn is_own(&mut self, stop: &SyscallStop<'_>, address: u64, length: usize) -> bool {
        self.may_be_own(stop) && stop.task.is_private(address, length)
    }

    /// As far as it can be told without a look at the memory.
    fn may_be_own(&self, stop: &SyscallStop<'_>) -> bool {
        // A jail of one task may share memory with processes outside, by a file that is mapped.
        !self.emulation.is_asynchronous()
            && stop.plan.keeps_memory()
            && stop.task.space().is_alone()
    }

    /// Whether the names of a path can be changed neither under this policy nor by anybody but root:
    /// a process of another jail may be as hostile as one of this.
    pub fn stays(&mut self, stop: &SyscallStop<'_>, path: &[u8]) -> bool {
        let beneath = |tree: &std::path::PathBuf| {
            let tree = std::os::unix::ffi::OsStrExt::as_bytes(tree.as_os_str());
            crate::paths::is_beneath(path, tree)
        };
        let trees = stop.plan.files.writable.as_ref();
        trees.is_some_and(|trees| !trees.iter().any(beneath))
            && self.fixed.holds(&stop.tracees.namespaces, path)
    }

    /// Whether neither the path of a call in memory, nor what it leads to, can be changed before the
    /// call goes on: by another task of the jail, by a process outside, or by the kernel.
    pub fn is_stable(
        &mut self,
        stop: &SyscallStop<'_>,
        address: u64,
        given: &[u8],
        found: &Resolved,
    ) -> bool {
        if found.magic.is_some() || found.pathless || !self.may_be_own(stop) {
            return false;
        }
        let Some(passed) = &found.passed else {
            return false;
        };
        // The path that was found, and what was passed and does not lie above it.
        let mut places = passed.iter().chain([&found.path]);
        // To look at the memory takes a system call.
        places.all(|place| self.stays(stop, place)) && stop.task.is_private(address, given.len())
    }
}
