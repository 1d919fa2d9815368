//! Where the supervisor adds up memory: the verdict is a matter of the program, however short the moment in
//! which it has too much. `JAIL_TEST_ROUNDS=1000 cargo test --test limits peaks` runs each that often.

use super::memory::run_in;
use crate::support::{probe, rounds};

/// 0.95 and 1.05 of the limit of 64 MiB, in KiB.
const WITHIN: &str = "62259";
const PAST: &str = "68813";

/// What the probe has so much memory in: it ends, or gives it back, at once.
const KINDS: [&str; 13] = [
    "ends", "unmaps", "discards", "replaces", "shares", "writes", "frees", "executes", "spawns",
    "vforks", "forks", "threads", "several",
];

/// Runs the probe so often, and tells the codes by which jail has ended other than by this one.
fn others(kind: &str, size: &str, expected: i32) -> Vec<Option<i32>> {
    let codes = (0..rounds(3)).map(|_| run_in("none", &[probe(), "peak", kind, size]).code());
    codes.filter(|code| *code != Some(expected)).collect()
}

/// The kinds of which not each run has ended by this code.
fn differ(size: &str, expected: i32) -> Vec<(&'static str, Vec<Option<i32>>)> {
    let all = KINDS.map(|kind| (kind, others(kind, size, expected)));
    let differ = all.into_iter().filter(|(_, codes)| !codes.is_empty());
    differ.collect()
}

#[test]
fn a_moment_past_the_limit_ends_a_program_each_time() {
    assert_eq!(differ(PAST, 124), []);
}

#[test]
fn a_moment_within_the_limit_is_let_be_each_time() {
    assert_eq!(differ(WITHIN, 0), []);
}
