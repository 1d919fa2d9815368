//! Answers of resolvers, seen as the command receives them: while a process has a socket to a
//! resolver, it stops at each of its calls, and before one that receives, the supervisor looks at what
//! lies in the socket, in the kernel, where no task can forge it (MSG_PEEK of recv(2)).
//!
//! No call is stopped for this at any other time. An answer that is not seen leases nothing: what a
//! thread receives that has not stopped since, what comes through nscd or by HTTPS.

use super::{Net, Pending};
use crate::net::{Address, Family, Protocol, Reach, To, Way, dns};
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::files::number;
use crate::sys::files::{descriptor_of, status_flags};
use crate::sys::{Errno, socket};
use crate::trace::{Registers, Resume, Stopped, Tid};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// The port of resolvers.
pub(super) const DNS: u16 = 53;
/// A process whose resolver has been silent for so long is not watched any more.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest message (RFC 1035), and what is before it in a stream.
const LONGEST: usize = 65_537;
/// Sockets of a process that are watched at the same time.
const MOST_SOCKETS: usize = 64;

/// Processes that talk to resolvers.
#[derive(Default)]
pub(super) struct Observed {
    processes: HashMap<Tid, Talk>,
    /// Reads of streams that are under way: of which process and descriptor.
    reading: HashMap<Tid, (Tid, RawFd)>,
}

/// What a process has to do with resolvers.
struct Talk {
    sockets: HashMap<RawFd, Stream>,
    until: Instant,
}

/// What was seen of a connection that is a stream.
#[derive(Default)]
struct Stream {
    /// What belongs to no whole message yet.
    rest: Vec<u8>,
    /// How many of the bytes that were seen the process has not read yet.
    ahead: usize,
}

impl Stream {
    /// Takes in what lies in the socket now: all that was not read.
    fn see(&mut self, queue: &[u8]) -> Vec<dns::Answer> {
        let new = queue.get(self.ahead..).unwrap_or_default();
        self.rest.extend_from_slice(new);
        self.ahead = self.ahead.max(queue.len());
        let (messages, taken) = dns::messages(&self.rest);
        let answers = messages.into_iter().filter_map(dns::answer).collect();
        self.rest.drain(..taken);
        answers
    }

    fn read(&mut self, bytes: usize) {
        self.ahead = self.ahead.saturating_sub(bytes);
    }
}

impl Observed {
    /// A process has a socket to a resolver.
    pub fn begin(&mut self, pid: Tid, fd: u64) {
        let talk = self.processes.entry(pid).or_insert_with(|| Talk {
            sockets: HashMap::new(),
            until: Instant::now(),
        });
        talk.until = Instant::now() + SILENCE;
        if talk.sockets.len() < MOST_SOCKETS {
            talk.sockets.insert(fd as u32 as RawFd, Stream::default());
        }
    }

    /// Whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Whether a process is.
    pub fn watches(&mut self, pid: Tid) -> bool {
        let Some(talk) = self.processes.get(&pid) else {
            return false;
        };
        let watched = Instant::now() < talk.until;
        if !watched {
            self.processes.remove(&pid);
        }
        watched
    }

    /// A process is gone, or runs another program.
    pub fn gone(&mut self, tid: Tid) {
        self.processes.remove(&tid);
        self.reading.remove(&tid);
    }

    fn closed(&mut self, pid: Tid, fd: RawFd) {
        if let Some(talk) = self.processes.get_mut(&pid) {
            talk.sockets.remove(&fd);
            if talk.sockets.is_empty() {
                self.processes.remove(&pid);
            }
        }
    }
}

/// A call that receives.
struct Receive {
    fd: RawFd,
    /// MSG_DONTWAIT and the like.
    flags: u64,
    /// How many messages it takes; `None`: one.
    count: Option<u64>,
}

impl Receive {
    fn of(registers: &Registers) -> Option<Receive> {
        let call = registers.call();
        let [fd, _, third, fourth, ..] = call.args;
        let (flags, count) = match call.syscall()?.name {
            "read" | "readv" => (0, None),
            "recvfrom" => (fourth, None),
            "recvmsg" => (third, None),
            "recvmmsg" => (fourth, Some(u64::from(third as u32))),
            _ => return None,
        };
        Some(Receive {
            fd: fd as u32 as RawFd,
            flags,
            count,
        })
    }
}

impl Net {
    /// Whether the calls of a process are to be seen.
    pub fn watches(&mut self, pid: impl FnOnce() -> Tid) -> bool {
        !self.observed.is_empty() && self.observed.watches(pid())
    }

