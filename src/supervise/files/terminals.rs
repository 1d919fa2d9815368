//! Terminals that the jail makes itself. Landlock grants what is there when the jail starts, so the other
//! side of a new pseudoterminal is closed to the task that has made it. The supervisor opens it, by the
//! master that the task holds, and passes it on: whoever holds the master reads and writes all that goes
//! through the terminal anyway.
//!
//! The task receives it by calls of the supervisor's making, in place of its own call, which is made again
//! after each (see `pinned`):
//!
//! | step | call |
//! |---|---|
//! | 1 | mmap of a page for what the others read and write |
//! | 2 | socketpair; the supervisor takes one end and sends the terminal |
//! | 3 | recvmsg on the other end |
//! | 4 to 6 | close of both ends, munmap |
//!
//! What another task writes to the page meanwhile can only change what these calls do to its own process.
//! A terminal whose master the task does not hold is never opened: its call goes on, and Landlock denies it.

use super::pinned::{Pending, again};
use super::{Asked, Files, Judged, Object, PathObject, Refused, Wants, number};
use crate::judge::Reason;
use crate::paths::Access;
use crate::policy::Action;
use crate::sys::files::descriptor_of;
use crate::sys::{self, Errno, Taken, socket, terminal};
use crate::syscalls::Call;
use crate::trace::{Registers, Resume, Tid};
use nix::sys::stat::{SFlag, fstat, stat};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd, RawFd};

const TIOCGPTPEER: u32 = 0x5441;
/// The device of all masters: `/dev/ptmx` (Documentation/admin-guide/devices.txt).
const MASTERS: (u64, u64) = (5, 2);
/// How many descriptors of a task are looked at for a master.
const MOST_LOOKED_AT: usize = 1024;

/// Where things lie in the page: the ends of the pair, struct msghdr, struct iovec, its byte, and the
/// control message.
const PAGE: u64 = 4096;
const MESSAGE: u64 = 64;
const PART: u64 = 128;
const BYTE: u64 = 160;
const CONTROL: u64 = 192;
/// CMSG_SPACE of one descriptor.
const CONTROL_SIZE: usize = 24;

/// By the task that is to receive one: at most one each.
pub type Terminals = HashMap<Tid, Passing>;

/// A terminal on its way.
pub struct Passing {
    pid: Tid,
    /// The task's own call.
    call: Call,
    step: Step,
    /// Until it was sent.
    terminal: Option<OwnedFd>,
    closes_on_exec: bool,
    page: u64,
    ends: [RawFd; 2],
    /// What the task's call returns.
    result: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Map,
    Pair,
    Receive,
    CloseOne,
    CloseOther,
    Unmap,
}

impl Files {
    /// Whether a call may be about a terminal of the task's own.
    pub(super) fn may_be_terminal(call: &Call) -> bool {
        match call.syscall().map(|syscall| syscall.name) {
            Some("ioctl") => call.args[1] as u32 == TIOCGPTPEER,
            Some("open" | "openat") => open_flags(call) & libc::O_NOCTTY != 0,
            _ => false,
        }
    }

    /// Opens a terminal that the task has made, and passes it on. `None`: it is none.
    pub(super) fn own_terminal(&mut self, asked: &Asked<'_>) -> Judged<Option<Resume>> {
        let tid = asked.tracee.tid();
        let under_way = self.terminals.get(&tid);
        if !under_way.is_some_and(|passing| passing.call == asked.call) {
            let Some(terminal) = opened(asked)? else {
                return Ok(None);
            };
            let passing = Passing {
                pid: asked.tree.pid_of(tid),
                call: asked.call,
                step: Step::Map,
                terminal: Some(terminal),
                closes_on_exec: flags(&asked.call) & libc::O_CLOEXEC != 0,
                page: 0,
                ends: [-1; 2],
                result: -i64::from(libc::EACCES),
            };
            self.terminals.insert(tid, passing);
        }
        let Some(passing) = self.terminals.get(&tid) else {
            return Ok(None);
        };
        let (name, args) = passing.next();
        let nr = number(name).ok_or(Errno::ENOSYS)?;
        let original = asked.registers;
        self.pending.insert(tid, Pending::Terminal { original });
        Ok(Some(Resume::SetAndStop(original.with_call(nr, args))))
    }

