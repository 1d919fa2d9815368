//! Who listens: a real socket for each kind of peer, and another of the same kind, which every
//! policy leaves open. All are on loopback, or unix sockets of the test's own.

use super::{address, raw};
use crate::support::{Dir, slow, token};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const IPPROTO_SCTP: i32 = 132;

/// Who is to be reached, or where the probe lets itself be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    Tcp4,
    Tcp6,
    Sctp4,
    Udp4,
    Udp6,
    UdpLite4,
    StreamPath,
    StreamAbstract,
    DatagramPath,
    DatagramAbstract,
    PacketsPath,
    PacketsAbstract,
    Vsock,
    /// Frames on the loopback interface.
    Packet,
    /// The kernel itself, or nobody.
    Kernel,
    /// The probe listens.
    Own(Own),
}

/// What the probe listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    Tcp4,
    Tcp6,
    /// [::ffff:127.0.0.1].
    Mapped,
    /// 0.0.0.0.
    Any4,
    /// [::], and 127.0.0.1 with it.
    Any6,
    /// Port 0 of 127.0.0.1.
    Chosen,
    /// Port 0, of which the kernel can make but one.
    Steered,
    /// No bind at all.
    Unbound,
    /// The same, and the kernel can choose but one port.
    UnboundSteered,
    Udp4,
    Udp6,
    Path,
    Abstract,
    /// A unix socket that the kernel names.
    Nameless,
}

/// The kinds that have listeners in the test.
const LISTENERS: &[(Peer, i32, i32, i32)] = &[
    (Peer::Tcp4, libc::AF_INET, libc::SOCK_STREAM, 0),
    (Peer::Tcp6, libc::AF_INET6, libc::SOCK_STREAM, 0),
    (Peer::Sctp4, libc::AF_INET, libc::SOCK_STREAM, IPPROTO_SCTP),
    (Peer::Udp4, libc::AF_INET, libc::SOCK_DGRAM, 0),
    (Peer::Udp6, libc::AF_INET6, libc::SOCK_DGRAM, 0),
    (
        Peer::UdpLite4,
        libc::AF_INET,
        libc::SOCK_DGRAM,
        libc::IPPROTO_UDPLITE,
    ),
    (Peer::StreamPath, libc::AF_UNIX, libc::SOCK_STREAM, 0),
    (Peer::StreamAbstract, libc::AF_UNIX, libc::SOCK_STREAM, 0),
    (Peer::DatagramPath, libc::AF_UNIX, libc::SOCK_DGRAM, 0),
    (Peer::DatagramAbstract, libc::AF_UNIX, libc::SOCK_DGRAM, 0),
    (Peer::PacketsPath, libc::AF_UNIX, libc::SOCK_SEQPACKET, 0),
    (
        Peer::PacketsAbstract,
        libc::AF_UNIX,
        libc::SOCK_SEQPACKET,
        0,
    ),
    (Peer::Vsock, libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    (Peer::Packet, libc::AF_PACKET, libc::SOCK_DGRAM, 0),
];

/// What has arrived, and at which endpoint.
type Arrived = Arc<Mutex<HashMap<String, String>>>;

/// The listeners of a test program.
pub struct Peers {
    _dir: Dir,
    ends: HashMap<Peer, [String; 2]>,
    arrived: Arrived,
}

/// All listeners, which live as long as the test program.
pub fn peers() -> &'static Peers {
    static PEERS: OnceLock<Peers> = OnceLock::new();
    PEERS.get_or_init(|| {
        let dir = Dir::new();
        let arrived = Arrived::default();
        let ends = LISTENERS
            .iter()
            .map(|&(peer, domain, kind, protocol)| {
                let listen = |place| {
                    let at = nameable(peer, &dir, place);
                    let Ok(socket) = raw::socket(domain, kind, protocol) else {
                        // The kernel lacks it, as the attempts without a jail will say.
                        return at.replace(":0", ":9");
                    };
                    raw::bind(&socket, &address::bytes(&at)).expect("bind(2)");
                    let name = raw::own_name(&socket).expect("getsockname(2)");
                    let name = address::text(&name);
                    if kind != libc::SOCK_DGRAM {
                        raw::listen(&socket).expect("listen(2)");
                    }
                    let (end, arrived) = (name.clone(), Arc::clone(&arrived));
                    thread::spawn(move || attend(&socket, kind, &end, &arrived));
                    name
                };
                (peer, ["peer", "other"].map(listen))
            })
            .collect();
        Peers {
            _dir: dir,
            ends,
            arrived,
        }
    })
}

/// An address to bind a listener to.
fn nameable(peer: Peer, dir: &Dir, place: &str) -> String {
    match peer {
        Peer::Tcp6 | Peer::Udp6 => "[::1]:0".to_owned(),
        Peer::StreamPath | Peer::DatagramPath | Peer::PacketsPath => {
            format!("unix:{}", dir.file(&format!("{peer:?}-{place}")))
        }
        Peer::StreamAbstract | Peer::DatagramAbstract | Peer::PacketsAbstract => {
            format!("unix:@{}", token())
        }
        Peer::Packet => "link:lo".to_owned(),
        // Any CID, any port.
        Peer::Vsock => format!("vsock:{}:{}", u32::MAX, u32::MAX),
        _ => "127.0.0.1:0".to_owned(),
    }
}

/// Notes what comes; streams get it back.
fn attend(socket: &OwnedFd, kind: i32, end: &str, arrived: &Arrived) {
    let note = |socket: &OwnedFd| {
        let mut room = [0; 256];
        let length = raw::receive(socket, &mut room).unwrap_or(0);
        let data = room.get(..length).unwrap_or_default();
        let text = String::from_utf8_lossy(data).into_owned();
        arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text, end.to_owned());
        data.to_vec()
    };
    if kind == libc::SOCK_DGRAM {
        loop {
            note(socket);
        }
    }
    thread::scope(|scope| {
        while let Ok(stream) = raw::accept(socket) {
            scope.spawn(move || {
                let _ = raw::patience(&stream, 5000);
                let _ = raw::send_to(&stream, &note(&stream), 0, &[]);
            });
        }
    });
}

impl Peers {
    /// The endpoints of the listeners of a kind: the peer and the other.
    pub fn of(&self, peer: Peer) -> [String; 2] {
        let none = || ["-".to_owned(), "-".to_owned()];
        self.ends.get(&peer).cloned().unwrap_or_else(none)
    }

    /// Where these bytes have arrived.
    pub fn arrived(&self, data: &str) -> Option<String> {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.get(data).cloned()
    }

    /// The same, once they may have been on their way.
    pub fn arrives(&self, data: &str) -> Option<String> {
        let end = Instant::now() + slow(Duration::from_secs(5));
        while self.arrived(data).is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        self.arrived(data)
    }
}

/// A port that nobody uses, for the probe to bind: beneath those that the kernel chooses from, or
/// among them.
pub fn free_port(chosen: bool) -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let (first, length) = if chosen {
        (33_000, 20_000)
    } else {
        (10_000, 20_000)
    };
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    // Another run of the tests begins elsewhere.
    let mut count = next.unwrap_or((std::process::id() * 64 % length) as u16);
    loop {
        count = (count + 1) % length as u16;
        let port = first + count;
        let free = |ip: &str| {
            std::net::TcpListener::bind((ip, port)).is_ok()
                && std::net::UdpSocket::bind((ip, port)).is_ok()
        };
        if free("0.0.0.0") && free("::1") {
            *next = Some(count);
            return port;
        }
    }
}
