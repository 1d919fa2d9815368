//! The first process of a pid namespace (pid_namespaces(7)): it reaps orphans, and ends when no other
//! process is left. When it ends for any reason, the kernel kills all others.
//!
//! The command is not the init, because an init ignores signals that it does not handle. The init is
//! traced, so that its child is traced from the start and so that it dies with the supervisor, but it is
//! not part of the jail. It has no open descriptors and no rights, and no signal from within reaches it.

use super::privileges::Privileges;
use crate::sys::{Errno, namespace, process};
use std::os::fd::OwnedFd;

/// The name that ps(1) shows.
const NAME: &std::ffi::CStr = c"jail-init";

/// Until it is traced, it ends with the thread that created it; `parent` is that thread's process.
pub fn begin(parent: &OwnedFd) {
    // The parent may have ended before the signal was set.
    if namespace::die_with_parent().is_err() || namespace::has_ended(parent) {
        process::exit(125);
    }
}

/// Takes the init's name, before there is a command that could see another one. The child has it until its execve.
pub fn take_name() {
    namespace::set_name(NAME);
}

/// Runs the init. All signals are blocked, so none is delivered here.
pub fn run(privileges: &Privileges) -> ! {
    let _ = process::close_range(0, u32::MAX);
    let _ = process::chdir(c"/");
    let given_up = privileges
        .give_up_all()
        .and_then(|()| process::no_new_privs());
    if given_up.is_err() {
        process::exit(125);
    }
    // The change of user has set dumpable from fs.suid_dumpable again.
    let _ = process::set_dumpable(false);
    while matches!(namespace::reap(), Ok(()) | Err(Errno::EINTR)) {}
    process::exit(0)
}