    /// A call of the supervisor's making has returned.
    pub(super) fn passed_on(&mut self, tid: Tid, original: Registers, result: i64) -> Resume {
        let Some(passing) = self.terminals.get_mut(&tid) else {
            return Resume::Set(original.with_result(-i64::from(libc::EACCES)));
        };
        match passing.returned(tid, result) {
            Some(step) => {
                passing.step = step;
                again(original)
            }
            None => {
                let result = passing.result;
                self.terminals.remove(&tid);
                Resume::Set(original.with_result(result))
            }
        }
    }
}

impl Passing {
    /// The call to make next.
    fn next(&self) -> (&'static str, [u64; 6]) {
        let [one, other] = self.ends.map(|end| end as u32 as u64);
        match self.step {
            Step::Map => {
                let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
                let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                ("mmap", [0, PAGE, access, flags, u64::MAX, 0])
            }
            Step::Pair => {
                let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64;
                (
                    "socketpair",
                    [libc::AF_UNIX as u64, kind, 0, self.page, 0, 0],
                )
            }
            Step::Receive => {
                let closes = match self.closes_on_exec {
                    true => libc::MSG_CMSG_CLOEXEC,
                    false => 0,
                };
                let flags = (libc::MSG_DONTWAIT | closes) as u64;
                ("recvmsg", [one, self.page + MESSAGE, flags, 0, 0, 0])
            }
            Step::CloseOne => ("close", [one, 0, 0, 0, 0, 0]),
            Step::CloseOther => ("close", [other, 0, 0, 0, 0, 0]),
            Step::Unmap => ("munmap", [self.page, PAGE, 0, 0, 0, 0]),
        }
    }

    /// What follows a step; `None`: the last has been made.
    fn returned(&mut self, tid: Tid, result: i64) -> Option<Step> {
        match self.step {
            Step::Map if result < 0 => None,
            Step::Map => {
                self.page = result as u64;
                Some(Step::Pair)
            }
            Step::Pair if result < 0 => Some(Step::Unmap),
            Step::Pair => Some(match self.send(tid) {
                Ok(()) => Step::Receive,
                Err(_) => Step::CloseOne,
            }),
            Step::Receive => {
                if result >= 0 {
                    self.result = self.received(tid);
                }
                Some(Step::CloseOne)
            }
            Step::CloseOne => Some(Step::CloseOther),
            Step::CloseOther => Some(Step::Unmap),
            Step::Unmap => None,
        }
    }

    /// Sends the terminal over the task's own pair, and lays out what recvmsg(2) takes.
    fn send(&mut self, tid: Tid) -> Result<(), Errno> {
        let mut ends = [0; 8];
        read(tid, self.page, &mut ends)?;
        let [a, b, c, d, e, f, g, h] = ends;
        self.ends = [[a, b, c, d], [e, f, g, h]].map(RawFd::from_ne_bytes);
        let [_, other] = self.ends;
        let terminal = self.terminal.take().ok_or(Errno::EBADF)?;
        let end = descriptor_of(tid, self.pid, other)?;
        socket::send_descriptor(end.as_fd(), terminal.as_fd())?;
        let part = [self.page + BYTE, 1];
        // struct msghdr of 64-bit machines: no name, one part, the control message.
        let message = [
            0,
            0,
            self.page + PART,
            1,
            self.page + CONTROL,
            CONTROL_SIZE as u64,
            0,
        ];
        sys::memory::write(tid, self.page + PART, &words(&part))?;
        sys::memory::write(tid, self.page + MESSAGE, &words(&message))
    }

    /// The descriptor that has arrived; EMFILE: there was no room for it (unix(7)).
    fn received(&self, tid: Tid) -> i64 {
        let mut control = [0; CONTROL_SIZE];
        if read(tid, self.page + CONTROL, &mut control).is_err() {
            return -i64::from(libc::EACCES);
        }
        let length = control.first_chunk().copied().map_or(0, u64::from_ne_bytes);
        let fd = control.get(16..20).and_then(|bytes| bytes.try_into().ok());
        match fd.map(i32::from_ne_bytes) {
            Some(fd) if length == 20 => fd.into(),
            _ => -i64::from(libc::EMFILE),
        }
    }
}

