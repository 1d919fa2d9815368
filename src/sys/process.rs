//! fork, exec and the process's own attributes. All but `fork` are async-signal-safe.

use super::{Errno, check};
use libc::{c_char, c_int, c_uint, pid_t};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null;
use std::sync::atomic::AtomicU32;

/// The side of a fork that is returning.
pub enum Fork {
    /// In the parent: the child's pid.
    Parent(pid_t),
    /// In the child.
    Child,
}

/// fork(2).
///
/// Until it calls `execve` or `exit`, the child may call async-signal-safe functions only: a lock that
/// another thread of the parent held at the fork is never released in the child.
pub fn fork() -> Result<Fork, Errno> {
    // SAFETY: takes no memory; the child owns a copy of all of it. What the child must not do is
    // wait for a lock: that is a deadlock, not a memory error, and the doc comment forbids it.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as pid_t)),
    }
}

/// A NULL-terminated array of C strings, ready for execve(2): nothing is allocated later.
pub struct CStrings<'a>(Vec<*const c_char>, std::marker::PhantomData<&'a CStr>);

// SAFETY: the pointers are never written after `new`, and what they point to is borrowed for reading.
unsafe impl Sync for CStrings<'_> {}

impl<'a> CStrings<'a> {
    /// Collects the pointers.
    pub fn new(strings: impl IntoIterator<Item = &'a CStr>) -> Self {
        let mut pointers: Vec<*const c_char> = strings.into_iter().map(CStr::as_ptr).collect();
        pointers.push(null());
        Self(pointers, std::marker::PhantomData)
    }
}

/// execve(2): returns only on failure.
pub fn execve(path: &CStr, arguments: &CStrings<'_>, environment: &CStrings<'_>) -> Errno {
    // SAFETY: the path is NUL-terminated, both arrays are NULL-terminated, and all they point to
    // outlives the call.
    unsafe { libc::execve(path.as_ptr(), arguments.0.as_ptr(), environment.0.as_ptr()) };
    Errno::last()
}

/// execveat(2) with AT_EMPTY_PATH (Linux 3.19): executes an open file. Returns only on failure.
pub fn execute_open(file: RawFd, arguments: &CStrings<'_>, environment: &CStrings<'_>) -> Errno {
    // SAFETY: the path is NUL-terminated, both arrays are NULL-terminated, and all they point to
    // outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file,
            c"".as_ptr(),
            arguments.0.as_ptr(),
            environment.0.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

/// _exit(2): ends the process at once, without handlers or destructors.
pub fn exit(code: c_int) -> ! {
    // SAFETY: takes no memory and does not return.
    unsafe { libc::_exit(code) }
}

/// kill(2).
pub fn kill(pid: pid_t, signal: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// pidfd_open(2) (Linux 5.3): a descriptor for a process, closed by execve.
pub fn pidfd(pid: pid_t) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only; the new descriptor has no other owner.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0u32))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// pidfd_send_signal(2) (Linux 5.1): ESRCH where the process is gone.
pub fn pidfd_kill(process: BorrowedFd<'_>, signal: c_int) -> Result<(), Errno> {
    let (fd, no_info) = (process.as_raw_fd(), null::<libc::siginfo_t>());
    // SAFETY: numbers, and a null siginfo, which makes the kernel create one as kill(2) does.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0u32) })
        .map(drop)
}

/// How many processors this process may use, as of the first call: to ask reads files of its cgroup.
pub fn processors() -> usize {
    static KNOWN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let ask = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    *KNOWN.get_or_init(ask)
}

/// getpid(2).
pub fn getpid() -> pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getpid() }
}

/// gettid(2).
pub fn gettid() -> pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// getppid(2).
pub fn getppid() -> pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getppid() }
}

/// getpgid(2): ESRCH where the process is gone.
pub fn getpgid(pid: pid_t) -> Result<pid_t, Errno> {
    // SAFETY: takes a number only.
    check(unsafe { libc::getpgid(pid) }).map(|pgid| pgid as pid_t)
}

