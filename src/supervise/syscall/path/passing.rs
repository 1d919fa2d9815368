//! Open files on their way to a task: the supervisor has opened what the task asked for, because nothing
//! keeps what was judged from being exchanged before the task itself opens it.
//!
//! The task receives the file by calls of the supervisor's making, in place of its own call, which is made
//! again after each (see `emulate`):
//!
//! | step | call |
//! |---|---|
//! | 1 | mmap of a page for what the others read and write |
//! | 2 | socketpair; the supervisor takes one end and sends the file |
//! | 3 | recvmsg on the other end |
//! | 4 to 6 | close of both ends, munmap |
//! | 7, 8 | fcntl(F_DUPFD), close: the lowest number that is free, as open(2) gives |
//!
//! What another task writes to the page meanwhile can only change what these calls do to its own process.

use super::{Asked, Files, Judged};
use crate::supervise::syscall::emulate::{Pending, again};
use crate::supervise::tracee::Task;
use crate::sys::files::{descriptor_of, openat2};
use crate::sys::{self, Errno, socket};
use crate::syscalls::{Call, Op};
use crate::trace::{Registers, Resume, Tid};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::fstatfs;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// Where things lie in the page: the ends of the pair, struct msghdr, struct iovec, its byte, and the
/// control message.
const PAGE: u64 = 4096;
const MESSAGE: u64 = 64;
const PART: u64 = 128;
const BYTE: u64 = 160;
const CONTROL: u64 = 192;
/// CMSG_SPACE of one descriptor.
const CONTROL_SIZE: usize = 24;

/// An open file on its way.
pub struct Passing {
    pid: Tid,
    /// The task's own call.
    call: Call,
    step: Step,
    /// Until it was sent.
    file: Option<OwnedFd>,
    closes_on_exec: bool,
    page: u64,
    ends: [RawFd; 2],
    /// What the task's call returns.
    result: i64,
    /// The number under which it was received.
    received: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Map,
    Pair,
    Receive,
    CloseOne,
    CloseOther,
    Unmap,
    Lower,
    CloseReceived,
}

/// Opens anew what was found, for a task that is to receive it. It does not wait: what could is not
/// opened here (see [`opens_at_once`]), and a lease (fcntl(2)) is not waited for.
pub fn opened(object: &OwnedFd, flags: i32) -> Result<OwnedFd, Errno> {
    let made = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let link = format!("/proc/self/fd/{}", object.as_raw_fd());
    let link = CString::new(link).map_err(|_| Errno::EINVAL)?;
    let flags = flags & !made;
    let opening = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = openat2(libc::AT_FDCWD, &link, opening, 0)?;
    if flags & libc::O_NONBLOCK == 0 {
        let set = fcntl(file.as_fd(), FcntlArg::F_GETFL)?;
        let set = OFlag::from_bits_retain(set) & !OFlag::O_NONBLOCK;
        fcntl(file.as_fd(), FcntlArg::F_SETFL(set))?;
    }
    Ok(file)
}

/// Whether an open of this waits for nobody: a regular file, or a pipe that was made by pipe(2).
pub fn opens_at_once(object: &OwnedFd) -> bool {
    /// PIPEFS_MAGIC of linux/magic.h.
    const PIPES: i64 = 0x5049_5045;
    let kind = fstat(object.as_fd()).map(|found| SFlag::from_bits_truncate(found.st_mode));
    match kind.map(|kind| kind & SFlag::S_IFMT) {
        Ok(SFlag::S_IFREG) => true,
        Ok(SFlag::S_IFIFO) => fstatfs(object.as_fd())
            .is_ok_and(|found| i128::from(found.filesystem_type().0) == i128::from(PIPES)),
        _ => false,
    }
}

impl Files {
    /// Passes an open file on in place of the task's call.
    pub(super) fn pass(
        &self,
        asked: &Asked<'_>,
        file: OwnedFd,
        closes_on_exec: bool,
    ) -> Judged<Resume> {
        let refused = -i64::from(libc::EACCES);
        let passing = Passing {
            pid: asked.task.pid(),
            call: asked.call,
            step: Step::Map,
            file: Some(file),
            closes_on_exec,
            page: 0,
            ends: [-1; 2],
            result: refused,
            received: -1,
        };
        asked.task.files.passing.replace(Some(passing));
        self.go_on_passing(asked).ok_or(Errno::EACCES)?
    }