    /// A call of a process that is watched begins.
    pub fn begins(&mut self, plan: &Plan, tracee: &Stopped, pid: Tid) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::Continue);
        };
        let call = registers.call();
        if call
            .syscall()
            .is_some_and(|syscall| syscall.name == "close")
        {
            self.observed.closed(pid, call.args[0] as u32 as RawFd);
            return Ok(Resume::Continue);
        }
        let Some(receive) = Receive::of(&registers) else {
            return Ok(Resume::Continue);
        };
        let watched = |talk: &Talk| talk.sockets.contains_key(&receive.fd);
        if !self.observed.processes.get(&pid).is_some_and(watched) {
            return Ok(Resume::Continue);
        }
        let Ok(fd) = descriptor_of(tid, pid, receive.fd) else {
            return Ok(Resume::Continue);
        };
        if !socket::is_readable(fd.as_fd()) {
            return Ok(self.wait_for_answer(tid, registers, &receive, &fd));
        }
        self.look(plan, tid, pid, &receive, &fd);
        match receive.count {
            // The others are looked at when it is called again.
            Some(2..) => {
                let mut args = call.args;
                args[2] = 1;
                self.pending.insert(
                    tid,
                    Pending::Fewer {
                        original: registers,
                    },
                );
                Ok(Resume::SetAndStop(registers.with_call(call.nr, args)))
            }
            _ => Ok(Resume::Continue),
        }
    }

    /// A call of a process that is watched has returned.
    pub fn ends(&mut self, tracee: &Stopped) -> Result<(), Errno> {
        let Some((pid, fd)) = self.observed.reading.remove(&tracee.tid()) else {
            return Ok(());
        };
        let result = tracee
            .registers()?
            .map_or(0, |registers| registers.result());
        if let (Ok(bytes), Some(talk)) = (
            usize::try_from(result),
            self.observed.processes.get_mut(&pid),
        ) && let Some(stream) = talk.sockets.get_mut(&fd)
        {
            stream.read(bytes);
        }
        Ok(())
    }

    /// A task that waits for an answer waits for it without taking it, and then makes its call again.
    fn wait_for_answer(
        &mut self,
        tid: Tid,
        original: Registers,
        receive: &Receive,
        fd: &OwnedFd,
    ) -> Resume {
        let waits = receive.flags & libc::MSG_DONTWAIT as u64 == 0
            && status_flags(fd.as_fd()).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0);
        let (true, Some(nr)) = (waits, number("recvfrom")) else {
            return Resume::Continue;
        };
        let args = [receive.fd as u64, 0, 0, libc::MSG_PEEK as u64, 0, 0];
        self.pending.insert(tid, Pending::Answer { original });
        Resume::SetAndStop(original.with_call(nr, args))
    }

    /// Looks at what lies in a socket, and leases what a resolver that the policy allows has answered.
    fn look(&mut self, plan: &Plan, tid: Tid, pid: Tid, receive: &Receive, fd: &OwnedFd) {
        let option = |name| socket::option(fd.as_fd(), name).unwrap_or(-1);
        let family = Family::of(option(libc::SO_DOMAIN));
        let protocol = Protocol::of(option(libc::SO_PROTOCOL));
        let mut buffer = vec![0; LONGEST];
        let Ok((length, from)) = socket::peek(fd.as_fd(), &mut buffer) else {
            return;
        };
        let seen = buffer.get(..length).unwrap_or_default();
        let sender = match socket::peer_address(fd.as_fd()) {
            Ok(peer) => peer,
            Err(_) => from,
        };
        if !is_resolver(plan, family, protocol, &sender) {
            return;
        }
        let Some(talk) = self.observed.processes.get_mut(&pid) else {
            return;
        };
        talk.until = Instant::now() + SILENCE;
        let answers = match protocol {
            Protocol::Tcp => {
                self.observed.reading.insert(tid, (pid, receive.fd));
                let stream = talk.sockets.entry(receive.fd).or_default();
                stream.see(seen)
            }
            _ => dns::answer(seen).into_iter().collect(),
        };
        for answer in &answers {
            self.names.answered(answer);
        }
    }
}

/// Whether an address is that of a resolver that the policy allows to be asked.
fn is_resolver(plan: &Plan, family: Family, protocol: Protocol, address: &[u8]) -> bool {
    match Address::decode(address, family, false) {
        Address::Inet { ip, port: DNS } => {
            let to = To::Inet {
                protocol,
                ip: Some(Address::canonical(ip, true)),
                port: DNS,
                names: &[],
            };
            let way = Way::Connect;
            plan.judge.reach(&Reach { way, to }).action == Action::Allow
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to `name`: one A record.
    fn message(name: &str, ip: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        bytes.extend(ip);
        let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
        framed.append(&mut bytes);
        framed
    }

    #[test]
    fn a_stream_is_put_together_however_it_is_read() {
        let whole = [
            message("a.example", [10, 0, 0, 1]),
            message("b.example", [10, 0, 0, 2]),
        ]
        .concat();
        for chunk in 1..whole.len() {
            let mut stream = Stream::default();
            let mut found = Vec::new();
            let mut read = 0;
            while read < whole.len() {
                // What has arrived grows, and is read in chunks.
                let arrived = (read + 2 * chunk).min(whole.len());
                found.extend(stream.see(&whole[read..arrived]));
                stream.read(chunk.min(arrived - read));
                read += chunk.min(arrived - read);
            }
            let names: Vec<&str> = found.iter().map(|answer| answer.name.as_str()).collect();
            assert_eq!(names, ["a.example", "b.example"], "{chunk}");
        }
    }

    #[test]
    fn a_process_is_watched_while_it_has_a_socket_to_a_resolver() {
        let mut observed = Observed::default();
        observed.begin(1, 5);
        observed.begin(1, 6);
        observed.closed(1, 5);
        assert!(observed.watches(1) && !observed.watches(2));
        observed.closed(1, 6);
        assert!(!observed.watches(1) && observed.is_empty());
        observed.begin(1, 5);
        observed.gone(1);
        assert!(observed.is_empty());
    }
}
