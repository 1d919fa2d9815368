//! "To allow" is taken literally: each advice, pasted into the policy, allows the same call.
//!
//! | file | holds |
//! |---|---|
//! | `paste` | what a user does with an advice |
//! | `merge` | what a program does with a remedy |
//! | `scene` | a policy, a command, and both until nothing is denied |
//! | `calls` | every system call, judged; no process runs |
//! | `paths` | every call that takes a path, and names of every kind |
//! | `kinds` | every kind of denial |
//! | `domains` | every kind of denial by a domain |
//! | `width` | that no advice opens more than the call needs; no process runs |
#![cfg(target_arch = "x86_64")]

mod calls;
mod domains;
mod kinds;
mod merge;
mod paste;
mod paths;
mod scene;
mod width;
