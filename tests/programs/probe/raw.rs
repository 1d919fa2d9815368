//! The probe's only `unsafe`: calls that neither std nor nix offers safely.
//!
//! One call each, no decision. What is here must be sound for whatever a probe passes.
#![allow(unsafe_code)]

pub mod memory;
pub mod waits;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

use libc::{c_int, c_void, siginfo_t};
use nix::errno::Errno;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn check(result: impl Into<i64>) -> Result<i64, Errno> {
    match result.into() {
        -1 => Err(Errno::last()),
        value => Ok(value),
    }
}

/// Ends this process without destructors, as a forked child should.
pub fn exit(code: i32) -> ! {
    // SAFETY: takes no memory and does not return.
    unsafe { libc::_exit(code) }
}

/// Runs `child` in a forked process, whose exit code is its result; returns the pid.
///
/// Probes fork before they start threads, or let the child make plain system calls only.
pub fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child owns a copy of all memory; a lock that another thread held at the fork
    // would be a deadlock, not a memory error.
    match unsafe { libc::fork() } {
        -1 => {
            eprintln!("fork: {}", Errno::last());
            exit(1)
        }
        0 => exit(child()),
        pid => pid,
    }
}

/// dup2(2).
pub fn duplicate(from: &impl std::os::fd::AsRawFd, number: i32) -> nix::Result<()> {
    // SAFETY: takes no memory; a descriptor that it closes is this forked process's own.
    check(unsafe { libc::dup2(from.as_raw_fd(), number) }).map(|_| ())
}

/// Any system call: its value, or the negative errno. For a forked process that does nothing more but write it.
pub fn any_call(nr: u64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: what the call does to this process's memory concerns a copy that is used for one write and an exit.
    match unsafe { libc::syscall(nr as i64, a, b, c, d, e, f) } {
        -1 => -(Errno::last_raw() as i64),
        value => value,
    }
}

/// write(2) to a descriptor that no value owns.
pub fn write_to(number: i32, bytes: &[u8]) -> nix::Result<()> {
    // SAFETY: reads the bytes, which are borrowed.
    let written = unsafe { libc::write(number, bytes.as_ptr().cast(), bytes.len()) };
    check(written as i64).map(|_| ())
}

/// poll(2) for input, or for the end of all writers.
pub fn is_readable(number: i32, within: Duration) -> bool {
    let mut one = libc::pollfd {
        fd: number,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which is borrowed.
    unsafe { libc::poll(&mut one, 1, within.as_millis() as i32) == 1 }
}

/// clone(2) with CLONE_VFORK alone: the parent waits for the child's exec or end, in a memory of
/// its own.
pub fn vfork(child: impl FnOnce() -> i32) -> i32 {
    let flags = (libc::CLONE_VFORK | libc::SIGCHLD) as u64;
    // SAFETY: without CLONE_VM this is a fork, on a copy of the same stack.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0u64, 0u64, 0u64, 0u64) } {
        -1 => {
            eprintln!("clone: {}", Errno::last());
            exit(1)
        }
        0 => exit(child()),
        pid => pid as i32,
    }
}

/// The true vfork(2): the child shares the parent's memory and ends at once with `code`.
#[cfg(target_arch = "x86_64")]
pub fn vfork_exit(code: i32) -> i32 {
    let pid: i64;
    // SAFETY: between the two calls the child touches registers only, neither memory nor stack.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov edi, r8d",
            "mov eax, {exit}",
            "syscall",
            "2:",
            exit = const libc::SYS_exit_group,
            inlateout("rax") libc::SYS_vfork => pid,
            in("r8") code,
            lateout("rdi") _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    pid as i32
}

/// Where there is no vfork(2): its clone(2) equivalent.
#[cfg(not(target_arch = "x86_64"))]
pub fn vfork_exit(code: i32) -> i32 {
    vfork(|| code)
}

/// execv(3) of strings; returns only on failure.
pub fn exec(arguments: &[String]) -> Errno {
    let strings: Vec<_> = arguments
        .iter()
        .filter_map(|text| std::ffi::CString::new(text.as_str()).ok())
        .collect();
    match strings.first() {
        Some(program) => match nix::unistd::execvp(program, &strings) {
            Ok(never) => match never {},
            Err(errno) => errno,
        },
        None => Errno::EINVAL,
    }
}

