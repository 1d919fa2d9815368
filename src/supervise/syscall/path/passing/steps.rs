//! The calls by which a task receives an open file.

use crate::sys::files::{descriptor_of, openat2};
use crate::sys::{self, Errno, socket};
use crate::syscalls::{Call, Op};
use crate::trace::Tid;
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

/// Whether an open of this waits for no other process: a regular file, or a pipe that was made by pipe(2).
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

impl Passing {
    /// A file that is to be passed on in place of this call.
    pub fn new(pid: Tid, call: Call, file: OwnedFd, closes_on_exec: bool) -> Passing {
        Passing {
            pid,
            call,
            step: Step::Map,
            file: Some(file),
            closes_on_exec,
            page: 0,
            ends: [-1; 2],
            result: -i64::from(libc::EACCES),
            received: -1,
        }
    }

    /// Whether it is for this call of the task.
    pub fn is_for(&self, call: &Call) -> bool {
        self.call == *call
    }

    /// A call of the supervisor's making has returned. `Some`: it was the last one, and this is what the
    /// task's own call returns.
    pub fn returned(&mut self, tid: Tid, result: i64) -> Option<i64> {
        match self.after(tid, result) {
            Some(step) => {
                self.step = step;
                None
            }
            None => Some(self.result),
        }
    }

    /// The call to make next.
    pub fn next(&self) -> (Op, [u64; 6]) {
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
    fn after(&mut self, tid: Tid, result: i64) -> Option<Step> {
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
        sys::memory::read_all(tid, self.page, &mut ends)?;
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
        if sys::memory::read_all(tid, self.page + CONTROL, &mut control).is_err() {
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

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
