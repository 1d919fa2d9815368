//! The contents of one file of a policy.

use std::ops::Range;

use super::process::Process;
use super::{Default, Entry, Lift, Limits, NetEntry, PathEntry, Rule, Test};

/// The contents of one file.
#[derive(Debug, std::default::Default)]
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
    pub tests: Vec<Test>,
}