/// A child that shares this process's memory and is no thread of it (CLONE_VM without CLONE_THREAD), and executes a
/// program at once. Returns its pid; its exit code is 1 if the execve fails.
pub fn sharing(arguments: &[String]) -> i32 {
    struct Start {
        words: Vec<*const libc::c_char>,
        environment: *const *const libc::c_char,
    }
    extern "C" fn child(start: *mut c_void) -> c_int {
        // SAFETY: the parent has leaked it, and nothing writes to it.
        let start = unsafe { &*start.cast::<Start>() };
        // SAFETY: both lists end with NULL, and their strings are leaked.
        unsafe { libc::execve(start.words[0], start.words.as_ptr(), start.environment) };
        // SAFETY: as in `exit`.
        unsafe { libc::_exit(1) }
    }
    const STACK: usize = 65536;
    let strings = arguments
        .iter()
        .filter_map(|text| std::ffi::CString::new(text.as_str()).ok());
    let mut words: Vec<*const libc::c_char> =
        strings.map(|text| text.into_raw().cast_const()).collect();
    words.push(std::ptr::null());
    let environment: &'static [*const libc::c_char] = Box::leak(Box::new([std::ptr::null()]));
    let start = Box::leak(Box::new(Start {
        words,
        environment: environment.as_ptr(),
    }));
    // Leaked: the child may use it until its execve.
    let stack: &'static mut [u128] = Box::leak(vec![0; STACK / 16].into_boxed_slice());
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    // SAFETY: the stack and what the child reads are leaked; it makes two system calls on them.
    unsafe {
        libc::clone(
            child,
            top,
            libc::CLONE_VM | libc::SIGCHLD,
            std::ptr::from_mut(start).cast(),
        )
    }
}

/// How a child changed, by waitpid(2)'s status word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// WIFEXITED.
    Exited(i32),
    /// WIFSIGNALED.
    Killed(i32),
    /// WIFSTOPPED.
    Stopped(i32),
    /// WIFCONTINUED.
    Continued,
}

/// waitpid(2), restarted after EINTR; `Ok(None)` where WNOHANG found nothing.
pub fn wait(pid: i32, flags: c_int) -> Result<Option<(i32, Status)>, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid for writing.
        match check(unsafe { libc::waitpid(pid, &mut status, flags) }) {
            Ok(0) => return Ok(None),
            Ok(pid) => return Ok(Some((pid as i32, decode(status)))),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn decode(status: c_int) -> Status {
    if libc::WIFEXITED(status) {
        Status::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Status::Killed(libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        Status::Stopped(libc::WSTOPSIG(status))
    } else {
        Status::Continued
    }
}

/// Waits for this child alone, for its end alone.
pub fn reap(pid: i32) -> Option<Status> {
    wait(pid, 0).ok().flatten().map(|(_, status)| status)
}

/// getppid(2), which only a jail can let fail.
pub fn getppid() -> Result<i64, Errno> {
    // SAFETY: takes nothing.
    check(unsafe { libc::syscall(libc::SYS_getppid) })
}

/// kill(2).
pub fn kill(pid: i32, signal: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// sigqueue(3).
pub fn sigqueue(pid: i32, signal: c_int, value: usize) -> Result<(), Errno> {
    let value = libc::sigval {
        sival_ptr: value as *mut c_void,
    };
    // SAFETY: takes numbers only; the value is never used as an address.
    check(unsafe { libc::sigqueue(pid, signal, value) }).map(drop)
}

/// A signal that a handler or sigwaitinfo(2) got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub signal: i32,
    pub code: i32,
    pub sender: i32,
    /// `si_value`; meaningful with SI_QUEUE only.
    pub value: usize,
}

impl Arrival {
    fn of(info: &siginfo_t) -> Self {
        // SAFETY: the union's bytes are initialised whatever member the kernel used, and any
        // bits are valid numbers.
        let (sender, value) = unsafe { (info.si_pid(), info.si_value()) };
        Self {
            signal: info.si_signo,
            code: info.si_code,
            sender,
            value: value.sival_ptr as usize,
        }
    }
}

const ARRIVALS: usize = 1 << 14;
static ARRIVED: [[AtomicU64; 2]; ARRIVALS] =
    [const { [AtomicU64::new(0), AtomicU64::new(0)] }; ARRIVALS];
static CLAIMED: AtomicUsize = AtomicUsize::new(0);
static RECORDED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn record(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler.
    let arrival = Arrival::of(unsafe { &*info });
    let index = CLAIMED.fetch_add(1, Ordering::AcqRel);
    if let Some([head, value]) = ARRIVED.get(index) {
        let packed = (arrival.signal as u64) << 56
            | ((arrival.code as u32 as u64) & 0xff_ffff) << 32
            | u64::from(arrival.sender as u32);
        head.store(packed, Ordering::Relaxed);
        value.store(arrival.value as u64, Ordering::Relaxed);
    }
    RECORDED.fetch_add(1, Ordering::Release);
}

/// What the handlers have recorded from `first` on, and how many there were in all.
pub fn recorded(first: usize) -> Vec<Arrival> {
    // A handler that interrupts another claims a later place and completes before it.
    let complete = loop {
        let recorded = RECORDED.load(Ordering::Acquire);
        if CLAIMED.load(Ordering::Acquire) == recorded {
            break recorded.min(ARRIVALS);
        }
    };
    let load = |[head, value]: &[AtomicU64; 2]| {
        let packed = head.load(Ordering::Relaxed);
        Arrival {
            signal: (packed >> 56) as i32,
            code: ((packed >> 32) as u32 as i32) << 8 >> 8,
            sender: packed as u32 as i32,
            value: value.load(Ordering::Relaxed) as usize,
        }
    };
    ARRIVED
        .get(first..complete)
        .unwrap_or_default()
        .iter()
        .map(load)
        .collect()
}

/// Handles a signal by recording it, for [`recorded`]. Calls that it interrupts are restarted.
pub fn handle(signal: c_int) -> Result<(), Errno> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is valid; `record` has the signature that SA_SIGINFO asks for
    // and only stores atomics.
    unsafe {
        let fields = action.as_mut_ptr();
        (*fields).sa_sigaction = record as *const () as usize;
        (*fields).sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        check(libc::sigaction(signal, action.as_ptr(), null_mut())).map(drop)
    }
}

/// Ignores a signal.
pub fn ignore(signal: c_int) -> Result<(), Errno> {
    // SAFETY: SIG_IGN runs no code of this process.
    match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(Errno::last()),
        _ => Ok(()),
    }
}

