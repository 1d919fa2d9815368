//! Which memory of a task nothing can change: its region of pinned pages, and what no other task shares.

use super::pin::{REGION, Region, is_sealed, is_untouched};
use crate::supervise::tracee::Task;

impl Task {
    /// Whether a region may be mapped: the memory has none, and no other task shares it that could put
    /// something else in its place before it is sealed.
    pub(super) fn may_map(&self) -> bool {
        self.space().pages.is_free() && !self.space().is_shared()
    }

    /// The region was sealed: unless there is one, it is used from now on if it is what it should be,
    /// also if another task that shares the memory put it there. Sealed, private, anonymous and
    /// read-only memory cannot be changed by any task.
    ///
    /// `filtered`: a filter of the command's own may have answered mseal in the place of the kernel.
    pub(super) fn sealed(&self, address: u64, filtered: bool) -> bool {
        let (tid, pages) = (self.tid(), &self.space().pages);
        pages.unsealed.set(None);
        // Another thread has wanted one at the same time, and its slots may be in use.
        if pages.has_region() {
            return true;
        }
        let found = pages.mapping(tid, address);
        let sound = found.is_some_and(|found| {
            found.start <= address
                && address + REGION <= found.end
                && !found.shared
                && !found.writable
                && found.anonymous
        });
        // Of memory that has never been touched, no task can have kept a page to write to later, by a
        // read that is under way for instance.
        let sound = sound && (!self.space().is_shared() || is_untouched(tid, address));
        let sound = sound && (!filtered || is_sealed(tid, address));
        if sound {
            *pages.region.borrow_mut() = Some(Region { address, used: 0 });
        }
        sound
    }

    /// A region that was copied with the memory by fork(2) is used here, too, if it is what it should be
    /// ([`Task::sealed`]). Asked once.
    pub(super) fn inherits(&self) -> bool {
        let inherited = self.space().pages.inherited.take();
        inherited.is_some_and(|address| self.sealed(address, true))
    }

    /// Whether nothing can change these bytes, nor the descriptors and the working directory of the
    /// task, before it goes on.
    pub(super) fn is_private(&self, address: u64, length: usize) -> bool {
        let pages = &self.space().pages;
        self.space().is_alone() && pages.is_private(self.tid(), address, length as u64 + 1)
    }
}
