//! Calls against other processes and terminals, sockets of all kinds, and waits that the kernel makes.

use crate::sys::process::{Fork, exit, fork};
use crate::sys::{Errno, check};
use libc::{c_int, pid_t};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// socket(2).
pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// setsid(2).
pub fn leave_session() {
    // SAFETY: takes nothing.
    unsafe { libc::setsid() };
}

/// tgkill(2).
pub fn signal_thread(pid: pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, signal) }).map(drop)
}

/// pidfd_open(2) and pidfd_send_signal(2).
pub fn pidfd_signal(pid: pid_t, signal: c_int) -> Result<(), Errno> {
    let process = crate::sys::process::pidfd(pid)?;
    let fd = process.as_raw_fd();
    // SAFETY: takes numbers, and a NULL for the description of the signal.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0, 0) }).map(drop)
}

/// rt_sigqueueinfo(2).
pub fn queue_signal(pid: pid_t, signal: c_int) -> Result<(), Errno> {
    let value = libc::sigval {
        sival_ptr: std::ptr::null_mut(),
    };
    // SAFETY: takes numbers; the value is not dereferenced.
    check(unsafe { libc::sigqueue(pid, signal, value) }).map(drop)
}

/// F_SETOWN and O_ASYNC of fcntl(2): has SIGIO sent to that process when the descriptor is ready.
pub fn own_signals(fd: BorrowedFd<'_>, pid: pid_t) -> Result<(), Errno> {
    let fd = fd.as_raw_fd();
    // SAFETY: takes numbers only.
    check(unsafe { libc::fcntl(fd, libc::F_SETOWN, pid) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK) }).map(drop)
}

/// prlimit(2): lowers the number of descriptors that a process may open, and leaves its maximum alone.
pub fn lower_descriptors(pid: pid_t, most: u64) -> Result<(), Errno> {
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills in `old`, which is a valid rlimit.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut old) })?;
    let new = libc::rlimit {
        rlim_cur: most,
        ..old
    };
    // SAFETY: the kernel reads `new`, which is a valid rlimit.
    check(unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_NOFILE,
            &raw const new,
            std::ptr::null_mut(),
        )
    })
    .map(drop)
}

/// Lets every process of this user trace this one where Yama restricts that: PR_SET_PTRACER.
pub fn allow_tracers() {
    // SAFETY: takes numbers only; without Yama it fails, which changes nothing.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, -1_i64 as libc::c_ulong, 0, 0, 0) };
}

/// The seccomp mode of this thread (PR_GET_SECCOMP); `None`: a filter does not let it ask.
pub fn filter_mode() -> Option<c_int> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) })
        .ok()
        .map(|mode| mode as c_int)
}

/// unshare(2).
pub fn unshare(flags: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// Whether this host lets this user make a user namespace: tried in a child.
pub fn can_make_user_namespace() -> bool {
    match fork() {
        Ok(Fork::Child) => exit(i32::from(
            unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).is_err(),
        )),
        Ok(Fork::Parent(child)) => matches!(crate::sys::wait::wait(child, 0), Ok(Some((_, 0)))),
        Err(_) => false,
    }
}

/// mkfifo(3).
pub fn make_fifo(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).map(drop)
}

/// F_SETLEASE of fcntl(2): other opens of the file wait until this descriptor is closed.
pub fn lease(file: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) }).map(drop)
}

/// TIOCSTI of ioctl_tty(2): a byte as if it were typed. `upper`: with bits in the upper half of the register,
/// which the kernel ignores.
pub fn type_into(terminal: RawFd, byte: u8, upper: bool) -> Result<(), Errno> {
    let request: u64 = libc::TIOCSTI as _;
    let request = request | if upper { 0x1_0000_0000 } else { 0 };
    // SAFETY: the kernel reads one byte.
    check(unsafe { libc::syscall(libc::SYS_ioctl, terminal as i64, request, &raw const byte) })
        .map(drop)
}

/// TIOCSPTLCK: lets the slave of a new pseudoterminal be opened.
pub fn unlock_terminal(master: BorrowedFd<'_>) -> Result<(), Errno> {
    let locked: c_int = 0;
    // SAFETY: the kernel reads one int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &raw const locked) })
        .map(drop)
}

/// Starts the command in a session of its own, with its stdin as the controlling terminal.
pub fn take_terminal(command: &mut Command) {
    let take = || {
        // SAFETY: takes numbers only; the child does not need its old session.
        let result = unsafe {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY as _, 0)
        };
        check(result).map(drop).map_err(io::Error::from)
    };
    // SAFETY: the closure makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(take) };
}
