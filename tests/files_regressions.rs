//! Ways round `[fs]` and rules about paths and arguments that were open once, one a test.
//!
//! Each is tried with all that Landlock offers, with its first version, and without it; an attack
//! first shows that it works where nothing is denied. `JAIL_RACE_SECONDS` says for how long each
//! race goes on (1).
#![cfg(target_arch = "x86_64")]

mod support;

#[path = "files_regressions/answers.rs"]
mod answers;
#[path = "files_regressions/arena.rs"]
mod arena;
#[path = "files_regressions/held_up.rs"]
mod held_up;
#[path = "files_regressions/programs.rs"]
mod programs;
#[path = "files_regressions/races.rs"]
mod races;
#[path = "files/scene.rs"]
#[allow(dead_code, reason = "shared with another test, which uses all of it")]
mod scene;
