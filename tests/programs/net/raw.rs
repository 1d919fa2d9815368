//! The only `unsafe` of `net`: calls on sockets, with whatever bytes as addresses.
//!
//! One call each, no decision. What is here must be sound for whatever an attempt passes.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "the tests use a part of it")]

use libc::{c_int, c_void, socklen_t};
use nix::errno::Errno;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::ptr::{from_mut, from_ref, null_mut};

/// Longer than any address.
const ADDRESS: usize = 128;

fn check(result: impl Into<i64>) -> Result<i64, Errno> {
    match result.into() {
        -1 => Err(Errno::last()),
        value => Ok(value),
    }
}

fn owned(result: impl Into<i64>) -> Result<OwnedFd, Errno> {
    let fd = check(result)? as RawFd;
    // SAFETY: the call has just made this descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// socket(2), closed on exec.
pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    owned(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })
}

/// socketpair(2) of unix sockets.
pub fn pair(kind: c_int) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: `fds` has room for two.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    let [one, two] = fds;
    Ok((owned(one)?, owned(two)?))
}

/// connect(2).
pub fn connect(fd: &OwnedFd, address: &[u8]) -> Result<(), Errno> {
    let length = address.len() as socklen_t;
    // SAFETY: the kernel reads `length` bytes of `address`.
    check(unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr().cast(), length) }).map(drop)
}

/// bind(2).
pub fn bind(fd: &OwnedFd, address: &[u8]) -> Result<(), Errno> {
    let length = address.len() as socklen_t;
    // SAFETY: the kernel reads `length` bytes of `address`.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr().cast(), length) }).map(drop)
}

/// listen(2).
pub fn listen(fd: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::listen(fd.as_raw_fd(), 64) }).map(drop)
}

/// accept(2).
pub fn accept(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    // SAFETY: without room for an address none is written.
    owned(unsafe { libc::accept4(fd.as_raw_fd(), null_mut(), null_mut(), libc::SOCK_CLOEXEC) })
}

/// getsockname(2).
pub fn own_name(fd: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; ADDRESS];
    let mut length = ADDRESS as socklen_t;
    // SAFETY: `bytes` has room for `length` bytes.
    check(unsafe {
        libc::getsockname(
            fd.as_raw_fd(),
            bytes.as_mut_ptr().cast(),
            from_mut(&mut length),
        )
    })?;
    bytes.truncate(length as usize);
    Ok(bytes)
}

/// sendto(2), without SIGPIPE.
pub fn send_to(fd: &OwnedFd, data: &[u8], flags: c_int, name: &[u8]) -> Result<usize, Errno> {
    let (at, length) = match name {
        [] => (std::ptr::null(), 0),
        name => (name.as_ptr(), name.len() as socklen_t),
    };
    // SAFETY: the kernel reads `data` and `length` bytes of `name`.
    check(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            data.as_ptr().cast(),
            data.len(),
            flags | libc::MSG_NOSIGNAL,
            at.cast(),
            length,
        )
    } as i64)
    .map(|sent| sent as usize)
}

fn vector(data: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    }
}

/// The header points to all of its arguments: it must not outlive them.
fn header(data: &mut libc::iovec, name: &[u8], control: &[u8]) -> libc::msghdr {
    // SAFETY: zeros are an empty header.
    let mut header: libc::msghdr = unsafe { zeroed() };
    if !name.is_empty() {
        header.msg_name = name.as_ptr().cast_mut().cast();
        header.msg_namelen = name.len() as socklen_t;
    }
    header.msg_iov = from_mut(data);
    header.msg_iovlen = 1;
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len() as _;
    }
    header
}

/// sendmsg(2), without SIGPIPE.
pub fn send_message(
    fd: &OwnedFd,
    data: &[u8],
    flags: c_int,
    name: &[u8],
    control: &[u8],
) -> Result<usize, Errno> {
    let mut data = vector(data);
    let header = header(&mut data, name, control);
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: all that the header points to outlives the call, which reads only.
    check(unsafe { libc::sendmsg(fd.as_raw_fd(), from_ref(&header), flags) } as i64)
        .map(|sent| sent as usize)
}

/// sendmmsg(2): names and what to send them. How many were sent.
pub fn send_messages(
    fd: &OwnedFd,
    messages: &[(&[u8], &[u8])],
    flags: c_int,
) -> Result<usize, Errno> {
    let mut vectors: Vec<libc::iovec> = messages.iter().map(|(_, data)| vector(data)).collect();
    let mut headers: Vec<libc::mmsghdr> = messages
        .iter()
        .zip(&mut vectors)
        .map(|((name, _), data)| libc::mmsghdr {
            msg_hdr: header(data, name, &[]),
            msg_len: 0,
        })
        .collect();
    let count = headers.len() as u32;
    let flags = (flags | libc::MSG_NOSIGNAL) as _;
    // SAFETY: all that the headers point to outlives the call, which writes their lengths only.
    check(unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, flags) })
        .map(|sent| sent as usize)
}

