//! Calls on sockets, whose addresses and headers lie in memory that others may change.

use super::*;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Offset in shared or private memory, as the kernel gets it.
#[derive(Clone, Copy)]
pub struct Memory(&'static [AtomicU8]);

impl Memory {
    pub fn new(shared: bool) -> Self {
        Self(map(PAGE, shared))
    }

    pub fn put(self, at: usize, bytes: &[u8]) {
        for (cell, byte) in self.0.iter().skip(at).zip(bytes) {
            cell.store(*byte, Ordering::Relaxed);
        }
    }

    /// The address of a byte of it.
    pub fn at(self, at: usize) -> u64 {
        (self.0.as_ptr().addr() + at) as u64
    }
}

calls! {
    socket(domain: c_int, kind: c_int, protocol: c_int) = SYS_socket(domain, kind | libc::SOCK_CLOEXEC, protocol);
    connect(fd: i32, address: u64, length: usize) = SYS_connect(fd, address, length);
    bind_to(fd: i32, address: u64, length: usize) = SYS_bind(fd, address, length);
    listen(fd: i32) = SYS_listen(fd, 8);
    send_to(fd: i32, data: u64, size: usize, flags: c_int, address: u64, length: usize) =
        SYS_sendto(fd, data, size, flags | libc::MSG_NOSIGNAL, address, length);
    send_message(fd: i32, header: u64, flags: c_int) = SYS_sendmsg(fd, header, flags | libc::MSG_NOSIGNAL);
    send_messages(fd: i32, headers: u64, count: usize) = SYS_sendmmsg(fd, headers, count, libc::MSG_NOSIGNAL);
    set_status_flags(fd: i32, flags: c_int) = SYS_fcntl(fd, libc::F_SETFL, flags);
    forbid_privileges() = SYS_prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    pidfd_open(pid: i32, flags: c_int) = SYS_pidfd_open(pid, flags);
    descriptor_of(pidfd: i32, fd: i32) = SYS_pidfd_getfd(pidfd, fd, 0);
}

/// SO_LINGER of nothing: its end resets the connection, and its port is free at once.
pub fn reset_at_close(fd: i32) -> Called {
    set_option(
        fd,
        libc::SOL_SOCKET,
        libc::SO_LINGER,
        &[1, 0, 0, 0, 0, 0, 0, 0],
    )
}

pub fn set_option(fd: i32, level: c_int, name: c_int, value: &[u8]) -> Called {
    let (at, length) = (value.as_ptr().cast(), value.len() as libc::socklen_t);
    // SAFETY: the kernel reads `value`.
    check(unsafe { libc::setsockopt(fd, level, name, at, length) }.into())
}

/// An option of SOL_SOCKET that is an int.
pub fn option(fd: i32, name: c_int) -> Called {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes an int and its length.
    let asked = unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(fd, libc::SOL_SOCKET, name, value, &mut length)
    };
    check(asked.into()).map(|_| value.into())
}

/// The bytes of its own address.
pub fn own_address(fd: i32) -> Vec<u8> {
    let mut bytes = vec![0_u8; 128];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes.
    let asked = unsafe { libc::getsockname(fd, bytes.as_mut_ptr().cast(), &mut length) };
    bytes.truncate(check(asked.into()).map_or(0, |_| length as usize));
    bytes
}

/// The address of its peer, if that is one of IPv4.
pub fn peer_ip(fd: i32) -> Option<std::net::Ipv4Addr> {
    let mut bytes = [0_u8; 16];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes.
    let asked = unsafe { libc::getpeername(fd, bytes.as_mut_ptr().cast(), &mut length) };
    let [_, _, _, _, a, b, c, d, ..] = bytes;
    check(asked.into()).ok().map(|_| [a, b, c, d].into())
}

/// Domain, protocol of a socket of another process.
pub fn socket_of(tid: i32, fd: i32) -> Result<(i32, i32), Errno> {
    const PIDFD_THREAD: c_int = libc::O_EXCL;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    let owned = |fd: i64| unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let pidfd = owned(pidfd_open(tid, PIDFD_THREAD)?);
    let socket = owned(descriptor_of(pidfd.as_raw_fd(), fd)?);
    let option = |name| option(socket.as_raw_fd(), name).map(|value| value as i32);
    Ok((option(libc::SO_DOMAIN)?, option(libc::SO_PROTOCOL)?))
}

/// landlock_restrict_self(2) with a domain that forbids to make block devices.
pub fn confine() -> Called {
    const MAKE_BLOCK: u64 = 1 << 11;
    forbid_privileges()?;
    let attributes = MAKE_BLOCK.to_ne_bytes();
    let (create, restrict) = (
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_restrict_self,
    );
    // SAFETY: struct landlock_ruleset_attr, of the size that is passed.
    let ruleset =
        check(unsafe { libc::syscall(create, attributes.as_ptr(), attributes.len(), 0) })?;
    // SAFETY: takes numbers only.
    let done = check(unsafe { libc::syscall(restrict, ruleset, 0) });
    let _ = close(ruleset as i32);
    done
}

/// What is on stdin by now, without waiting.
pub fn told() -> usize {
    let mut bytes = [0_u8; 64];
    let mut poll = libc::pollfd {
        fd: 0,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid pollfd; the kernel writes at most the length of `bytes`.
    unsafe {
        match libc::poll(&mut poll, 1, 0) {
            1 => {
                usize::try_from(libc::read(0, bytes.as_mut_ptr().cast(), bytes.len())).unwrap_or(0)
            }
            _ => 0,
        }
    }
}
