//! A signal that a task ignores must not end its blocking call.
//!
//! The kernel drops an ignored signal of a task that is not traced. A tracee stops for it, so the call
//! that it is in returns. Most calls then restart by themselves (signal(7)). Some return EINTR, even
//! when no handler runs: those with a time-out of their own, and System V semaphores. They are made to
//! restart here, in the signal-delivery-stop.
//!
//! A time-out begins again with the restart, because the kernel does not tell how long the call has
//! waited. From then on its end is known: the exit of the restarted call is seen, and when the next
//! ignored signal interrupts it the time-out goes on (where it is in a register), or has passed. So a
//! wait never ends early. Calls whose EINTR may hide work that was done (close, open, ioctl but
//! tcdrain) are left alone.

use super::restarted::{Next, Restarted};
use crate::supervise::tracee::Task;
use crate::sys::proc::Status;
use crate::sys::{self, Errno, memory, socket};
use crate::syscalls::Call;
use crate::syscalls::op::{Op, Peer};
use crate::trace::{Resume, Stopped, Tid};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Where a call's time-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has none.
    Nowhere,
    /// In this argument, in milliseconds; negative: for ever.
    Milliseconds(usize),
    /// In the `struct timespec` that this argument points to; NULL: for ever.
    Timespec(usize),
    /// In the socket of the first argument: SO_RCVTIMEO.
    Receive,
    /// The same: SO_SNDTIMEO.
    Send,
}

/// A call that fails with EINTR although no handler ran, and that does nothing before it fails so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    place: Place,
    /// What it returns when its time-out has passed. `None`: the call must tell by itself.
    timed_out: Option<i64>,
}

impl Waiting {
    /// signal(7), "Interruption of system calls and library functions by stop signals", and what
    /// sock_intr_errno of net/sock.h is used for.
    fn of(call: &Call) -> Option<Self> {
        const AGAIN: Option<i64> = Some(-(libc::EAGAIN as i64));
        const TCSBRK: u64 = 0x5409;
        let waiting = |place, timed_out| Some(Self { place, timed_out });
        match call.op() {
            Op::EpollWait | Op::EpollPwait => waiting(Place::Milliseconds(3), Some(0)),
            Op::EpollPwait2 => waiting(Place::Timespec(3), Some(0)),
            Op::IoGetevents => waiting(Place::Timespec(4), Some(0)),
            Op::RtSigtimedwait => waiting(Place::Timespec(2), AGAIN),
            Op::Semop => waiting(Place::Nowhere, None),
            Op::Semtimedop => waiting(Place::Timespec(3), AGAIN),
            Op::Accept
            | Op::Accept4
            | Op::Read
            | Op::Readv
            | Op::Recvfrom
            | Op::Recvmsg
            | Op::Recvmmsg => waiting(Place::Receive, AGAIN),
            Op::Sendfile
            | Op::Peer(Peer::Sendmmsg)
            | Op::Peer(Peer::Sendmsg)
            | Op::Peer(Peer::Sendto)
            | Op::Write
            | Op::Writev => waiting(Place::Send, AGAIN),
            // EINPROGRESS, EALREADY or EAGAIN.
            Op::Peer(Peer::Connect) => waiting(Place::Send, None),
            // tcdrain(3): a break is sent where the argument is 0.
            Op::Ioctl if call.args[1] as u32 as u64 == TCSBRK && call.args[2] as u32 != 0 => {
                waiting(Place::Nowhere, None)
            }
            _ => None,
        }
    }

    /// How long the call may wait; `None`: for ever.
    fn time(&self, call: &Call, task: &Task) -> Result<Option<Duration>, Errno> {
        match self.place {
            Place::Nowhere => Ok(None),
            Place::Milliseconds(at) => {
                let time = call.args[at] as u32 as i32;
                Ok(u64::try_from(time).ok().map(Duration::from_millis))
            }
            Place::Timespec(at) if call.args[at] == 0 => Ok(None),
            Place::Timespec(at) => timespec_at(task.tid(), call.args[at]).map(Some),
            Place::Receive | Place::Send => {
                let number = call.args[0] as u32 as i32;
                let fd = sys::files::descriptor_of(task.tid(), task.pid(), number)?;
                let time = match self.place {
                    Place::Receive => socket::receive_timeout(fd.as_fd()),
                    _ => socket::send_timeout(fd.as_fd()),
                };
                match time {
                    Err(Errno::ENOTSOCK) => Ok(None),
                    other => other,
                }
            }
        }
    }
}

