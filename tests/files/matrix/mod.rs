//! Every call that takes a path, with the path named in every way, in every kind of place: what the
//! policy language promises for `[fs]`, compared with the same calls without a jail.
//!
//! The calls are those of `tests/programs/files`. Each cell of the matrix has a victim of its own, which
//! must be untouched where the call is denied, and as without the jail where it is allowed. To see
//! the tables: `cargo test --test files matrix -- --nocapture --test-threads=1`.

mod cells;
mod contract;
mod table;
mod tree;

use cells::hold;
use contract::Place;

/// Subtrees only, which Landlock can hold.
const SUBTREES: &[Place] = &[
    Place::Write,
    Place::Read,
    Place::Exec,
    Place::ReadExec,
    Place::Nothing,
];

/// All kinds of entries.
const ALL: &[Place] = &[
    Place::Write,
    Place::Read,
    Place::Exec,
    Place::ReadExec,
    Place::Nothing,
    Place::Denied,
    Place::Hidden,
    Place::DeniedPattern,
    Place::HiddenPattern,
    Place::Protected,
    Place::ProtectedPattern,
];

/// Subtrees, and what is protected within.
const PROTECT: &[Place] = &[
    Place::Write,
    Place::Read,
    Place::Exec,
    Place::ReadExec,
    Place::Nothing,
    Place::Protected,
    Place::ProtectedPattern,
];

#[test]
fn subtrees_hold_with_the_newest_landlock() {
    hold("newest Landlock, subtrees", None, SUBTREES);
}

#[test]
fn subtrees_hold_with_the_first_landlock() {
    hold("Landlock ABI 1, subtrees", Some("1"), SUBTREES);
}

#[test]
fn subtrees_hold_without_landlock() {
    hold("no Landlock, subtrees", Some("0"), SUBTREES);
}

#[test]
fn deny_hide_and_protect_hold_with_the_newest_landlock() {
    hold("newest Landlock, deny, hide and protect", None, ALL);
}

#[test]
fn deny_hide_and_protect_hold_with_the_first_landlock() {
    hold("Landlock ABI 1, deny, hide and protect", Some("1"), ALL);
}

#[test]
fn deny_hide_and_protect_hold_without_landlock() {
    hold("no Landlock, deny, hide and protect", Some("0"), ALL);
}

#[test]
fn protect_alone_holds_with_the_newest_landlock() {
    hold("newest Landlock, protect", None, PROTECT);
}

#[test]
fn protect_alone_holds_without_landlock() {
    hold("no Landlock, protect", Some("0"), PROTECT);
}
