//! Runs untrusted commands under a policy, on Linux, without privileges.
//!
//! A policy ([`Policy`]) is a TOML file or a built-in one. [`Jail::builder`] takes it with a command, and
//! [`Builder::run`] runs the command to its end; [`Builder::spawn`] returns a [`Handle`] that waits, kills
//! and reports events. A [`Verdict`] says how the command ended and what it used.
//!
//! ```
//! use jail::{Jail, Policy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let outcome = Jail::builder()
//!     .policy(Policy::preset("compute")?)
//!     .command(["echo", "hello"])
//!     .run()?;
//! assert!(outcome.verdict.success());
//! assert_eq!(outcome.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the command line of the `jail` binary, with clap. A library needs none of it: use `default-features = false` |
//!
//! # Architecture
//!
//! One pass, and each module is a station of it. All modules are private.
//!
//! ```text
//! policy  →  plan  →  launch  →  trace  →  judge  →  supervise  →  report
//! standing on   syscalls, paths, net, condition, baseline (pure knowledge)   and   sys (the only unsafe)
//! ```
//!
//! | module | is |
//! |---|---|
//! | `syscalls` | the typed table of system calls, with an `Op` where the supervisor handles one; constants, groups, errnos. Data and pure functions |
//! | `paths` | accesses and path patterns |
//! | `net` | socket addresses, endpoints, names and their leases, answers of resolvers |
//! | `sorting` | stable sorting in little code |
//! | `sys` | the only `unsafe`: thin wrappers, one system call each; no policy |
//! | `condition` | the language of `when`: parsed, evaluated, lowered for BPF |
//! | `baseline` | the rules with which the jail protects itself, one reason each |
//! | `policy` | TOML to `Policy`: what the user wants, every entry with its line |
//! | `judge` | a call to its verdict, with the reason: the one place that decides |
//! | `learn` | what a run needed beyond its policy, as the entries that a person would write |
//! | `plan` | a policy and a host to a `Plan`: who enforces what; the BPF program |
//! | `diff` | two policies compared by what they decide: requests that represent all others, asked both ways |
//! | `launch` | fork, seize, isolate, close, drop, confine, exec |
//! | `trace` | the typed ptrace: a stop, and the one answer to it |
//! | `supervise` | the loop; the one map of tasks, with what they share; paths, peers, limits, signals, job control |
//! | `report` | events and the outcome to messages, JSON lines and one document |
//! | `journal` | the lines of a log, read again: events, and the tree of processes |
//! | `replay` | the calls of a log, decided under another policy |
//! | `page` | a log as a page for a browser, or as text |
//! | `embed` | the library's front door: a builder, a handle, an outcome |
//! | `commands` | the command line, one file a subcommand |
//!
//! What the supervisor keeps for a task is part of its `Task` (`supervise::tracee`), of the process that its
//! threads share, or of the address space that CLONE_VM shares, and is dropped with it. An area adds state
//! there as its own `TaskState` or `ProcessState`, in a module that uses nothing of `tracee`; it is told of no
//! spawn, execve or end. `docs/architecture.md` says where a system call, a limit or a message is added.
//!
//! `tests/layers.rs` holds the order: nothing uses what stands above it, and no modules use each other in a
//! circle. What is absent on purpose:
//! `policy`, `plan`, `judge`, `syscalls` do no I/O but loading files; nothing but `sys` is unsafe;
//! nothing but `main.rs` exits; no stop is answered twice or not at all (see
//! `trace::Stopped`).
#![deny(unsafe_code)]
// What only the subcommands of the binary use is not in use without them. With them the compiler reports all
// dead code.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

mod baseline;
#[cfg(feature = "cli")]
mod commands;
mod condition;
#[cfg(feature = "cli")]
mod diff;
mod embed;
#[cfg(all(feature = "cli", any(test, fuzzing)))]
mod fuzz;
#[cfg(feature = "cli")]
mod journal;
mod judge;
mod launch;
#[cfg(feature = "cli")]
mod learn;
mod net;
mod nss;
#[cfg(feature = "cli")]
mod page;
mod paths;
mod plan;
mod policy;
#[cfg(feature = "cli")]
mod replay;
mod report;
mod sorting;
mod supervise;
mod sys;
mod syscalls;
mod trace;

#[doc(hidden)]
pub mod internal;

pub use embed::{
    Builder, Error, Event, Events, Failure, Handle, Jail, KillOnDrop, Killer, Outcome, Policy,
    Stdin, Stdio,
};
pub use policy::{Code, Diagnostic, LimitKind, Limits, Problems, Severity};
pub use report::{
    Asked, AskedCount, Cpu, Denial, DenialAction, DenialCount, Denials, DomainLimit, Ending, Line,
    Memory, OutputBytes, PathAccess, Peer, PeerAccess, PolicyId, Reason, ReasonKind, Resolved,
    Signal, Standing, Tasks, Verdict,
};
pub use trace::{Exit, Tid};

/// The `jail` binary.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use commands::main;

/// The examples of the manual, as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Manual;
