//! The calls that are attempted, again and again, of what is being turned.

use super::place::{HERE, Place, v4};
use super::turn::{Turn, Turning};
use crate::raw::sockets::{self, Memory};
use crate::raw::{self, Called};
use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};
use nix::errno::Errno;

/// Where in the memory the parts of a call lie.
pub const NAME: usize = 0;
pub const OTHER: usize = 128;
pub const HEADERS: usize = 256;
pub const HEADER: usize = 64;
const VECTOR: usize = 400;
const DATA: usize = 448;
pub const CONTROL: usize = 512;
pub const OTHER_CONTROL: usize = 640;

/// A kind of socket: domain and type.
pub type Kind = (i32, i32);
pub const TCP: Kind = (AF_INET, SOCK_STREAM);
pub const UDP: Kind = (AF_INET, SOCK_DGRAM);
pub const TCP6: Kind = (AF_INET6, SOCK_STREAM);
pub const UDP6: Kind = (AF_INET6, SOCK_DGRAM);
pub const UNIX: Kind = (AF_UNIX, SOCK_STREAM);
pub const UNIX_DATAGRAM: Kind = (AF_UNIX, SOCK_DGRAM);
pub const NETLINK: Kind = (AF_NETLINK, SOCK_RAW);

/// How a try went, as far as it can be told here.
pub enum Try {
    Denied,
    Passed,
    Won,
}

/// What is attempted.
#[derive(Clone, Copy)]
pub enum Call {
    /// On a new socket each time, and a byte is sent if it is for datagrams.
    Connect {
        nonblocking: bool,
        bound: bool,
    },
    /// On the socket that is there.
    ConnectAgain,
    /// With these flags.
    SendTo(i32),
    /// On a new socket each time, at the same number, that has a peer.
    SendToNew,
    SendMessage,
    /// EINVAL tells that the kernel has seen what it should not.
    SendControl,
    SendTwo,
    /// On a new socket each time.
    Bind,
    /// On the socket that is there; a win has bound the other one.
    BindSwapped,
    /// A win has the other one listen.
    Listen,
}

/// A call, its memory, its sockets, and what turns them.
pub struct Acting {
    call: Call,
    kind: Kind,
    memory: Memory,
    length: usize,
    fd: i32,
    /// The socket that is put in its place.
    bad: i32,
    turning: Option<Turning>,
    in_process: bool,
    turns: Vec<Turn>,
}

pub fn socket((domain, kind): Kind) -> i32 {
    sockets::socket(domain, kind, 0).expect("socket") as i32
}

impl Acting {
    /// A call by a socket of this kind that names `good`.
    pub fn new(call: Call, kind: Kind, good: &[u8], shared: bool) -> Self {
        let memory = Memory::new(shared);
        memory.put(NAME, good);
        memory.put(VECTOR, &memory.at(DATA).to_ne_bytes());
        memory.put(VECTOR + 8, &1_u64.to_ne_bytes());
        memory.put(DATA, b"x");
        for number in 0..2 {
            let at = HEADERS + number * HEADER;
            memory.put(at, &memory.at(NAME).to_ne_bytes());
            memory.put(at + 8, &(good.len() as u64).to_ne_bytes());
            memory.put(at + 16, &memory.at(VECTOR).to_ne_bytes());
            memory.put(at + 24, &1_u64.to_ne_bytes());
        }
        Self {
            call,
            kind,
            memory,
            length: good.len(),
            fd: socket(kind),
            bad: -1,
            turning: None,
            in_process: shared,
            turns: Vec::new(),
        }
    }

    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Connects the socket that is there.
    pub fn connected(self, address: &[u8]) -> Self {
        self.memory.put(OTHER, address);
        let _ = sockets::connect(self.fd, self.memory.at(OTHER), address.len());
        self
    }

    /// Binds it.
    pub fn bound(self, address: &[u8]) -> Self {
        self.memory.put(OTHER, address);
        let _ = sockets::bind_to(self.fd, self.memory.at(OTHER), address.len());
        self
    }

    /// Lays this in its memory.
    pub fn with(self, at: usize, bytes: &[u8]) -> Self {
        self.memory.put(at, bytes);
        self
    }

