//! `jail`: run an untrusted command under a policy, on Linux, without privileges.
//!
//! One pass, and each module is a station of it:
//!
//! ```text
//! policy  →  plan  →  launch  →  trace  →  judge  →  supervise  →  report
//! standing on   syscalls, paths, net, condition, baseline (pure knowledge)   and   sys (the only unsafe)
//! ```
//!
//! | module | is |
//! |---|---|
//! | [`syscalls`] | the typed table of system calls, with an `Op` where the supervisor handles one; constants, groups, errnos. Data and pure functions |
//! | [`paths`] | accesses and path patterns |
//! | [`net`] | socket addresses, endpoints, names and their leases, answers of resolvers |
//! | [`sys`] | the only `unsafe`: thin wrappers, one system call each; no policy |
//! | [`condition`] | the language of `when`: parsed, evaluated, lowered for BPF |
//! | [`baseline`] | the rules with which the jail protects itself, one reason each |
//! | [`policy`] | TOML to [`Policy`](policy::Policy): what the user wants, every entry with its line |
//! | [`judge`] | a call to its verdict, with the reason: the one place that decides |
//! | [`plan`] | a policy and a host to a [`Plan`](plan::Plan): who enforces what; the BPF program |
//! | [`launch`] | fork, seize, isolate, close, drop, confine, exec |
//! | [`trace`] | the typed ptrace: a stop, and the one answer to it |
//! | [`supervise`] | the loop; the one map of tasks, with what they share; paths, peers, limits, signals, job control |
//! | [`report`] | events and the outcome to messages, JSON lines and one document |
//! | [`embed`] | the library's front door: a builder, a handle, an outcome |
//! | [`commands`] | the command line, one file a subcommand |
//!
//! What the supervisor keeps for a task is part of its `Task` (`supervise::tracee`), of the process that its
//! threads share, or of the address space that CLONE_VM shares, and is dropped with it. An area adds state
//! there as its own `TaskState` or `ProcessState`; it is told of no spawn, execve or end.
//!
//! `tests/layers.rs` holds the order: nothing uses what stands above it. What is absent on purpose:
//! `policy`, `plan`, `judge`, `syscalls` do no I/O but loading files; nothing but `sys` is unsafe;
//! nothing but `main.rs` exits; no stop is answered twice or not at all (see
//! [`trace::Stopped`]).
//!
//! Whoever runs commands from a program begins with [`Jail::builder`].
#![deny(unsafe_code)]

pub mod baseline;
pub mod commands;
pub mod condition;
pub mod embed;
pub mod judge;
pub mod launch;
pub mod net;
pub mod paths;
pub mod plan;
pub mod policy;
pub mod report;
pub mod supervise;
pub mod sys;
pub mod syscalls;
pub mod trace;

pub use embed::{
    Builder, Error, Event, Events, Handle, Jail, KillOnDrop, Killer, Outcome, Stdin, Stdio,
};
pub use policy::{Limits, Policy};
pub use report::{Ending, Verdict};

/// The examples of the manual, as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Manual;
