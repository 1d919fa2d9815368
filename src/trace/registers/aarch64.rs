//! aarch64: syscall(2)'s table "Architecture calling conventions".
//!
//! The kernel keeps the first argument twice: `x0`, which the call uses and which becomes its result, and `orig_x0`,
//! which a tracer can neither read nor write by NT_PRSTATUS. Two things use `orig_x0` (Linux 5.10 to 7.3):
//!
//! - **The second look of seccomp**: after a stop for RET_TRACE the kernel runs all filters again on the number and
//!   the arguments as the tracer left them, but on the first argument as the program made the call
//!   (`__seccomp_filter` of kernel/seccomp.c; `syscall_get_arguments` of arch/arm64/include/asm/syscall.h). So no
//!   condition on the first argument may be what stops a call that the supervisor has changed. None is: the
//!   supervisor makes only calls that it has judged itself, and of those with another first argument (mmap of the
//!   guarded pages, seccomp, a path or address in a slot) the jail's filter has no condition on it that answers by
//!   another action than RET_TRACE, which is not reported again. A filter of the command's own sees the old value,
//!   too, and so is about the call that the command made.
//! - **Restarts**: a call that a signal interrupts is made again with `orig_x0` (`do_signal` of
//!   arch/arm64/kernel/signal.c). The exit-stop has restored the other registers by then, so this is the program's
//!   own call. PTRACE_SET_SYSCALL_INFO (Linux 6.16) would set `orig_x0`, and must not be used here for that reason.

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
