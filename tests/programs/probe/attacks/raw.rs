//! What the attacks need of the machine and libc has no safe form of: raw system calls, by every
//! door that an x86-64 process has. The only unsafe code of the attacks; it knows no attack.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io::Error;
use std::sync::atomic::{AtomicU32, Ordering};

/// What an upper half that the kernel ignores is filled with.
pub const DIRTY: u64 = 0xdead_beef_0000_0000;

/// The errno of the last call.
pub fn errno() -> i32 {
    Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// One system call with whole registers.
///
/// Each caller passes numbers, or addresses of memory that it holds over the call.
pub fn call(nr: i64, args: [u64; 6]) -> Result<u64, i32> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: see above; a probe is a process of its own, and what it could break is itself.
    match unsafe { libc::syscall(nr, a, b, c, d, e, f) } {
        -1 => Err(errno()),
        value => Ok(value as u64),
    }
}

/// A system call of few arguments.
pub fn call3(nr: i64, a: u64, b: u64, c: u64) -> Result<u64, i32> {
    call(nr, [a, b, c, 0, 0, 0])
}

/// The address of a value, for [`call`].
pub fn at<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

/// The address of a value that the kernel writes.
pub fn at_mut<T>(value: &mut T) -> u64 {
    std::ptr::from_mut(value) as u64
}

/// A call of the i386 table from 64-bit code. Arguments are numbers only.
#[cfg(target_arch = "x86_64")]
pub fn int80(nr: u32, first: u32) -> i32 {
    let result: u64;
    // SAFETY: the gate clobbers rax and, on some kernels, r8 to r11; rbx is saved by hand, for
    // LLVM keeps it to itself; the calls made take no memory.
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {first:e}", "int 0x80", "pop rbx",
            first = in(reg) first,
            inlateout("rax") u64::from(nr) => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as i32
}

/// There is no such gate elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub fn int80(_: u32, _: u32) -> i32 {
    -libc::ENOSYS
}

/// gettimeofday(2) through the vsyscall page: the seconds, or -errno.
#[cfg(target_arch = "x86_64")]
pub fn vsyscall_gettimeofday() -> i64 {
    let mut time = [0i64; 2];
    let page = 0xffff_ffff_ff60_0000_u64;
    let result: i64;
    // SAFETY: the page is mapped at this address in every process (the caller has looked), behaves
    // as a C function, and writes the 16 bytes that it is given.
    unsafe {
        std::arch::asm!(
            "call {page}",
            page = in(reg) page,
            in("rdi") at_mut(&mut time), in("rsi") 0,
            lateout("rax") result,
            clobber_abi("C"),
        );
    }
    if result == 0 { time[0] } else { result }
}

/// There is no such page elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub fn vsyscall_gettimeofday() -> i64 {
    -i64::from(libc::ENOSYS)
}

/// fork(2) by clone with `flags` in a whole register: the child runs `child` and exits with it.
pub fn clone(flags: u64, child: impl FnOnce() -> i32) -> Result<i32, i32> {
    // No CLONE_VM: the child has a copy of the stack, as after fork. The probe has one thread.
    match call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0])? {
        0 => exit(child()),
        pid => Ok(pid as i32),
    }
}

/// fork(2) by clone3.
pub fn clone3(flags: u64, child: impl FnOnce() -> i32) -> Result<i32, i32> {
    // struct clone_args (linux/sched.h), its first version: flags, …, exit_signal at index 4.
    let mut args = [0u64; 8];
    args[0] = flags;
    args[4] = libc::SIGCHLD as u64;
    match call3(libc::SYS_clone3, at(&args), 64, 0)? {
        0 => exit(child()),
        pid => Ok(pid as i32),
    }
}

/// _exit(2).
pub fn exit(code: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// waitpid(2): the raw status.
pub fn wait(pid: i32, flags: i32) -> Result<i32, i32> {
    let mut status = 0;
    // SAFETY: `status` is valid for writing.
    match unsafe { libc::waitpid(pid, &mut status, flags) } {
        -1 => Err(errno()),
        _ => Ok(status),
    }
}

/// The exit code of a child that this process has made.
pub fn exit_code(pid: i32) -> Result<i32, i32> {
    let status = wait(pid, libc::__WALL)?;
    Ok(if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    })
}

/// The calling process becomes another program. Returns the errno if it cannot.
pub fn exec(words: &[String]) -> i32 {
    let words: Vec<CString> = words
        .iter()
        .filter_map(|word| CString::new(word.as_str()).ok())
        .collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: the array and its strings are NUL-terminated and live until the call returns.
    unsafe { libc::execvp(pointers[0], pointers.as_ptr()) };
    errno()
}

/// Blocks every signal that can be.
pub fn block_all() {
    // SAFETY: a set of all ones is a valid set.
    unsafe {
        let all = [u8::MAX; size_of::<libc::sigset_t>()];
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr().cast(), std::ptr::null_mut());
    }
}

/// How often the handler of [`count`] ran.
pub static COUNTED: AtomicU32 = AtomicU32::new(0);

extern "C" fn counter(_: i32) {
    COUNTED.fetch_add(1, Ordering::SeqCst);
}

/// Counts a signal in [`COUNTED`] instead of dying of it.
pub fn count(signal: i32) {
    // SAFETY: the handler only touches an atomic.
    unsafe { libc::signal(signal, counter as *const () as usize) };
}

/// An anonymous mapping that lives as long as the process, or one of `fd`.
pub fn map(len: usize, fd: i32, offset: i64) -> Result<u64, i32> {
    let flags = libc::MAP_SHARED | if fd < 0 { libc::MAP_ANONYMOUS } else { 0 };
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no other.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, fd, offset) };
    if address == libc::MAP_FAILED {
        Err(errno())
    } else {
        Ok(address as u64)
    }
}

/// Reads a word of a mapping that [`map`] made.
pub fn peek(address: u64) -> u32 {
    // SAFETY: callers pass addresses within a live mapping of `map`, aligned to four.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a word of a mapping that [`map`] made.
pub fn poke(address: u64, value: u32) {
    // SAFETY: as for `peek`, and the mapping is writable.
    unsafe { (address as *mut u32).write_volatile(value) }
}
