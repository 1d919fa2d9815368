//! Who else in the jail could change what was judged before its call goes on.

use super::{Asked, Files, Found};
use crate::trace::Tid;

impl Files {
    /// A task confines itself by a Landlock domain: so do the other threads of its process where a flag
    /// says so (LANDLOCK_RESTRICT_SELF_TSYNC, Linux 7.0).
    pub(super) fn confine(&mut self, asked: &Asked<'_>) {
        /// Those that are about logs alone (Linux 6.15).
        const LOG_FLAGS: u64 = 7;
        let tid = asked.tracee.tid();
        self.confined.insert(tid);
        if asked.arg(1) & !LOG_FLAGS & u64::from(u32::MAX) != 0 {
            let pid = asked.tree.pid_of(tid);
            self.confined.extend(asked.tree.threads(pid));
        }
    }

    /// Whether a task has confined itself by a Landlock domain of its own.
    pub fn is_confined(&self, tid: Tid) -> bool {
        self.confined.contains(&tid)
    }

    /// Whether a task shares neither memory nor descriptors nor working directory with another.
    pub fn is_alone(&mut self, tid: Tid) -> bool {
        !self.several || self.memories.is_alone(tid)
    }

    /// Whether nobody in the jail can change these bytes, or which sockets the descriptors of their
    /// owner stand for, before its call goes on.
    pub fn is_own(&mut self, asked: &Asked<'_>, address: u64, length: usize) -> bool {
        let tid = asked.tracee.tid();
        // A jail of one task may share memory with processes outside, by a file that is mapped.
        !self.asynchronous
            && asked.plan.keeps_memory()
            && self.memories.is_private(tid, address, length)
    }

    /// Whether nobody in the jail can rename anything on the way to what was found.
    pub fn stays(&self, asked: &Asked<'_>, found: &Found) -> bool {
        let beneath = |tree: &std::path::PathBuf| {
            let tree = std::os::unix::ffi::OsStrExt::as_bytes(tree.as_os_str());
            crate::paths::is_beneath(&found.path, tree)
        };
        let trees = asked.plan.files.writable.as_ref();
        trees.is_some_and(|trees| !trees.iter().any(beneath))
    }

    /// Whether neither the path of a call in memory, nor what it leads to, can be changed by anybody
    /// in the jail before the call goes on.
    pub fn is_settled(
        &mut self,
        asked: &Asked<'_>,
        address: u64,
        given: &[u8],
        found: &Found,
    ) -> bool {
        if !self.is_own(asked, address, given.len()) {
            return false;
        }
        // There is nobody else: the jail has had one task, which is stopped.
        if !self.several {
            return true;
        }
        // Nobody else reaches its memory, descriptors and working directory, and no directory on
        // the way is one in which anybody in the jail may rename: none is in a tree that may be
        // changed. (What may be changed only beneath the way does not matter to it.)
        !found.links && found.magic.is_none() && self.stays(asked, found)
    }
}