    /// The next step, where a file is on its way for this call; `None`: there is none.
    pub(super) fn go_on_passing(&self, asked: &Asked<'_>) -> Option<Judged<Resume>> {
        let state = &asked.task.files;
        let passing = state.passing.borrow();
        let passing = passing.as_ref()?;
        if passing.call != asked.call {
            return None;
        }
        let (op, args) = passing.next();
        let Some(nr) = op.number() else {
            return Some(Err(Errno::ENOSYS.into()));
        };
        let original = asked.registers;
        state.pending.replace(Some(Pending::Passing { original }));
        Some(Ok(Resume::SetAndStop(original.with_call(nr, args))))
    }

    /// A call of the supervisor's making has returned.
    pub fn passed_on(&self, task: &Task, original: Registers, result: i64) -> Resume {
        let mut kept = task.files.passing.borrow_mut();
        let Some(passing) = kept.as_mut() else {
            return Resume::Set(original.with_result(-i64::from(libc::EACCES)));
        };
        match passing.returned(task.tid(), result) {
            Some(step) => {
                passing.step = step;
                again(original)
            }
            None => {
                let result = passing.result;
                *kept = None;
                Resume::Set(original.with_result(result))
            }
        }
    }
}

impl Passing {
    /// The call to make next.
    fn next(&self) -> (Op, [u64; 6]) {
        let [one, other] = self.ends.map(|end| end as u32 as u64);
        match self.step {
            Step::Map => {
                let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
                let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                (Op::Mmap, [0, PAGE, access, flags, u64::MAX, 0])
            }
            Step::Pair => {
                let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64;
                (
                    Op::Socketpair,
                    [libc::AF_UNIX as u64, kind, 0, self.page, 0, 0],
                )
            }
            Step::Receive => {
                let closes = match self.closes_on_exec {
                    true => libc::MSG_CMSG_CLOEXEC,
                    false => 0,
                };
                let flags = (libc::MSG_DONTWAIT | closes) as u64;
                (Op::Recvmsg, [one, self.page + MESSAGE, flags, 0, 0, 0])
            }
            Step::CloseOne => (Op::Close, [one, 0, 0, 0, 0, 0]),
            Step::CloseOther => (Op::Close, [other, 0, 0, 0, 0, 0]),
            Step::Unmap => (Op::Munmap, [self.page, PAGE, 0, 0, 0, 0]),
            Step::Lower => {
                let request = match self.closes_on_exec {
                    true => libc::F_DUPFD_CLOEXEC,
                    false => libc::F_DUPFD,
                };
                (
                    Op::Fcntl,
                    [self.received as u64, request as u64, 0, 0, 0, 0],
                )
            }
            Step::CloseReceived => (Op::Close, [self.received as u64, 0, 0, 0, 0, 0]),
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
            // What has arrived has its number while the ends had theirs: a lower one may be free now.
            Step::Unmap if self.result >= 0 => {
                self.received = self.result;
                Some(Step::Lower)
            }
            Step::Unmap => None,
            Step::Lower if result >= 0 => {
                self.result = result;
                Some(Step::CloseReceived)
            }
            Step::Lower | Step::CloseReceived => None,
        }
    }

    /// Sends the file over the task's own pair, and lays out what recvmsg(2) takes.
    fn send(&mut self, tid: Tid) -> Result<(), Errno> {
        let mut ends = [0; 8];
        read(tid, self.page, &mut ends)?;
        let [a, b, c, d, e, f, g, h] = ends;
        self.ends = [[a, b, c, d], [e, f, g, h]].map(RawFd::from_ne_bytes);
        let [_, other] = self.ends;
        let file = self.file.take().ok_or(Errno::EBADF)?;
        let end = descriptor_of(tid, self.pid, other)?;
        socket::send_descriptor(end.as_fd(), file.as_fd())?;
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
