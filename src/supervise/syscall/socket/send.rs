//! sendto, sendmsg, sendmmsg: calls that may name a peer in memory.
//!
//! Where another task could change it, the message's header, its address and its control data go on in
//! pages that no task can change; what is sent stays where it is. The socket cannot be held: the address
//! must be open whatever socket another task puts in its place.

use super::deliver::{Data, Destination, no_entry};
use super::{Socket, Sockets, Who, address_at, by_rules, unnamed};
use crate::judge::{Reason, Verdict};
use crate::net::message::{self, Header};
use crate::net::{Address, Family, Protocol, Way, dns};
use crate::policy::Action;
use crate::supervise::syscall::path::{Paths, Resolved};
use crate::supervise::syscall::stop::{Judged, Refused, SyscallStop, refusal};
use crate::sys::{Errno, memory};
use crate::syscalls::op::{Op, Peer};
use crate::trace::{Resume, Tid};

/// `struct mmsghdr`: a header, and the length that was sent.
const HEADERS: u64 = 64;
/// UIO_MAXIOV: the most messages that sendmmsg looks at.
const MOST_MESSAGES: u64 = 1024;
/// The most control data that is taken along; the kernel's own limit is near
/// (net.core.optmem_max).
const CONTROL: usize = 8192;
/// MSG_FASTOPEN.
const FAST_OPEN: u64 = 0x2000_0000;
/// What is to become of a message that may be sent.
struct Judgement {
    /// The bytes of its address that are to be used.
    name: Vec<u8>,
    control: Vec<u8>,
    /// Whether no task can change what was judged.
    stable: bool,
    /// Where it is to be sent from here.
    to: Option<Destination>,
}

impl Sockets {
    pub(super) fn send_to(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
    ) -> Judged<Resume> {
        let [fd, data, size, flags, address, length] = stop.call.args;
        let socket = Socket::of(stop, fd)?;
        if address == 0 {
            // Only with MSG_FASTOPEN: no peer is named.
            by_rules(stop)?;
            return Ok(Resume::CONTINUE);
        }
        let bytes = address_at(stop.tracee.tid(), address, length)?;
        let name = self.judge_name(paths, stop, &socket, flags, address, bytes)?;
        if name.stable {
            return Ok(Resume::CONTINUE);
        }
        if let Some(to) = &name.to {
            let data = Data::Whole {
                at: data,
                length: size,
            };
            return self.deliver(stop, &socket, flags, &[], data, to);
        }
        let flags = steady(stop, flags);
        let length = name.bytes.len() as u64;
        if length == 0 {
            return Ok(paths
                .emulation
                .changed_call(stop, [fd, data, size, flags, 0, 0]));
        }
        paths
            .emulation
            .pinned_call(stop, &name.bytes, |at| [fd, data, size, flags, at, length])
    }

    pub(super) fn send_message(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
    ) -> Judged<Resume> {
        let [fd, message, flags, ..] = stop.call.args;
        let socket = Socket::of(stop, fd)?;
        let bytes = header_at(stop.tracee.tid(), message)?;
        let judged = self.judge_message(paths, stop, &socket, flags, message, &bytes)?;
        if judged.stable {
            return Ok(Resume::CONTINUE);
        }
        if let Some(to) = &judged.to {
            let data = pieces(&bytes, None);
            return self.deliver(stop, &socket, flags, &judged.control, data, to);
        }
        let flags = steady(stop, flags);
        paths.emulation.pinned_as(
            stop,
            stop.call.nr,
            |at| Header::copy(&bytes, &judged.name, &judged.control, at),
            |at| [fd, at, flags, 0, 0, 0],
            None,
        )
    }

