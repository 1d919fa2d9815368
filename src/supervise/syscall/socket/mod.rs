//! Calls that name peers: each is judged, and then either goes on as it is, where no other task can change
//! anything in between, or is made by the supervisor on the same socket.
//!
//! | a call | where another task could interfere |
//! |---|---|
//! | connect to an address of the internet that is open to whatever socket it may turn out to be on | goes on with its address in pages that no task can change |
//! | any other connect, bind, listen | made here, on another descriptor of the same open socket, with the bytes that were judged |
//! | sendto, sendmsg | goes on with its header and address in pages that no task can change, if they are allowed to whatever socket it may turn out to be on |
//! | sendmmsg | as sendmsg, of its first message |
//! | a datagram to a unix socket's path where something may be renamed | is sent here, to the very socket that the path led to |
//! | a unix socket's path | connect is made here to the very socket that the path led to; bind goes by the rules for files |
//!
//! It must never let a call go on that it could not judge.

mod connect;
mod deliver;
pub mod dns;
mod peers;
mod send;
pub mod state;

use super::path::{LookupFlags, Paths, Resolved, SOCKADDR};
use super::pending::{Pending, again};
use super::stop::{Answer, Judged, Refused, SyscallStop};
use crate::judge::Reason;
use crate::net::{Address, Family, Protocol, Way};
use crate::paths::Access;
use crate::policy::Action;
use crate::supervise::tracee::Task;
use crate::sys::socket::{self, ADDRESS};
use crate::sys::{Errno, Taken, memory};
use crate::syscalls::op::{Op, Peer};
use crate::trace::{Registers, Resume, Stopped, Tid};
use dns::names::Names;
use peers::Who;
use std::os::fd::{AsFd, RawFd};
use std::time::{Duration, Instant};

/// What the supervisor knows of the sockets of a jail.
pub struct Sockets {
    names: Names,
    /// The number from which on a descriptor is not kept for a task that waits.
    spare: RawFd,
}

/// A socket of a tracee: another descriptor of the same open file.
pub(super) struct Socket {
    fd: Taken,
    family: Family,
    protocol: Protocol,
}

impl Socket {
    /// The socket of a descriptor. EBADF, ENOTSOCK as the kernel has them.
    fn of(stop: &SyscallStop<'_>, fd: u64) -> Result<Socket, Errno> {
        let tid = stop.tracee.tid();
        let number = fd as u32 as RawFd;
        let fd =
            crate::sys::files::descriptor_of(tid, stop.task.pid(), number).map_err(|errno| {
                match errno {
                    Errno::ENOENT => Errno::EBADF,
                    other => other,
                }
            })?;
        let family = Family::of(socket::option(fd.as_fd(), libc::SO_DOMAIN)?);
        let protocol = match family {
            Family::V4 | Family::V6 => Protocol::of(socket::option(fd.as_fd(), libc::SO_PROTOCOL)?),
            Family::Unix | Family::Other => Protocol::Other,
        };
        Ok(Socket {
            fd,
            family,
            protocol,
        })
    }
}

impl Sockets {
    pub fn new(plan: &crate::plan::Plan) -> Self {
        Self {
            names: Names::new(plan.names(), plan.learns),
            spare: connect::spare(crate::sys::process::descriptor_limit().unwrap_or(0)),
        }
    }

    /// Answers a call that the policy allows if its peers are open.
    pub fn answer(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
    ) -> Result<Answer, Errno> {
        let result = match stop.call.op() {
            Op::Peer(op) => match op {
                Peer::Connect => self.connect(paths, stop),
                Peer::Listen => self.listen(stop),
                Peer::Sendto => self.send_to(paths, stop),
                Peer::Sendmsg => self.send_message(paths, stop),
                Peer::Sendmmsg => self.send_messages(paths, stop),
            },
            Op::Bind => self.bind(paths, stop),
            // No other call names peers.
            _ => Err(Errno::ENOSYS.into()),
        };
        let state = &stop.task.sockets;
        let pending = stop.task.pending.borrow();
        let waits = pending.as_ref().is_some_and(Pending::is_of_socket);
        drop(pending);
        if !waits {
            state.waited.take();
        }
        let since = state.parked.take();
        Ok(match result {
            Ok(resume) => Answer::Go(resume),
            Err(Refused::Errno(errno)) => {
                Answer::Go(Resume::returning(stop.registers, -i64::from(errno as i32)))
            }
            Err(Refused::Denied(verdict, object)) => Answer::Deny(verdict, Some(object)),
            Err(Refused::Called(verdict)) => Answer::Deny(verdict, None),
            Err(Refused::Later(pause)) => {
                let since = since.unwrap_or_else(Instant::now);
                Answer::Go(Sockets::park(stop, pause, since)?)
            }
        })
    }