    /// Makes its socket one of IPv4, once it has such a peer.
    pub fn converted(self) -> Self {
        let (fd, family) = (self.fd, AF_INET.to_ne_bytes());
        self.turned(Box::new(move |_| {
            let _ = sockets::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_ADDRFORM, &family);
        }))
    }

    /// Turns these bytes.
    pub fn bytes(self, at: usize, good: &[u8], bad: &[u8]) -> Self {
        let (memory, good, bad) = (self.memory, good.to_vec(), bad.to_vec());
        self.turned(Box::new(move |to_bad| {
            memory.put(at, if to_bad { &bad } else { &good });
        }))
    }

    /// Turns where a header's word points to.
    pub fn pointer(self, at: usize, good: Option<usize>, bad: usize) -> Self {
        let word = |place: Option<usize>| place.map_or(0, |place| self.memory.at(place));
        let [good, bad] = [word(good), word(Some(bad))].map(u64::to_ne_bytes);
        self.bytes(at, &good, &bad)
    }

    /// Puts a socket of another kind in the place of its own.
    pub fn swapped(mut self, kind: Kind) -> Self {
        self.bad = socket(kind);
        let number = raw::dup(self.fd).expect("dup") as i32;
        let turn = super::turn::swap(number, [self.fd, self.bad]);
        self.fd = number;
        self.turned(turn)
    }

    pub fn turned(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    /// By another process.
    pub fn by_process(mut self) -> Self {
        self.in_process = true;
        self
    }

    /// Begins to turn.
    pub fn start(mut self) -> Self {
        let turns = std::mem::take(&mut self.turns);
        let turn: Turn = Box::new(move |to_bad| turns.iter().for_each(|turn| turn(to_bad)));
        self.turning = Some(Turning::start(turn, self.in_process));
        self
    }

    /// Tries once.
    pub fn attempt(&self, place: &Place) -> Try {
        let memory = self.memory;
        let flags = libc::MSG_DONTWAIT;
        let (data, name) = (memory.at(DATA), memory.at(NAME));
        let headers = memory.at(HEADERS);
        passed(match self.call {
            Call::Connect { nonblocking, bound } => self.connect(nonblocking, bound),
            Call::ConnectAgain => sockets::connect(self.fd, name, self.length),
            Call::SendTo(more) => {
                sockets::send_to(self.fd, data, 1, flags | more, name, self.length)
            }
            Call::SendToNew => {
                let new = socket(self.kind);
                let _ = raw::dup_over(new, self.fd);
                let _ = raw::close(new);
                let _ = sockets::connect(self.fd, memory.at(OTHER), 28);
                sockets::send_to(self.fd, data, 1, flags, name, self.length)
            }
            Call::SendMessage => sockets::send_message(self.fd, headers, flags),
            Call::SendControl => match sockets::send_message(self.fd, headers, flags) {
                Err(Errno::EINVAL) => return Try::Won,
                result => result,
            },
            Call::SendTwo => sockets::send_messages(self.fd, headers, 2),
            Call::Bind => return self.bind(place),
            Call::BindSwapped => {
                let result = sockets::bind_to(self.fd, name, self.length);
                if is_beyond(self.bad, place) {
                    return Try::Won;
                }
                result
            }
            Call::Listen => {
                let result = sockets::listen(self.fd);
                if sockets::option(self.bad, libc::SO_ACCEPTCONN) == Ok(1) {
                    return Try::Won;
                }
                result
            }
        })
    }

    fn connect(&self, nonblocking: bool, bound: bool) -> Called {
        let more = if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
        let fd = socket((self.kind.0, self.kind.1 | more));
        let _ = sockets::reset_at_close(fd);
        if bound {
            let _ = sockets::bind_to(fd, self.memory.at(OTHER), self.length);
        }
        let result = sockets::connect(fd, self.memory.at(NAME), self.length);
        if self.kind.1 == SOCK_DGRAM && result.is_ok() {
            let _ = sockets::send_to(fd, self.memory.at(DATA), 1, 0, 0, 0);
        }
        let _ = raw::close(fd);
        result
    }

    fn bind(&self, place: &Place) -> Try {
        let fd = socket(self.kind);
        let result = sockets::bind_to(fd, self.memory.at(NAME), self.length);
        let won = result.is_ok() && is_beyond(fd, place);
        let _ = raw::close(fd);
        if won {
            return Try::Won;
        }
        if self.kind.0 == AF_UNIX && place.path("w/bad/new").exists() {
            return Try::Won;
        }
        let _ = std::fs::remove_file(place.path("w/pad/new"));
        passed(result)
    }
}

/// Whether a socket is bound where none may be.
fn is_beyond(fd: i32, place: &Place) -> bool {
    let own = sockets::own_address(fd);
    match own.first().map(|family| i32::from(*family)) {
        Some(AF_UNIX) => {
            let bad = super::place::unix(place.path("w/bad/"));
            own.len() > 2 && (own[2] == 0 || own.starts_with(&bad[..bad.len() - 1]))
        }
        Some(AF_INET) => own[2..4] != [0, 0] && own != v4(HERE, place.own),
        _ => false,
    }
}

/// What the kernel was asked for, whatever came of it, was passed on.
fn passed(result: Called) -> Try {
    match result {
        Ok(_) | Err(Errno::EINPROGRESS | Errno::EPIPE | Errno::EAGAIN | Errno::ECONNRESET) => {
            Try::Passed
        }
        Err(_) => Try::Denied,
    }
}
