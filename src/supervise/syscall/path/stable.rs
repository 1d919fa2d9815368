//! Who else in the jail could change what was judged before its call goes on.

use super::{Asked, Files, Found};

impl Files {
    /// A task confines itself by a Landlock domain: so do the other threads of its process where a flag
    /// says so (LANDLOCK_RESTRICT_SELF_TSYNC, Linux 7.0).
    pub(super) fn confine(&self, asked: &Asked<'_>) {
        /// Those that are about logs alone (Linux 6.15).
        const LOG_FLAGS: u64 = 7;
        asked.task.files.confined.set(true);
        if asked.arg(1) & !LOG_FLAGS & u64::from(u32::MAX) != 0 {
            let pid = asked.task.pid();
            let threads = asked.tracees.threads(pid);
            threads.for_each(|task| task.files.confined.set(true));
        }
    }

    /// Whether nobody in the jail can change these bytes, or which sockets the descriptors of their
    /// owner stand for, before its call goes on.
    pub fn is_own(&mut self, asked: &Asked<'_>, address: u64, length: usize) -> bool {
        // A jail of one task may share memory with processes outside, by a file that is mapped.
        !self.asynchronous && asked.plan.keeps_memory() && asked.task.is_private(address, length)
    }

    /// Whether the names of a path can be changed neither under this policy nor by anybody but root:
    /// a process of another jail may be as hostile as one of this.
    pub fn stays(&mut self, asked: &Asked<'_>, path: &[u8]) -> bool {
        let beneath = |tree: &std::path::PathBuf| {
            let tree = std::os::unix::ffi::OsStrExt::as_bytes(tree.as_os_str());
            crate::paths::is_beneath(path, tree)
        };
        let trees = asked.plan.files.writable.as_ref();
        trees.is_some_and(|trees| !trees.iter().any(beneath))
            && self.fixed.holds(&asked.tracees.namespaces, path)
    }

    /// Whether neither the path of a call in memory, nor what it leads to, can be changed before the
    /// call goes on: by another task of the jail, by a process outside, or by the kernel.
    pub fn is_settled(
        &mut self,
        asked: &Asked<'_>,
        address: u64,
        given: &[u8],
        found: &Found,
    ) -> bool {
        if found.magic.is_some() || found.pathless || !self.is_own(asked, address, given.len()) {
            return false;
        }
        let Some(passed) = &found.passed else {
            return false;
        };
        // The path that was found, and what was passed and does not lie above it.
        let mut places = passed.iter().chain([&found.path]);
        places.all(|place| self.stays(asked, place))
    }
}
