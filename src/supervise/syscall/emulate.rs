//! Calls that go on with what was judged, in pages that no task can change (see `pin`), and what is
//! done when they return.

use super::path::passing;
use super::pending::{Pending, again};
use super::pin::{REGION, Slot, are_many};
use super::stop::{Judged, SyscallStop, errno};
use crate::baseline::Watch;
use crate::supervise::tracee::Task;
use crate::sys::{self, Errno};
use crate::syscalls::Op;
use crate::trace::{Registers, Resume, Stopped, Tid};
use std::os::fd::OwnedFd;

/// What the supervisor has to know to let calls go on in another form.
#[derive(Debug, Default)]
pub struct Emulation {
    /// A call under way that must return before anything else is answered: the supervisor makes all
    /// renames, so meanwhile no directory on its way becomes another.
    must_finish: Option<Tid>,
    /// Whether a task may have reads under way that end while it is stopped.
    asynchronous: bool,
    /// Whether a task may have a seccomp filter of its own.
    filtered: bool,
    /// A task whose call has just failed for want of pages for paths.
    unmapped: Option<Tid>,
}

impl Emulation {
    /// A call of the supervisor's own making returns.
    pub fn returned(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        pending: Pending,
    ) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::CONTINUE);
        };
        let result = registers.result();
        Ok(match pending {
            Pending::Return {
                original,
                first: Some(at),
                ..
            } if result >= 0 => {
                let sent = (result as u32).to_ne_bytes();
                let told = sys::memory::write(tid, at, &sent);
                Resume::set(original.with_result(told.map_or_else(errno, |()| 1)))
            }
            Pending::Return { original, .. } => Resume::set(original.with_result(result)),
            Pending::Passing { original } => passing::returned(task, original, result),
            Pending::Map { original } if (-4095..0).contains(&result) => {
                self.unmapped(task, original, result)
            }
            // The task makes its own call again; then there is a region to be sealed.
            Pending::Map { original } => {
                task.space().pages.mapped(result as u64);
                again(original)
            }
            Pending::Seal { original, .. } if result < 0 => self.unmapped(task, original, result),
            // Between the two the task may have run: a signal handler, an aborted rseq section. What
            // lies there is looked at now, while it is stopped and no other task shares it.
            Pending::Seal { original, address } => match task.sealed(address, self.filtered) {
                true if !self.asynchronous => again(original),
                _ => self.unmapped(task, original, errno(Errno::EACCES)),
            },
            // Those of sockets are not made here.
            Pending::Connect { original, .. }
            | Pending::Again { original, .. }
            | Pending::LookUp { original, .. }
            | Pending::Answer { original }
            | Pending::Fewer { original } => Resume::set(original.with_result(result)),
        })
    }

    /// No region could be mapped or sealed: a filter of the command's own may have refused it. A call
    /// that was only to come after that goes on; what needs a region later fails then.
    fn unmapped(&mut self, task: &Task, original: Registers, result: i64) -> Resume {
        task.space().pages.refused();
        let goes_on = match original.call().op() {
            Op::Seccomp | Op::Prctl => true,
            // What a filter answers in the place of the kernel is no refusal.
            Op::Clone | Op::Vfork | Op::IoSetup => self.filtered && result != errno(Errno::EACCES),
            _ => false,
        };
        match goes_on {
            true => again(original),
            false => {
                self.unmapped = Some(task.tid());
                Resume::set(original.with_result(result))
            }
        }
    }

    /// Before a filter of the command's own stands, which may refuse it, the region is mapped. `None`: there
    /// is one, or it cannot be.
    pub fn before_filter(&mut self, stop: &SyscallStop<'_>) -> Option<Resume> {
        let net = &stop.plan.net;
        let needed =
            stop.plan.files.watch.has(Watch::SHARING) || net.pins && net.watch.has(Watch::MEMORY);
        match needed && stop.task.may_map() {
            true => self.map(stop).ok(),
            false => None,
        }
    }

    /// The task whose call has failed because no region could be mapped or sealed.
    pub fn unmapped_task(&mut self) -> Option<Tid> {
        self.unmapped.take()
    }

    /// A task may have a seccomp filter of its own from now on. It is asked about the calls that the
    /// supervisor makes in the task's name, too, and may answer them by 0 without making them.
    pub fn may_be_filtered(&mut self) {
        self.filtered = true;
    }

    /// Lets a call go on as `nr` with the arguments that `args` makes of a slot, which holds `head`
    /// and `path`. If there is no slot yet, it is mapped first and the call comes again.
    pub(super) fn pinned(
        &mut self,
        stop: &SyscallStop<'_>,
        nr: u32,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let fill = |slot: &Slot| slot.write(stop.tracee.tid(), head, path);
        self.pinned_in(stop, nr, fill, args, None)
    }

    pub(super) fn pinned_in(
        &mut self,
        stop: &SyscallStop<'_>,
        nr: u32,
        fill: impl FnOnce(&Slot) -> Result<(), Errno>,
        args: impl FnOnce(&Slot) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        let original = stop.registers;
        if let Some(slot) = slot(stop) {
            fill(&slot)?;
            let changed = original.with_call(nr, args(&slot));
            let pending = Pending::Return {
                original,
                _slot: Some(slot),
                first,
                held: None,
                entered: None,
            };
            stop.task.pending.replace(Some(pending));
            return Ok(Resume::set(changed).and_stop());
        }
        match stop.task.space().pages.has_region() {
            false => self.map(stop),
            // Too many calls are under way.
            true => Err(Errno::ENFILE.into()),
        }
    }

    /// Lets the call go on with these bytes where no task can change them; `args` gets their address.
    pub fn pinned_call(
        &mut self,
        stop: &SyscallStop<'_>,
        bytes: &[u8],
        args: impl FnOnce(u64) -> [u64; 6],
    ) -> Judged<Resume> {
        let bytes = bytes.to_vec();
        self.pinned_as(stop, stop.call.nr, |_| bytes, args, None)
    }

    /// As [`Emulation::pinned_call`], as another call and with bytes that depend on where they lie.
    /// `first`: what it sent belongs at this address, and it returns 1.
    pub fn pinned_as(
        &mut self,
        stop: &SyscallStop<'_>,
        nr: u32,
        bytes: impl FnOnce(u64) -> Vec<u8>,
        args: impl FnOnce(u64) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        if !stop.plan.net.pins {
            // `explain` says that it is racy.
            return Ok(Resume::CONTINUE);
        }
        let tid = stop.tracee.tid();
        let fill = |slot: &Slot| slot.fill(tid, &bytes(slot.address));
        self.pinned_in(stop, nr, fill, |slot| args(slot.address), first)
    }

    /// Lets the call go on with other arguments.
    pub fn changed_call(&mut self, stop: &SyscallStop<'_>, args: [u64; 6]) -> Resume {
        let original = stop.registers;
        let pending = Pending::Return {
            original,
            _slot: None,
            first: None,
            held: None,
            entered: None,
        };
        stop.task.pending.replace(Some(pending));
        Resume::set(original.with_call(stop.call.nr, args)).and_stop()
    }

    /// Maps a region for paths, or seals the one that was mapped: the call is made again afterwards.
    pub(super) fn map(&mut self, stop: &SyscallStop<'_>) -> Judged<Resume> {
        let original = stop.registers;
        // A filter of the command's own may kill for what follows.
        if self.filtered && !self.asynchronous && stop.task.inherits() {
            return Ok(again(original));
        }
        let (op, args, pending) = match stop.task.space().pages.unsealed() {
            Some(address) => (
                Op::Mseal,
                [address, REGION, 0, 0, 0, 0],
                Pending::Seal { original, address },
            ),
            None => {
                let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                let args = [0, REGION, libc::PROT_READ as u64, flags, u64::MAX, 0];
                (Op::Mmap, args, Pending::Map { original })
            }
        };
        let nr = op.number().ok_or(Errno::ENOSYS)?;
        stop.task.pending.replace(Some(pending));
        Ok(Resume::set(original.with_call(nr, args)).and_stop())
    }

    /// Before memory is shared, the region is mapped: afterwards another task could put its own
    /// pages in its place before they are sealed, or keep them from its children.
    pub(super) fn share(&mut self, stop: &SyscallStop<'_>) -> Judged<Resume> {
        match stop.task.may_map() {
            true => self.map(stop),
            false => Ok(Resume::CONTINUE),
        }
    }

    /// A task may have reads under way from now on that end while it is stopped (io_setup(2)).
    pub(super) fn reads_may_be_under_way(&mut self) {
        self.asynchronous = true;
    }

    /// Whether a task may have such reads under way.
    pub(super) fn is_asynchronous(&self) -> bool {
        self.asynchronous
    }

    /// The call that must return before anything else is answered.
    pub fn must_finish(&mut self) -> Option<Tid> {
        self.must_finish.take()
    }

    /// As [`Emulation::pinned`], for a call that the kernel resolves anew: nothing else is answered
    /// until it has returned.
    pub(super) fn pinned_at_once(
        &mut self,
        stop: &SyscallStop<'_>,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        self.pinned_now(stop, stop.call.nr, head, path, args)
    }

    /// As [`Emulation::pinned_at_once`], as another call.
    pub(super) fn pinned_now(
        &mut self,
        stop: &SyscallStop<'_>,
        nr: u32,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let resume = self.pinned(stop, nr, head, path, args)?;
        let pending = stop.task.pending.borrow();
        if let Some(Pending::Return { .. }) = pending.as_ref() {
            self.must_finish = Some(stop.task.tid());
        }
        Ok(resume)
    }
}

/// A free slot of a task; `None`: a region has to be mapped. Of many address spaces only this one keeps
/// files open.
fn slot(stop: &SyscallStop<'_>) -> Option<Slot> {
    if are_many(stop.tracees.len()) {
        let others = stop.tracees.all();
        let others = others.filter(|task| task.tid() != stop.task.tid());
        others.for_each(|task| task.space().pages.close());
    }
    stop.task.space().pages.slot()
}

/// Keeps a file open until a task's call has returned.
pub fn hold(stop: &SyscallStop<'_>, file: OwnedFd) {
    let mut pending = stop.task.pending.borrow_mut();
    if let Some(Pending::Return { held, .. }) = pending.as_mut() {
        *held = Some(file);
    }
}

/// Notes which directory a task's chdir is to lead to.
pub fn enter(stop: &SyscallStop<'_>, directory: OwnedFd) {
    let mut pending = stop.task.pending.borrow_mut();
    if let Some(Pending::Return { entered, .. }) = pending.as_mut() {
        *entered = Some(directory);
    }
}
