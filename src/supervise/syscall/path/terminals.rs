//! Terminals that the jail makes itself. Landlock grants what is there when the jail starts, so the other
//! side of a new pseudoterminal is closed to the task that has made it. The supervisor opens it, by the
//! master that the task holds, and passes it on (see `passing`): a task that holds the master reads and writes
//! all that goes through the terminal anyway. A terminal whose master the task does not hold is never
//! opened: its call goes on, and Landlock denies it.

use super::passing;
use super::{Judged, LookupFlags, Object, PathObject, Paths, Refused, SyscallStop};
use crate::judge::Reason;
use crate::paths::Access;
use crate::policy::Action;
use crate::sys::files::descriptor_of;
use crate::sys::{self, Taken, terminal};
use crate::syscalls::Call;
use crate::syscalls::op::{Op, Open};
use crate::trace::{Resume, Tid};
use nix::sys::stat::{SFlag, fstat, stat};
use std::os::fd::{AsFd, OwnedFd, RawFd};

const TIOCGPTPEER: u32 = 0x5441;
/// The device of all masters: `/dev/ptmx` (Documentation/admin-guide/devices.txt).
const MASTERS: (u64, u64) = (5, 2);
/// How many descriptors of a task are looked at for a master.
const MOST_LOOKED_AT: usize = 1024;

impl Paths {
    /// Whether a call may be about a terminal of the task's own.
    pub(super) fn may_be_terminal(call: &Call) -> bool {
        match call.op() {
            Op::Ioctl => call.args[1] as u32 == TIOCGPTPEER,
            Op::Open(Open::Open | Open::Openat) => open_flags(call) & libc::O_NOCTTY != 0,
            _ => false,
        }
    }

    /// Opens a terminal that the task has made, and passes it on. `None`: it is none.
    pub(super) fn own_terminal(&mut self, stop: &SyscallStop<'_>) -> Judged<Option<Resume>> {
        match opened(stop)? {
            Some(terminal) => {
                let closes_on_exec = flags(&stop.call) & libc::O_CLOEXEC != 0;
                passing::pass(stop, terminal, closes_on_exec).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// The flags of open(2) that a call gives.
fn flags(call: &Call) -> i32 {
    match call.op() {
        Op::Ioctl => call.args[2] as u32 as i32,
        _ => open_flags(call),
    }
}

fn open_flags(call: &Call) -> i32 {
    let at = match call.op() {
        Op::Open(Open::Open) => 1,
        _ => 2,
    };
    call.args[at] as u32 as i32
}

/// The terminal that a call is about, opened here by the master that the task holds.
fn opened(stop: &SyscallStop<'_>) -> Judged<Option<OwnedFd>> {
    let tid = stop.tracee.tid();
    let pid = stop.task.pid();
    let call = &stop.call;
    let by_master = call.op() == Op::Ioctl;
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
    may_be_passed(stop, path.as_bytes())?;
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
fn may_be_passed(stop: &SyscallStop<'_>, path: &[u8]) -> Judged<()> {
    let accesses = match flags(&stop.call) & libc::O_ACCMODE {
        libc::O_RDONLY => &[Access::Read][..],
        libc::O_WRONLY => &[Access::Write],
        _ => &[Access::Read, Access::Write],
    };
    for access in accesses {
        let verdict = stop.plan.judge.path(*access, path);
        if verdict.action != Action::Allow && matches!(verdict.reason, Reason::Path(_)) {
            let object = Object::Path(PathObject {
                access: *access,
                given: path.to_vec(),
                resolved: path.to_vec(),
                exists: true,
            });
            return Err(Refused::Denied(verdict, object));
        }
    }
    if stop.rules {
        let found = stop.found_at(path, LookupFlags::object(false))?;
        stop.ask_rules(Access::Write, path, &[&found])?;
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
    let at = match call.op() {
        Op::Open(Open::Open) => 0,
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
