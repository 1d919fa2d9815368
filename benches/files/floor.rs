//! The floor: the smallest ptrace supervisor that sees every open, or every connect, to compare jail
//! with.
//!
//! It judges nothing and confines nothing: at each such call it reads the call and its path or address,
//! and goes on.
//! It must never use more than `core` and the C library, nor grow a feature: it is compiled by
//! itself, without Rust's runtime, so that it starts as a C program does.
//!
//! | `floor MODE PROGRAM ARGUMENT…` | does                                                       |
//! |------|----------------------------------------------------------------------------------------|
//! | stop | traces open, creat, openat and openat2 of all descendants: one stop each               |
//! | pin  | the same, and a stop after the call, as it takes to put a changed register back         |
//! | connect | traces connect, and reads its address: one stop each                              |
//!
//! At its end it writes the number of calls to standard error.
#![allow(unsafe_code, dead_code)]

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr::{from_ref, null_mut};
use core::sync::atomic::{AtomicBool, Ordering};

#[link(name = "c")]
unsafe extern "C" {
    fn fork() -> c_int;
    fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int;
    fn _exit(code: c_int) -> !;
    fn waitpid(tid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn ptrace(request: c_uint, ...) -> c_long;
    fn prctl(option: c_int, ...) -> c_int;
    fn process_vm_readv(
        tid: c_int,
        here: *const Piece,
        here_count: c_ulong,
        there: *const Piece,
        there_count: c_ulong,
        flags: c_ulong,
    ) -> isize;
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        from: c_long,
    ) -> *mut c_void;
    fn sched_yield() -> c_int;
    fn dprintf(fd: c_int, format: *const c_char, ...) -> c_int;
}

const PTRACE_POKEUSER: c_uint = 6;
const PTRACE_CONT: c_uint = 7;
const PTRACE_SYSCALL: c_uint = 24;
const PTRACE_SEIZE: c_uint = 0x4206;
const PTRACE_GET_SYSCALL_INFO: c_uint = 0x420e;
const PTRACE_EVENT_SECCOMP: c_int = 7;
const PTRACE_O_EXITKILL: usize = 1 << 20;
const PTRACE_O_TRACESYSGOOD: usize = 1;
/// PTRACE_O_TRACEFORK, TRACEVFORK and TRACECLONE: without them children would go free.
const PTRACE_O_CHILDREN: usize = 1 << 1 | 1 << 2 | 1 << 3;
const PTRACE_O_TRACESECCOMP: usize = 1 << PTRACE_EVENT_SECCOMP;
/// SIGTRAP as PTRACE_O_TRACESYSGOOD marks it: the stop after a call.
const SYSCALL_STOP: c_int = 5 | 0x80;
const WALL: c_int = 0x4000_0000;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED_ANONYMOUS: c_int = 0x21;
const PR_SET_SECCOMP: c_int = 22;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const SECCOMP_MODE_FILTER: c_ulong = 2;

/// x86-64's numbers.
const OPEN: u32 = 2;
const CREAT: u32 = 85;
const OPENAT: u32 = 257;
const OPENAT2: u32 = 437;
const CONNECT: u32 = 42;

/// `struct ptrace_syscall_info` in words: the fourth is the number, its arguments follow.
type CallInfo = [u64; 11];
const NUMBER: usize = 3;
const FIRST: usize = 4;
const SECOND: usize = 5;
/// Where x86-64's `struct user` has the second argument.
const RSI: usize = 13 * 8;

/// `struct iovec`.
#[repr(C)]
struct Piece(*mut c_void, usize);

/// `struct sock_filter`: code, jumps where true and where false, value.
#[repr(C)]
struct Instruction(u16, u8, u8, u32);

/// `struct sock_fprog`.
#[repr(C)]
struct Program(u16, *const Instruction);

const RETURN: u16 = 0x06;
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_TRACE: u32 = 0x7ff0_0000;

static TRACE_OPENS: [Instruction; 7] = [
    Instruction(LOAD, 0, 0, 0),
    Instruction(JUMP_IF_EQUAL, 4, 0, OPENAT),
    Instruction(JUMP_IF_EQUAL, 3, 0, OPEN),
    Instruction(JUMP_IF_EQUAL, 2, 0, CREAT),
    Instruction(JUMP_IF_EQUAL, 1, 0, OPENAT2),
    Instruction(RETURN, 0, 0, RET_ALLOW),
    Instruction(RETURN, 0, 0, RET_TRACE),
];

static TRACE_CONNECTS: [Instruction; 4] = [
    Instruction(LOAD, 0, 0, 0),
    Instruction(JUMP_IF_EQUAL, 1, 0, CONNECT),
    Instruction(RETURN, 0, 0, RET_ALLOW),
    Instruction(RETURN, 0, 0, RET_TRACE),
];

fn install(filter: &'static [Instruction]) {
    let program = Program(filter.len() as u16, filter.as_ptr());
    let zero: c_ulong = 0;
    // SAFETY: the program and its instructions are valid for the call; the kernel copies them.
    unsafe {
        prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, zero, zero, zero);
        prctl(
            PR_SET_SECCOMP,
            SECCOMP_MODE_FILTER,
            from_ref(&program),
            zero,
            zero,
        );
    }
}