    /// A call of the supervisor's own making returns.
    pub fn returned(tracee: &Stopped, task: &Task, pending: Pending) -> Result<Resume, Errno> {
        let state = &task.sockets;
        let Some(result) = tracee.result()? else {
            return Ok(Resume::CONTINUE);
        };
        Ok(match pending {
            Pending::Again { original, waited } if result >= 0 => {
                state.waited.set(Some(waited));
                again(original)
            }
            Pending::Again { original, waited } => {
                Resume::set(original.with_result(connect::interrupted(waited)))
            }
            // A signal: its handler runs, and the call is made again whatever the handler wishes, for a
            // connect that fails with EINTR would be one that goes on (connect(2)).
            Pending::LookUp { original, .. } if interrupts(result) => made_again(original),
            // Where a filter of the command's own closes poll, it does not pause.
            Pending::LookUp { original, since } => {
                state.parked.set(Some(since));
                again(original)
            }
            Pending::Answer { original } if result >= 0 => again(original),
            Pending::Answer { original } | Pending::Fewer { original } => {
                Resume::set(original.with_result(result))
            }
            Pending::Connect {
                original,
                socket,
                address,
                begun,
            } => match connect::ended(&socket, &address, begun, result) {
                Some(result) => Resume::set(original.with_result(result)),
                None => again(original),
            },
            // Those of paths are not made here.
            Pending::Return { original, .. }
            | Pending::Passing { original }
            | Pending::Asked { original }
            | Pending::Map { original }
            | Pending::Filter { original, .. } => Resume::set(original.with_result(result)),
        })
    }

    /// The task waits for a look-up, and makes its call again; others go on meanwhile.
    fn park(stop: &SyscallStop<'_>, pause: Duration, since: Instant) -> Result<Resume, Errno> {
        let original = stop.registers;
        let paused = paused(original, pause)?;
        let pending = Pending::LookUp { original, since };
        stop.task.pending.replace(Some(pending));
        Ok(paused)
    }

    fn bind(&mut self, paths: &mut Paths, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        let (socket, bytes) = named(stop, stop.arg(0), stop.arg(1), stop.arg(2))?;
        let place = Address::decode(&bytes, socket.family, true);
        // An address of another family means nothing to a socket that [net] is about.
        let foreign = place == Address::Other;
        match place {
            Address::Inet { ip, port } if matches!(socket.family, Family::V4 | Family::V6) => {
                let ip = Address::canonical(ip, false);
                for protocol in Sockets::protocols(stop, socket.protocol) {
                    let who = Who::Inet { protocol, ip, port };
                    match self.judge(stop, Way::Listen, who) {
                        Err(Refused::Denied(verdict, _))
                            if port == 0
                                && verdict.reason == Reason::PeerDefault
                                && Sockets::may_send(stop, protocol) => {}
                        judged => judged?,
                    }
                }
            }
            Address::Path(name) if socket.family == Family::Unix => {
                return self.bind_path(paths, stop, &bytes, &name);
            }
            Address::Abstract(name) if socket.family == Family::Unix => {
                self.judge(stop, Way::Listen, Who::Abstract(&name))?;
            }
            Address::Malformed => return Err(Errno::EINVAL.into()),
            // inet6_bind of net/ipv6/af_inet6.c; to a socket of IPv4 it may be an address.
            Address::Unspecified if socket.family == Family::V6 => {
                return Err(Errno::EAFNOSUPPORT.into());
            }
            address => unnamed(stop, &socket, &address)?,
        }
        if paths.is_own(stop, stop.arg(1), bytes.len()) {
            return Ok(Resume::CONTINUE);
        }
        if foreign || stop.task.paths.is_confined() {
            return paths.emulation.pinned_call(stop, &bytes, |address| {
                [stop.arg(0), address, bytes.len() as u64, 0, 0, 0]
            });
        }
        done(stop, socket::bind(socket.fd.as_fd(), &bytes))
    }

    /// A unix socket is made where `[fs]` lets files be made, unless `[net]` denies it.
    fn bind_path(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
        given: &[u8],
        name: &[u8],
    ) -> Judged<Resume> {
        let found = stop.found_at(name, LookupFlags::NAME)?;
        match self.judge(stop, Way::Listen, Who::Path(&found.path)) {
            Err(Refused::Denied(verdict, _)) if verdict.reason == Reason::PeerDefault => {}
            judged => judged?,
        }
        let mut bytes = [0; SOCKADDR];
        let Some(start) = bytes.get_mut(..given.len()) else {
            return Err(Errno::EINVAL.into());
        };
        start.copy_from_slice(given);
        paths.bind_address(stop, bytes, given.len())
    }

