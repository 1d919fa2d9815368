//! aarch64: syscall(2)'s table "Architecture calling conventions". Compiled, not yet run.

use crate::sys::{self, Errno};
use crate::syscalls::Call;
use crate::trace::Tid;

/// The registers of a tracee in a stop.
#[derive(Debug, Clone, Copy)]
pub struct Registers(sys::ptrace::RawRegisters);

impl Registers {
    pub(in crate::trace) fn new(raw: sys::ptrace::RawRegisters) -> Self {
        Self(raw)
    }

    /// The call that the thread is in.
    pub fn call(&self) -> Call {
        let r = &self.0.regs;
        Call {
            nr: r[8] as u32,
            args: [r[0], r[1], r[2], r[3], r[4], r[5]],
        }
    }

    /// Whether the thread runs 32-bit code: PSR_MODE32_BIT of the kernel's asm/ptrace.h.
    pub fn is_compat(&self) -> bool {
        const PSR_MODE32_BIT: u64 = 1 << 4;
        self.0.pstate & PSR_MODE32_BIT != 0
    }

    /// At a seccomp-stop: the call is not run and returns `value`; no other register changes.
    ///
    /// The number is not a general register here: NT_ARM_SYSTEM_CALL sets it.
    pub(in crate::trace) fn answer(mut self, tid: Tid, value: i64) -> Result<(), Errno> {
        self.0.regs[0] = value as u64;
        sys::ptrace::set_system_call(tid, -1)?;
        sys::ptrace::set_registers(tid, &self.0)
    }
}
