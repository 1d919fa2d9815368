//! connect(2).
//!
//! Where another task could change the address, the call goes on with a copy that no task can change, if the
//! policy allows it to any socket.
//!
//! Where another task could also put a socket that may not connect in the place of the one that was judged, the
//! supervisor connects, on a descriptor of its own. It must not wait for the peer: a
//! connect that takes time is begun here, and the task waits for it by a send of nothing, which blocks
//! until the connection stands (sk_stream_wait_connect of net/core/stream.c) and has no memory to be
//! tampered with.

use super::state::Waited;
use super::{Pending, Socket, Sockets, Who, address_at, done, named, paused, unnamed};
use crate::net::{Address, Family, Protocol, Way, dns};
use crate::supervise::syscall::path::Paths;
use crate::supervise::syscall::stop::{Judged, SyscallStop};
use crate::sys::{Errno, files as sys_files};
use crate::sys::{signal, socket};
use crate::syscalls::op::{Op, Peer};
use crate::trace::Resume;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// How a call returns that a signal has interrupted and that may be made again (linux/errno.h).
const ERESTARTSYS: i64 = -512;
pub(super) const ERESTART: std::ops::RangeInclusive<i64> = -516..=-512;

/// How the address of a unix socket begins.
const UNIX: [u8; 2] = (libc::AF_UNIX as u16).to_ne_bytes();

/// The longest pause between two tries to get into a full queue.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

impl Sockets {
    pub(super) fn connect(
        &mut self,
        paths: &mut Paths,
        stop: &mut SyscallStop<'_>,
    ) -> Judged<Resume> {
        if let Some(resume) = self.connect_by_task(paths, stop) {
            return Ok(resume);
        }
        let [fd, address, length, ..] = stop.call.args;
        let (socket, mut bytes) = named(stop, fd, address, length)?;
        let mut stable = true;
        let inet = matches!(socket.family, Family::V4 | Family::V6);
        let named = Address::decode(&bytes, socket.family, false);
        // An address of another family means nothing to a socket that [net] is about.
        let foreign = named == Address::Other;
        match named {
            Address::Inet { ip, port } if inet => {
                let ip = Address::canonical(ip, true);
                for protocol in Sockets::protocols(stop, socket.protocol) {
                    self.judge(stop, Way::Connect, Who::Inet { protocol, ip, port })?;
                }
                stable = !Address::settle(&mut bytes, socket.family);
                if port == dns::PORT && stop.plan.net.observes {
                    self.observe(stop, socket.protocol, ip);
                }
            }
            Address::Path(name) if socket.family == Family::Unix => {
                let found = self.judge_path(stop, &name)?;
                if paths.is_stable(stop, address, &bytes, &found) {
                    return Ok(Resume::CONTINUE);
                }
                let Some(object) = &found.object else {
                    return Err(Errno::ENOENT.into());
                };
                let link = unix_address(object);
                return self.make(stop, socket, link);
            }
            Address::Abstract(name) if socket.family == Family::Unix => {
                self.judge(stop, Way::Connect, Who::Abstract(&name))?;
            }
            Address::Malformed => return Err(Errno::EINVAL.into()),
            // AF_UNSPEC ends an association.
            address => unnamed(stop, &socket, &address)?,
        }
        if stable && paths.is_own(stop, address, bytes.len()) {
            return Ok(Resume::CONTINUE);
        }
        if foreign || stop.task.paths.is_confined() {
            return paths
                .emulation
                .pinned_call(stop, &bytes, |at| [fd, at, bytes.len() as u64, 0, 0, 0]);
        }
        self.make(stop, socket, bytes)
    }

