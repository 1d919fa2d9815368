//! `[process] isolate`: what is the host's and what the command's own, as root and as an ordinary user,
//! with Landlock and without.

#[path = "../support/mod.rs"]
mod support;

mod files;
mod processes;
mod refusals;
mod scene;
mod shared;
