//! Restartable sequences (rseq(2)), and calls that lie in one.

use super::*;
use std::arch::asm;

const SIGNATURE: u32 = match cfg!(target_arch = "x86_64") {
    true => 0x5305_3053,
    false => 0xd428_bc00,
};

/// `struct rseq`; its second word points to the section that the thread is in.
#[repr(C, align(32))]
struct Area([u64; 4]);

/// `struct rseq_cs`: version and flags, start, length, where to go on.
#[repr(C, align(32))]
struct Section([u64; 4]);

/// A call: its number and four arguments.
pub type Request = [i64; 5];

/// What this thread makes its calls in.
pub struct Critical {
    section: *mut Section,
    slot: *mut u64,
}

impl Critical {
    /// For this thread; `None` if the kernel has no such sequences.
    pub fn new() -> Option<Self> {
        let area: *mut Area = Box::leak(Box::new(Area([0; 4])));
        // SAFETY: memory that is never freed.
        let registered = check(unsafe { libc::syscall(libc::SYS_rseq, area, 32, 0, SIGNATURE) });
        let slot = match registered {
            // SAFETY: within the area.
            Ok(_) => unsafe { &raw mut (*area).0[1] },
            Err(_) => c_library()?,
        };
        let section = Box::leak(Box::new(Section([0; 4])));
        Some(Self { section, slot })
    }

    #[cfg(target_arch = "x86_64")]
    /// Makes the call in a sequence that ends right behind it; if it is aborted, the other call.
    /// What came back, and whether it was aborted.
    pub fn call_or(&self, call: &Request, other: &Request) -> (i64, bool) {
        let (mut result, mut aborted) = (call[0], 0_u64);
        // SAFETY: the calls read strings and structs of the caller's; the section is this
        // function's own code, left before it returns.
        unsafe {
            asm!(
                "lea rcx, [rip + 2f]",
                "mov [{section} + 8], rcx",
                "lea r11, [rip + 3f]",
                "sub r11, rcx",
                "mov [{section} + 16], r11",
                "lea rcx, [rip + 4f]",
                "mov [{section} + 24], rcx",
                "mov [{slot}], {section}",
                "2:",
                "syscall",
                "3:",
                "jmp 5f",
                ".long 0x53053053",
                "4:",
                "mov {aborted}, 1",
                "mov rax, [{other}]",
                "mov rdi, [{other} + 8]",
                "mov rsi, [{other} + 16]",
                "mov rdx, [{other} + 24]",
                "mov r10, [{other} + 32]",
                "syscall",
                "5:",
                "mov qword ptr [{slot}], 0",
                section = in(reg) self.section,
                slot = in(reg) self.slot,
                other = in(reg) other.as_ptr(),
                aborted = inout(reg) aborted,
                inout("rax") result,
                inout("rdi") call[1] => _,
                inout("rsi") call[2] => _,
                inout("rdx") call[3] => _,
                inout("r10") call[4] => _,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        (result, aborted != 0)
    }

    /// The same.
    #[cfg(target_arch = "aarch64")]
    pub fn call_or(&self, call: &Request, other: &Request) -> (i64, bool) {
        let (mut result, mut aborted) = (call[1], 0_u64);
        // SAFETY: as above.
        unsafe {
            asm!(
                "adr x9, 2f",
                "str x9, [{section}, #8]",
                "adr x10, 3f",
                "sub x10, x10, x9",
                "str x10, [{section}, #16]",
                "adr x10, 4f",
                "str x10, [{section}, #24]",
                "str {section}, [{slot}]",
                "2:",
                "svc #0",
                "3:",
                "b 5f",
                ".inst 0xd428bc00",
                "4:",
                "mov {aborted}, #1",
                "ldr x8, [{other}]",
                "ldr x0, [{other}, #8]",
                "ldr x1, [{other}, #16]",
                "ldr x2, [{other}, #24]",
                "ldr x3, [{other}, #32]",
                "svc #0",
                "5:",
                "str xzr, [{slot}]",
                section = in(reg) self.section,
                slot = in(reg) self.slot,
                other = in(reg) other.as_ptr(),
                aborted = inout(reg) aborted,
                inout("x8") call[0] => _,
                inout("x0") result,
                inout("x1") call[2] => _,
                inout("x2") call[3] => _,
                inout("x3") call[4] => _,
                out("x9") _,
                out("x10") _,
                options(nostack),
            );
        }
        (result, aborted != 0)
    }
}

/// The pointer to the section in the area that the C library has registered.
fn c_library() -> Option<*mut u64> {
    // SAFETY: the name is a constant; the symbol is a word that is never written after the start.
    let offset = unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()).cast::<isize>();
        symbol.as_ref().copied()?
    };
    let thread: *mut u8;
    // SAFETY: the thread pointer's first word is its own address.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        asm!("mrs {}, tpidr_el0", out(reg) thread, options(nostack, nomem));
    };
    Some(thread.wrapping_offset(offset).cast::<u64>().wrapping_add(1))
}

/// openat(2) for reading.
pub fn open_request(path: Text) -> Request {
    let here = i64::from(libc::AT_FDCWD);
    let flags = i64::from(libc::O_RDONLY);
    [libc::SYS_openat, here, path.address() as i64, flags, 0]
}

/// seccomp(2) with a filter that allows all, and a listener.
pub fn listener_request() -> Request {
    let allow = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: Box::leak(Box::new(allow)),
    };
    let program: *const libc::sock_fprog = Box::leak(Box::new(program));
    let mode = i64::from(libc::SECCOMP_SET_MODE_FILTER);
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as i64;
    // SAFETY: takes no memory.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    [
        libc::SYS_seccomp,
        mode,
        flags,
        program.expose_provenance() as i64,
        0,
    ]
}

/// Makes the call as it is.
pub fn plain(request: &Request) -> Called {
    let [number, a, b, c, d] = *request;
    // SAFETY: as in `call_or`.
    check(unsafe { libc::syscall(number, a, b, c, d) })
}
