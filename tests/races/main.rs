//! Races between the judgement of a call and its use of the same memory, path or descriptor.
//!
//! The tests here are a program of their own because each race needs two processors: one test runs at a
//! time ([`support::races::alone`]), and no other suite beside it. Each attack first wins without a jail, or
//! against a supervisor that checks a call and then lets it go on; an attack that cannot win proves nothing.
//! `JAIL_RACE_SECONDS` says how long each attack is tried, `JAIL_RACE_ONLY` selects the attacks on files
//! and peers by a part of their name.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod domains;
mod files;
mod lone;
mod net;
mod programs;
mod siblings;