/// Reads a `struct timespec` of 64-bit numbers.
fn timespec_at(tid: Tid, address: u64) -> Result<Duration, Errno> {
    let mut bytes = [0; 16];
    memory::read_all(tid, address, &mut bytes)?;
    let (seconds, nanoseconds) = (memory::word(&bytes, 0), memory::word(&bytes, 8));
    // The kernel has accepted the value, unless another task has changed it since.
    let nanoseconds = u32::try_from(nanoseconds).map_err(|_| Errno::EINVAL)?;
    Ok(Duration::from_secs(seconds.min(u64::from(u32::MAX)))
        + Duration::from_nanos(nanoseconds.into()))
}

/// A signal-delivery-stop. `can_follow`: no other part of the supervisor asked for syscall-stops.
pub fn signalled(
    tracee: &Stopped,
    signal: i32,
    task: &Task,
    can_follow: bool,
) -> Result<(), Errno> {
    if is_stopping(signal) && !is_ignored(tracee.tid(), signal) {
        // SIGCONT may come before the stop takes effect, and then there is no group-stop.
        return stopped(tracee, task);
    }
    interrupted(tracee, task, can_follow, |tid| is_ignored(tid, signal))
}

/// The stop of a task that was made to stop, and that goes on: its call must not end by that.
pub fn held(tracee: &Stopped, task: &Task, can_follow: bool) -> Result<(), Errno> {
    interrupted(tracee, task, can_follow, |_| true)
}

/// A call was interrupted; `goes_on`: no handler of the task's runs for that.
fn interrupted(
    tracee: &Stopped,
    task: &Task,
    can_follow: bool,
    goes_on: impl Fn(Tid) -> bool,
) -> Result<(), Errno> {
    let restarted = &task.restart.restarted;
    let before = restarted.take();
    let Some(registers) = tracee.registers()? else {
        return Ok(());
    };
    let Some(call) = registers.interrupted() else {
        // Another signal was ignored in the same stop, and the call is about to restart.
        if let Some(before) = before.filter(|before| before.next == Next::Entry)
            && goes_on(tracee.tid())
        {
            restarted.set(Some(before));
        }
        return Ok(());
    };
    let Some(waiting) = Waiting::of(&call) else {
        return Ok(());
    };
    if !goes_on(tracee.tid()) {
        return Ok(());
    }
    // What cannot be told stays as it is: EINTR.
    let Ok(time) = waiting.time(&call, task) else {
        return Ok(());
    };
    let now = Instant::now();
    // A time that no clock can show is for ever.
    if let Some(end) = time.and_then(|time| now.checked_add(time)) {
        let before = before.filter(|before| before.call == call && before.next == Next::Signal);
        let until = before.map_or(end, |before| before.until);
        if let Some(result) = waiting.timed_out.filter(|_| until <= now) {
            return tracee.set_registers(&registers.with_result(result));
        }
        let left = match waiting.place {
            // Rounded up: a time-out may be late, never early.
            Place::Milliseconds(at) if before.is_some() => {
                let left = (until - now).as_micros().div_ceil(1000);
                Some((at, u64::try_from(left).unwrap_or(call.args[at])))
            }
            _ => None,
        };
        if can_follow {
            let next = Next::Entry;
            restarted.set(Some(Restarted {
                call,
                until,
                next,
                left,
            }));
        }
    }
    tracee.set_registers(&registers.restarting())
}

/// Whether a signal stops a process by default.
pub fn is_stopping(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
    )
}

/// A group-stop, or a signal that causes one. Without a jail, too, it ends such a call with EINTR
/// (signal(7)), and so it must stay when SIGCONT, which is ignored as a rule, is delivered next.
pub fn stopped(tracee: &Stopped, task: &Task) -> Result<(), Errno> {
    task.restart.forget();
    let Some(registers) = tracee.registers()? else {
        return Ok(());
    };
    let call = registers
        .interrupted()
        .or_else(|| registers.is_restarting());
    if call.is_some_and(|call| Waiting::of(&call).is_some()) {
        return tracee.set_registers(&registers.interrupted_for_good());
    }
    Ok(())
}

