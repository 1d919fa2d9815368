//! `[process]`: what a policy lets the command start with, and what is refused before anything runs.

#[path = "../support/mod.rs"]
mod support;

mod asks;
mod attacks;
mod capabilities;
mod domains;
mod extends;
mod packages;
mod scene;
mod starts;
mod tmpdir;
mod user;
