//! What a hostile program does to lease an address that no resolver has given for `registry.example`.
//!
//! The resolver at 127.0.0.53 is honest: it answers NXDOMAIN and echoes the question, of which one label
//! holds a forged answer. Each attack tries to have the supervisor read that label, or a datagram of the
//! program itself, as an answer of the resolver. Whether it has won, a connect tells afterwards: what fails
//! on the way is not told.

use crate::race;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// The length of a message, and its header.
const BEFORE_QUESTION: usize = 2 + 12;
const PEEK: i32 = libc::MSG_PEEK;

pub fn attack(how: &str, address: &str) -> std::io::Result<String> {
    let target: Ipv4Addr = address.parse().expect("an address");
    let tried = match how {
        how if how.starts_with("race=") => race::race(target, how[5..].parse().unwrap_or(1.0)),
        "echo" => echo(target),
        "peek-offset" => peek_offset(target),
        "peek-offset-of-stream" => peek_offset_of_stream(target),
        "peek" => peek(target),
        "duplicate" | "splice" | "child" => desync(target, how),
        "queued" => queued(target, libc::AF_INET, false),
        "queued-mapped" => queued(target, libc::AF_INET6, false),
        "queued-before-change" => queued(target, libc::AF_INET, true),
        "other-source" => other_source(target),
        "resolver" => resolver(target),
        _ => return Ok("how?".to_owned()),
    };
    if let Err(error) = tried {
        eprintln!("names: {how}: {error}");
    }
    Ok("tried".to_owned())
}

/// An answer that gives the address for `registry.example`.
pub fn forged(id: [u8; 2], target: Ipv4Addr) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    bytes.extend(b"\x08registry\x07example\0\0\x01\0\x01");
    bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4]);
    bytes.extend(target.octets());
    bytes
}

/// A question for a name of these labels beneath `nx.test`.
pub fn question(labels: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        bytes.push(label.len() as u8);
        bytes.extend(*label);
    }
    bytes.extend(b"\x02nx\x04test\0\0\x01\0\x01");
    bytes
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

fn done(result: isize) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}

pub fn receive(fd: i32, buffer: &mut [u8], flags: i32) -> std::io::Result<usize> {
    // SAFETY: the buffer is valid for writing its length.
    done(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), flags) })
}

pub fn set_option<T>(fd: i32, level: i32, name: i32, value: T) -> std::io::Result<usize> {
    let size = size_of::<T>() as u32;
    // SAFETY: the kernel reads `size` bytes of the value, which has them.
    done(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) } as isize)
}

pub fn socket_address(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(ip).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// Nothing but the question itself, over UDP and TCP.
fn echo(target: Ipv4Addr) -> std::io::Result<()> {
    let message = question(&[&forged([0x12, 0x34], target)]);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect((RESOLVER, 53))?;
    socket.send(&message)?;
    socket.recv(&mut [0; 2048])?;
    let mut stream = asked(&message)?;
    stream.read_exact(&mut vec![0; message.len() + 2])
}

/// A look at the socket begins within the message.
fn peek_offset(target: Ipv4Addr) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect((RESOLVER, 53))?;
    // After the header, and the length of the label.
    let set = set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEEK_OFF, 13);
    socket.send(&question(&[&forged([0, 7], target)]))?;
    pause();
    socket.recv(&mut [0; 2048])?;
    set.map(drop)
}

/// A connection to the resolver that has asked the question, and whose answer has arrived.
fn asked(message: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((RESOLVER, 53))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(&framed(message))?;
    pause();
    Ok(stream)
}

fn peek_offset_of_stream(target: Ipv4Addr) -> std::io::Result<()> {
    let stream = asked(&question(&[&framed(&forged([0, 7], target))]))?;
    let fd = stream.as_raw_fd();
    let offset = (BEFORE_QUESTION + 1) as i32;
    set_option(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, offset)?;
    receive(fd, &mut [0; 1], PEEK).map(drop)
}

/// What is read with MSG_PEEK stays in the queue.
fn peek(target: Ipv4Addr) -> std::io::Result<()> {
    let message = question(&[&framed(&forged([0, 7], target))]);
    let stream = asked(&message)?;
    let fd = stream.as_raw_fd();
    // As much as lies after the label's beginning.
    let rest = message.len() + 2 - (BEFORE_QUESTION + 1);
    receive(fd, &mut vec![0; rest], PEEK)?;
    receive(fd, &mut [0; 1], PEEK).map(drop)
}

/// A whole answer is taken from the queue in a way that is not seen.
fn desync(target: Ipv4Addr, how: &str) -> std::io::Result<()> {
    let first = question(&[]);
    let length = first.len() + 2;
    let mut stream = asked(&first)?;
    let fd = stream.as_raw_fd();
    // It is seen …
    receive(fd, &mut [], PEEK)?;
    // … and taken.
    match how {
        "duplicate" => {
            let mut duplicate = stream.try_clone()?;
            duplicate.read_exact(&mut vec![0; length])?;
        }
        "splice" => splice(fd, length)?,
        _ => in_child(|| {
            let _ = receive(fd, &mut vec![0; length], 0);
        })?,
    }
    // The label begins as far into the second answer as the first was long.
    let before = vec![b'x'; length - BEFORE_QUESTION - 2];
    let second = question(&[&before, &framed(&forged([0, 7], target))]);
    stream.write_all(&framed(&second))?;
    pause();
    receive(fd, &mut [0; 1], PEEK).map(drop)
}

