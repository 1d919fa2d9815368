//! ptrace(2) and seccomp(2) for the naive supervisor.

use super::*;
use libc::user_regs_struct as Registers;
use std::mem::zeroed;

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

pub fn registers(tid: i32) -> Result<Registers, Errno> {
    // SAFETY: integers; zero is valid.
    let mut registers: Registers = unsafe { zeroed() };
    request(
        libc::PTRACE_GETREGS,
        tid,
        (&raw mut registers).expose_provenance(),
    )?;
    Ok(registers)
}

pub fn set_registers(tid: i32, registers: &Registers) -> Called {
    request(
        libc::PTRACE_SETREGS,
        tid,
        (&raw const *registers).expose_provenance(),
    )
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
