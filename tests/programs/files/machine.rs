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

/// Makes a call of a path, a number and a number, as [`call_of`] does.
pub fn call(number: i64, path: &CStr, second: i64, third: i64) -> (i64, bool) {
    // SAFETY: the path lives until after the call, which reads no other memory.
    unsafe { call_of(number, [path.as_ptr() as u64, second as u64, third as u64]) }
}

/// Makes a connect, as [`call_of`] does.
pub fn connect(fd: i64, address: &[u8]) -> (i64, bool) {
    let args = [fd as u64, address.as_ptr() as u64, address.len() as u64];
    // SAFETY: the address lives until after the call, which reads no other memory.
    unsafe { call_of(libc::SYS_connect, args) }
}

/// Makes a call of three arguments with known values in the registers that it does
/// not use; returns its result, and whether any but those that the ABI clobbers came back changed.
///
/// # Safety
/// The call must read and write no memory but what its arguments name, and that must live.
unsafe fn call_of(number: i64, args: [u64; 3]) -> (i64, bool) {
    const MARKS: [u64; 7] = [
        0x1111_2222_3333_4444,
        0x2222_3333_4444_5555,
        0x3333_4444_5555_6666,
        0x4444_5555_6666_7777,
        0x5555_6666_7777_8888,
        0x6666_7777_8888_9999,
        0x7777_8888_9999_aaaa,
    ];
    let [mut rdi, mut rsi, mut rdx] = args;
    let [mut r10, mut r8, mut r9, mut r12, mut r13, mut r14, mut r15] = MARKS;
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
    let kept = [rdi, rsi, rdx] == args && [r10, r8, r9, r12, r13, r14, r15] == MARKS;
    (rax, !kept)
}
