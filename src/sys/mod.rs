//! The only `unsafe`: thin wrappers, one system call each, raw numbers in, `Result<_, Errno>` out.
//!
//! No policy and no decisions; no state except what a signal handler needs.
#![allow(unsafe_code)]

#[cfg(feature = "cli")]
pub mod attack;
pub mod bare;
pub mod clock;
pub mod clone_vm;
pub mod companion;
pub mod event;
pub mod files;
pub mod landlock;
pub mod memory;
pub mod namespace;
pub mod performer;
pub mod proc;
pub mod process;
pub mod ptrace;
pub mod route;
pub mod seccomp;
pub mod signal;
pub mod socket;
#[cfg(feature = "cli")]
pub mod start;
pub mod sysv_ipc;
mod taken;
pub mod terminal;
pub mod wait;

pub use nix::errno::Errno;
pub use taken::Taken;

/// The result of a libc call that returns -1 on failure.
fn check(result: impl Into<i64>) -> Result<i64, Errno> {
    match result.into() {
        -1 => Err(Errno::last()),
        value => Ok(value),
    }
}
