//! Peers: connections and datagrams by each kind of socket.

use super::super::given::{Given, Tried};
use super::super::tools::{any, by};
use crate::sys;
use crate::sys::attack;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

/// `struct sockaddr_in` for 127.0.0.1.
fn loopback(port: u16) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(Ipv4Addr::LOCALHOST.octets());
    bytes.resize(16, 0);
    bytes
}

/// By TCP: plainly, as an address of IPv6, by MPTCP, and by a send that connects.
pub fn tcp(given: &Given) -> Tried {
    let address = loopback(given.tcp);
    let connected = |what: &str| Ok(format!("{what} succeeded"));
    any(&mut [
        &mut || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, given.tcp)).map_err(by("connect"))?;
            connected("connect")
        },
        &mut || {
            let mapped: Ipv6Addr = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            TcpStream::connect((mapped, given.tcp)).map_err(by("connect by IPv6"))?;
            connected("connect by IPv6")
        },
        &mut || {
            let socket = attack::socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP);
            let socket = socket.map_err(by("socket of MPTCP"))?;
            sys::socket::connect(socket.as_fd(), &address).map_err(by("connect by MPTCP"))?;
            connected("connect by MPTCP")
        },
        &mut || {
            let socket =
                attack::socket(libc::AF_INET, libc::SOCK_STREAM, 0).map_err(by("socket"))?;
            let sent = sys::socket::send_to(socket.as_fd(), b"x", libc::MSG_FASTOPEN, &address);
            sent.map_err(by("sendto MSG_FASTOPEN"))?;
            connected("sendto")
        },
    ])
}

/// By UDP: as the peer of a message, and of a socket.
pub fn udp(given: &Given) -> Tried {
    let socket = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
    let token = given.token.as_bytes();
    any(&mut [
        &mut || {
            let socket =
                attack::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).map_err(by("socket"))?;
            let sent = sys::socket::send_to(socket.as_fd(), token, 0, &loopback(given.udp));
            sent.map_err(by("sendto"))?;
            Ok("sendto succeeded".to_owned())
        },
        &mut || {
            let socket = socket().map_err(by("bind"))?;
            socket
                .connect((Ipv4Addr::LOCALHOST, given.udp))
                .map_err(by("connect"))?;
            socket.send(token).map_err(by("send"))?;
            Ok("send succeeded".to_owned())
        },
    ])
}

/// A unix socket by its path: a stream, and a datagram.
pub fn unix_path(given: &Given) -> Tried {
    any(&mut [
        &mut || {
            UnixStream::connect(&given.stream).map_err(by("connect"))?;
            Ok("connect succeeded".to_owned())
        },
        &mut || {
            let socket = UnixDatagram::unbound().map_err(by("socket"))?;
            socket
                .send_to(given.token.as_bytes(), &given.datagram)
                .map_err(by("sendto"))?;
            Ok("sendto succeeded".to_owned())
        },
    ])
}

/// A unix socket in the abstract name space.
pub fn unix_abstract(given: &Given) -> Tried {
    let address = SocketAddr::from_abstract_name(&given.abstract_name).map_err(by("the name"))?;
    UnixStream::connect_addr(&address).map_err(by("connect"))?;
    Ok("connect succeeded".to_owned())
}

/// A message by netlink to a process outside.
pub fn netlink(given: &Given) -> Tried {
    let socket = attack::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_USERSOCK);
    let socket = socket.map_err(by("socket"))?;
    let mut address = u32::from(libc::AF_NETLINK as u16).to_ne_bytes().to_vec();
    address.extend(given.netlink.to_ne_bytes());
    address.extend([0; 4]);
    let sent = sys::socket::send_to(socket.as_fd(), given.token.as_bytes(), 0, &address);
    sent.map_err(by("sendto"))?;
    Ok("sendto succeeded".to_owned())
}
