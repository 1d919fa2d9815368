//! The first process of a pid namespace (pid_namespaces(7)): it reaps what is left to it, and ends
//! when nobody else is left. Its end, by whatever, ends all others.
//!
//! The command is not it: signals that a program does not handle would be ignored there. It is traced,
//! for its child to be from birth and for it to die with the supervisor, and it is no part of the jail.
//! It holds nothing open, may do nothing, and no signal from within reaches it.

use super::privileges::Privileges;
use crate::sys::{Errno, namespace, process};
use std::os::fd::OwnedFd;

/// What ps(1) shows.
const NAME: &std::ffi::CStr = c"jail-init";

/// Until it is traced it ends with the thread that made it; `parent` is that thread's process.
pub fn begin(parent: &OwnedFd) {
    // It may have ended before it could be asked for.
    if namespace::die_with_parent().is_err() || namespace::has_ended(parent) {
        process::exit(125);
    }
}

/// Is that process from now on. All signals are blocked: none is delivered here.
pub fn run(privileges: &Privileges) -> ! {
    namespace::set_name(NAME);
    let _ = process::close_range(0, u32::MAX);
    let _ = process::chdir(c"/");
    let given_up = privileges
        .give_up_all()
        .and_then(|()| process::no_new_privs());
    if given_up.is_err() {
        process::exit(125);
    }
    // Another user's process is made so anew, by fs.suid_dumpable.
    let _ = process::set_dumpable(false);
    while matches!(namespace::reap(), Ok(()) | Err(Errno::EINTR)) {}
    process::exit(0)
}
