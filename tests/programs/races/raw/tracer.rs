//! ptrace(2) and seccomp(2) for the naive supervisor.

use super::*;
use std::mem::zeroed;

/// The registers of a task that is stopped at the beginning of a call.
pub struct Registers(libc::user_regs_struct);

fn request(request: libc::c_uint, tid: i32, data: usize) -> Called {
    // SAFETY: requests without memory, or with what the callers below pass.
    check(unsafe { libc::ptrace(request, tid, 0_usize, data) })
}

pub fn seize(pid: i32) -> Called {
    let options = libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SEIZE, pid, options as usize)
}

pub fn go_on(tid: i32, signal: i32) {
    let _ = request(libc::PTRACE_CONT, tid, signal as usize);
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub fn of(tid: i32) -> Result<Self, Errno> {
        // SAFETY: integers; zero is valid.
        let mut registers: libc::user_regs_struct = unsafe { zeroed() };
        let at = (&raw mut registers).expose_provenance();
        request(libc::PTRACE_GETREGS, tid, at)?;
        Ok(Self(registers))
    }

    pub fn number(&self) -> i64 {
        self.0.orig_rax as i64
    }

    pub fn argument(&self, number: usize) -> u64 {
        let it = &self.0;
        [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9][number]
    }

    /// The call is not made, and fails.
    pub fn deny(mut self, tid: i32) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = -i64::from(libc::EACCES) as u64;
        let at = (&raw const self.0).expose_provenance();
        let _ = request(libc::PTRACE_SETREGS, tid, at);
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    pub fn of(tid: i32) -> Result<Self, Errno> {
        // SAFETY: integers; zero is valid.
        let mut registers: libc::user_regs_struct = unsafe { zeroed() };
        register_set(
            libc::PTRACE_GETREGSET,
            tid,
            libc::NT_PRSTATUS,
            &mut registers,
        )?;
        Ok(Self(registers))
    }

    pub fn number(&self) -> i64 {
        self.0.regs[8] as i64
    }

    pub fn argument(&self, number: usize) -> u64 {
        self.0.regs[number]
    }

    /// The call is not made, and fails.
    pub fn deny(mut self, tid: i32) {
        const NT_ARM_SYSTEM_CALL: c_int = 0x404;
        self.0.regs[0] = -i64::from(libc::EACCES) as u64;
        let set = libc::PTRACE_SETREGSET;
        let _ = register_set(set, tid, NT_ARM_SYSTEM_CALL, &mut -1_i32);
        let _ = register_set(set, tid, libc::NT_PRSTATUS, &mut self.0);
    }
}

/// Reads or writes a set of registers.
#[cfg(target_arch = "aarch64")]
fn register_set<T>(how: u32, tid: i32, which: c_int, set: &mut T) -> Called {
    let vector = libc::iovec {
        iov_base: (&raw mut *set).cast(),
        iov_len: size_of::<T>(),
    };
    // SAFETY: the kernel reads or writes as many bytes as the set has.
    check(unsafe { libc::ptrace(how, tid, which as usize, &raw const vector) })
}

/// From here on, these calls of this process stop for the tracer.
pub fn trace_calls(numbers: &[i64]) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = vec![step(LOAD, 0, 0)];
    for number in numbers {
        program.push(step(EQUAL, 1, *number as u32));
        program.push(step(RETURN, 0, libc::SECCOMP_RET_TRACE));
    }
    program.push(step(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives throughout the call.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter)
    };
    check(installed).expect("cannot install the filter");
}
