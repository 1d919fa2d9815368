//! Namespaces: a fork into new ones, and the calls that set them up. Everything here is
//! async-signal-safe.

use super::process::Fork;
use super::{Errno, check};
use libc::{c_int, c_long, c_ulong, pid_t};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{from_mut, null};

/// clone(2) as fork(2), into new namespaces (`CLONE_NEW*`; none: a plain fork).
///
/// Bypasses the C library, whose fork takes locks so that the child can use them; after this fork the
/// child may never get them. So the child may call async-signal-safe functions only, and fork only
/// through this function.
pub fn fork_into(namespaces: c_int) -> Result<Fork, Errno> {
    let flags = namespaces | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child owns a copy of all memory, and a null stack is the parent's,
    // copied; no flag asks for the other arguments.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags as c_ulong,
            null::<u8>(),
            null::<u8>(),
            null::<u8>(),
            null::<u8>(),
        )
    };
    match check(result)? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as pid_t)),
    }
}

/// pidfd_open(2) (Linux 5.3) of this process.
pub fn own_pidfd() -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether the process of a pidfd has ended (poll(2)).
pub fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut poll = libc::pollfd {
        fd: pidfd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll` is one valid pollfd.
    unsafe { libc::poll(from_mut(&mut poll), 1, 0) > 0 }
}

/// Has a program killed that is still running when the thread that starts it ends.
#[cfg(any(test, all(target_env = "gnu", target_feature = "crt-static")))]
pub fn end_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and execve one prctl(2) is called, which is async-signal-safe.
    unsafe { command.pre_exec(|| die_with_parent().map_err(Into::into)) };
}

/// PR_SET_PDEATHSIG: sends SIGKILL to this process when the thread that created it ends. A change of
/// credentials clears it.
pub fn die_with_parent() -> Result<(), Errno> {
    // SAFETY: the option takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, 0, 0, 0) })
        .map(drop)
}

/// PR_SET_NAME: what ps(1) calls this process.
pub fn set_name(name: &CStr) {
    // SAFETY: the option reads a NUL-terminated text.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// wait4(2): waits for any child. ECHILD: there is none.
pub fn reap() -> Result<(), Errno> {
    // SAFETY: both pointers are null, so the kernel writes nothing.
    check(unsafe { libc::wait4(-1, std::ptr::null_mut(), 0, std::ptr::null_mut()) }).map(drop)
}

/// Writes a file of /proc in one write(2), as these files require.
pub fn write_file(path: &CStr, text: &[u8]) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated.
    let fd = check(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let file = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    // SAFETY: `text` is valid for reading.
    let written =
        check(unsafe { libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len()) } as i64)?;
    match written == text.len() as i64 {
        true => Ok(()),
        false => Err(Errno::EIO),
    }
}

/// Brings the loopback interface up (netdevice(7), SIOCSIFFLAGS). Needs CAP_NET_ADMIN.
pub fn raise_loopback() -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    // SAFETY: zeroed bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: `request` is a valid ifreq.
    check(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as libc::Ioctl,
            from_mut(&mut request),
        )
    })
    .map(drop)
}

/// mount(2); NULL for what is `None`.
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: c_ulong,
    options: Option<&CStr>,
) -> Result<(), Errno> {
    let text = |text: Option<&CStr>| text.map_or(null(), CStr::as_ptr);
    // SAFETY: all texts are NUL-terminated or NULL.
    check(unsafe {
        libc::mount(
            text(source),
            target.as_ptr(),
            text(kind),
            flags,
            text(options).cast(),
        )
    })
    .map(drop)
}

/// open_tree(2) (Linux 5.2) with OPEN_TREE_CLONE and AT_RECURSIVE: a detached copy of the mounts at a
/// path and beneath it.
pub fn copy_mounts(path: &CStr) -> Result<OwnedFd, Errno> {
    const OPEN_TREE_CLONE: u32 = 1;
    let flags = OPEN_TREE_CLONE | (libc::AT_RECURSIVE | libc::O_CLOEXEC) as u32;
    // SAFETY: the path is NUL-terminated.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// move_mount(2) (Linux 5.2): mounts such a copy at a path.
pub fn mount_copy(copy: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
    // SAFETY: both texts are NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// mount_setattr(2) (Linux 5.12): makes the mounts at a path and beneath it read-only.
pub fn make_read_only(path: &CStr) -> Result<(), Errno> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    /// `struct mount_attr` of linux/mount.h.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let mut attributes = Attributes {
        set: MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the path is NUL-terminated; the attributes are valid for reading, of the size said.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE as c_long,
            from_mut(&mut attributes),
            size_of::<Attributes>(),
        )
    })
    .map(drop)
}

/// mkdir(2), then chmod(2), because the umask applies to mkdir. An existing directory stays as it is.
pub fn make_directory(path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated.
    match check(unsafe { libc::mkdir(path.as_ptr(), mode) }) {
        Err(Errno::EEXIST) => return Ok(()),
        other => other?,
    };
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::chmod(path.as_ptr(), mode) }).map(drop)
}
