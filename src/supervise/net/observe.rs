//! What the command and resolvers say to each other. While a process has a socket to a resolver, it
//! stops at each of its calls; no call is stopped for this at any other time.
//!
//! Over UDP the answers are seen as the command receives them: before a call that receives, the
//! supervisor looks at the next datagram (MSG_PEEK of recv(2)). The kernel keeps datagrams whole and keeps
//! the sender of each, so that one look tells all, whatever was done to the socket before and by whom:
//! what is leased is a whole datagram, from its first byte, that the resolver has sent. The filter closes
//! SO_PEEK_OFF, which moves the beginning of a look. No question is compared: it lies in the command's
//! memory, where it can change at any time, and a resolver that is honest answers nothing else.
//!
//! Over TCP nothing is taken from the stream: which byte of it a look begins with depends on what all that
//! share the socket have read, in ways that are not seen. There the command's questions are read from
//! its memory, and the supervisor puts them again (see `lookup`).
//!
//! An answer that is not seen leases nothing: what a thread receives that has not stopped since, what
//! comes through nscd or by HTTPS.

use super::{Net, Pending};
use crate::net::{Address, Family, Protocol, Reach, To, Way, dns};
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::files::{Asked, number};
use crate::sys::files::{descriptor_of, status_flags};
use crate::sys::{Errno, memory, socket};
use crate::trace::{Registers, Resume, Stopped, Tid};
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// The port of resolvers.
pub(super) const DNS: u16 = 53;
/// A process whose resolver has been silent for so long is not watched any more.
const SILENCE: Duration = Duration::from_secs(10);
/// More than the longest datagram.
const LONGEST: usize = 65_536;
/// Sockets of a process that are watched at the same time.
const MOST_SOCKETS: usize = 64;

/// The most bytes of a call that are searched for questions, and the most pieces.
const MOST_SENT: usize = 1024;
const MOST_PIECES: usize = 8;

/// Processes that talk to resolvers.
#[derive(Default)]
pub(super) struct Observed {
    processes: HashMap<Tid, Talk>,
}

/// What a process has to do with resolvers.
struct Talk {
    sockets: HashMap<RawFd, Spoken>,
    until: Instant,
}

/// How a socket speaks with resolvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Datagrams,
    /// Over TCP, with this one.
    Stream(IpAddr),
}

