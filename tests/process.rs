//! `[process]`: what a policy lets the command start with, and what is refused before anything runs.

mod support;

#[path = "process/attacks.rs"]
mod attacks;
#[path = "process/capabilities.rs"]
mod capabilities;
#[path = "process/extends.rs"]
mod extends;
#[path = "process/scene.rs"]
mod scene;
#[path = "process/starts.rs"]
mod starts;
#[path = "process/tmpdir.rs"]
mod tmpdir;
#[path = "process/user.rs"]
mod user;
