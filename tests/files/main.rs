//! `[fs]` as its users and its attackers meet it: one scenario a test, with the real binary.
//!
//! What every call answers in every place is `matrix`, races are in `tests/races`. Here an
//! attack is shown to succeed without the jail before it is shown to fail within, with all that
//! Landlock offers, with its first version, and without it.

#[path = "../support/mod.rs"]
mod support;

mod credentials;
mod deep;
mod denials;
mod diagnoses;
mod filtered;
mod handed;
mod holes;
mod led;
mod lift;
mod low;
mod matrix;
mod messages;
mod middle;
mod names;
#[path = "../programs/old.rs"]
mod old;
mod presets;
mod programs;
mod protect;
mod regressions;
mod repositories;
mod rules;
mod scene;
mod stops;
mod system;
mod waiting;
