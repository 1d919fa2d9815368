//! What a policy means, its errors and its warnings, the presets, and `jail check`, `jail test` and `jail
//! presets`. No test here runs a command in a jail.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod explain;
mod formats;
mod join;
mod lift;
mod lints;
mod meaning;
mod messages;
mod presets;
mod random;
mod schema;
mod tmpdir;