fn splice(fd: i32, length: usize) -> std::io::Result<()> {
    let mut pipe = [0; 2];
    // SAFETY: `pipe` has room for two descriptors, which nobody else owns.
    let (_read, write) = unsafe {
        done(libc::pipe(pipe.as_mut_ptr()) as isize)?;
        (OwnedFd::from_raw_fd(pipe[0]), OwnedFd::from_raw_fd(pipe[1]))
    };
    let none = std::ptr::null_mut();
    let mut left = length;
    while left > 0 {
        // SAFETY: takes descriptors and numbers; there are no offsets.
        let moved = unsafe { libc::splice(fd, none, write.as_raw_fd(), none, left, 0) };
        left -= done(moved)?.clamp(1, left);
    }
    Ok(())
}

fn in_child(what: impl FnOnce()) -> std::io::Result<()> {
    // SAFETY: the child does nothing but what it is given, which is one system call, and ends.
    let child = done(unsafe { libc::fork() } as isize)?;
    if child == 0 {
        what();
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: the status is not asked for.
    done(unsafe { libc::waitpid(child as i32, std::ptr::null_mut(), 0) } as isize).map(drop)
}

/// A datagram of this program lies in the socket before it is connected to the resolver.
fn queued(target: Ipv4Addr, family: i32, change: bool) -> std::io::Result<()> {
    // SAFETY: takes numbers only; the descriptor is nobody else's.
    let socket = unsafe {
        let fd = done(libc::socket(family, libc::SOCK_DGRAM, 0) as isize)?;
        UdpSocket::from_raw_fd(fd as i32)
    };
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mapped = |ip: Ipv4Addr, port| match family {
        libc::AF_INET6 => SocketAddr::from((ip.to_ipv6_mapped(), port)),
        _ => SocketAddr::from((ip, port)),
    };
    let (own, peer) = (Ipv4Addr::LOCALHOST, other.local_addr()?.port());
    // It gets a port.
    socket.connect(mapped(own, peer))?;
    let port = socket.local_addr()?.port();
    other.send_to(&forged([0x12, 0x34], target), (own, port))?;
    pause();
    if change {
        let nothing = [0_u8; 16];
        // SAFETY: the kernel reads an address of AF_UNSPEC, which has these bytes.
        unsafe { libc::connect(socket.as_raw_fd(), nothing.as_ptr().cast(), 16) };
    }
    socket.connect(mapped(RESOLVER, 53))?;
    socket.send(&question(&[]))?;
    socket.recv(&mut [0; 2048])?;
    socket.recv(&mut [0; 2048]).map(drop)
}

/// A datagram that is sent from port 53 of another address of this host tells the resolver's as its
/// source.
fn other_source(target: Ipv4Addr) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?;
    let message = forged([0x12, 0x34], target);
    let mut name = socket_address(Ipv4Addr::LOCALHOST, socket.local_addr()?.port());
    let mut piece = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    let mut control = [0_u64; 8];
    // SAFETY: zeroed bytes are a valid header; it points to an address, one piece and control data that
    // live until the call has returned, and CMSG_FIRSTHDR and CMSG_DATA stay within the control data.
    done(unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = size_of_val(&name) as u32;
        header.msg_iov = &mut piece;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as _;
        let part = libc::CMSG_FIRSTHDR(&header);
        (*part).cmsg_level = libc::IPPROTO_IP;
        (*part).cmsg_type = libc::IP_PKTINFO;
        (*part).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as _;
        let info = libc::CMSG_DATA(part).cast::<libc::in_pktinfo>();
        (*info).ipi_spec_dst.s_addr = u32::from(RESOLVER).to_be();
        libc::sendmsg(sender.as_raw_fd(), &header, 0)
    })?;
    pause();
    // Now the socket is one that has to do with the resolver.
    socket.send_to(&question(&[]), (RESOLVER, 53))?;
    socket.recv_from(&mut [0; 2048]).map(drop)
}

/// The program is the resolver that jail asks: 127.0.0.99.
fn resolver(target: Ipv4Addr) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 99), 53))?;
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let mut answer = forged([buffer[0], buffer[1]], target);
            // The last byte of the question's type: there is no AAAA.
            let kind = buffer[31];
            answer[31] = kind;
            if kind != 1 {
                answer[7] = 0;
                answer.truncate(34);
            }
            let _ = socket.send_to(&answer, client);
        }
    });
    for _ in 0..3 {
        if TcpStream::connect((target, 8090)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2500));
    }
    Ok(())
}
