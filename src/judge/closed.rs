//! What an entry of `deny`, `hide` or `protect` covers.

use crate::paths::{Pattern, Progress};

/// What an entry covers, except what is lifted.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) pattern: Pattern,
    lifted: Vec<Pattern>,
}

impl Closed {
    pub(super) fn new(pattern: &Pattern, lifted: &[Pattern]) -> Closed {
        Closed {
            pattern: pattern.clone(),
            lifted: lifted.to_vec(),
        }
    }

    pub(super) fn covers(&self, path: &[u8]) -> bool {
        self.pattern.covers(path) && !self.lifted.iter().any(|lifted| lifted.covers(path))
    }

    /// Whether renaming the directory `from` to `to` may take something beneath it out of the entry, or
    /// lift it.
    pub(super) fn loses(&self, from: &[u8], to: &[u8]) -> bool {
        let before = self.pattern.progress(from);
        let lifts = |lifted: &Pattern| {
            lifted.progress(to).leads_on() && lifted.progress(from) != Progress::Covered
        };
        before.leads_on()
            && (!before.is_kept_by(self.pattern.progress(to)) || self.lifted.iter().any(lifts))
    }

    /// Whether renaming the directory `from` to `to` may bring something that is lifted beneath it under
    /// the entry.
    pub(super) fn gains_lifted(&self, from: &[u8], to: &[u8]) -> bool {
        let lowers = |lifted: &Pattern| {
            lifted.progress(from).leads_on() && lifted.progress(to) != Progress::Covered
        };
        self.pattern.progress(to).leads_on() && self.lifted.iter().any(lowers)
    }
}
