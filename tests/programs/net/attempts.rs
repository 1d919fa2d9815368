//! The attempts: each reaches its peer in one way, or lets itself be reached.

use crate::{address, packets, raw};
use libc::{SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, c_int};
use nix::errno::Errno;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

/// Whom an attempt is about, and what it sends.
pub struct Job<'a> {
    pub peer: &'a str,
    pub other: &'a str,
    pub token: &'a str,
}

/// Why an attempt has not reached its peer.
pub enum Failed {
    /// A call failed.
    Errno(Errno),
    /// A call failed after so many messages.
    After(usize, Errno),
    /// Every call succeeded, and nothing arrived.
    Lost,
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

type Done = Result<(), Failed>;

/// How long an answer may take.
const PATIENCE: i64 = 5000;
/// The descriptor that a test passes.
const PASSED: i32 = 7;
const IPPROTO_SCTP: c_int = 132;
/// linux/vm_sockets.h.
const SO_VM_SOCKETS_CONNECT_TIMEOUT: c_int = 6;
/// Linux 6.3: which ports bind may choose from (ip(7)).
const IP_LOCAL_PORT_RANGE: c_int = 51;

type Attempt = fn(&Job) -> Done;

#[rustfmt::skip]
pub const ATTEMPTS: &[(&str, Attempt)] = &[
    ("connect-stream",      |job| connect(job, SOCK_STREAM, 0)),
    ("connect-seqpacket",   |job| connect(job, SOCK_SEQPACKET, 0)),
    ("connect-mptcp",       |job| connect(job, SOCK_STREAM, libc::IPPROTO_MPTCP)),
    ("connect-sctp",        |job| connect(job, SOCK_STREAM, IPPROTO_SCTP)),
    ("connect-nonblocking", connect_nonblocking),
    ("connect-again",       connect_again),
    ("connect-nobody",      |job| { raw::connect(&stream(job, 0)?, &nobody())?; Ok(()) }),
    ("connect-fast",        connect_fast),
    ("connect-vsock",       connect_vsock),
    ("connect-inherited",   |job| { speak(&raw::inherited(PASSED)?, job) }),
    ("connect-received",    connect_received),
    ("sendto-fast",         |job| fast(job, |fd, data, name| raw::send_to(fd, data, libc::MSG_FASTOPEN, name))),
    ("sendmsg-fast",        |job| fast(job, |fd, data, name| raw::send_message(fd, data, libc::MSG_FASTOPEN, name, &[]))),
    ("sendmmsg-fast",       |job| fast(job, |fd, data, name| raw::send_messages(fd, &[(name, data)], libc::MSG_FASTOPEN))),

    ("connect-datagram",    connect_datagram),
    ("connect-another",     connect_another),
    ("connect-no-other",    |job| { raw::connect(&datagrams(job)?, &nobody())?; Ok(()) }),
    ("sendto",              |job| send_to(job, &datagrams(job)?, |name| name)),
    ("sendto-inherited",    |job| send_to(job, &raw::inherited(PASSED)?, |name| name)),
    ("sendto-unspecified",  |job| send_to(job, &datagrams(job)?, |name| address::with_domain(name, libc::AF_UNSPEC))),
    ("sendto-from-v6",      |job| send_to(job, &raw::socket(libc::AF_INET6, SOCK_DGRAM, 0)?, |name| name)),
    ("sendto-udplite",      |job| send_to(job, &raw::socket(libc::AF_INET, SOCK_DGRAM, libc::IPPROTO_UDPLITE)?, |name| name)),
    ("sendmsg",             |job| send_message(job, &datagrams(job)?, &[])),
    ("sendmsg-from-pair",   |job| send_message(job, &raw::pair(SOCK_DGRAM)?.0, &[])),
    ("sendmmsg",            |job| send_messages(job, &[(job.peer, job.token)])),
    ("sendmmsg-mixed",      |job| send_messages(job, &[(job.other, &format!("{}-other", job.token)), (job.peer, job.token)])),

    ("listen",              |job| serve(job, SOCK_STREAM, |name| name)),
    ("listen-unspecified",  |job| serve(job, SOCK_STREAM, |name| address::with_domain(name, libc::AF_UNSPEC))),
    ("listen-unbound",      listen_unbound),
    ("listen-chosen",       listen_chosen),
    ("bind-datagram",       |job| serve(job, SOCK_DGRAM, |name| name)),
    ("bind-nameless",       bind_nameless),

    ("raw",                 |job| send_raw(job, &raw::socket(libc::AF_INET, SOCK_RAW, libc::IPPROTO_RAW)?)),
    ("raw-inherited",       |job| send_raw(job, &raw::inherited(PASSED)?)),
    ("packet",              |job| send_to(job, &raw::socket(libc::AF_PACKET, SOCK_DGRAM, 0)?, |name| name)),
    ("netlink",             netlink),
    ("io-uring",            |_| { raw::io_uring()?; Ok(()) }),
    ("route-option",        route_option),
    ("route-control",       |job| send_message(job, &datagrams(job)?, &packets::route_control(LOOPBACK))),
];

/// ::1.
const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn stream(job: &Job, flags: c_int) -> Result<OwnedFd, Errno> {
    let domain = address::domain(&address::bytes(job.peer));
    raw::socket(domain, SOCK_STREAM | flags, 0)
}

fn datagrams(job: &Job) -> Result<OwnedFd, Errno> {
    let domain = address::domain(&address::bytes(job.peer));
    raw::socket(domain, SOCK_DGRAM, 0)
}

fn connect(job: &Job, kind: c_int, protocol: c_int) -> Done {
    let domain = address::domain(&address::bytes(job.peer));
    speak(&raw::socket(domain, kind, protocol)?, job)
}

/// Connects, sends the token, and waits until it comes back.
fn speak(fd: &OwnedFd, job: &Job) -> Done {
    raw::connect(fd, &address::bytes(job.peer))?;
    raw::send_to(fd, job.token.as_bytes(), 0, &[])?;
    hear(fd, job)
}

/// Waits for the token.
fn hear(fd: &OwnedFd, job: &Job) -> Done {
    raw::patience(fd, PATIENCE)?;
    let mut room = [0; 256];
    let mut heard = Vec::new();
    while heard.len() < job.token.len() {
        match raw::receive(fd, &mut room) {
            Ok(length @ 1..) => heard.extend_from_slice(room.get(..length).unwrap_or_default()),
            Ok(0) | Err(Errno::EAGAIN) => return Err(Failed::Lost),
            Err(errno) => return Err(errno.into()),
        }
    }
    match heard == job.token.as_bytes() {
        true => Ok(()),
        false => Err(Failed::Lost),
    }
}

fn connect_nonblocking(job: &Job) -> Done {
    let fd = stream(job, SOCK_NONBLOCK)?;
    match raw::connect(&fd, &address::bytes(job.peer)) {
        Err(Errno::EINPROGRESS) | Ok(()) => {}
        Err(errno) => return Err(errno.into()),
    }
    if !raw::wait_to_write(&fd, PATIENCE as c_int) {
        return Err(Failed::Lost);
    }
    let mut error = [0; 4];
    raw::get(&fd, libc::SOL_SOCKET, libc::SO_ERROR, &mut error)?;
    match i32::from_ne_bytes(error) {
        0 => {}
        errno => return Err(Errno::from_raw(errno).into()),
    }
    raw::send_to(&fd, job.token.as_bytes(), 0, &[])?;
    // A receive may be too early: what arrives is waited for in steps.
    for _ in 0..PATIENCE {
        match hear(&fd, job) {
            Err(Failed::Lost) => std::thread::sleep(std::time::Duration::from_millis(1)),
            done => return done,
        }
    }
    Err(Failed::Lost)
}

/// To the other peer first, then to nobody, then to the peer.
fn connect_again(job: &Job) -> Done {
    let fd = stream(job, 0)?;
    raw::connect(&fd, &address::bytes(job.other))?;
    raw::connect(&fd, &nobody())?;
    speak(&fd, job)
}

fn nobody() -> Vec<u8> {
    address::with_domain(vec![0; 16], libc::AF_UNSPEC)
}

/// The connection is made by the write.
fn connect_fast(job: &Job) -> Done {
    let fd = stream(job, 0)?;
    let on = 1i32.to_ne_bytes();
    raw::set(&fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &on)?;
    raw::set(&fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, &on)?;
    speak(&fd, job)
}

fn fast(job: &Job, send: impl FnOnce(&OwnedFd, &[u8], &[u8]) -> Result<usize, Errno>) -> Done {
    let fd = stream(job, 0)?;
    send(&fd, job.token.as_bytes(), &address::bytes(job.peer))?;
    hear(&fd, job)
}

fn connect_vsock(job: &Job) -> Done {
    let fd = raw::socket(libc::AF_VSOCK, SOCK_STREAM, 0)?;
    // 50 ms, as a struct timeval.
    let timeout = [0i64.to_ne_bytes(), 50_000i64.to_ne_bytes()].concat();
    raw::set(&fd, libc::AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout)?;
    speak(&fd, job)
}

fn connect_received(job: &Job) -> Done {
    let from = raw::inherited(PASSED)?;
    speak(&raw::receive_descriptor(&from)?, job)
}

fn connect_datagram(job: &Job) -> Done {
    let fd = datagrams(job)?;
    raw::connect(&fd, &address::bytes(job.peer))?;
    raw::send_to(&fd, job.token.as_bytes(), 0, &[])?;
    Ok(())
}

/// A datagram socket may be connected anew.
fn connect_another(job: &Job) -> Done {
    let fd = datagrams(job)?;
    raw::connect(&fd, &address::bytes(job.other))?;
    raw::connect(&fd, &address::bytes(job.peer))?;
    raw::send_to(&fd, job.token.as_bytes(), 0, &[])?;
    Ok(())
}

fn send_to(job: &Job, fd: &OwnedFd, name: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Done {
    let name = name(address::bytes(job.peer));
    raw::send_to(fd, job.token.as_bytes(), 0, &name)?;
    Ok(())
}

fn send_message(job: &Job, fd: &OwnedFd, control: &[u8]) -> Done {
    let name = address::bytes(job.peer);
    raw::send_message(fd, job.token.as_bytes(), 0, &name, control)?;
    Ok(())
}

/// All of them, by as many calls as it takes.
fn send_messages(job: &Job, messages: &[(&str, &str)]) -> Done {
    let fd = datagrams(job)?;
    let messages: Vec<(Vec<u8>, &[u8])> = messages
        .iter()
        .map(|(peer, token)| (address::bytes(peer), token.as_bytes()))
        .collect();
    let mut left: Vec<(&[u8], &[u8])> = messages
        .iter()
        .map(|(name, data)| (name.as_slice(), *data))
        .collect();
    while !left.is_empty() {
        match raw::send_messages(&fd, &left, 0) {
            Ok(sent) => drop(left.drain(..sent)),
            Err(errno) => return Err(after(messages.len() - left.len(), errno)),
        }
    }
    Ok(())
}

fn after(sent: usize, errno: Errno) -> Failed {
    match sent {
        0 => Failed::Errno(errno),
        sent => Failed::After(sent, errno),
    }
}

/// Binds, and waits to be reached.
fn serve(job: &Job, kind: c_int, name: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Done {
    let bytes = address::bytes(job.peer);
    let fd = raw::socket(address::domain(&bytes), kind, 0)?;
    raw::bind(&fd, &name(bytes))?;
    match kind {
        SOCK_DGRAM => {
            told(&fd)?;
            hear(&fd, job)
        }
        _ => welcome(&fd, job),
    }
}

/// The kernel chooses a port.
fn listen_unbound(job: &Job) -> Done {
    let fd = stream(job, 0)?;
    steer(&fd, job)?;
    welcome(&fd, job)
}

/// Binds to port 0.
fn listen_chosen(job: &Job) -> Done {
    let fd = stream(job, 0)?;
    steer(&fd, job)?;
    raw::bind(&fd, &address::bytes("127.0.0.1:0"))?;
    welcome(&fd, job)
}

/// The kernel may choose the peer's port only, unless that is 0.
fn steer(fd: &OwnedFd, job: &Job) -> Result<(), Errno> {
    let port = u32::from(v4(job)?.port());
    match port {
        0 => Ok(()),
        _ => {
            let range = (port << 16 | port).to_ne_bytes();
            raw::set(fd, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range)
        }
    }
}

/// The kernel chooses a name, and a datagram comes to it.
fn bind_nameless(job: &Job) -> Done {
    let fd = raw::socket(libc::AF_UNIX, SOCK_DGRAM, 0)?;
    raw::bind(&fd, &(libc::AF_UNIX as u16).to_ne_bytes())?;
    told(&fd)?;
    hear(&fd, job)
}

fn welcome(fd: &OwnedFd, job: &Job) -> Done {
    raw::listen(fd)?;
    told(fd)?;
    // SO_RCVTIMEO is heeded by accept(2), too.
    raw::patience(fd, PATIENCE)?;
    match raw::accept(fd) {
        Ok(peer) => hear(&peer, job),
        Err(Errno::EAGAIN) => Err(Failed::Lost),
        Err(errno) => Err(errno.into()),
    }
}

/// Says where this socket can be reached.
fn told(fd: &OwnedFd) -> Done {
    println!("at {}", address::text(&raw::own_name(fd)?));
    Ok(())
}

/// A packet for the peer's port, from a socket that takes whole packets.
fn send_raw(job: &Job, fd: &OwnedFd) -> Done {
    let peer = v4(job)?;
    let packet = packets::udp(peer, job.token.as_bytes());
    let to = SocketAddrV4::new(*peer.ip(), 0).to_string();
    raw::send_to(fd, &packet, 0, &address::bytes(&to))?;
    Ok(())
}

fn v4(job: &Job) -> Result<SocketAddrV4, Errno> {
    job.peer.parse().map_err(|_| Errno::EINVAL)
}

/// Asks for the links: `ok` once one is told of.
fn netlink(_: &Job) -> Done {
    let fd = raw::socket(libc::AF_NETLINK, SOCK_RAW, libc::NETLINK_ROUTE)?;
    raw::send_to(&fd, &packets::get_links(), 0, &[])?;
    let mut room = vec![0; 16384];
    let length = raw::receive(&fd, &mut room)?;
    match room.get(4..6) {
        Some(kind) if length > 6 && *kind == packets::NEW_LINK.to_ne_bytes() => Ok(()),
        _ => Err(Failed::Lost),
    }
}

/// `ok` once the routing header is the socket's own.
fn route_option(job: &Job) -> Done {
    let fd = datagrams(job)?;
    let header = packets::segments(LOOPBACK);
    raw::set(&fd, libc::IPPROTO_IPV6, libc::IPV6_RTHDR, &header)?;
    let mut kept = [0; 64];
    let length = raw::get(&fd, libc::IPPROTO_IPV6, libc::IPV6_RTHDR, &mut kept)?;
    match kept.get(..length) == Some(header.as_slice()) {
        true => Ok(()),
        false => Err(Failed::Lost),
    }
}
