//! The life cycle of traced processes: births, ends, execs, stops and signals, as ptrace(2) has
//! them and as the processes must not notice.
//!
//! `JAIL_TEST_ROUNDS=20` repeats the stress tests that often.

#[path = "life_cycle/endings.rs"]
mod endings;
#[path = "life_cycle/processes.rs"]
mod processes;
#[path = "life_cycle/stops.rs"]
mod stops;
mod support;
#[path = "life_cycle/transparency.rs"]
mod transparency;