/// getsid(2): the session of a process; 0 is the calling one.
pub fn getsid(pid: pid_t) -> Result<pid_t, Errno> {
    // SAFETY: takes a number only.
    check(unsafe { libc::getsid(pid) }).map(|sid| sid as pid_t)
}

/// chdir(2).
pub fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
}

/// fchdir(2).
pub fn fchdir(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the descriptor is open.
    check(unsafe { libc::fchdir(directory.as_raw_fd()) }).map(drop)
}

/// close_range(2) (Linux 5.9): closes `first` to `last`, both included.
pub fn close_range(first: c_uint, last: c_uint) -> Result<(), Errno> {
    // SAFETY: takes numbers only; the caller owns the descriptors of this forked child.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) }).map(drop)
}

/// Closes one descriptor.
pub fn close(fd: RawFd) {
    // SAFETY: takes a number only; the caller owns the descriptor.
    unsafe { libc::close(fd) };
}

/// Clears FD_CLOEXEC, so that the descriptor passes through execve.
pub fn keep_over_exec(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

/// dup2(2): `fd` becomes `number`, too, which passes through execve.
pub fn become_descriptor(fd: RawFd, number: RawFd) -> Result<(), Errno> {
    if fd == number {
        return keep_over_exec(fd);
    }
    // SAFETY: takes numbers only; the caller owns the descriptors of this forked child.
    check(unsafe { libc::dup2(fd, number) }).map(drop)
}

/// dup3(2) with O_CLOEXEC: `fd` becomes `number`, too, which execve closes.
pub fn become_closing_descriptor(fd: RawFd, number: RawFd) -> Result<(), Errno> {
    // SAFETY: takes numbers only; the caller owns the descriptors of this forked child.
    check(unsafe { libc::dup3(fd, number, libc::O_CLOEXEC) }).map(drop)
}

/// setpriority(2): the nice value of this process.
pub fn set_nice(nice: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// setgroups(2), of this thread alone, as the two below: the C library's functions of these names
/// change all threads.
pub fn set_groups(groups: &[libc::gid_t]) -> Result<(), Errno> {
    // SAFETY: the groups are valid for reading, as many as are said.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// setresgid(2), of this thread alone.
pub fn set_group_ids(
    real: libc::gid_t,
    effective: libc::gid_t,
    saved: libc::gid_t,
) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresgid, real, effective, saved) }).map(drop)
}

/// setresuid(2), of this thread alone.
pub fn set_user_ids(
    real: libc::uid_t,
    effective: libc::uid_t,
    saved: libc::uid_t,
) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, real, effective, saved) }).map(drop)
}

/// keyctl(2) KEYCTL_JOIN_SESSION_KEYRING: a new session keyring, with nothing in it.
pub fn new_session_keyring() -> Result<(), Errno> {
    let join = libc::c_long::from(libc::KEYCTL_JOIN_SESSION_KEYRING);
    // SAFETY: a null name is valid: the keyring is anonymous.
    check(unsafe { libc::syscall(libc::SYS_keyctl, join, null::<c_char>()) }).map(drop)
}

/// Whether the descriptor is open.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

fn prctl(option: c_int, value: libc::c_ulong) -> Result<i64, Errno> {
    let zero: libc::c_ulong = 0;
    // SAFETY: every caller below passes an option that takes numbers only.
    check(unsafe { libc::prctl(option, value, zero, zero, zero) })
}

/// PR_SET_NO_NEW_PRIVS: execve can no longer grant privileges. Irrevocable, inherited.
pub fn no_new_privs() -> Result<(), Errno> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

/// A resource of setrlimit(2).
pub type Resource = libc::__rlimit_resource_t;

/// setrlimit(2): sets both limits to this value; a stricter hard limit stays. Async-signal-safe.
pub fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writing.
    check(unsafe { libc::getrlimit64(resource, &mut limit) })?;
    limit.rlim_max = limit.rlim_max.min(most);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit64(resource, &limit) }).map(drop)
}