/// A syscall-stop of a restarted call.
pub fn stepped(tracee: &Stopped, task: &Task) -> Result<Resume, Errno> {
    let kept = &task.restart.restarted;
    let Some(restarted) = kept.take() else {
        return Ok(Resume::CONTINUE);
    };
    let Some(registers) = tracee.registers()? else {
        return Ok(Resume::CONTINUE);
    };
    let Call { nr, args } = restarted.call;
    match restarted.next {
        Next::Entry if registers.call() == restarted.call => {
            let next = Next::Exit;
            kept.set(Some(Restarted { next, ..restarted }));
            let Some((at, value)) = restarted.left else {
                return Ok(Resume::CONTINUE.and_stop());
            };
            let mut args = args;
            args[at] = value;
            Ok(Resume::set(registers.with_call(nr, args)).and_stop())
        }
        Next::Exit => {
            let again = registers.result() == -i64::from(libc::EINTR);
            if again {
                let next = Next::Signal;
                let left = None;
                let interrupted = Restarted {
                    next,
                    left,
                    ..restarted
                };
                kept.set(Some(interrupted));
            }
            let how = match restarted.left {
                Some(_) => Resume::set(registers.with_call(nr, args)),
                None => Resume::CONTINUE,
            };
            Ok(if again { how.and_stop() } else { how })
        }
        // A handler has run after all, or no signal came: this is another call.
        Next::Entry | Next::Signal => Ok(Resume::CONTINUE),
    }
}

/// Whether a signal that is about to be delivered will be ignored: SigIgn and SigCgt of
/// proc_pid_status(5), and the default dispositions of signal(7).
fn is_ignored(tid: Tid, signal: i32) -> bool {
    is_ignored_by(&Status::of(tid).unwrap_or_default(), signal)
}

fn is_ignored_by(status: &Status, signal: i32) -> bool {
    let has = |field: &str| {
        let mask = status.mask(field);
        let bit = u32::try_from(signal - 1)
            .ok()
            .and_then(|bit| 1u64.checked_shl(bit));
        Some(mask? & bit? != 0)
    };
    let by_default = matches!(
        signal,
        libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH
    );
    match (has("SigIgn"), has("SigCgt")) {
        (Some(true), _) => true,
        (_, Some(caught)) => by_default && !caught,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_masks_and_the_defaults() {
        let status =
            "SigBlk:\tffffffffffffffff\nSigIgn:\t8000000000000001\nSigCgt:\t0000000000010002\n";
        for (signal, ignored) in [
            (libc::SIGHUP, true),
            (64, true),
            (libc::SIGINT, false),
            (libc::SIGCHLD, false),
            (libc::SIGWINCH, true),
            (libc::SIGTERM, false),
            (0, false),
            (65, false),
        ] {
            assert_eq!(is_ignored_by(&status.into(), signal), ignored, "{signal}");
        }
        assert!(!is_ignored_by(&"".into(), libc::SIGCHLD));
    }

    #[test]
    fn a_call_that_may_hide_work_is_never_restarted() {
        let waits = [
            Op::EpollWait,
            Op::EpollPwait,
            Op::EpollPwait2,
            Op::IoGetevents,
            Op::RtSigtimedwait,
            Op::Semop,
            Op::Semtimedop,
            Op::Accept,
            Op::Accept4,
            Op::Read,
            Op::Readv,
            Op::Recvfrom,
            Op::Recvmsg,
            Op::Recvmmsg,
            Op::Sendfile,
            Op::Peer(Peer::Sendmmsg),
            Op::Peer(Peer::Sendmsg),
            Op::Peer(Peer::Sendto),
            Op::Write,
            Op::Writev,
            Op::Peer(Peer::Connect),
        ];
        for row in crate::syscalls::all() {
            let Some(nr) = row.number() else { continue };
            let call = Call { nr, args: [0; 6] };
            let restarted = Waiting::of(&call).is_some();
            assert_eq!(restarted, waits.contains(&row.op), "{}", row.name);
        }
    }
}