/// As long as a path can be. Only paths that reach further than the end of their page need a
/// second look, and the kernel stops there by itself.
const PATH_MAX: usize = 4096;
/// Nearly every path is shorter.
const SHORT: usize = 256;

/// Reads the call and the path that it names; returns the second argument.
///
/// # Safety
/// `tid` must be a tracee in a seccomp-stop.
unsafe fn look(tid: c_int, path: &mut [u8; PATH_MAX]) -> u64 {
    let mut call: CallInfo = [0; 11];
    // SAFETY: the kernel fills a structure of at most this size; all else are numbers.
    unsafe {
        ptrace(
            PTRACE_GET_SYSCALL_INFO,
            tid,
            size_of::<CallInfo>(),
            call.as_mut_ptr(),
        );
    }
    let number = call[NUMBER] as u32;
    if number == CONNECT {
        // An IPv4 address.
        let here = Piece(path.as_mut_ptr().cast(), 16);
        let there = Piece(call[SECOND] as *mut c_void, 16);
        // SAFETY: as below.
        unsafe { process_vm_readv(tid, &here, 1, &there, 1, 0) };
        return call[SECOND];
    }
    let at = if number == OPENAT || number == OPENAT2 {
        call[SECOND]
    } else {
        call[FIRST]
    };
    for length in [SHORT, PATH_MAX] {
        let here = Piece(path.as_mut_ptr().cast(), length);
        let there = Piece(at as *mut c_void, length);
        // SAFETY: the kernel writes at most `length` bytes of the buffer; the other address is the
        // tracee's, which the kernel checks.
        let got = unsafe { process_vm_readv(tid, &here, 1, &there, 1, 0) };
        let got = usize::try_from(got).unwrap_or(0);
        if got < length || path.iter().take(got).any(|&byte| byte == 0) {
            break;
        }
    }
    call[SECOND]
}

/// Forks, seizes, execs, and lets everything run until all of it has ended.
///
/// # Safety
/// `command` must be a null-terminated array of at least one string.
unsafe fn supervise(
    pin: bool,
    filter: &'static [Instruction],
    command: *const *const c_char,
) -> c_int {
    let none = null_mut::<c_void>();
    let mut path = [0; PATH_MAX];
    let mut argument = 0;
    let mut opens: c_ulong = 0;
    // SAFETY: the page is new, zeroed, shared, and used as an atomic only; the child makes system
    // calls only; all other calls take numbers.
    unsafe {
        let page = mmap(none, 1, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
        let seized = &*page.cast::<AtomicBool>();
        let main = fork();
        if main == 0 {
            while !seized.load(Ordering::Acquire) {
                sched_yield();
            }
            install(filter);
            execv(*command, command);
            _exit(127);
        }
        let options =
            PTRACE_O_EXITKILL | PTRACE_O_CHILDREN | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD;
        ptrace(PTRACE_SEIZE, main, none, options);
        seized.store(true, Ordering::Release);
        let mut code = 0;
        loop {
            let mut status = 0;
            let tid = waitpid(-1, &mut status, WALL);
            if tid < 0 {
                dprintf(2, c"floor: %lu opens\n".as_ptr(), opens);
                return code;
            }
            if status & 0xff != 0x7f {
                // Ended: by a signal, or with the exit code in the second byte.
                if tid == main {
                    code = if status & 0x7f == 0 {
                        status >> 8 & 0xff
                    } else {
                        128 + (status & 0x7f)
                    };
                }
                continue;
            }
            let event = status >> 16;
            let mut signal = 0;
            let mut resume = PTRACE_CONT;
            if event == PTRACE_EVENT_SECCOMP {
                opens += 1;
                argument = look(tid, &mut path);
                if pin {
                    // In this mode one tracee at a time opens anything: one value to remember.
                    ptrace(PTRACE_POKEUSER, tid, RSI, argument);
                    resume = PTRACE_SYSCALL;
                }
            } else if event == 0 {
                let stop = status >> 8 & 0xff;
                if stop == SYSCALL_STOP {
                    ptrace(PTRACE_POKEUSER, tid, RSI, argument);
                } else {
                    signal = stop as usize;
                }
            }
            ptrace(resume, tid, none, signal);
        }
    }
}

/// C's `main`.
///
/// # Safety
/// `arguments` must be `count` strings and a null pointer.
pub unsafe fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    if count < 3 {
        return 125;
    }
    // SAFETY: there are at least three strings, and a null pointer after the last.
    unsafe {
        let command = arguments.add(2);
        match CStr::from_ptr(*arguments.add(1)).to_bytes() {
            b"stop" => supervise(false, &TRACE_OPENS, command),
            b"pin" => supervise(true, &TRACE_OPENS, command),
            b"connect" => supervise(false, &TRACE_CONNECTS, command),
            _ => 125,
        }
    }
}
