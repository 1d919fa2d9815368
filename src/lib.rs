//! `jail`: run an untrusted command under a policy.
#![deny(unsafe_code)]
pub mod baseline;
pub mod commands;
pub mod condition;
pub mod judge;
pub mod launch;
pub mod plan;
pub mod policy;
pub mod report;
pub mod supervise;
pub mod sys;
pub mod syscalls;
pub mod trace;