/// Blocks signals in this thread, real-time ones too.
pub fn block(signals: &[c_int]) -> Result<(), Errno> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the set is valid for writing, then for reading.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            check(libc::sigaddset(set.as_mut_ptr(), signal))?;
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), null_mut())).map(drop)
    }
}

/// sigtimedwait(2): the next of these signals, which must be blocked.
pub fn sigwait(signals: &[c_int], timeout: Duration) -> Option<Arrival> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut info = MaybeUninit::<siginfo_t>::zeroed();
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let time = libc::timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: the set and the time are valid for reading, the zeroed info for writing.
        let result = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for &signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            check(libc::sigtimedwait(set.as_ptr(), info.as_mut_ptr(), &time))
        };
        match result {
            // SAFETY: the call has succeeded and filled it (and it was zeroed before).
            Ok(_) => return Some(Arrival::of(unsafe { info.assume_init_ref() })),
            Err(Errno::EINTR) if Instant::now() < end => {}
            Err(_) => return None,
        }
    }
}

/// nanosleep(2) as it returns, not restarted by the library.
pub fn nanosleep(time: Duration) -> Result<(), Errno> {
    let time = libc::timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: `time` is valid for reading, and the rest is not asked for.
    check(unsafe { libc::nanosleep(&time, null_mut()) }).map(drop)
}

/// poll(2) of nothing, for this long, as it returns.
pub fn poll_nothing(milliseconds: i32) -> Result<i64, Errno> {
    // SAFETY: no descriptor, no memory.
    check(unsafe { libc::poll(null_mut(), 0, milliseconds) })
}

/// A FUTEX_WAIT that nobody wakes, for this long, as it returns.
pub fn futex_wait(time: Duration) -> Errno {
    let word = 0u32;
    let time = libc::timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the word and the time are valid for the call.
    let result = unsafe { libc::syscall(libc::SYS_futex, &word, libc::FUTEX_WAIT, 0u32, &time) };
    check(result).map_or_else(|errno| errno, |_| Errno::UnknownErrno)
}

/// read(2) of one byte as it returns.
pub fn read_byte(fd: c_int) -> Result<Option<u8>, Errno> {
    let mut byte = 0u8;
    // SAFETY: one byte is valid for writing.
    let read = check(unsafe { libc::read(fd, std::ptr::from_mut(&mut byte).cast(), 1) } as i64)?;
    Ok((read == 1).then_some(byte))
}

/// write(2) of one byte.
pub fn write_byte(fd: c_int, byte: u8) -> Result<(), Errno> {
    // SAFETY: one byte is valid for reading.
    check(unsafe { libc::write(fd, std::ptr::from_ref(&byte).cast(), 1) } as i64).map(drop)
}

