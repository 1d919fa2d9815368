//! A seccomp filter of the process's own that hands calls to a listener, which lets them continue: such an
//! answer takes precedence over the one that asks a tracer (seccomp(2), seccomp_unotify(2)).

use crate::sys::{Errno, check};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::channel;

/// The size of `struct seccomp_notif`, and the requests of a listener.
const NOTIFICATION: usize = 80;
const RECEIVE: u64 = 0xc050_2100;
const SEND: u64 = 0xc018_2101;
/// SECCOMP_USER_NOTIF_FLAG_CONTINUE.
const CONTINUE: u32 = 1;

/// Installs the filter for this thread.
fn install() -> Result<OwnedFd, Errno> {
    crate::sys::process::no_new_privs()?;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let ret = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(load, 0, 0, 0),
        step(jump, 0, 1, libc::SYS_openat as u32),
        step(ret, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program, whose steps outlive the call.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Lets one call continue.
fn answer(listener: &OwnedFd) -> Result<(), Errno> {
    let mut notification = [0_u64; NOTIFICATION / 8];
    let fd = listener.as_raw_fd();
    // SAFETY: the kernel fills in the structure, whose size `notification` has.
    check(unsafe { libc::ioctl(fd, RECEIVE as _, notification.as_mut_ptr()) })?;
    let id = notification.first().copied().unwrap_or_default();
    // The id, the result, and the error with the flags behind it.
    let answer = [id, 0, u64::from(CONTINUE) << 32];
    // SAFETY: the kernel reads the structure, which has 24 bytes.
    check(unsafe { libc::ioctl(fd, SEND as _, answer.as_ptr()) }).map(drop)
}

/// Opens a file for reading under such a filter, which another thread answers.
pub fn open_continued(path: &CStr) -> Result<OwnedFd, Errno> {
    let (send, receive) = channel::<OwnedFd>();
    std::thread::scope(move |scope| {
        let helper = move || {
            receive
                .recv()
                .map_or(Err(Errno::ENODATA), |listener| answer(&listener))
        };
        std::thread::Builder::new()
            .spawn_scoped(scope, helper)
            .map_err(|_| Errno::EAGAIN)?;
        let listener = install()?;
        send.send(listener).map_err(|_| Errno::EPIPE)?;
        // SAFETY: the path is NUL-terminated.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_openat,
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::O_RDONLY,
                0,
            )
        })?;
        // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    })
}
