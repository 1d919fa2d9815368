//! The policies in the documents, and what others build on jail: the pieces of `examples/` and
//! docs/harness.md, each run as it is written, by the user of the tests and by an ordinary user, also where
//! no namespace can be made.

#[path = "../support/mod.rs"]
mod support;

mod agents;
mod asks;
mod bazel;
mod bindings;
mod ci;
mod containers;
mod first;
mod harness;
mod judge;
mod kernels;
mod links;
mod machines;
mod minimal;
mod policies;
mod python;
mod recording;
mod runner;
mod scene;
mod schemas;
mod step;
mod usage;
