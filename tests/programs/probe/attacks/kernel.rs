//! Attacks through services of the kernel: the parent's keyring, page faults of the kernel itself.

use super::raw::{self, at, at_mut, call, call3};
use super::{Arguments, Attack, Loot};
use std::os::fd::AsRawFd as _;

#[rustfmt::skip]
pub const ATTACKS: &[(&str, Attack)] = &[
    ("session-to-parent",  session_to_parent),
    ("userfaultfd",        userfaultfd),
    ("userfaultfd-device", userfaultfd_device),
];

/// The id of this process's session keyring.
fn session_keyring() -> Result<u64, i32> {
    const KEYCTL_GET_KEYRING_ID: u64 = 0;
    const KEY_SPEC_SESSION_KEYRING: u64 = -3i64 as u64;
    call3(
        libc::SYS_keyctl,
        KEYCTL_GET_KEYRING_ID,
        KEY_SPEC_SESSION_KEYRING,
        0,
    )
}

/// A child gives this process, its parent, another session keyring, as it would give one to jail.
fn session_to_parent(_: &Arguments<'_>) -> Loot {
    const KEYCTL_JOIN_SESSION_KEYRING: u64 = 1;
    const KEYCTL_SESSION_TO_PARENT: u64 = 18;
    let before = session_keyring()?;
    let child = raw::clone(libc::SIGCHLD as u64, || {
        let joined = call3(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0);
        match joined.and_then(|_| call3(libc::SYS_keyctl, KEYCTL_SESSION_TO_PARENT, 0, 0)) {
            Ok(_) => 0,
            Err(errno) => errno,
        }
    })?;
    match raw::exit_code(child)? {
        0 if session_keyring()? != before => Ok("the parent's keyring is another".into()),
        0 => Ok("the parent's keyring is what it was".into()),
        errno => Err(errno),
    }
}

/// Handles the faults of a page, and sees a system call of another thread wait for it.
fn hold_up(uffd: u64) -> Loot {
    const UFFDIO_API: u64 = 0xc018_aa3f;
    const UFFDIO_REGISTER: u64 = 0xc020_aa00;
    const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;
    const MISSING: u64 = 1;
    let mut api = [0xaa_u64, 0, 0];
    call3(libc::SYS_ioctl, uffd, UFFDIO_API, at_mut(&mut api))?;
    let page = raw::map(4096, -1, 0)?;
    let mut register = [page, 4096, MISSING, 0];
    call3(
        libc::SYS_ioctl,
        uffd,
        UFFDIO_REGISTER,
        at_mut(&mut register),
    )?;
    let reader = std::thread::spawn(move || {
        let at_cwd = libc::AT_FDCWD as u64;
        call(libc::SYS_openat, [at_cwd, page, 0, 0, 0, 0]).map_err(|errno| errno == libc::ENOENT)
    });
    let poll = libc::pollfd {
        fd: uffd as i32,
        events: libc::POLLIN,
        revents: 0,
    };
    let wait = [2_i64, 0];
    let held = call(libc::SYS_ppoll, [at(&poll), 1, at(&wait), 0, 0, 0])?;
    let mut zero = [page, 4096, 0, 0];
    call3(libc::SYS_ioctl, uffd, UFFDIO_ZEROPAGE, at_mut(&mut zero))?;
    let _ = reader.join();
    match held {
        1 => Ok("an open waited for its path".into()),
        _ => Ok("nothing waited".into()),
    }
}

/// For the kernel's own faults too.
fn userfaultfd(_: &Arguments<'_>) -> Loot {
    hold_up(call3(libc::SYS_userfaultfd, libc::O_CLOEXEC as u64, 0, 0)?)
}

/// The same through the device.
fn userfaultfd_device(_: &Arguments<'_>) -> Loot {
    const USERFAULTFD_IOC_NEW: u64 = 0xaa00;
    let device = std::fs::File::open("/dev/userfaultfd")
        .map_err(|error| error.raw_os_error().unwrap_or(0))?;
    let fd = device.as_raw_fd() as u64;
    hold_up(call3(
        libc::SYS_ioctl,
        fd,
        raw::DIRTY | USERFAULTFD_IOC_NEW,
        libc::O_CLOEXEC as u64,
    )?)
}
