//! What others build on jail: the pieces of `examples/` and docs/harness.md, each run as it is written,
//! by whoever runs the tests and by an ordinary user, where no namespace can be made.

mod support;

#[path = "harness/bazel.rs"]
mod bazel;
#[path = "harness/ci.rs"]
mod ci;
#[path = "harness/containers.rs"]
mod containers;
#[path = "harness/document.rs"]
mod document;
#[path = "harness/judge.rs"]
mod judge;
#[path = "harness/machines.rs"]
mod machines;
#[path = "harness/python.rs"]
mod python;
#[path = "harness/runner.rs"]
mod runner;
#[path = "harness/scene.rs"]
mod scene;
