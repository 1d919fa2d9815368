//! The BPF program of a policy, run in an interpreter (`cbpf`) instead of in the kernel, and the table of
//! system calls that it is made from.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod cbpf;
mod generated;
mod kernel;
mod machine;
mod presets;
mod shape;
mod table;
