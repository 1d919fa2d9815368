//! Socket calls that the supervisor makes for a tracee, and its queries about sockets. One system call
//! each; the callers decide what is allowed.

use super::{Errno, check};
use libc::{c_int, socklen_t};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::from_mut;
use std::time::Duration;

/// The size of `struct sockaddr_storage` (socket(7)): no address is longer.
pub const ADDRESS: usize = 128;

/// getsockopt(2) of SOL_SOCKET, for an option that is an `int`: SO_DOMAIN, SO_TYPE, SO_PROTOCOL.
pub fn option(socket: BorrowedFd<'_>, name: c_int) -> Result<c_int, Errno> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: `value` is valid for writing `length` bytes.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            from_mut(&mut value).cast(),
            from_mut(&mut length),
        )
    })?;
    Ok(value)
}

/// Whether this is an open socket that may reach peers in a way that rules for TCP ports do not cover: any
/// but TCP, and unix sockets that must be connected. Also of a stream the protocol counts: MPTCP and SCTP
/// are not TCP for Landlock.
pub fn needs_a_look(fd: RawFd) -> bool {
    let Some(kind) = option_of(fd, libc::SO_TYPE) else {
        return false;
    };
    let of = |name| option_of(fd, name);
    match of(libc::SO_DOMAIN) {
        Some(libc::AF_UNIX) => !matches!(kind, libc::SOCK_STREAM | libc::SOCK_SEQPACKET),
        Some(libc::AF_INET | libc::AF_INET6) => of(libc::SO_PROTOCOL) != Some(libc::IPPROTO_TCP),
        _ => true,
    }
}

/// An option of SOL_SOCKET that is a number; `None`: this is no open socket, or has no such option.
fn option_of(fd: RawFd, name: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: `value` is valid for writing `length` bytes; the kernel refuses a number that is not a
    // socket.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            from_mut(&mut value).cast(),
            from_mut(&mut length),
        )
    };
    (result == 0).then_some(value)
}

/// SO_SNDTIMEO of socket(7): how long a call may wait; `None`: without limit.
pub fn send_timeout(socket: BorrowedFd<'_>) -> Result<Option<Duration>, Errno> {
    timeout(socket, libc::SO_SNDTIMEO)
}

/// SO_RCVTIMEO of socket(7): how long a call may wait; `None`: without limit.
pub fn receive_timeout(socket: BorrowedFd<'_>) -> Result<Option<Duration>, Errno> {
    timeout(socket, libc::SO_RCVTIMEO)
}

fn timeout(socket: BorrowedFd<'_>, name: c_int) -> Result<Option<Duration>, Errno> {
    let mut time = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut length = size_of::<libc::timeval>() as socklen_t;
    // SAFETY: `time` is valid for writing `length` bytes.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            from_mut(&mut time).cast(),
            from_mut(&mut length),
        )
    })?;
    let whole = Duration::from_secs(time.tv_sec as u64);
    let timeout = whole + Duration::from_micros(time.tv_usec as u64);
    Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
}

/// connect(2) to the address in these bytes.
pub fn connect(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let length = address.len().min(ADDRESS) as socklen_t;
    // SAFETY: the kernel reads `length` bytes of `address`, which has them.
    check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), length) }).map(drop)
}

/// sendto(2): returns how many of the bytes were sent to the address.
pub fn send_to(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    flags: c_int,
    address: &[u8],
) -> Result<usize, Errno> {
    let length = address.len().min(ADDRESS) as socklen_t;
    // SAFETY: the kernel reads the lengths given of `bytes` and `address`, which have them.
    let sent = check(unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
            address.as_ptr().cast(),
            length,
        )
    } as i64)?;
    Ok(sent as usize)
}

/// Sends a descriptor over a connected unix socket, with one byte: SCM_RIGHTS of unix(7). Does not wait.
pub fn send_descriptor(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    /// A control message that holds one descriptor, as CMSG_SPACE(3) has it.
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        fd: c_int,
        padding: c_int,
    }
    // SAFETY: zeroed bytes are a cmsghdr and a msghdr; some targets have padding fields in them.
    let (mut header, mut message) = unsafe {
        (
            std::mem::zeroed::<libc::cmsghdr>(),
            std::mem::zeroed::<libc::msghdr>(),
        )
    };
    header.cmsg_len = size_of::<libc::cmsghdr>() + size_of::<c_int>();
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    let mut control = Control {
        header,
        fd: fd.as_raw_fd(),
        padding: 0,
    };
    let mut byte = 0u8;
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: all that the message points to lives until the call returns, with the lengths given.
    check(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) } as i64).map(drop)
}

/// send(2) without waiting and without SIGPIPE: how much was sent.
pub fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` is valid for reading its length.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
        )
    };
    usize::try_from(sent).map_err(|_| Errno::last())
}

/// bind(2) to the address in these bytes.
pub fn bind(socket: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let length = address.len().min(ADDRESS) as socklen_t;
    // SAFETY: the kernel reads `length` bytes of `address`, which has them.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length) }).map(drop)
}

/// listen(2).
pub fn listen(socket: BorrowedFd<'_>, backlog: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// getsockname(2): the bytes of the socket's own address.
pub fn own_address(socket: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    address(socket, libc::getsockname)
}

/// getpeername(2): the bytes of its peer's address.
pub fn peer_address(socket: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    address(socket, libc::getpeername)
}

type Asks = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut socklen_t) -> c_int;

fn address(socket: BorrowedFd<'_>, asks: Asks) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; ADDRESS];
    let mut length = ADDRESS as socklen_t;
    // SAFETY: `asks` is getsockname or getpeername, which write at most `length` bytes, and `bytes`
    // has as many.
    check(unsafe {
        asks(
            socket.as_raw_fd(),
            bytes.as_mut_ptr().cast(),
            from_mut(&mut length),
        )
    })?;
    bytes.truncate(length as usize);
    Ok(bytes)
}

/// fcntl(2) F_SETFL: sets the status flags of the open file description, which affects all its
/// descriptors.
pub fn set_status_flags(socket: BorrowedFd<'_>, flags: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

/// poll(2): whether something can be read and no error is pending; reading would clear a pending error.
pub fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll` is one valid pollfd.
    let ready = unsafe { libc::poll(from_mut(&mut poll), 1, 0) };
    ready == 1 && poll.revents & libc::POLLIN != 0 && poll.revents & libc::POLLERR == 0
}

/// recvfrom(2) with MSG_PEEK: reads the next data without consuming it. Returns how many bytes of
/// `buffer` were filled, and the sender's address if the call returns one.
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Vec<u8>), Errno> {
    let mut address = vec![0; ADDRESS];
    let mut length = ADDRESS as socklen_t;
    // SAFETY: `buffer` and `address` are valid for writing the lengths given.
    let read = check(unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_PEEK | libc::MSG_DONTWAIT,
            address.as_mut_ptr().cast(),
            from_mut(&mut length),
        )
    } as i64)?;
    address.truncate(length as usize);
    Ok((read as usize, address))
}
