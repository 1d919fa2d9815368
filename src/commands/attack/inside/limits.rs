//! More than the limits of the policy allow.

use super::super::given::{Given, Tried};
use super::super::tools::say;
use crate::sys;
use crate::sys::attack;
use crate::sys::process::Fork;
use std::io::Write;
use std::time::Duration;

/// More processes at once. Each has a session of its own.
pub fn processes(given: &Given) -> Tried {
    let mut children = Vec::new();
    let mut refused = None;
    while children.len() as u64 <= given.limit + 4 {
        match sys::process::fork() {
            Ok(Fork::Child) => {
                attack::leave_session();
                std::thread::sleep(Duration::from_secs(5));
                sys::process::exit(0)
            }
            Ok(Fork::Parent(child)) => children.push(child),
            Err(errno) => {
                refused = Some(errno);
                break;
            }
        }
    }
    let alive = children.len() as u64 + 1;
    for child in children {
        let _ = sys::process::kill(child, libc::SIGKILL);
        let _ = sys::wait::wait(child, 0);
    }
    let limit = given.limit;
    match refused {
        Some(errno) if alive <= limit => {
            Err(format!("fork: {errno:?} at {alive} of {limit} processes"))
        }
        _ => Ok(format!(
            "{alive} processes at once, where {limit} are allowed"
        )),
    }
}

/// More output, by several processes at once.
pub fn output(given: &Given) -> Tried {
    let block = vec![b'.'; 4096];
    let mut children = Vec::new();
    for _ in 0..3 {
        match sys::process::fork() {
            Ok(Fork::Child) => {
                for _ in 0..given.limit / 4096 + 1 {
                    let _ = std::io::stdout().write_all(&block);
                }
                sys::process::exit(0)
            }
            Ok(Fork::Parent(child)) => children.push(child),
            Err(_) => {}
        }
    }
    for _ in 0..given.limit / 4096 + 1 {
        let _ = std::io::stdout().write_all(&block);
    }
    for child in children {
        let _ = sys::wait::wait(child, 0);
    }
    say("");
    Err("all was written".to_owned())
}

/// More time: ignores SIGTERM, leaves the process group, and stops itself.
pub fn wall(_: &Given) -> Tried {
    let _ = sys::signal::set_ignored(libc::SIGTERM, true);
    if let Ok(Fork::Child) = sys::process::fork() {
        let _ = sys::namespace::die_with_parent();
        attack::leave_session();
        let _ = sys::process::kill(sys::process::getpid(), libc::SIGSTOP);
    }
    std::thread::sleep(Duration::from_secs(8));
    Err("it slept to its end".to_owned())
}
