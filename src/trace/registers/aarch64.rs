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

    /// The same registers with another call, for a seccomp-stop.
    pub fn with_call(mut self, nr: u32, args: [u64; 6]) -> Self {
        self.0.regs[8] = nr.into();
        self.0.regs[..6].copy_from_slice(&args);
        self
    }

    /// At the exit of a call: what it returns, `-errno` for an error.
    pub fn result(&self) -> i64 {
        self.0.regs[0] as i64
    }

    /// The same registers with another result, for the exit of a call.
    pub fn with_result(mut self, value: i64) -> Self {
        self.0.regs[0] = value as u64;
        self
    }

    /// `None`: this architecture cannot tell which call has returned EINTR. By the time of the stop the
    /// kernel has forgotten the number of the call, and it does not show the first argument to a tracer
    /// (do_signal of arch/arm64/kernel/signal.c).
    pub fn interrupted(&self) -> Option<Call> {
        None
    }

    /// As [`Registers::interrupted`].
    pub fn is_restarting(&self) -> Option<Call> {
        None
    }

    /// The same registers: no call is restarted on this architecture.
    pub fn restarting(self) -> Self {
        self
    }

    /// As [`Registers::restarting`].
    pub fn interrupted_for_good(self) -> Self {
        self
    }

    /// The registers that make the thread make this call (again) when it is resumed: the program counter
    /// is set back to the `svc` instruction, which has four bytes.
    pub fn before_call(mut self, nr: u32, args: [u64; 6]) -> Self {
        self = self.with_call(nr, args);
        self.0.pc = self.0.pc.wrapping_sub(4);
        self
    }

    /// The number is not a general register on this architecture: NT_ARM_SYSTEM_CALL sets it.
    pub(in crate::trace) fn set(&self, tid: Tid) -> Result<(), Errno> {
        sys::ptrace::set_system_call(tid, self.0.regs[8] as i32)?;
        sys::ptrace::set_registers(tid, &self.0)
    }

    /// At a seccomp-stop: sets the number of the call and its arguments.
    pub(in crate::trace) fn set_call(&self, tid: Tid) -> Result<(), Errno> {
        self.set(tid)
    }

    /// At the exit of a call: sets the registers and its result.
    pub(in crate::trace) fn restore(
        &self,
        tid: Tid,
        _made: [u64; 6],
        result: i64,
    ) -> Result<(), Errno> {
        self.with_result(result).set(tid)
    }

    /// At the exit of a call: what it returns.
    pub(in crate::trace) fn result_of(tid: Tid) -> Result<i64, Errno> {
        Ok(Self::new(sys::ptrace::registers(tid)?).result())
    }

    /// At a seccomp-stop: the call is not run and returns `value`; no other register changes.
    ///
    /// The number is not a general register on this architecture: NT_ARM_SYSTEM_CALL sets it.
    pub(in crate::trace) fn answer(mut self, tid: Tid, value: i64) -> Result<(), Errno> {
        self.0.regs[0] = value as u64;
        sys::ptrace::set_system_call(tid, -1)?;
        sys::ptrace::set_registers(tid, &self.0)
    }
}
