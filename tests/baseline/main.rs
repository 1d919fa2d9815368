//! One test a line of the baseline: the attack succeeds without the jail and fails within.
//!
//! A success is an effect that somebody else sees: the victim, which the test started outside of
//! the jail, was signalled, its memory changed. Where the kernel itself forbids an attack to
//! whoever runs this (root can do more than an ordinary user), the row of the table says so. To
//! see the table: `cargo test --test baseline -- --nocapture --test-threads=1`.
//!
//! Attacks must never be aimed at anything that a test did not start.

#[path = "../support/mod.rs"]
mod support;

mod arena;
mod foreign;
mod itself;
mod kernel;
mod namespaces;
mod privileges;
mod signals;
mod terminal;