    pub(super) fn send_messages(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
    ) -> Judged<Resume> {
        let [fd, vector, count, flags, ..] = stop.call.args;
        let tid = stop.tracee.tid();
        let socket = Socket::of(stop, fd)?;
        let count = u64::from(count as u32).min(MOST_MESSAGES);
        if count == 0 {
            return Ok(Resume::CONTINUE);
        }
        let first = header_at(tid, vector)?;
        let judged = self.judge_message(paths, stop, &socket, flags, vector, &first)?;
        if let Some(to) = judged.to.as_ref().filter(|_| !judged.stable) {
            let data = pieces(&first, Some(vector + Header::SIZE as u64));
            return self.deliver(stop, &socket, flags, &judged.control, data, to);
        }
        if !judged.stable {
            return send_first(paths, stop, &first, &judged);
        }
        for place in 1..count {
            let at = vector + place * HEADERS;
            let fits = header_at(tid, at)
                .map_err(Refused::from)
                .and_then(|bytes| self.judge_message(paths, stop, &socket, flags, at, &bytes));
            if !matches!(fits, Ok(Judgement { stable: true, .. })) {
                // Those before it are sent; it is told of when it comes first (sendmmsg(2)).
                return Ok(paths
                    .emulation
                    .changed_call(stop, [fd, vector, place, flags, 0, 0]));
            }
        }
        Ok(Resume::CONTINUE)
    }

    fn judge_message(
        &mut self,
        paths: &mut Paths,
        stop: &SyscallStop<'_>,
        socket: &Socket,
        flags: u64,
        at: u64,
        bytes: &[u8; Header::SIZE],
    ) -> Judged<Judgement> {
        let tid = stop.tracee.tid();
        let header = Header::of(bytes);
        let mut stable = paths.is_own(stop, at, Header::SIZE);
        let mut name = Vec::new();
        let mut to = None;
        if header.name != 0 && header.name_length != 0 {
            if header.name_length as i32 <= 0 {
                return Err(Errno::EINVAL.into());
            }
            // Longer ones are cut by the kernel (copy_msghdr_from_user of net/socket.c).
            let length = u64::from(header.name_length).min(crate::sys::socket::ADDRESS as u64);
            let given = address_at(tid, header.name, length)?;
            let judged = self.judge_name(paths, stop, socket, flags, header.name, given)?;
            stable &= judged.stable;
            name = judged.bytes;
            to = judged.to;
        } else {
            by_rules(stop)?;
        }
        let control = match (header.control, header.control_length) {
            (0, _) | (_, 0) => Vec::new(),
            (_, length) if length > CONTROL as u64 => return Err(Errno::ENOBUFS.into()),
            (at, length) => memory::bytes_at(tid, at, length as usize)?,
        };
        if message::has_route(&control)
            && let Some(rule) = crate::baseline::routing_headers()
        {
            let verdict = Verdict {
                action: Action::Deny(crate::syscalls::Errno::EPERM),
                ..refusal(Reason::Baseline(rule))
            };
            return Err(Refused::Denied(verdict, no_entry("the hosts of a route")));
        }
        stable &= control.is_empty() || paths.is_own(stop, header.control, control.len());
        Ok(Judgement {
            name,
            control,
            stable,
            to,
        })
    }

    /// Judges the address of a message.
    fn judge_name(
        &mut self,
        paths: &mut Paths,
        stop: &SyscallStop<'_>,
        socket: &Socket,
        flags: u64,
        at: u64,
        mut bytes: Vec<u8>,
    ) -> Judged<Name> {
        let alone = stop.task.space().is_alone();
        let inet = matches!(socket.family, Family::V4 | Family::V6);
        let mut stable = paths.is_own(stop, at, bytes.len());
        match Address::decode(&bytes, socket.family, true) {
            Address::Inet { ip, port } if inet => {
                let ip = Address::canonical(ip, true);
                let protocol = socket.protocol;
                let fast = flags & FAST_OPEN != 0 && protocol == Protocol::Tcp;
                if protocol == Protocol::Tcp && !fast && !alone {
                    // It does not look at the name (tcp(7)); another socket would.
                    return Ok(Name::none());
                }
                self.judge(stop, Way::Connect, Who::Inet { protocol, ip, port })?;
                if matches!(protocol, Protocol::Lite | Protocol::Other) && !alone {
                    let protocol = Protocol::Udp;
                    self.judge(stop, Way::Connect, Who::Inet { protocol, ip, port })?;
                }
                stable &= !Address::settle(&mut bytes, socket.family);
                if fast && !stable {
                    // As where it is switched off (tcp(7), tcp_fastopen): programs connect then.
                    return Err(Errno::EOPNOTSUPP.into());
                }
                if port == dns::PORT && stop.plan.net.observes {
                    self.observe(stop, protocol, ip);
                }
            }
            // Whichever it is, it may be sent to.
            Address::Path(_) if stop.plan.net.unix_open && !stop.rules => {}
            Address::Path(name) if socket.family == Family::Unix => {
                let found = self.judge_path(stop, &name)?;
                stable = paths.is_stable(stop, at, &bytes, &found);
                if !stable {
                    return unstable(paths, stop, found, bytes);
                }
            }
            Address::Abstract(name) if socket.family == Family::Unix => {
                self.judge(stop, Way::Connect, Who::Abstract(&name))?;
            }
            Address::Malformed => return Err(Errno::EINVAL.into()),
            // No name to IPv6 (udpv6_sendmsg of net/ipv6/udp.c), but to IPv4, which another process
            // may make of the socket (IPV6_ADDRFORM of ipv6(7)).
            Address::Unspecified if socket.family == Family::V6 => {
                by_rules(stop)?;
                return Ok(Name::none());
            }
            address => unnamed(stop, socket, &address)?,
        }
        Ok(Name {
            bytes,
            stable,
            to: None,
        })
    }
}

