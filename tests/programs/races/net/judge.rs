//! A supervisor as one would first write it: it looks at the socket and at the address, then lets
//! the call go on. It is here to lose.

use super::place::{HERE, Place};
use crate::naive::supervise_by;
use crate::raw::tracer::Registers;
use crate::raw::{self, sockets};
use libc::{AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
use std::net::{IpAddr, Ipv6Addr};

const CALLS: [i64; 6] = [
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_bind,
    libc::SYS_listen,
];

/// `struct mmsghdr`.
const HEADER: u64 = 64;

/// Runs `attack` under its eyes.
pub fn supervise(place: &Place, attack: impl FnOnce() -> i32) -> i32 {
    supervise_by(
        &CALLS,
        |tid, registers| denies(tid, registers, place),
        attack,
    )
}

fn bytes(tid: i32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.min(4096)];
    let read = raw::vm_read(tid, &mut bytes, address as usize);
    bytes.truncate(read);
    bytes
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_ne_bytes)
}

fn denies(tid: i32, registers: &Registers, place: &Place) -> bool {
    let arg = |number| registers.argument(number);
    let Ok(socket) = sockets::socket_of(tid, arg(0) as i32) else {
        return false;
    };
    let call = registers.number();
    let peer = |address, length| {
        address != 0 && !may_reach(tid, socket, &bytes(tid, address, length), place)
    };
    let message = |at| {
        let header = bytes(tid, at, HEADER as usize);
        let length = word(&header, 8) as u32 as usize;
        let control = bytes(tid, word(&header, 32), word(&header, 40) as usize);
        let kind = control.get(12..16).unwrap_or_default();
        length > 0 && peer(word(&header, 0), length) || kind == libc::IPV6_RTHDR.to_ne_bytes()
    };
    match call {
        libc::SYS_connect => peer(arg(1), arg(2) as usize),
        libc::SYS_sendto => peer(arg(4), arg(5) as usize),
        libc::SYS_sendmsg => message(arg(1)),
        libc::SYS_sendmmsg => (0..arg(2)).any(|number| message(arg(1) + number * HEADER)),
        libc::SYS_bind => {
            let address = bytes(tid, arg(1), arg(2) as usize);
            !may_listen(socket.0, &address, place)
        }
        _ => {
            let fd = arg(0);
            let own = own_port(tid, fd as i32);
            socket.0 == AF_INET && own != Some(place.own)
        }
    }
}

/// The port of a socket of another process.
fn own_port(tid: i32, fd: i32) -> Option<u16> {
    let pidfd = sockets::pidfd_open(tid, libc::O_EXCL).ok()? as i32;
    let socket = sockets::descriptor_of(pidfd, fd);
    let _ = raw::close(pidfd);
    let socket = socket.ok()? as i32;
    let own = sockets::own_address(socket);
    let _ = raw::close(socket);
    Some(u16::from_be_bytes([*own.get(2)?, *own.get(3)?]))
}

fn inet(address: &[u8], family: i32) -> Option<(IpAddr, u16)> {
    let port = u16::from_be_bytes([*address.get(2)?, *address.get(3)?]);
    let ip: IpAddr = match family {
        AF_INET6 => {
            let octets: [u8; 16] = address.get(8..24)?.try_into().ok()?;
            Ipv6Addr::from(octets).into()
        }
        _ => {
            let octets: [u8; 4] = address.get(4..8)?.try_into().ok()?;
            octets.into()
        }
    };
    Some((ip.to_canonical(), port))
}

fn family(address: &[u8]) -> i32 {
    let family = address.get(..2).and_then(|bytes| bytes.try_into().ok());
    family.map_or(AF_UNSPEC, |bytes| u16::from_ne_bytes(bytes).into())
}

fn may_reach(tid: i32, (domain, protocol): (i32, i32), address: &[u8], place: &Place) -> bool {
    let family = family(address);
    match (domain, family) {
        (AF_INET | AF_INET6, AF_INET | AF_INET6) => {
            let Some((ip, port)) = inet(address, family) else {
                return false;
            };
            let ours =
                [HERE.into(), Ipv6Addr::LOCALHOST.into()].contains(&ip) || ip.is_unspecified();
            ours && match protocol {
                libc::IPPROTO_TCP => port == place.tcp,
                _ => port == place.udp,
            }
        }
        (AF_UNIX, AF_UNIX) => match address.get(2) {
            Some(0) => address.get(2..) == Some(place.good_name().as_bytes()),
            _ => {
                let path = raw::path_of(address.get(2..).unwrap_or_default());
                let base = format!("/proc/{tid}/cwd");
                let path = std::path::Path::new(&base).join(path).canonicalize();
                let bad = ["w/bad", "r/bad"].map(|name| place.path(name));
                path.is_ok_and(|path| !bad.iter().any(|bad| path.starts_with(bad)))
            }
        },
        // No address of this socket.
        _ => true,
    }
}

fn may_listen(domain: i32, address: &[u8], place: &Place) -> bool {
    match (domain, family(address)) {
        (AF_INET, AF_INET) => {
            // Port 0: one that the kernel chooses.
            let may = |(ip, port)| port == 0 || ip == IpAddr::from(HERE) && port == place.own;
            inet(address, AF_INET).is_some_and(may)
        }
        (AF_UNIX, AF_UNIX) => {
            let path = raw::path_of(address.get(2..).unwrap_or_default());
            let directory = path.parent().and_then(|it| it.canonicalize().ok());
            address.get(2) != Some(&0) && directory != Some(place.path("w/bad"))
        }
        _ => true,
    }
}