impl Observed {
    /// A process has a socket to a resolver.
    pub fn begin(&mut self, pid: Tid, fd: u64, spoken: Spoken) {
        let talk = self.processes.entry(pid).or_insert_with(|| Talk {
            sockets: HashMap::new(),
            until: Instant::now(),
        });
        talk.until = Instant::now() + SILENCE;
        let fd = fd as u32 as RawFd;
        if talk.sockets.len() < MOST_SOCKETS || talk.sockets.contains_key(&fd) {
            talk.sockets.insert(fd, spoken);
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

/// Where the bytes lie that a call sends to the socket's peer.
enum Send {
    Whole(u64, u64),
    Pieces(u64, u64),
    /// In the pieces of a message's header.
    Message(u64),
}

impl Send {
    fn of(registers: &Registers) -> Option<Send> {
        let call = registers.call();
        let [_, data, count, ..] = call.args;
        Some(match call.syscall()?.name {
            "write" | "sendto" => Send::Whole(data, count),
            "writev" => Send::Pieces(data, count),
            "sendmsg" | "sendmmsg" => Send::Message(data),
            _ => return None,
        })
    }

    /// The first of these bytes, as they are now.
    fn bytes(&self, tid: Tid) -> Vec<u8> {
        let word = |at: u64| {
            let mut word = [0; 8];
            let read = memory::read(tid, at, &mut word).unwrap_or(0);
            (read == word.len()).then(|| u64::from_ne_bytes(word))
        };
        match *self {
            Send::Whole(at, length) => {
                let mut bytes = vec![0; (length as usize).min(MOST_SENT)];
                let read = memory::read(tid, at, &mut bytes).unwrap_or(0);
                bytes.truncate(read);
                bytes
            }
            Send::Pieces(at, count) => {
                let mut bytes = Vec::new();
                for place in 0..count.min(MOST_PIECES as u64) {
                    // `struct iovec`: where, and how many.
                    let piece = at.wrapping_add(16 * place);
                    let (Some(at), Some(length)) = (word(piece), word(piece.wrapping_add(8)))
                    else {
                        break;
                    };
                    let room = (MOST_SENT - bytes.len()) as u64;
                    bytes.extend(Send::Whole(at, length.min(room)).bytes(tid));
                }
                bytes
            }
            // `struct user_msghdr`: after the name and its length.
            Send::Message(at) => match (word(at.wrapping_add(16)), word(at.wrapping_add(24))) {
                (Some(pieces), Some(count)) => Send::Pieces(pieces, count).bytes(tid),
                _ => Vec::new(),
            },
        }
    }
}

/// The questions in bytes that are sent: each after its length, or one whose length was sent before.
fn questions(sent: &[u8]) -> Vec<dns::Question> {
    let (messages, _) = dns::messages(sent);
    let found: Vec<_> = messages.into_iter().filter_map(dns::question).collect();
    match found.is_empty() {
        true => dns::question(sent).into_iter().collect(),
        false => found,
    }
}

impl Net {
    /// Whether the calls of a process are to be seen.
    pub fn watches(&mut self, pid: impl FnOnce() -> Tid) -> bool {
        !self.observed.is_empty() && self.observed.watches(pid())
    }

    /// The socket of this call speaks with a resolver from now on.
    pub(super) fn observe(&mut self, asked: &Asked<'_>, protocol: Protocol, resolver: IpAddr) {
        let spoken = match protocol {
            Protocol::Udp => Spoken::Datagrams,
            Protocol::Tcp => Spoken::Stream(resolver),
            Protocol::Other => return,
        };
        let pid = asked.tree.pid_of(asked.tracee.tid());
        self.observed.begin(pid, asked.arg(0), spoken);
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
        let spoken = |fd: RawFd| {
            let talk = self.observed.processes.get(&pid)?;
            talk.sockets.get(&fd).copied()
        };
        if let Some(send) = Send::of(&registers) {
            if let Some(Spoken::Stream(resolver)) = spoken(call.args[0] as u32 as RawFd) {
                self.hear(plan, pid, resolver, &send.bytes(tid));
            }
            return Ok(Resume::Continue);
        }
        let Some(receive) = Receive::of(&registers) else {
            return Ok(Resume::Continue);
        };
        if spoken(receive.fd) != Some(Spoken::Datagrams) {
            return Ok(Resume::Continue);
        }
        let Ok(fd) = descriptor_of(tid, pid, receive.fd) else {
            return Ok(Resume::Continue);
        };
        if !socket::is_readable(fd.as_fd()) {
            return Ok(self.wait_for_answer(tid, registers, &receive, &fd));
        }
        self.look(plan, pid, &fd);
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

    /// A task that waits for an answer waits for it without taking it, and then makes its call again.
    fn wait_for_answer(
        &mut self,
        tid: Tid,
        original: Registers,
        receive: &Receive,
        fd: &OwnedFd,
    ) -> Resume {
        // What is asked of the queue of errors never waits.
        let at_once = (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) as u64;
        let waits = receive.flags & at_once == 0
            && status_flags(fd.as_fd()).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0);
        let (true, Some(nr)) = (waits, number("recvfrom")) else {
            return Resume::Continue;
        };
        let args = [receive.fd as u64, 0, 0, libc::MSG_PEEK as u64, 0, 0];
        self.pending.insert(tid, Pending::Answer { original });
        Resume::SetAndStop(original.with_call(nr, args))
    }

    /// Looks at the next datagram of a socket, and leases what a resolver that the policy allows has
    /// answered.
    fn look(&mut self, plan: &Plan, pid: Tid, fd: &OwnedFd) {
        let option = |name| socket::option(fd.as_fd(), name);
        // A raw socket of UDP, and one that pings, receive what comes before the data, too. No offset
        // can be set in a jail; one from outside may have been.
        let plain = option(libc::SO_TYPE) == Ok(libc::SOCK_DGRAM)
            && option(libc::SO_PROTOCOL) == Ok(libc::IPPROTO_UDP)
            && option(libc::SO_PEEK_OFF) == Ok(-1);
        let family = Family::of(option(libc::SO_DOMAIN).unwrap_or(-1));
        let mut buffer = vec![0; LONGEST];
        let (true, Ok((length, sender))) = (plain, socket::peek(fd.as_fd(), &mut buffer)) else {
            return;
        };
        // Not the peer of the socket: what was in it before it was connected is another's.
        if !is_resolver(plan, family, Protocol::Udp, &sender) {
            return;
        }
        if let Some(talk) = self.observed.processes.get_mut(&pid) {
            talk.until = Instant::now() + SILENCE;
        }
        if let Some(answer) = dns::answer(buffer.get(..length).unwrap_or_default()) {
            self.names.answered(&answer);
        }
    }

    /// Something is sent to a resolver over TCP.
    fn hear(&mut self, plan: &Plan, pid: Tid, resolver: IpAddr, sent: &[u8]) {
        if !may_be_asked(plan, Protocol::Tcp, resolver) {
            return;
        }
        for question in questions(sent) {
            if let Some(talk) = self.observed.processes.get_mut(&pid) {
                talk.until = Instant::now() + SILENCE;
            }
            self.names.asks((resolver, DNS).into(), question);
        }
    }
}

/// Whether an address is that of a resolver that the policy allows to be asked.
fn is_resolver(plan: &Plan, family: Family, protocol: Protocol, address: &[u8]) -> bool {
    match Address::decode(address, family, false) {
        Address::Inet { ip, port: DNS } => {
            may_be_asked(plan, protocol, Address::canonical(ip, true))
        }
        _ => false,
    }
}

fn may_be_asked(plan: &Plan, protocol: Protocol, ip: IpAddr) -> bool {
    let to = To::Inet {
        protocol,
        ip: Some(ip),
        port: DNS,
        names: &[],
    };
    let way = Way::Connect;
    plan.judge.reach(&Reach { way, to }).action == Action::Allow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_found_with_their_length_and_without() {
        let question = |name: &str| dns::Question {
            name: name.to_owned(),
            kind: dns::TYPE_A,
        };
        let message = |name| dns::query(7, &question(name)).expect("a query");
        let framed = |name| {
            let message = message(name);
            [&(message.len() as u16).to_be_bytes()[..], &message].concat()
        };
        let two = [framed("a.example"), framed("b.example")].concat();
        let both = [question("a.example"), question("b.example")];
        assert_eq!(questions(&two), both);
        assert_eq!(questions(&message("a.example")), both[..1]);
        // The second is cut off.
        assert_eq!(questions(&two[..two.len() - 1]), both[..1]);
        assert!(questions(&two[..2]).is_empty() && questions(&[]).is_empty());
    }

    #[test]
    fn a_process_is_watched_while_it_has_a_socket_to_a_resolver() {
        let mut observed = Observed::default();
        observed.begin(1, 5, Spoken::Datagrams);
        observed.begin(1, 6, Spoken::Datagrams);
        observed.closed(1, 5);
        assert!(observed.watches(1) && !observed.watches(2));
        observed.closed(1, 6);
        assert!(!observed.watches(1) && observed.is_empty());
        observed.begin(1, 5, Spoken::Datagrams);
        observed.gone(1);
        assert!(observed.is_empty());
    }
}