    /// A connect that the policy allows to every socket goes on by the task itself, with its address where no task
    /// can change it. So the socket needs no look, and waits, time-outs and signals are the kernel's.
    /// `None`: it depends on the socket, or no place for the address is free.
    ///
    /// An address of these two families means the same to each socket that takes it, or the socket refuses it:
    /// IPv6 takes one of IPv4 only for datagrams (`__ip6_datagram_connect` of net/ipv6/datagram.c), and what is
    /// no internet socket takes none. AF_UNSPEC depends on the socket.
    fn connect_by_task(&mut self, paths: &mut Paths, stop: &mut SyscallStop<'_>) -> Option<Resume> {
        let [fd, address, length, rest @ ..] = stop.call.args;
        // Errors are told in the kernel's order, by the look at the socket.
        let mut bytes = address_at(stop.tracee.tid(), address, length).ok()?;
        let Address::Inet { ip, port } = Address::decode(&bytes, Family::Other, false) else {
            return None;
        };
        let ip = Address::canonical(ip, true);
        let observed = port == dns::PORT && stop.plan.net.observes;
        // What is recorded is judged by its socket.
        if observed || stop.seen.is_some() || !self.is_open_to_all(stop, ip, port) {
            return None;
        }
        let settled = Address::settle(&mut bytes, Family::Other);
        if !settled && paths.is_own(stop, address, bytes.len()) {
            return Some(Resume::CONTINUE);
        }
        let [fourth, fifth, sixth] = rest;
        let args = |at| [fd, at, length, fourth, fifth, sixth];
        paths.emulation.pinned_if_free(stop, &bytes, args)
    }

    /// Connects here. A task that would wait does so by itself.
    fn make(&mut self, stop: &SyscallStop<'_>, socket: Socket, address: Vec<u8>) -> Judged<Resume> {
        let flags = sys_files::status_flags(socket.fd.as_fd())?;
        let original = stop.registers;
        if socket::option(socket.fd.as_fd(), libc::SO_TYPE)? == libc::SOCK_DGRAM {
            // It never waits, and others may be using the socket meanwhile.
            return done(stop, socket::connect(socket.fd.as_fd(), &address));
        }
        let waits = flags & libc::O_NONBLOCK == 0;
        // Too many tasks wait: this process needs descriptors to look at all others.
        if waits && socket.fd.as_raw_fd() >= self.spare {
            return Err(Errno::ENFILE.into());
        }
        let mut result = without_waiting(&socket.fd, flags, &address);
        // One that was begun before, and goes on, is told so when the time is up.
        let begun = result.err().unwrap_or(Errno::EINPROGRESS);
        if waits && result == Err(Errno::EINPROGRESS) {
            // On this host the connection stands by now.
            result = without_waiting(&socket.fd, flags, &address);
        }
        match result {
            Err(Errno::EINPROGRESS | Errno::EALREADY) if waits => {
                let nr = Op::Peer(Peer::Sendto).number().ok_or(Errno::ENOSYS)?;
                let flags = libc::MSG_NOSIGNAL as u64;
                let changed = original.with_call(nr, [stop.arg(0), 0, 0, flags, 0, 0]);
                let pending = Pending::Connect {
                    original,
                    socket: socket.fd,
                    address,
                    begun,
                };
                stop.task.pending.replace(Some(pending));
                Ok(Resume::calling(changed).and_stop())
            }
            // The backlog of a unix socket is full.
            Err(Errno::EAGAIN) if waits && socket.family == Family::Unix => {
                self.wait(stop, &socket)
            }
            Err(Errno::EISCONN) if waits && socket.protocol == Protocol::Tcp => {
                // Begun before, and it stands: but a second connect gets the error for that.
                done(stop, Err(Errno::EISCONN))
            }
            result => done(stop, result),
        }
    }