/// The name of a unix socket whose path another task could lead elsewhere, so that the message would be
/// sent there.
fn unstable(
    paths: &mut Paths,
    stop: &SyscallStop<'_>,
    found: Resolved,
    bytes: Vec<u8>,
) -> Judged<Name> {
    let whole = paths
        .stays(stop, &found.path)
        .then(|| path_address(&found.path));
    let (path, object) = (found.path, found.object);
    let (bytes, to) = match (whole.flatten(), object) {
        (Some(bytes), _) => (bytes, None),
        (None, Some(object)) => (bytes, Some(Destination { object, path })),
        (None, None) => return Err(Errno::ENOENT.into()),
    };
    Ok(Name {
        bytes,
        stable: false,
        to,
    })
}

/// The bytes of a message's header.
fn header_at(tid: Tid, at: u64) -> Result<[u8; Header::SIZE], Errno> {
    let mut bytes = [0; Header::SIZE];
    memory::read_all(tid, at, &mut bytes)?;
    Ok(bytes)
}

/// What a message sends. `told`: where its length belongs.
fn pieces(bytes: &[u8; Header::SIZE], told: Option<u64>) -> Data {
    let header = Header::of(bytes);
    Data::Pieces {
        at: header.pieces,
        count: header.pieces_count,
        told,
    }
}

/// sendmmsg may send fewer messages than it was given: one, by sendmsg.
fn send_first(
    paths: &mut Paths,
    stop: &SyscallStop<'_>,
    header: &[u8; Header::SIZE],
    judged: &Judgement,
) -> Judged<Resume> {
    let [fd, vector, _, flags, ..] = stop.call.args;
    let flags = steady(stop, flags);
    let nr = Op::Peer(Peer::Sendmsg).number().ok_or(Errno::ENOSYS)?;
    paths.emulation.pinned_as(
        stop,
        nr,
        |at| Header::copy(header, &judged.name, &judged.control, at),
        |at| [fd, at, flags, 0, 0, 0],
        Some(vector + Header::SIZE as u64),
    )
}

/// The flags of a call that another task may put another socket under: none that connects.
fn steady(stop: &SyscallStop<'_>, flags: u64) -> u64 {
    match stop.task.space().is_alone() {
        true => flags,
        false => flags & !FAST_OPEN,
    }
}

/// The address of a message, as it may be sent.
struct Name {
    bytes: Vec<u8>,
    stable: bool,
    /// Where it is to be sent from here.
    to: Option<Destination>,
}

impl Name {
    /// No peer is named.
    fn none() -> Name {
        Name {
            bytes: Vec::new(),
            stable: false,
            to: None,
        }
    }
}

fn path_address(path: &[u8]) -> Option<Vec<u8>> {
    /// `sun_path` of unix(7), its NUL among it.
    const LONGEST: usize = 108;
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(path);
    bytes.push(0);
    (path.len() < LONGEST).then_some(bytes)
}