/// Reads all of it, or fails.
fn read(tid: Tid, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    match sys::memory::read(tid, address, bytes)? == bytes.len() {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The flags of open(2) that a call gives.
fn flags(call: &Call) -> i32 {
    match call.syscall().map(|syscall| syscall.name) {
        Some("ioctl") => call.args[2] as u32 as i32,
        _ => open_flags(call),
    }
}

fn open_flags(call: &Call) -> i32 {
    let at = match call.syscall().map(|syscall| syscall.name) {
        Some("open") => 1,
        _ => 2,
    };
    call.args[at] as u32 as i32
}

/// The terminal that a call is about, opened here by the master that the task holds.
fn opened(asked: &Asked<'_>) -> Judged<Option<OwnedFd>> {
    let tid = asked.tracee.tid();
    let pid = asked.tree.pid_of(tid);
    let call = &asked.call;
    let by_master = call
        .syscall()
        .is_some_and(|syscall| syscall.name == "ioctl");
    let (master, named) = match by_master {
        true => (master(tid, pid, call.args[0] as u32 as RawFd), None),
        false => match named(tid, call) {
            Some(number) => (master_of(tid, pid, number), Some(number)),
            None => return Ok(None),
        },
    };
    let Some(master) = master else {
        return Ok(None);
    };
    let path = format!("/dev/pts/{}", terminal::number(master.as_fd())?);
    may_be_passed(asked, path.as_bytes())?;
    // It must not become the controlling terminal of this process.
    let kept = libc::O_ACCMODE | libc::O_NONBLOCK;
    let opening = flags(call) & kept | libc::O_NOCTTY | libc::O_CLOEXEC;
    let terminal = terminal::open_peer(master.as_fd(), opening)?;
    // Each mount of devpts(5) counts for itself: the name may be another terminal's.
    let is = |number: u32| {
        let path = format!("/dev/pts/{number}");
        match (stat(path.as_str()), fstat(terminal.as_fd())) {
            (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            _ => false,
        }
    };
    Ok(named.is_none_or(is).then_some(terminal))
}

/// The denial of an entry, or of a rule about paths: that the terminal is the task's own outweighs the
/// default alone.
fn may_be_passed(asked: &Asked<'_>, path: &[u8]) -> Judged<()> {
    let accesses = match flags(&asked.call) & libc::O_ACCMODE {
        libc::O_RDONLY => &[Access::Read][..],
        libc::O_WRONLY => &[Access::Write],
        _ => &[Access::Read, Access::Write],
    };
    for access in accesses {
        let verdict = asked.plan.judge.path(*access, path);
        if verdict.action != Action::Allow && matches!(verdict.reason, Reason::Path(_)) {
            let object = Object::Path(PathObject {
                access: *access,
                given: path.to_vec(),
                resolved: path.to_vec(),
            });
            return Err(Refused::Denied(verdict, object));
        }
    }
    if asked.rules {
        let found = asked.found_at(path, Wants::object(false))?;
        asked.ask_rules(Access::Write, path, &[&found])?;
    }
    Ok(())
}

/// A descriptor of a task, if it is a master.
fn master(tid: Tid, pid: Tid, fd: RawFd) -> Option<Taken> {
    let file = descriptor_of(tid, pid, fd).ok()?;
    let found = fstat(file.as_fd()).ok()?;
    let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
    let (major, minor) = MASTERS;
    let device = libc::makedev(major as u32, minor as u32);
    (kind == SFlag::S_IFCHR && found.st_rdev == device).then_some(file)
}

/// The number of the terminal that a call names: `/dev/pts/3`.
fn named(tid: Tid, call: &Call) -> Option<u32> {
    let at = match call.syscall()?.name {
        "open" => 0,
        _ => 1,
    };
    let mut text = [0; 24];
    let length = sys::memory::read(tid, call.args[at], &mut text).ok()?;
    let text = text.get(..length)?.split(|byte| *byte == 0).next()?;
    let digits = std::str::from_utf8(text).ok()?.strip_prefix("/dev/pts/")?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// The master of a terminal, among the descriptors of a task.
fn master_of(tid: Tid, pid: Tid, number: u32) -> Option<Taken> {
    let entries = std::fs::read_dir(format!("/proc/{tid}/fd")).ok()?;
    let masters = entries.take(MOST_LOOKED_AT).flatten().filter_map(|entry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        let name = target.file_name()?;
        let fd = entry.file_name().to_str()?.parse().ok()?;
        (name == "ptmx").then_some(fd)
    });
    masters
        .filter_map(|fd| master(tid, pid, fd))
        .find(|master| terminal::number(master.as_fd()) == Ok(number))
}
