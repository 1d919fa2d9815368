//! seccomp(2): questions about this kernel. The filter itself is loaded by the `seccompiler` crate.

use super::{Errno, check};
use std::ptr::from_ref;

/// The actions of a filter, by their names in /proc/sys/kernel/seccomp/actions_avail, the strictest first.
pub const ACTIONS: [(&str, u32); 8] = [
    ("kill_process", libc::SECCOMP_RET_KILL_PROCESS),
    ("kill_thread", libc::SECCOMP_RET_KILL_THREAD),
    ("trap", libc::SECCOMP_RET_TRAP),
    ("errno", libc::SECCOMP_RET_ERRNO),
    ("user_notif", libc::SECCOMP_RET_USER_NOTIF),
    ("trace", libc::SECCOMP_RET_TRACE),
    ("log", libc::SECCOMP_RET_LOG),
    ("allow", libc::SECCOMP_RET_ALLOW),
];

/// SECCOMP_GET_ACTION_AVAIL (Linux 4.14): whether a filter may return this action.
pub fn has_action(action: u32) -> Result<bool, Errno> {
    // SAFETY: `action` is valid for reading, and the kernel reads no more than it.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0u32,
            from_ref(&action),
        )
    });
    match result {
        Ok(_) => Ok(true),
        Err(Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_names_the_same_actions() {
        let Ok(listed) = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") else {
            println!("NOT TRIED HERE: /proc/sys/kernel/seccomp/actions_avail cannot be read");
            return;
        };
        for (name, action) in ACTIONS {
            let listed = listed.split_whitespace().any(|word| word == name);
            assert_eq!(has_action(action), Ok(listed), "{name}");
        }
        assert_eq!(has_action(0x1234_0000), Ok(false));
    }
}