/// setrlimit(2) RLIMIT_NOFILE: the soft and the hard limit of descriptors. Async-signal-safe.
pub fn set_descriptor_limits((soft, hard): (u64, u64)) -> Result<(), Errno> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) }).map(drop)
}

/// getrlimit(2): how many descriptors this process may have.
pub fn descriptor_limit() -> Result<u64, Errno> {
    descriptor_limits().map(|(soft, _)| soft)
}

/// The same, and how far this process may raise that.
pub fn descriptor_limits() -> Result<(u64, u64), Errno> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writing.
    check(unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// setrlimit(2): as many descriptors as this process may allow itself. The children that it has already keep
/// their own limits.
pub fn raise_descriptor_limit() -> Result<(), Errno> {
    let (soft, hard) = descriptor_limits()?;
    match soft < hard {
        true => set_descriptor_limits((hard, hard)),
        false => Ok(()),
    }
}

/// setrlimit(2): no core dumps, and the hard limit keeps it so. Async-signal-safe.
pub fn forbid_core_dumps() -> Result<(), Errno> {
    let limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit64(libc::RLIMIT_CORE, &limit) }).map(drop)
}

/// PR_SET_DUMPABLE: whether others of the same user may read this process through ptrace or /proc.
pub fn set_dumpable(dumpable: bool) -> Result<(), Errno> {
    prctl(libc::PR_SET_DUMPABLE, dumpable.into()).map(drop)
}

/// Whether this process is dumpable: prctl(2), PR_GET_DUMPABLE. 2 means that only root may read its core.
pub fn is_dumpable() -> Result<bool, Errno> {
    prctl(libc::PR_GET_DUMPABLE, 0).map(|dumpable| dumpable == 1)
}

/// PR_SET_CHILD_SUBREAPER (Linux 3.4): orphans among this process's descendants become its children.
pub fn adopt_orphans() -> Result<(), Errno> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1).map(drop)
}

/// PR_SET_SECUREBITS. Needs CAP_SETPCAP.
pub fn set_securebits(bits: c_int) -> Result<(), Errno> {
    prctl(libc::PR_SET_SECUREBITS, bits as libc::c_ulong).map(drop)
}

/// FUTEX_WAIT on a word shared with another process, for at most a second: the caller checks the word
/// again, whatever ended the wait.
pub fn futex_wait(word: &AtomicU32, expected: u32) {
    let second = libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    // SAFETY: the word and the timeout are valid for the call; the kernel compares atomically.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &second,
        )
    };
}

/// FUTEX_WAKE of all waiters on the word.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel only uses the word's address as a key.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// fcntl(2) F_DUPFD_CLOEXEC: another descriptor, above 2, for the same open file; `None` if `fd` is not
/// open, or the limit of descriptors is reached.
pub fn duplicate(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: takes numbers only; the new descriptor has no other owner.
    unsafe {
        match libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) {
            -1 => None,
            new => Some(OwnedFd::from_raw_fd(new)),
        }
    }
}

/// close_range(2) (Linux 5.9) for no descriptor: whether it is available.
pub fn try_closing() -> Result<(), Errno> {
    // No descriptor has this number: the limit of descriptors is below it.
    close_range(c_uint::MAX, c_uint::MAX)
}

/// uname(2): the kernel's release and the architecture: `6.18.2-generic`, `x86_64`.
pub fn kernel_names() -> Option<(String, String)> {
    let mut name = std::mem::MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the kernel fills the structure in; zeroed bytes are one too, with empty strings.
    let (result, name) = unsafe { (libc::uname(name.as_mut_ptr()), name.assume_init()) };
    let text = |bytes: &[c_char]| {
        // SAFETY: the kernel ends each string with a NUL; a zeroed one is empty.
        let text = unsafe { CStr::from_ptr(bytes.as_ptr()) };
        text.to_string_lossy().into_owned()
    };
    (result == 0).then(|| (text(&name.release), text(&name.machine)))
}

/// The kernel's major and minor version.
pub fn kernel_version() -> Option<(u32, u32)> {
    let (release, _) = kernel_names()?;
    let mut numbers = release.split(['.', '-']).map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => None,
    }
}
