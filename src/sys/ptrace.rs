//! ptrace(2) requests on a stopped tracee. All are bound to the thread that seized it.
//!
//! ESRCH means that the tracee does not exist, is not stopped, or was killed meanwhile; the caller
//! decides which.

use super::{Errno, check};
use libc::{c_int, c_long, c_uint, c_void, pid_t, siginfo_t};
use std::mem::MaybeUninit;
use std::ptr::{from_mut, from_ref, null_mut};

/// The general registers of this architecture, as the kernel lays them out.
pub type RawRegisters = libc::user_regs_struct;

fn request(op: c_uint, tid: pid_t, addr: *mut c_void, data: *mut c_void) -> Result<(), Errno> {
    // SAFETY: every caller in this file passes an `addr` and `data` that are valid for what `op`
    // reads or writes, and that outlive the call; the kernel does not keep them.
    let result: c_long = unsafe { libc::ptrace(op, tid, addr, data) };
    check(result).map(drop)
}

/// PTRACE_SEIZE (Linux 3.4): attach without stopping, with `options` (PTRACE_O_*) set at once.
pub fn seize(tid: pid_t, options: c_int) -> Result<(), Errno> {
    request(
        libc::PTRACE_SEIZE,
        tid,
        null_mut(),
        options as usize as *mut c_void,
    )
}

/// PTRACE_INTERRUPT (Linux 3.4): a running tracee stops soon, in whatever stop it comes to first.
pub fn interrupt(tid: pid_t) -> Result<(), Errno> {
    request(libc::PTRACE_INTERRUPT, tid, null_mut(), null_mut())
}

/// PTRACE_CONT: resume, delivering `signal` (0: none).
pub fn cont(tid: pid_t, signal: c_int) -> Result<(), Errno> {
    request(
        libc::PTRACE_CONT,
        tid,
        null_mut(),
        signal as usize as *mut c_void,
    )
}

/// PTRACE_SYSCALL: as PTRACE_CONT, and stop at the next entry to or exit from a system call.
pub fn cont_to_syscall(tid: pid_t, signal: c_int) -> Result<(), Errno> {
    request(
        libc::PTRACE_SYSCALL,
        tid,
        null_mut(),
        signal as usize as *mut c_void,
    )
}

/// PTRACE_GET_SYSCALL_INFO (Linux 5.3): whether a syscall-stop is the entry of a call.
pub fn is_entry(tid: pid_t) -> Result<bool, Errno> {
    let mut op: u8 = libc::PTRACE_SYSCALL_INFO_NONE;
    // The kernel writes no more than the length given: `op`, with which the structure begins.
    request(
        libc::PTRACE_GET_SYSCALL_INFO,
        tid,
        size_of::<u8>() as *mut c_void,
        from_mut(&mut op).cast(),
    )?;
    Ok(op == libc::PTRACE_SYSCALL_INFO_ENTRY)
}

/// PTRACE_SETOPTIONS: replaces the options (PTRACE_O_*), which later children inherit.
pub fn set_options(tid: pid_t, options: c_int) -> Result<(), Errno> {
    let options = options as usize as *mut c_void;
    request(libc::PTRACE_SETOPTIONS, tid, null_mut(), options)
}

/// PTRACE_LISTEN (Linux 3.4): stay in group-stop, but let SIGCONT and other events through.
pub fn listen(tid: pid_t) -> Result<(), Errno> {
    request(libc::PTRACE_LISTEN, tid, null_mut(), null_mut())
}

/// PTRACE_GETEVENTMSG: the number that belongs to the event (child's tid, former tid, status …).
pub fn event_message(tid: pid_t) -> Result<u64, Errno> {
    let mut message: libc::c_ulong = 0;
    request(
        libc::PTRACE_GETEVENTMSG,
        tid,
        null_mut(),
        from_mut(&mut message).cast(),
    )?;
    Ok(message)
}

/// PTRACE_GETSIGINFO: the siginfo of the signal about to be delivered. EINVAL in a group-stop.
pub fn siginfo(tid: pid_t) -> Result<siginfo_t, Errno> {
    let mut info = MaybeUninit::<siginfo_t>::zeroed();
    request(
        libc::PTRACE_GETSIGINFO,
        tid,
        null_mut(),
        info.as_mut_ptr().cast(),
    )?;
    // SAFETY: zeroed bytes are a valid siginfo_t, and the kernel has filled it in on success.
    Ok(unsafe { info.assume_init() })
}

/// PTRACE_SETSIGINFO: replaces the siginfo of the signal about to be delivered.
pub fn set_siginfo(tid: pid_t, info: &siginfo_t) -> Result<(), Errno> {
    request(
        libc::PTRACE_SETSIGINFO,
        tid,
        null_mut(),
        from_ref(info).cast_mut().cast(),
    )
}

/// PTRACE_POKEDATA: writes these bytes to the memory of a stopped tracee, also where it is read-only. It
/// writes whole words: up to 7 bytes after them become 0.
pub fn write_memory(tid: pid_t, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    const WORD: usize = size_of::<usize>();
    for (at, part) in (address..).step_by(WORD).zip(bytes.chunks(WORD)) {
        let mut word = [0; WORD];
        word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        request(
            libc::PTRACE_POKEDATA,
            tid,
            at as *mut c_void,
            usize::from_ne_bytes(word) as *mut c_void,
        )?;
    }
    Ok(())
}

/// PTRACE_GETREGS: all general registers in one request.
#[cfg(target_arch = "x86_64")]
pub fn registers(tid: pid_t) -> Result<RawRegisters, Errno> {
    let mut registers = MaybeUninit::<RawRegisters>::uninit();
    request(
        libc::PTRACE_GETREGS,
        tid,
        null_mut(),
        registers.as_mut_ptr().cast(),
    )?;
    // SAFETY: on success the kernel has written the whole structure.
    Ok(unsafe { registers.assume_init() })
}

