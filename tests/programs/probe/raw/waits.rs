//! Calls that wait, each once, as it returns.

use super::check;
use libc::{c_int, c_long, timespec, timeval};
use nix::errno::Errno;
use std::ptr::null_mut;
use std::time::Duration;

fn timespec_of(time: Duration) -> timespec {
    timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// A call that waits for a time at most.
pub type Waiting = fn(Duration) -> Result<c_long, Errno>;

/// Tells what waits for this long: each call's name, and the call.
pub const CALLS: [(&str, Waiting); 9] = [
    ("epoll_wait", epoll_wait),
    ("epoll_pwait2", epoll_pwait2),
    ("sigtimedwait", sigtimedwait),
    ("semtimedop", semtimedop),
    ("recv", recv),
    ("read", read),
    ("accept", accept),
    ("send", send),
    ("io_getevents", io_getevents),
];

pub fn epoll_wait(time: Duration) -> Result<c_long, Errno> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: the event is valid for writing.
    unsafe {
        let epoll = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))? as c_int;
        let result = check(libc::epoll_wait(
            epoll,
            &mut event,
            1,
            time.as_millis() as c_int,
        ));
        libc::close(epoll);
        result
    }
}

fn epoll_pwait2(time: Duration) -> Result<c_long, Errno> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let time = timespec_of(time);
    let none = null_mut::<libc::c_void>();
    // SAFETY: the event is valid for writing, the time for reading; there is no mask.
    unsafe {
        let epoll = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
        let result = check(libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll,
            &mut event,
            1,
            &time,
            none,
            0,
        ));
        libc::close(epoll as c_int);
        result
    }
}

pub fn sigtimedwait(time: Duration) -> Result<c_long, Errno> {
    let time = timespec_of(time);
    let signals = 1u64 << (libc::SIGRTMAX() - 1);
    let none = null_mut::<libc::c_void>();
    // SAFETY: the set of eight bytes and the time are valid for reading; no siginfo is asked for.
    check(unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &signals, none, &time, 8) })
}

fn semtimedop(time: Duration) -> Result<c_long, Errno> {
    let time = timespec_of(time);
    let mut take = libc::sembuf {
        sem_num: 0,
        sem_op: -1,
        sem_flg: 0,
    };
    // SAFETY: one operation and the time are valid for reading.
    unsafe {
        let set = check(libc::semget(libc::IPC_PRIVATE, 1, 0o600))? as c_int;
        let result = check(libc::syscall(
            libc::SYS_semtimedop,
            set,
            &mut take,
            1,
            &time,
        ));
        libc::semctl(set, 0, libc::IPC_RMID);
        result
    }
}

fn limit(socket: c_int, option: c_int, time: Duration) -> Result<(), Errno> {
    let time = timeval {
        tv_sec: time.as_secs() as i64,
        tv_usec: time.subsec_micros().into(),
    };
    let size = size_of::<timeval>() as libc::socklen_t;
    // SAFETY: the time is valid for reading `size` bytes.
    check(unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            option,
            (&raw const time).cast(),
            size,
        )
    })
    .map(drop)
}

/// A pair of connected sockets, each of which waits for this long.
fn pair(time: Duration) -> Result<[c_int; 2], Errno> {
    let mut pair = [0; 2];
    // SAFETY: the pair is valid for writing.
    check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) })?;
    limit(pair[0], libc::SO_RCVTIMEO, time)?;
    limit(pair[0], libc::SO_SNDTIMEO, time)?;
    Ok(pair)
}

fn recv(time: Duration) -> Result<c_long, Errno> {
    let [socket, _] = pair(time)?;
    let mut byte = 0u8;
    // SAFETY: the byte is valid for writing.
    check(unsafe { libc::recv(socket, (&raw mut byte).cast(), 1, 0) } as c_long)
}

fn read(time: Duration) -> Result<c_long, Errno> {
    let [socket, _] = pair(time)?;
    let mut byte = 0u8;
    // SAFETY: the byte is valid for writing.
    check(unsafe { libc::read(socket, (&raw mut byte).cast(), 1) } as c_long)
}

fn send(time: Duration) -> Result<c_long, Errno> {
    let [socket, _] = pair(time)?;
    let bytes = [0u8; 4096];
    loop {
        // SAFETY: the bytes are valid for reading.
        let sent = unsafe {
            libc::send(
                socket,
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT,
            )
        };
        if sent < 0 {
            break;
        }
    }
    // SAFETY: as above.
    check(unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), 0) } as c_long)
}

fn accept(time: Duration) -> Result<c_long, Errno> {
    // SAFETY: numbers only; no address is asked for. A socket that is not bound is bound by listen.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))? as c_int;
        check(libc::listen(socket, 1))?;
        limit(socket, libc::SO_RCVTIMEO, time)?;
        check(libc::accept(socket, null_mut(), null_mut()))
    }
}

fn io_getevents(time: Duration) -> Result<c_long, Errno> {
    let mut context = 0u64;
    let mut event = [0u64; 4];
    let time = timespec_of(time);
    // SAFETY: the context is valid for writing, an event has 32 bytes.
    unsafe {
        check(libc::syscall(libc::SYS_io_setup, 1, &mut context))?;
        let result = check(libc::syscall(
            libc::SYS_io_getevents,
            context,
            1,
            1,
            &mut event,
            &time,
        ));
        libc::syscall(libc::SYS_io_destroy, context);
        result
    }
}

/// Handles a signal by a function that does nothing; calls that it interrupts are not restarted.
pub fn interrupt_by(signal: c_int) -> Result<(), Errno> {
    extern "C" fn nothing(_: c_int) {}
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is valid; the function has the signature of a handler and does nothing.
    unsafe {
        (*action.as_mut_ptr()).sa_sigaction = nothing as *const () as usize;
        check(libc::sigaction(signal, action.as_ptr(), null_mut())).map(drop)
    }
}
