//! `[fs]` as its users and its attackers meet it: one scenario a test, with the real binary.
//!
//! What every call answers in every place is `files_matrix.rs`, races are `files_races.rs`. Here an
//! attack is shown to succeed without the jail before it is shown to fail within, with all that
//! Landlock offers, with its first version, and without it.
#![cfg(target_arch = "x86_64")]

mod support;

#[path = "files/credentials.rs"]
mod credentials;
#[path = "files/deep.rs"]
mod deep;
#[path = "files/denials.rs"]
mod denials;
#[path = "files/diagnoses.rs"]
mod diagnoses;
#[path = "files/filtered.rs"]
mod filtered;
#[path = "files/handed.rs"]
mod handed;
#[path = "files/holes.rs"]
mod holes;
#[path = "files/led.rs"]
mod led;
#[path = "files/lift.rs"]
mod lift;
#[path = "files/messages.rs"]
mod messages;
#[path = "files/middle.rs"]
mod middle;
#[path = "files/names.rs"]
mod names;
#[path = "files/presets.rs"]
mod presets;
#[path = "files/programs.rs"]
mod programs;
#[path = "files/protect.rs"]
mod protect;
#[path = "files/repositories.rs"]
mod repositories;
#[path = "files/rules.rs"]
mod rules;
#[path = "files/scene.rs"]
mod scene;
#[path = "files/stops.rs"]
mod stops;
#[path = "files/system.rs"]
mod system;