    fn listen(&mut self, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        let socket = Socket::of(stop, stop.arg(0))?;
        if matches!(socket.family, Family::V4 | Family::V6) {
            let mut own = socket::own_address(socket.fd.as_fd())?;
            let unbound = |own: &[u8]| {
                let address = Address::decode(own, socket.family, true);
                matches!(address, Address::Inet { port: 0, .. })
            };
            if socket.protocol == Protocol::Tcp && unbound(&own) {
                // The kernel would choose a port within the call: it does so before, to be judged.
                socket::bind(socket.fd.as_fd(), &own)?;
                own = socket::own_address(socket.fd.as_fd())?;
                if unbound(&own) {
                    // IP_BIND_ADDRESS_NO_PORT (ip(7)), which is for clients.
                    return Err(Errno::EADDRINUSE.into());
                }
            }
            if let Address::Inet { ip, port } = Address::decode(&own, socket.family, true) {
                let ip = Address::canonical(ip, false);
                let protocol = socket.protocol;
                // What was bound to a port was judged then: any other the kernel has chosen.
                let chosen = Who::Inet {
                    protocol,
                    ip,
                    port: 0,
                };
                let bound = Who::Inet { protocol, ip, port };
                match self.judge(stop, Way::Listen, bound) {
                    Err(Refused::Denied(verdict, _)) if verdict.reason == Reason::PeerDefault => {
                        self.judge(stop, Way::Listen, chosen)?;
                    }
                    // An entry denies the port, also if the kernel has chosen it.
                    judged => judged?,
                }
            }
        } else {
            by_rules(stop)?;
        }
        if stop.task.space().is_alone() {
            return Ok(Resume::CONTINUE);
        }
        // Landlock has no right for it: a task that has confined itself may do it, too.
        let backlog = stop.arg(1) as u32 as i32;
        done(stop, socket::listen(socket.fd.as_fd(), backlog))
    }

    /// Judges the path of a unix socket, in `[net]` and in `[fs]`.
    fn judge_path(&mut self, stop: &SyscallStop<'_>, name: &[u8]) -> Judged<Resolved> {
        let found = stop.found_at(name, LookupFlags::object(true))?;
        stop.judge_only(Access::Handle, name, &found)?;
        if found.object.is_none() {
            // What is not there is not denied.
            return Err(Errno::ENOENT.into());
        }
        self.judge(stop, Way::Connect, Who::Path(&found.path))?;
        Ok(found)
    }
}

/// How a call returns that is made again after a signal's handler has run (linux/errno.h).
const ERESTARTNOINTR: i64 = -513;

/// Whether a signal has ended the call that returns this.
pub fn interrupts(result: i64) -> bool {
    connect::ERESTART.contains(&result)
}

/// A task is to make its own call again after a signal's handler has run, whatever the handler wishes.
pub fn made_again(original: Registers) -> Resume {
    Resume::set(original.with_result(ERESTARTNOINTR))
}

/// The task does nothing for a time, in the place of its call.
pub fn paused(original: Registers, pause: Duration) -> Result<Resume, Errno> {
    let (nr, args) = match Op::Poll.number() {
        // Rounded up, or the end of a time would be waited for without a pause.
        Some(nr) => (nr, [0, 0, pause.as_millis() as u64 + 1, 0, 0, 0]),
        None => (Op::SchedYield.number().ok_or(Errno::ENOSYS)?, [0; 6]),
    };
    Ok(Resume::calling(original.with_call(nr, args)).and_stop())
}

/// The socket of a call, and the bytes of the address that it names: EINVAL and EFAULT as
/// move_addr_to_kernel of net/socket.c has them.
fn named(stop: &SyscallStop<'_>, fd: u64, address: u64, length: u64) -> Judged<(Socket, Vec<u8>)> {
    let socket = Socket::of(stop, fd)?;
    let bytes = address_at(stop.tracee.tid(), address, length)?;
    Ok((socket, bytes))
}

fn address_at(tid: Tid, address: u64, length: u64) -> Result<Vec<u8>, Errno> {
    // An int: the upper half of the register is not looked at.
    let length = length as u32 as i32;
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    if length > ADDRESS {
        return Err(Errno::EINVAL);
    }
    memory::bytes_at(tid, address, length)
}

/// A call that names no peer, as far as its socket is concerned: the kernel refuses it, or it is none
/// of `[net]`'s.
fn unnamed(stop: &SyscallStop<'_>, socket: &Socket, address: &Address) -> Judged<()> {
    // To a socket that another task puts in its place, it may be an address.
    let stays = *address == Address::Other || stop.task.space().is_alone();
    match (socket.family, address) {
        _ if stays => by_rules(stop),
        (Family::V4 | Family::V6, Address::Unspecified) => by_rules(stop),
        (Family::V4 | Family::V6, _) => Err(Errno::EAFNOSUPPORT.into()),
        (Family::Unix | Family::Other, _) => Err(Errno::EINVAL.into()),
    }
}

/// What rules say of a call that names no peer: those about peers do not hold.
fn by_rules(stop: &SyscallStop<'_>) -> Judged<()> {
    if !stop.rules {
        return Ok(());
    }
    match stop.plan.judge.call(&stop.call) {
        verdict if verdict.action == Action::Allow => Ok(()),
        verdict => Err(Refused::Called(verdict)),
    }
}

/// A call that was made here.
fn done(stop: &SyscallStop<'_>, result: Result<(), Errno>) -> Judged<Resume> {
    let value = result.map_or_else(|errno| -i64::from(errno as i32), |()| 0);
    Ok(Resume::returning(stop.registers, value))
}