/// pipe(2) that passes through execve: (read, write), never closed.
pub fn pipe() -> Result<(c_int, c_int), Errno> {
    let mut ends = [0; 2];
    // SAFETY: two descriptors are valid for writing.
    check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    Ok((ends[0], ends[1]))
}

/// close(2).
pub fn close(fd: c_int) {
    // SAFETY: probes pass descriptors of `pipe` only, which nothing else owns.
    unsafe { libc::close(fd) };
}

/// Closes every descriptor past stderr.
pub fn close_others() -> Result<(), Errno> {
    // SAFETY: takes numbers only; probes call it before they open anything.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) }).map(drop)
}

/// Opens /dev/null as exactly this descriptor, without close-on-exec.
pub fn leak(fd: c_int) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated; dup2 replaces a descriptor that the probe does not use.
    unsafe {
        let null = check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR))? as c_int;
        if null != fd {
            check(libc::dup2(null, fd))?;
            libc::close(null);
        }
    }
    Ok(())
}

/// SO_LINGER (socket(7)): the last close of this socket waits for so many seconds.
pub fn linger(fd: c_int, seconds: c_int) -> Result<(), Errno> {
    let value = libc::linger {
        l_onoff: 1,
        l_linger: seconds,
    };
    let (at, size) = (std::ptr::from_ref(&value), size_of::<libc::linger>());
    // SAFETY: `value` is valid for reading, and as long as is said.
    check(unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            at.cast(),
            size as u32,
        )
    })
    .map(drop)
}

/// connect(2) to a port of 127.0.0.1.
pub fn connect(fd: c_int, port: u16) -> Result<(), Errno> {
    // SAFETY: zeroed bytes are a valid address.
    let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = libc::AF_INET as libc::sa_family_t;
    to.sin_port = port.to_be();
    to.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
    let (at, size) = (std::ptr::from_ref(&to), size_of::<libc::sockaddr_in>());
    // SAFETY: `to` is valid for reading, and as long as is said.
    check(unsafe { libc::connect(fd, at.cast(), size as u32) }).map(drop)
}

/// PR_SET_DUMPABLE: nobody may look into this process.
pub fn undumpable() -> c_int {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }
}

/// PR_GET_SECUREBITS.
pub fn securebits() -> Result<i64, Errno> {
    // SAFETY: takes and returns numbers only.
    check(unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) })
}

/// The special id of the session keyring: KEY_SPEC_SESSION_KEYRING (keyctl(2)).
const SESSION: c_int = -3;

/// Joins a new session keyring and puts a key of this name there.
pub fn hold_key(name: &std::ffi::CStr) -> Result<(), Errno> {
    let nobody = std::ptr::null::<libc::c_char>();
    // SAFETY: the name is NUL-terminated, and a null name of a keyring is valid.
    check(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, nobody) })?;
    let (kind, name) = (c"user".as_ptr(), name.as_ptr());
    // SAFETY: both strings are NUL-terminated; the payload has as many bytes as are said.
    let added = unsafe { libc::syscall(libc::SYS_add_key, kind, name, name, 1, SESSION) };
    check(added).map(drop)
}

/// Reads the key of this name in the session keyring: how long it is.
pub fn read_key(name: &std::ffi::CStr) -> Result<i64, Errno> {
    let (search, read) = (libc::KEYCTL_SEARCH, libc::KEYCTL_READ);
    let (kind, name) = (c"user".as_ptr(), name.as_ptr());
    // SAFETY: both strings are NUL-terminated.
    let key = check(unsafe { libc::syscall(libc::SYS_keyctl, search, SESSION, kind, name, 0) })?;
    let nobody = std::ptr::null::<libc::c_char>();
    // SAFETY: no more than nothing is written to nowhere.
    check(unsafe { libc::syscall(libc::SYS_keyctl, read, key, nobody, 0) })
}

/// TIOCSCTTY: makes the terminal on stdin this session's.
pub fn take_terminal() -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) }).map(drop)
}

/// TIOCGWINSZ of stdin: rows and columns.
pub fn window() -> Result<(u16, u16), Errno> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: `size` is valid for writing.
    check(unsafe { libc::ioctl(0, libc::TIOCGWINSZ, &mut size) })?;
    Ok((size.ws_row, size.ws_col))
}

/// Ends the calling thread alone, by exit(2).
pub fn exit_thread() -> ! {
    // SAFETY: takes a number; the thread's stack stays mapped, as nobody joins it.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    exit(1)
}