/// PTRACE_SETREGS: all general registers in one request. At a seccomp-stop another number in
/// `orig_rax` makes it another call.
#[cfg(target_arch = "x86_64")]
pub fn set_registers(tid: pid_t, registers: &RawRegisters) -> Result<(), Errno> {
    request(
        libc::PTRACE_SETREGS,
        tid,
        null_mut(),
        from_ref(registers).cast_mut().cast(),
    )
}

/// PTRACE_SETREGSET with NT_PRSTATUS, of the registers up to the instruction pointer only: those of calls, and
/// none of the segment registers, which take a quarter of the request's time. Of a tracee that runs 64-bit code.
#[cfg(target_arch = "x86_64")]
pub fn set_call_registers(tid: pid_t, registers: &RawRegisters) -> Result<(), Errno> {
    let mut vector = libc::iovec {
        iov_base: from_ref(registers).cast_mut().cast(),
        iov_len: std::mem::offset_of!(RawRegisters, rip) + size_of::<u64>(),
    };
    let set = libc::NT_PRSTATUS as usize as *mut c_void;
    request(
        libc::PTRACE_SETREGSET,
        tid,
        set,
        from_mut(&mut vector).cast(),
    )
}

/// PTRACE_SET_SYSCALL_INFO (Linux 6.16): at a seccomp-stop, another number and other arguments; nothing else
/// changes. Older kernels return EIO.
#[cfg(target_arch = "x86_64")]
pub fn set_call(tid: pid_t, nr: u32, args: [u64; 6]) -> Result<(), Errno> {
    /// PTRACE_SET_SYSCALL_INFO of linux/ptrace.h.
    const SET_SYSCALL_INFO: c_uint = 0x4212;
    /// `struct ptrace_syscall_info` of a seccomp-stop. Of a setting the kernel reads the kind of the stop, the
    /// number and the arguments; all else must be 0 or is ignored.
    #[repr(C)]
    struct Info {
        op: u8,
        unused: [u8; 7],
        pointers: [u64; 2],
        nr: u64,
        args: [u64; 6],
        data: [u32; 2],
    }
    let info = Info {
        op: libc::PTRACE_SYSCALL_INFO_SECCOMP,
        unused: [0; 7],
        pointers: [0; 2],
        nr: nr.into(),
        args,
        data: [0; 2],
    };
    request(
        SET_SYSCALL_INFO,
        tid,
        size_of_val(&info) as *mut c_void,
        from_ref(&info).cast_mut().cast(),
    )
}

/// PTRACE_PEEKUSER: one general register, by its offset in `struct user_regs_struct`. It costs half of
/// PTRACE_GETREGS.
#[cfg(target_arch = "x86_64")]
pub fn register(tid: pid_t, offset: usize) -> Result<u64, Errno> {
    let mut value: u64 = 0;
    // The system call writes the register, where the function of libc returns it like an error.
    // SAFETY: the kernel writes one word, to `value`, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            libc::PTRACE_PEEKUSER,
            tid,
            offset,
            from_mut(&mut value),
        )
    };
    check(result).map(|_| value)
}

/// PTRACE_POKEUSER: one general register, by its offset in `struct user_regs_struct`, with which
/// `struct user` begins. Two of these cost less than all registers in one request.
#[cfg(target_arch = "x86_64")]
pub fn set_register(tid: pid_t, offset: usize, value: u64) -> Result<(), Errno> {
    request(
        libc::PTRACE_POKEUSER,
        tid,
        offset as *mut c_void,
        value as usize as *mut c_void,
    )
}

/// PTRACE_GETREGSET with NT_PRSTATUS: all general registers in one request.
#[cfg(target_arch = "aarch64")]
pub fn registers(tid: pid_t) -> Result<RawRegisters, Errno> {
    let mut registers = MaybeUninit::<RawRegisters>::zeroed();
    let mut vector = libc::iovec {
        iov_base: registers.as_mut_ptr().cast(),
        iov_len: size_of::<RawRegisters>(),
    };
    let set = libc::NT_PRSTATUS as usize as *mut c_void;
    request(
        libc::PTRACE_GETREGSET,
        tid,
        set,
        from_mut(&mut vector).cast(),
    )?;
    // SAFETY: zeroed bytes are valid registers, and the kernel has written the structure.
    Ok(unsafe { registers.assume_init() })
}

/// PTRACE_SETREGSET with NT_PRSTATUS: all general registers in one request.
#[cfg(target_arch = "aarch64")]
pub fn set_registers(tid: pid_t, registers: &RawRegisters) -> Result<(), Errno> {
    let mut vector = libc::iovec {
        iov_base: from_ref(registers).cast_mut().cast(),
        iov_len: size_of::<RawRegisters>(),
    };
    let set = libc::NT_PRSTATUS as usize as *mut c_void;
    request(
        libc::PTRACE_SETREGSET,
        tid,
        set,
        from_mut(&mut vector).cast(),
    )
}

/// PTRACE_SETREGSET with NT_ARM_SYSTEM_CALL (Linux 3.19): the number of the call to be run.
#[cfg(target_arch = "aarch64")]
pub fn set_system_call(tid: pid_t, number: c_int) -> Result<(), Errno> {
    const NT_ARM_SYSTEM_CALL: usize = 0x404;
    let mut number = number;
    let mut vector = libc::iovec {
        iov_base: from_mut(&mut number).cast(),
        iov_len: size_of::<c_int>(),
    };
    let set = NT_ARM_SYSTEM_CALL as *mut c_void;
    request(
        libc::PTRACE_SETREGSET,
        tid,
        set,
        from_mut(&mut vector).cast(),
    )
}
