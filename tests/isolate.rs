//! `[process] isolate`: what is the host's and what the command's own, as root and as an ordinary user,
//! with Landlock and without.

mod support;

#[path = "isolate/files.rs"]
mod files;
#[path = "isolate/processes.rs"]
mod processes;
#[path = "isolate/refusals.rs"]
mod refusals;
#[path = "isolate/scene.rs"]
mod scene;
#[path = "isolate/shared.rs"]
mod shared;
