//! Datagrams to unix sockets by a path that another task could lead elsewhere: they are sent here, to
//! the very socket that the path led to. What is sent is read once; control data (descriptors above
//! all) cannot be taken along.

use super::connect::unix_address;
use super::{Socket, Sockets};
use crate::judge::Reason;
use crate::net::Way;
use crate::supervise::object::{Object, PeerObject};
use crate::supervise::syscall::stop::{Judged, Refused, SyscallStop, refusal};
use crate::sys::files::status_flags;
use crate::sys::{Errno, memory, socket};
use crate::trace::Resume;
use std::os::fd::{AsFd, OwnedFd};

/// The most bytes of one datagram: more than a unix socket takes (net.core.wmem_max).
const LONGEST: usize = 1 << 20;
/// UIO_MAXIOV, and `struct iovec`.
const MOST_PIECES: u64 = 1024;
const PIECE: usize = 16;

/// What is to be sent, and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Data {
    /// In one piece.
    Whole { at: u64, length: u64 },
    /// In the pieces of an iovec. `told`: the length that was sent belongs there, and 1 is returned.
    Pieces {
        at: u64,
        count: u64,
        told: Option<u64>,
    },
}

/// The socket that a path led to.
pub(super) struct Destination {
    pub object: OwnedFd,
    pub path: Vec<u8>,
}

impl Sockets {
    /// Sends a datagram here. A task that would wait does so by itself.
    pub(super) fn deliver(
        &mut self,
        stop: &SyscallStop<'_>,
        sender: &Socket,
        flags: u64,
        control: &[u8],
        data: Data,
        to: &Destination,
    ) -> Judged<Resume> {
        if !control.is_empty() {
            return Err(unpinned(&to.path));
        }
        let tid = stop.tracee.tid();
        let bytes = match data {
            Data::Whole { at, length } => whole(stop, at, length)?,
            Data::Pieces { at, count, .. } => pieces(stop, at, count)?,
        };
        let waits = flags & libc::MSG_DONTWAIT as u64 == 0
            && status_flags(sender.fd.as_fd())? & libc::O_NONBLOCK == 0;
        let flags = flags as u32 as i32 | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let address = unix_address(&to.object);
        let value = match socket::send_to(sender.fd.as_fd(), &bytes, flags, &address) {
            Err(Errno::EAGAIN) if waits => return self.wait(stop, sender),
            Err(errno) => -i64::from(errno as i32),
            Ok(sent) => match data {
                Data::Pieces {
                    told: Some(told), ..
                } => {
                    let length = (sent as u32).to_ne_bytes();
                    memory::write(tid, told, &length)?;
                    1
                }
                _ => sent as i64,
            },
        };
        Ok(Resume::returning(stop.registers, value))
    }
}

fn whole(stop: &SyscallStop<'_>, at: u64, length: u64) -> Result<Vec<u8>, Errno> {
    match usize::try_from(length) {
        Ok(length) if length <= LONGEST => memory::bytes_at(stop.tracee.tid(), at, length),
        _ => Err(Errno::EMSGSIZE),
    }
}

fn pieces(stop: &SyscallStop<'_>, at: u64, count: u64) -> Result<Vec<u8>, Errno> {
    if count > MOST_PIECES {
        return Err(Errno::EMSGSIZE);
    }
    let vector = memory::bytes_at(stop.tracee.tid(), at, count as usize * PIECE)?;
    let mut bytes = Vec::new();
    for piece in vector.chunks_exact(PIECE) {
        let (at, length) = (memory::word(piece, 0), memory::word(piece, 8));
        if length > (LONGEST - bytes.len()) as u64 {
            return Err(Errno::EMSGSIZE);
        }
        bytes.extend(whole(stop, at, length)?);
    }
    Ok(bytes)
}

pub(super) fn unpinned(path: &[u8]) -> Refused {
    let object = no_entry(&format!("unix:{}", String::from_utf8_lossy(path)));
    Refused::Denied(refusal(Reason::Unpinned), object)
}

/// A peer that no entry could name.
pub(super) fn no_entry(to: &str) -> Object {
    Object::Peer(PeerObject {
        way: Way::Connect,
        to: to.to_owned(),
        names: Vec::new(),
        who: None,
    })
}