    /// The task waits a little, and makes its call again.
    pub(super) fn wait(&mut self, stop: &SyscallStop<'_>, socket: &Socket) -> Judged<Resume> {
        let original = stop.registers;
        let now = Instant::now();
        let waited = match stop.task.sockets.waited.take() {
            Some(waited) => Waited {
                pause: LONGEST_PAUSE.min(waited.pause * 2),
                ..waited
            },
            None => Waited {
                until: socket::send_timeout(socket.fd.as_fd())?.map(|timeout| now + timeout),
                pause: Duration::from_millis(1),
            },
        };
        let left = waited.until.map(|until| until.duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return done(stop, Err(Errno::EAGAIN));
        }
        let pause = left.map_or(waited.pause, |left| left.min(waited.pause));
        let paused = paused(original, pause)?;
        let pending = Pending::Again { original, waited };
        stop.task.pending.replace(Some(pending));
        Ok(paused)
    }
}

/// connect(2) that returns at once. Whether an open file blocks is a flag that all share: another
/// task may set it again in between, and then a tick ends the call. Of a socket that is connected it
/// is left alone: there is no wait, and others may be reading.
fn without_waiting(socket: &OwnedFd, flags: i32, address: &[u8]) -> Result<(), Errno> {
    let connected = || socket::peer_address(socket.as_fd()).is_ok();
    let waits = flags & libc::O_NONBLOCK == 0 && !connected();
    if waits {
        socket::set_status_flags(socket.as_fd(), flags | libc::O_NONBLOCK)?;
    }
    let result = match signal::without_waiting(|| socket::connect(socket.as_fd(), address)) {
        Err(Errno::EINTR) if address.starts_with(&UNIX) => Err(Errno::EAGAIN),
        Err(Errno::EINTR) => Err(Errno::EINPROGRESS),
        other => other,
    };
    if waits {
        socket::set_status_flags(socket.as_fd(), flags)?;
    }
    result
}

/// What a call returns of which a signal has interrupted the pause: as sock_intr_errno of
/// net/sock.h has it, one that waits for ever is made again where the signal's handler wishes that.
pub(super) fn interrupted(waited: Waited) -> i64 {
    match waited.until {
        Some(_) => -i64::from(Errno::EINTR as i32),
        None => ERESTARTSYS,
    }
}

/// What a connect returns after its task has waited, by a send that returned `sent`. `None`: it has to
/// wait again.
pub(super) fn ended(socket: &OwnedFd, address: &[u8], begun: Errno, sent: i64) -> Option<i64> {
    let flags = sys_files::status_flags(socket.as_fd()).unwrap_or(0);
    let code = |errno: Errno| -i64::from(errno as i32);
    match without_waiting(socket, flags, address) {
        Ok(()) | Err(Errno::EISCONN) => Some(0),
        Err(Errno::EALREADY | Errno::EINPROGRESS) => match sent {
            sent if ERESTART.contains(&sent) || sent == code(Errno::EINTR) => Some(sent),
            // SO_SNDTIMEO (socket(7)).
            sent if sent == code(Errno::EAGAIN) => Some(code(begun)),
            _ => None,
        },
        // The send was given the reason, and it is given once.
        Err(errno) => match sent {
            0.. => Some(code(errno)),
            sent if ERESTART.contains(&sent)
                || [Errno::EPIPE, Errno::EAGAIN, Errno::EINTR]
                    .map(code)
                    .contains(&sent) =>
            {
                Some(code(errno))
            }
            sent => Some(sent),
        },
    }
}

/// From which number on a descriptor is not kept for a task, where this process may have so many:
/// the last 256 are for what the supervisor itself opens, of few descriptors half of them.
pub(super) fn spare(limit: u64) -> RawFd {
    let limit = RawFd::try_from(limit).unwrap_or(RawFd::MAX);
    limit.saturating_sub(256).max(limit / 2)
}

/// The address of a socket that a descriptor of this process stands for.
pub(super) fn unix_address(object: &OwnedFd) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(format!("/proc/self/fd/{}\0", object.as_raw_fd()).into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::spare;

    #[test]
    fn the_last_descriptors_are_the_supervisors() {
        assert_eq!(spare(1024), 768);
        assert_eq!(spare(256), 128);
        assert_eq!(spare(0), 0);
        assert_eq!(spare(u64::MAX), i32::MAX - 256);
    }
}
