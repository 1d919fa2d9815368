//! The floor: the smallest ptrace supervisor there can be, to compare jail with.
//!
//! It judges nothing, confines nothing, looks up no path, allocates nothing. It must never use
//! more than `core` and the C library, nor grow a feature: it is compiled by itself, without Rust's
//! runtime, so that it starts as a C program does.
//!
//! | `floor MODE PROGRAM ARGUMENT…` | does                                                         |
//! |--------|--------------------------------------------------------------------------------------|
//! | loop   | fork, seize with the fork events, exec, then waitpid and PTRACE_CONT until all ended |
//! | deny   | the same, and getppid stops: the call is read, and returns EPERM                     |
//! | enosys | no tracer: exec under a filter that answers getppid with ENOSYS                      |
//! | allow  | no tracer: exec under a filter of one instruction, "allow"                           |
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
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        from: c_long,
    ) -> *mut c_void;
    fn sched_yield() -> c_int;
}

const PTRACE_POKEUSER: c_uint = 6;
const PTRACE_CONT: c_uint = 7;
const PTRACE_SEIZE: c_uint = 0x4206;
const PTRACE_GET_SYSCALL_INFO: c_uint = 0x420e;
const PTRACE_EVENT_SECCOMP: c_int = 7;
const PTRACE_O_EXITKILL: usize = 1 << 20;
/// PTRACE_O_TRACEFORK, TRACEVFORK and TRACECLONE: without them children would go free.
const PTRACE_O_CHILDREN: usize = 1 << 1 | 1 << 2 | 1 << 3;
const PTRACE_O_TRACESECCOMP: usize = 1 << PTRACE_EVENT_SECCOMP;
const WALL: c_int = 0x4000_0000;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED_ANONYMOUS: c_int = 0x21;
const PR_SET_SECCOMP: c_int = 22;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const SECCOMP_MODE_FILTER: c_ulong = 2;

/// x86-64's number of getppid.
const GETPPID: u64 = 110;
const EPERM: i64 = 1;
const ENOSYS: u32 = 38;

/// `struct ptrace_syscall_info` in words: the fourth is the number, its arguments follow.
type CallInfo = [u64; 11];
const NUMBER: usize = 3;
/// Where x86-64's `struct user` has these registers.
const RAX: usize = 10 * 8;
const ORIG_RAX: usize = 15 * 8;

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
const RET_ERRNO: u32 = 0x0005_0000;

static ALLOW: [Instruction; 1] = [Instruction(RETURN, 0, 0, RET_ALLOW)];
static TRACE_GETPPID: [Instruction; 4] = on_getppid(RET_TRACE);
static FAIL_GETPPID: [Instruction; 4] = on_getppid(RET_ERRNO | ENOSYS);

const fn on_getppid(action: u32) -> [Instruction; 4] {
    [
        Instruction(LOAD, 0, 0, 0),
        Instruction(JUMP_IF_EQUAL, 0, 1, GETPPID as u32),
        Instruction(RETURN, 0, 0, action),
        Instruction(RETURN, 0, 0, RET_ALLOW),
    ]
}

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

/// Reads the call, and has it return EPERM without being run. Setting two registers one by one is
/// faster than setting them all.
///
/// # Safety
/// `tid` must be a tracee in a seccomp-stop.
unsafe fn deny(tid: c_int) {
    let mut call: CallInfo = [0; 11];
    // SAFETY: the kernel fills a structure of at most this size; all else are numbers.
    unsafe {
        ptrace(
            PTRACE_GET_SYSCALL_INFO,
            tid,
            size_of::<CallInfo>(),
            call.as_mut_ptr(),
        );
        if call[NUMBER] == GETPPID {
            ptrace(PTRACE_POKEUSER, tid, ORIG_RAX, u64::MAX);
            ptrace(PTRACE_POKEUSER, tid, RAX, -EPERM);
        }
    }
}

/// Forks, seizes, execs, and lets everything run until all of it has ended.
///
/// # Safety
/// `command` must be a null-terminated array of at least one string.
unsafe fn supervise(
    filter: Option<&'static [Instruction]>,
    command: *const *const c_char,
) -> c_int {
    let none = null_mut::<c_void>();
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
            if let Some(filter) = filter {
                install(filter);
            }
            execv(*command, command);
            _exit(127);
        }
        let options = PTRACE_O_EXITKILL | PTRACE_O_CHILDREN | PTRACE_O_TRACESECCOMP;
        ptrace(PTRACE_SEIZE, main, none, options);
        seized.store(true, Ordering::Release);
        let mut code = 0;
        loop {
            let mut status = 0;
            let tid = waitpid(-1, &mut status, WALL);
            if tid < 0 {
                return code;
            }
            if status & 0xff != 0x7f {
                // Ended; the exit code is in the second byte.
                if tid == main {
                    code = status >> 8 & 0xff;
                }
                continue;
            }
            let event = status >> 16;
            if event == PTRACE_EVENT_SECCOMP {
                deny(tid);
            }
            // A stop without an event is a signal's, which is passed on.
            let signal = if event == 0 {
                (status >> 8 & 0xff) as usize
            } else {
                0
            };
            ptrace(PTRACE_CONT, tid, none, signal);
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
        let mode = CStr::from_ptr(*arguments.add(1)).to_bytes();
        let command = arguments.add(2);
        match mode {
            b"loop" => return supervise(None, command),
            b"deny" => return supervise(Some(&TRACE_GETPPID), command),
            b"enosys" => install(&FAIL_GETPPID),
            b"allow" => install(&ALLOW),
            _ => return 125,
        }
        execv(*command, command);
    }
    127
}
