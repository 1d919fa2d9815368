//! How a command starts and ends, and with which exit code; and the life cycle of its processes: new tasks,
//! exits, execs, stops and signals, as ptrace(2) describes them and without a difference for the processes.
//!
//! `JAIL_TEST_ROUNDS=20` repeats the stress tests that often.

mod endings;
mod exit_codes;
mod processes;
mod quiet;
mod start;
mod stops;
#[path = "../support/mod.rs"]
mod support;
mod transparency;
