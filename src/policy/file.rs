//! The contents of one file of a policy.

use std::ops::Range;

use super::domain::OnExec;
use super::process::Process;
use super::{Default, Entry, Lift, Limits, NetEntry, Origin, PathEntry, Rule, Test};
use crate::sorting::sort_by_key;

/// The contents of one file.
#[derive(Debug, Clone, std::default::Default)]
pub(super) struct File {
    pub description: Option<String>,
    pub default: Option<Default>,
    /// Names and paths as written, with their places.
    pub extends: Vec<(String, Range<usize>)>,
    pub entries: Vec<Entry>,
    pub rules: Vec<Rule>,
    pub paths: Vec<PathEntry>,
    pub left_out: Vec<PathEntry>,
    pub peers: Vec<NetEntry>,
    pub lifts: Vec<Lift>,
    pub limits: Limits,
    pub process: Process,
    pub domains: Vec<Part>,
    pub tests: Vec<Test>,
}

impl File {
    /// Sorts the entries by their places.
    pub fn sort(&mut self) {
        sort_by_key(&mut self.entries, |entry| entry.origin);
        sort_by_key(&mut self.paths, |entry| (entry.origin, entry.list));
        sort_by_key(&mut self.left_out, |entry| (entry.origin, entry.list));
        sort_by_key(&mut self.peers, |entry| (entry.origin, entry.list));
        sort_by_key(&mut self.lifts, |lift| lift.origin);
    }
}

/// What one file says of a domain.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: String,
    pub origin: Origin,
    /// Where its name stands.
    pub span: Range<usize>,
    pub programs: Vec<OnExec>,
    /// Its sections. What it extends is in `extends`.
    pub file: File,
    /// The sources that it extends, and where it says so.
    pub extended: Vec<(u16, Range<usize>)>,
    pub lists: Lists,
}

/// Which lists there are: an access that has one is closed to all that it does not name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lists {
    pub read: bool,
    pub write: bool,
    pub exec: bool,
    pub connect: bool,
    pub listen: bool,
}

impl Lists {
    pub fn and(self, other: Lists) -> Lists {
        Lists {
            read: self.read || other.read,
            write: self.write || other.write,
            exec: self.exec || other.exec,
            connect: self.connect || other.connect,
            listen: self.listen || other.listen,
        }
    }
}
