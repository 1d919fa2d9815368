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
//! share the socket have read, in ways that are not seen. An answer over UDP may not be seen either, where
//! a thread receives it that has not stopped since. So the command's questions are read from its memory,
//! and those whose answers are not seen the supervisor puts again (see `lookup`).
//!
//! What comes through nscd or by HTTPS leases nothing.

use super::questions::{Send, questions};
use super::talk::{ProcessState, Spoken};
use crate::judge::Reason;
use crate::net::{Address, Family, Protocol, Reach, To, Way, dns};
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::syscall::pending::Pending;
use crate::supervise::syscall::socket::Sockets;
use crate::supervise::syscall::stop::SyscallStop;
use crate::supervise::tracee::Task;
use crate::sys::files::{descriptor_of, status_flags};
use crate::sys::{Errno, socket};
use crate::syscalls::Op;
use crate::trace::{Registers, Resume, Stopped};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// More than the longest datagram.
const LONGEST: usize = 65_536;
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
        let (flags, count) = match call.op() {
            Op::Read | Op::Readv => (0, None),
            Op::Recvfrom => (fourth, None),
            Op::Recvmsg => (third, None),
            Op::Recvmmsg => (fourth, Some(u64::from(third as u32))),
            _ => return None,
        };
        Some(Receive {
            fd: fd as u32 as RawFd,
            flags,
            count,
        })
    }
}

impl Sockets {
    /// The socket of this call speaks with a resolver from now on.
    pub fn observe(&mut self, stop: &SyscallStop<'_>, protocol: Protocol, resolver: IpAddr) {
        if matches!(protocol, Protocol::Lite | Protocol::Other) {
            return;
        }
        let tid = stop.tracee.tid();
        let process = stop.task.process();
        let spoken = Spoken { protocol, resolver };
        process.sockets.begin(stop.arg(0), spoken);
        if let Some(send) = Send::of(&stop.registers) {
            self.hear(stop.plan, &process.sockets, spoken, &send.messages(tid));
        }
    }

    /// A call of a process that is watched begins.
    pub fn begins(&mut self, plan: &Plan, tracee: &Stopped, task: &Task) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let process = task.process();
        let talk = &process.sockets;
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::CONTINUE);
        };
        let call = registers.call();
        if call.op() == Op::Close {
            talk.closed(call.args[0] as u32 as RawFd);
            return Ok(Resume::CONTINUE);
        }
        if let Some(send) = Send::of(&registers) {
            if let Some(spoken) = talk.spoken(call.args[0] as u32 as RawFd) {
                self.hear(plan, talk, spoken, &send.messages(tid));
            }
            return Ok(Resume::CONTINUE);
        }
        let Some(receive) = Receive::of(&registers) else {
            return Ok(Resume::CONTINUE);
        };
        let datagrams = |spoken: &Spoken| spoken.protocol == Protocol::Udp;
        if !talk.spoken(receive.fd).as_ref().is_some_and(datagrams) {
            return Ok(Resume::CONTINUE);
        }
        let Ok(fd) = descriptor_of(tid, task.pid(), receive.fd) else {
            return Ok(Resume::CONTINUE);
        };
        if !socket::is_readable(fd.as_fd()) {
            return Ok(wait_for_answer(task, registers, &receive, &fd));
        }
        self.look(plan, talk, &fd);
        match receive.count {
            // The others are looked at when it is called again.
            Some(2..) => {
                let mut args = call.args;
                args[2] = 1;
                task.pending.replace(Some(Pending::Fewer {
                    original: registers,
                }));
                Ok(Resume::set(registers.with_call(call.nr, args)).and_stop())
            }
            _ => Ok(Resume::CONTINUE),
        }
    }

    /// Looks at the next datagram of a socket, and leases what a resolver that the policy allows has
    /// answered.
    fn look(&mut self, plan: &Plan, talk: &ProcessState, fd: &OwnedFd) {
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
        talk.speaks();
        let message = buffer.get(..length).unwrap_or_default();
        if let Some(question) = dns::question(message).filter(|_| !dns::is_query(message)) {
            self.names.heard(&question);
        }
        if let Some(answer) = dns::answer(message) {
            self.names.answered(&answer);
        }
    }

    /// Something is sent to a resolver. Where the policy lets it be asked over TCP, the supervisor may do
    /// so as well.
    fn hear(&mut self, plan: &Plan, talk: &ProcessState, spoken: Spoken, sent: &[Vec<u8>]) {
        let Spoken { protocol, resolver } = spoken;
        if !may_be_asked(plan, Protocol::Tcp, resolver) {
            return;
        }
        for question in sent.iter().flat_map(|sent| questions(sent, protocol)) {
            talk.speaks();
            self.names.asks((resolver, dns::PORT).into(), question);
        }
    }
}

/// A task that waits for an answer waits for it without taking it, and then makes its call again.
fn wait_for_answer(task: &Task, original: Registers, receive: &Receive, fd: &OwnedFd) -> Resume {
    // What is asked of the queue of errors never waits.
    let at_once = (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) as u64;
    let waits = receive.flags & at_once == 0
        && status_flags(fd.as_fd()).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0);
    let (true, Some(nr)) = (waits, Op::Recvfrom.number()) else {
        return Resume::CONTINUE;
    };
    let args = [receive.fd as u64, 0, 0, libc::MSG_PEEK as u64, 0, 0];
    task.pending.replace(Some(Pending::Answer { original }));
    Resume::set(original.with_call(nr, args)).and_stop()
}

/// Whether an address is that of a resolver that the policy allows to be asked.
fn is_resolver(plan: &Plan, family: Family, protocol: Protocol, address: &[u8]) -> bool {
    match Address::decode(address, family, false) {
        Address::Inet {
            ip,
            port: dns::PORT,
        } => may_be_asked(plan, protocol, Address::canonical(ip, true)),
        _ => false,
    }
}

fn may_be_asked(plan: &Plan, protocol: Protocol, ip: IpAddr) -> bool {
    let to = To::Inet {
        protocol,
        ip: Some(ip),
        own: false,
        port: dns::PORT,
        names: &[],
    };
    let way = Way::Connect;
    let verdict = plan.judge.reach(&Reach { way, to });
    // What is learned has been let through.
    let learned = plan.learns && verdict.reason == Reason::PeerDefault;
    verdict.action == Action::Allow || learned
}
