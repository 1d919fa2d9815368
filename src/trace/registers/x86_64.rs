//! x86-64: syscall(2)'s table "Architecture calling conventions".

use crate::sys::Errno;
use crate::sys::ptrace::{self, RawRegisters};
use crate::syscalls::Call;
use crate::trace::Tid;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};

/// linux/errno.h: restart the call if no handler runs.
const ERESTARTNOHAND: i64 = -514;

/// The registers of a tracee in a stop.
#[derive(Debug, Clone, Copy)]
pub struct Registers(RawRegisters);

impl Registers {
    pub(in crate::trace) fn new(raw: RawRegisters) -> Self {
        Self(raw)
    }

    /// The call that the thread is in.
    pub fn call(&self) -> Call {
        let r = &self.0;
        Call {
            nr: r.orig_rax as u32,
            args: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9],
        }
    }

    /// Whether the thread runs 32-bit code: `__USER32_CS` of the kernel's asm/segment.h.
    pub fn is_compat(&self) -> bool {
        const USER32_CS: u64 = 0x23;
        self.0.cs == USER32_CS
    }

    /// The same registers with another call, for a seccomp-stop.
    pub fn with_call(mut self, nr: u32, args: [u64; 6]) -> Self {
        let r = &mut self.0;
        r.orig_rax = nr.into();
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = args;
        self
    }

    /// At the exit of a call: what it returns, `-errno` for an error.
    pub fn result(&self) -> i64 {
        self.0.rax as i64
    }

    /// The same registers with another result, for the exit of a call.
    pub fn with_result(mut self, value: i64) -> Self {
        self.0.rax = value as u64;
        self
    }

    /// In a signal-delivery-stop or a group-stop: the call that has just returned EINTR, and that
    /// the thread has not yet returned from. The kernel sets orig_rax to -1 outside of calls.
    pub fn interrupted(&self) -> Option<Call> {
        self.in_call(-i64::from(libc::EINTR))
    }

    /// The same for a call that [`Registers::restarting`] was applied to.
    pub fn is_restarting(&self) -> Option<Call> {
        self.in_call(ERESTARTNOHAND)
    }

    fn in_call(&self, result: i64) -> Option<Call> {
        let is_in = self.0.orig_rax as i64 >= 0 && self.0.rax as i64 == result;
        (is_in && !self.is_compat()).then(|| self.call())
    }

    /// The same registers, changed so that the interrupted call restarts if no handler runs, and
    /// otherwise returns EINTR (arch_do_signal_or_restart of arch/x86/kernel/signal.c).
    pub fn restarting(self) -> Self {
        self.with_result(ERESTARTNOHAND)
    }

    /// The same registers, changed so that the call returns EINTR in any case: the thread is no longer
    /// in a call.
    pub fn interrupted_for_good(mut self) -> Self {
        self.0.orig_rax = u64::MAX;
        self.with_result(-i64::from(libc::EINTR))
    }

    /// The registers that make the thread make this call (again) when it is resumed: the instruction
    /// pointer is set back to the `syscall` instruction, which has two bytes.
    pub fn before_call(mut self, nr: u32, args: [u64; 6]) -> Self {
        self = self.with_call(nr, args);
        self.0.rax = nr.into();
        // The kernel must not restart this as an interrupted call.
        self.0.orig_rax = u64::MAX;
        self.0.rip = self.0.rip.wrapping_sub(2);
        self
    }

    /// Sets the registers, of which only those of calls can have changed.
    pub(in crate::trace) fn set(&self, tid: Tid) -> Result<(), Errno> {
        match self.is_compat() {
            true => ptrace::set_registers(tid, &self.0),
            false => ptrace::set_call_registers(tid, &self.0),
        }
    }

    /// At a seccomp-stop: sets the number of the call and its arguments.
    pub(in crate::trace) fn set_call(&self, tid: Tid) -> Result<(), Errno> {
        /// Whether the kernel is known to have no request for it.
        static HAS_NONE: AtomicBool = AtomicBool::new(false);
        if HAS_NONE.load(Ordering::Relaxed) || self.is_compat() {
            return self.set(tid);
        }
        let call = self.call();
        match ptrace::set_call(tid, call.nr, call.args) {
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            Err(_) => {
                HAS_NONE.store(true, Ordering::Relaxed);
                self.set(tid)
            }
            done => done,
        }
    }

    /// At the exit of a call: sets the registers, of which the arguments were `made` for this call, and its result.
    ///
    /// The kernel acts upon an error by the number of the call, which may be another one now (it is restarted):
    /// then all are set. Otherwise the number has no meaning any more, and few registers are set one by one.
    pub(in crate::trace) fn restore(
        &self,
        tid: Tid,
        made: [u64; 6],
        result: i64,
    ) -> Result<(), Errno> {
        const FEW: usize = 2;
        const PLACES: [usize; 6] = [
            offset_of!(RawRegisters, rdi),
            offset_of!(RawRegisters, rsi),
            offset_of!(RawRegisters, rdx),
            offset_of!(RawRegisters, r10),
            offset_of!(RawRegisters, r8),
            offset_of!(RawRegisters, r9),
        ];
        let given = self.call().args.into_iter().zip(made).zip(PLACES);
        let changed = given.filter(|((given, made), _)| given != made);
        if result < 0 || self.is_compat() || changed.clone().count() > FEW {
            return self.with_result(result).set(tid);
        }
        for ((given, _), place) in changed {
            ptrace::set_register(tid, place, given)?;
        }
        Ok(())
    }

    /// At the exit of a call: what it returns.
    pub(in crate::trace) fn result_of(tid: Tid) -> Result<i64, Errno> {
        let result = ptrace::register(tid, offset_of!(RawRegisters, rax))?;
        Ok(result as i64)
    }

    /// At a seccomp-stop: the call is not run and returns `value`; no other register changes.
    ///
    /// Number -1 makes the kernel skip the call, and it leaves rax as set here (seccomp(2),
    /// SECCOMP_RET_TRACE).
    pub(in crate::trace) fn answer(self, tid: Tid, value: i64) -> Result<(), Errno> {
        ptrace::set_register(tid, offset_of!(RawRegisters, orig_rax), u64::MAX)?;
        ptrace::set_register(tid, offset_of!(RawRegisters, rax), value as u64)
    }
}