/// setsockopt(2).
pub fn set(fd: &OwnedFd, level: c_int, option: c_int, value: &[u8]) -> Result<(), Errno> {
    let length = value.len() as socklen_t;
    // SAFETY: the kernel reads `length` bytes of `value`.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value.as_ptr().cast(), length) })
        .map(drop)
}

/// getsockopt(2): at most as many bytes as `value` has; how many there were.
pub fn get(fd: &OwnedFd, level: c_int, option: c_int, value: &mut [u8]) -> Result<usize, Errno> {
    let mut length = value.len() as socklen_t;
    // SAFETY: `value` has room for `length` bytes.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            from_mut(&mut length),
        )
    })
    .map(|_| length as usize)
}

/// How long the socket waits to read, in milliseconds.
pub fn patience(fd: &OwnedFd, millis: i64) -> Result<(), Errno> {
    let time = libc::timeval {
        tv_sec: (millis / 1000) as _,
        tv_usec: (millis % 1000 * 1000) as _,
    };
    // SAFETY: the kernel reads `time`.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            from_ref(&time).cast::<c_void>(),
            size_of::<libc::timeval>() as socklen_t,
        )
    })
    .map(drop)
}

/// recv(2).
pub fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: `buffer` has room for as many bytes.
    check(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) } as i64)
        .map(|read| read as usize)
}

/// Waits until something can be written.
pub fn wait_to_write(fd: &OwnedFd, millis: c_int) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `poll` is one pollfd.
    unsafe { libc::poll(from_mut(&mut poll), 1, millis) == 1 }
}

/// CMSG_LEN of one descriptor, and room for it that is aligned as a header must be.
#[repr(C, align(8))]
struct Rights {
    length: usize,
    level: c_int,
    kind: c_int,
    fd: c_int,
    padding: c_int,
}

impl Rights {
    fn of(fd: c_int) -> Rights {
        Rights {
            length: 2 * size_of::<usize>() + size_of::<c_int>(),
            level: libc::SOL_SOCKET,
            kind: libc::SCM_RIGHTS,
            fd,
            padding: 0,
        }
    }
}

/// Sends a descriptor (SCM_RIGHTS).
pub fn send_descriptor(fd: &OwnedFd, sent: &OwnedFd) -> Result<(), Errno> {
    let rights = Rights::of(sent.as_raw_fd());
    let mut data = vector(b"x");
    let mut header = header(&mut data, &[], &[]);
    header.msg_control = from_ref(&rights).cast_mut().cast();
    header.msg_controllen = size_of::<Rights>() as _;
    // SAFETY: all that the header points to outlives the call, which reads only.
    check(unsafe { libc::sendmsg(fd.as_raw_fd(), from_ref(&header), 0) } as i64).map(drop)
}

/// Receives a descriptor (SCM_RIGHTS).
pub fn receive_descriptor(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut rights = Rights::of(-1);
    let mut room = [0u8; 8];
    let mut data = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    let mut header = header(&mut data, &[], &[]);
    header.msg_control = from_mut(&mut rights).cast();
    header.msg_controllen = size_of::<Rights>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the data and the control data have as much room as the header says.
    check(unsafe { libc::recvmsg(fd.as_raw_fd(), from_mut(&mut header), flags) } as i64)?;
    match rights.fd {
        -1 => Err(Errno::ENOMSG),
        received => owned(received),
    }
}

/// Another descriptor of an inherited socket.
pub fn inherited(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 10) })
}

/// io_uring_setup(2).
pub fn io_uring() -> Result<OwnedFd, Errno> {
    // struct io_uring_params has 120 bytes.
    let mut parameters = [0u64; 15];
    let at = parameters.as_mut_ptr();
    // SAFETY: the structure is as large as the kernel's, and 0 asks for nothing.
    owned(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, at) } as i64)
}

/// Runs a program with this process's stdin as another descriptor. Returns only an error.
pub fn passing(fd: RawFd, program: &str, arguments: &[&str]) -> std::io::Error {
    // SAFETY: takes numbers only. Nothing here owns the descriptor that is replaced, as far as the
    // caller has chosen one that is free.
    if unsafe { libc::dup2(0, fd) } == -1 {
        return std::io::Error::last_os_error();
    }
    std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .exec()
}
