//! The sockets that attacks aim at, all of this process.

use super::given::Given;
use super::kind::Aim;
use super::tools::by;
use crate::sys;
use crate::sys::attack;
use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

/// On loopback, in the directory outside, in the abstract name space, and by netlink.
pub struct Sockets {
    tcp: TcpListener,
    udp: UdpSocket,
    stream: UnixListener,
    datagram: UnixDatagram,
    abstract_stream: UnixListener,
    netlink: Option<OwnedFd>,
}

/// Makes reads of it return at once.
pub fn without_waiting(fd: impl AsFd) {
    let _ = sys::socket::set_status_flags(fd.as_fd(), libc::O_NONBLOCK);
}

impl Sockets {
    /// Makes them, and says where they are.
    pub fn make(given: &mut Given) -> Result<Sockets, String> {
        let place = (Ipv4Addr::LOCALHOST, 0);
        let unix = "cannot make a unix socket";
        let tcp = TcpListener::bind(place).map_err(by("cannot listen on 127.0.0.1"))?;
        let udp = UdpSocket::bind(place).map_err(by("cannot bind to 127.0.0.1"))?;
        let stream = UnixListener::bind(&given.stream).map_err(by(unix))?;
        let datagram = UnixDatagram::bind(&given.datagram).map_err(by(unix))?;
        for socket in [&given.stream, &given.datagram] {
            std::fs::set_permissions(socket, Permissions::from_mode(0o777)).map_err(by("chmod"))?;
        }
        given.abstract_name = format!("jail-attack-{}", given.token);
        let name = SocketAddr::from_abstract_name(&given.abstract_name).map_err(by("a name"))?;
        let abstract_stream = UnixListener::bind_addr(&name).map_err(by(unix))?;
        given.tcp = tcp.local_addr().map_err(by("getsockname"))?.port();
        given.udp = udp.local_addr().map_err(by("getsockname"))?.port();
        let sockets = Sockets {
            netlink: netlink(given),
            tcp,
            udp,
            stream,
            datagram,
            abstract_stream,
        };
        without_waiting(&sockets.tcp);
        without_waiting(&sockets.udp);
        without_waiting(&sockets.stream);
        without_waiting(&sockets.datagram);
        without_waiting(&sockets.abstract_stream);
        Ok(sockets)
    }

    pub fn has_netlink(&self) -> bool {
        self.netlink.is_some()
    }

    /// What has reached the one that is aimed at.
    pub fn reached(&self, aim: Aim) -> Option<&'static str> {
        let (reached, what) = match aim {
            Aim::Tcp => (
                self.tcp.accept().is_ok(),
                "the suite's TCP listener was reached",
            ),
            Aim::Udp => (
                self.udp.recv(&mut [0; 64]).is_ok(),
                "the suite's UDP socket was reached",
            ),
            Aim::UnixPath => {
                let sent = || self.datagram.recv(&mut [0; 64]).is_ok();
                (
                    self.stream.accept().is_ok() || sent(),
                    "a unix socket outside was reached",
                )
            }
            Aim::UnixAbstract => (
                self.abstract_stream.accept().is_ok(),
                "an abstract unix socket outside was reached",
            ),
            Aim::Netlink => {
                let got = |socket: &OwnedFd| sys::socket::is_readable(socket.as_fd());
                (
                    self.netlink.as_ref().is_some_and(got),
                    "a netlink socket outside was reached",
                )
            }
            _ => return None,
        };
        reached.then_some(what)
    }
}

/// A netlink socket that gets what other processes send to its port.
fn netlink(given: &mut Given) -> Option<OwnedFd> {
    let socket = attack::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_USERSOCK).ok()?;
    let mut address = u32::from(libc::AF_NETLINK as u16).to_ne_bytes().to_vec();
    address.resize(12, 0);
    sys::socket::bind(socket.as_fd(), &address).ok()?;
    let own = sys::socket::own_address(socket.as_fd()).ok()?;
    given.netlink = u32::from_ne_bytes(*own.get(4..8)?.first_chunk()?);
    Some(socket)
}
