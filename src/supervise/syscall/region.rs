//! Which memory of a task nothing can change.

use crate::supervise::tracee::Task;

impl Task {
    /// Whether nothing can change these bytes, nor the descriptors and the working directory of the
    /// task, before it goes on.
    pub(super) fn is_private(&self, address: u64, length: usize) -> bool {
        let pages = self.space().pages();
        self.space().is_alone() && pages.is_private(self.tid(), address, length as u64 + 1)
    }
}
