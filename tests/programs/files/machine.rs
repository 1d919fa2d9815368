//! What `busy` needs of the machine that Rust has no safe name for: a handler, a timer, registers.
//!
//! No decision. It must be sound for whatever it is called with.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

static ALARMS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    ALARMS.fetch_add(1, Ordering::Relaxed);
}

/// How often SIGALRM was handled.
pub fn alarms() -> u64 {
    ALARMS.load(Ordering::Relaxed)
}

/// Counts SIGALRM from now on; `restart`: interrupted calls go on (SA_RESTART).
pub fn heed_alarms(restart: bool) -> Result<(), Errno> {
    let flags = if restart { libc::SA_RESTART } else { 0 };
    // SAFETY: the structure is whole; the handler does nothing but add to an atomic.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = flags;
        libc::sigaction(libc::SIGALRM, &action, null_mut())
    };
    Errno::result(result).map(drop)
}

/// SIGALRM after so many microseconds, and again each `every` (0: once; both 0: no more).
pub fn alarm(after: i64, every: i64) -> Result<(), Errno> {
    let time = |micros: i64| libc::timeval {
        tv_sec: micros / 1_000_000,
        tv_usec: micros % 1_000_000,
    };
    let timer = libc::itimerval {
        it_interval: time(every),
        it_value: time(after),
    };
    // SAFETY: the timer is this function's own, and nothing is returned.
    Errno::result(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, null_mut()) }).map(drop)
}

/// Makes an open, or what stands for it, as [`call_of`] does.
pub fn open(path: &CStr, flags: i64, mode: i64) -> (i64, bool) {
    let [path, flags, mode] = [path.as_ptr() as u64, flags as u64, mode as u64];
    let (number, args) = match crate::old::EXIST {
        true => (crate::old::SYS_open, [path, flags, mode, MARK]),
        false => (libc::SYS_openat, [libc::AT_FDCWD as u64, path, flags, mode]),
    };
    // SAFETY: the path lives until after the call, which reads no other memory.
    unsafe { call_of(number, args) }
}

/// Makes a chdir, as [`call_of`] does, with further registers that it does not use.
pub fn chdir(path: &CStr, second: u64, third: u64) -> (i64, bool) {
    // SAFETY: as above.
    unsafe { call_of(libc::SYS_chdir, [path.as_ptr() as u64, second, third, MARK]) }
}

/// Makes a connect, as [`call_of`] does.
pub fn connect(fd: i64, address: &[u8]) -> (i64, bool) {
    let args = [
        fd as u64,
        address.as_ptr() as u64,
        address.len() as u64,
        MARK,
    ];
    // SAFETY: the address lives until after the call, which reads no other memory.
    unsafe { call_of(libc::SYS_connect, args) }
}

/// For a register that a call does not use.
const MARK: u64 = 0x1111_2222_3333_4444;
const MARKS: [u64; 6] = [
    0x2222_3333_4444_5555,
    0x3333_4444_5555_6666,
    0x4444_5555_6666_7777,
    0x5555_6666_7777_8888,
    0x6666_7777_8888_9999,
    0x7777_8888_9999_aaaa,
];

/// Makes a call of four arguments with known values in the registers that it does
/// not use; returns its result, and whether any but those that the ABI clobbers came back changed.
///
/// # Safety
/// The call must read and write no memory but what its arguments name, and that must live.
#[cfg(target_arch = "x86_64")]
unsafe fn call_of(number: i64, args: [u64; 4]) -> (i64, bool) {
    let [mut rdi, mut rsi, mut rdx, mut r10] = args;
    let [mut r8, mut r9, mut r12, mut r13, mut r14, mut r15] = MARKS;
    let mut rax = number;
    // SAFETY: the caller answers for the memory; all registers that the call may change are named.
    unsafe {
        std::arch::asm!(
            "syscall",
            inout("rax") rax,
            inout("rdi") rdi,
            inout("rsi") rsi,
            inout("rdx") rdx,
            inout("r10") r10,
            inout("r8") r8,
            inout("r9") r9,
            inout("r12") r12,
            inout("r13") r13,
            inout("r14") r14,
            inout("r15") r15,
            out("rcx") _,
            out("r11") _,
        );
    }
    let kept = [rdi, rsi, rdx, r10] == args && [r8, r9, r12, r13, r14, r15] == MARKS;
    (rax, !kept)
}

/// # Safety
/// As on x86-64.
#[cfg(target_arch = "aarch64")]
unsafe fn call_of(number: i64, args: [u64; 4]) -> (i64, bool) {
    let [first, mut x1, mut x2, mut x3] = args;
    let [mut x4, mut x5, mut x6, mut x7, mut x9, mut x10] = MARKS;
    let (mut x0, mut x8) = (first as i64, number);
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc #0",
            inout("x0") x0,
            inout("x1") x1,
            inout("x2") x2,
            inout("x3") x3,
            inout("x4") x4,
            inout("x5") x5,
            inout("x6") x6,
            inout("x7") x7,
            inout("x8") x8,
            inout("x9") x9,
            inout("x10") x10,
        );
    }
    let kept = [first, x1, x2, x3] == args && [x4, x5, x6, x7, x9, x10] == MARKS && x8 == number;
    (x0, !kept)
}
