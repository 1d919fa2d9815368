//! Ways round `[fs]` that were open once, one a test. Those that need a race are in `tests/races`.
//!
//! Each is tried with all that Landlock offers, with its first version, and without it; an attack
//! first shows that it works where nothing is denied.

mod answers;
mod held_up;
