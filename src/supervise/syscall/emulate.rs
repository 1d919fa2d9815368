//! Calls that go on with what was judged, in pages that nobody can change (see `pin`), and what is
//! done when they return.

use super::path::{Asked, Files, Judged, errno};
use super::pin::{REGION, Slot, are_many};
use crate::baseline::Watch;
use crate::supervise::tracee::Task;
use crate::sys::{self, Errno};
use crate::syscalls::op::{Op, Open};
use crate::trace::{Registers, Resume, Stopped, Tid};
use std::os::fd::OwnedFd;

/// A call that is under way in another form than the tracee made it.
pub enum Pending {
    /// It returns, and the registers are to be as they were. `first`: it is the first of many
    /// messages, and what was sent of it belongs at this address.
    Return {
        original: Registers,
        _slot: Option<Slot>,
        first: Option<u64>,
        /// What stays open until then.
        held: Option<OwnedFd>,
        /// The directory that the task is to be in then.
        entered: Option<OwnedFd>,
    },
    /// A step on the way of an open file to the task.
    Passing { original: Registers },
    /// mmap of a region.
    Map { original: Registers },
    /// mseal of it.
    Seal { original: Registers, address: u64 },
}

impl Files {
    /// A call of the supervisor's own making is entered, or returns.
    pub fn returned(&mut self, tracee: &Stopped, task: &Task) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let Some(pending) = task.files.pending.take() else {
            return Ok(Resume::Continue);
        };
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::Continue);
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
                Resume::Set(original.with_result(told.map_or_else(self::errno, |()| 1)))
            }
            Pending::Return { original, .. } => Resume::Set(original.with_result(result)),
            Pending::Passing { original } => self.passed_on(task, original, result),
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
            // lies there is looked at now, while it is stopped and nobody else is there.
            Pending::Seal { original, address } => match task.sealed(address, self.filtered) {
                true if !self.asynchronous => again(original),
                _ => self.unmapped(task, original, errno(Errno::EACCES)),
            },
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
                Resume::Set(original.with_result(result))
            }
        }
    }

    /// Before a filter of the command's own stands, which may refuse it, the region is mapped. `None`: there
    /// is one, or it cannot be.
    pub fn before_filter(&mut self, asked: &Asked<'_>) -> Option<Resume> {
        let net = &asked.plan.net;
        let needed =
            asked.plan.files.watch.has(Watch::SHARING) || net.pins && net.watch.has(Watch::MEMORY);
        match needed && asked.task.may_map() {
            true => self.map(asked).ok(),
            false => None,
        }
    }

    /// The call that a task is in, where that is of the supervisor's making.
    pub fn injected(task: &Task) -> Option<Op> {
        match task.files.pending.borrow().as_ref()? {
            Pending::Return { original, .. } => match original.call().op() {
                Op::Open(Open::Open | Open::Openat | Open::Creat) => Some(Op::Open(Open::Openat2)),
                _ => None,
            },
            Pending::Map { .. } => Some(Op::Mmap),
            Pending::Seal { .. } => Some(Op::Mseal),
            Pending::Passing { .. } => None,
        }
    }

    /// The task whose call has failed because no region could be mapped or sealed.
    pub fn unmapped_task(&mut self) -> Option<Tid> {
        self.unmapped.take()
    }

    /// Keeps a file open until a task's call has returned.
    pub(super) fn hold(asked: &Asked<'_>, file: OwnedFd) {
        let mut pending = asked.task.files.pending.borrow_mut();
        if let Some(Pending::Return { held, .. }) = pending.as_mut() {
            *held = Some(file);
        }
    }

    /// A task may have a seccomp filter of its own from now on. It is asked about the calls that the
    /// supervisor makes in the task's name, too, and may answer them by 0 without making them.
    pub fn may_be_filtered(&mut self) {
        self.filtered = true;
    }

    /// Notes which directory a task's chdir is to lead to.
    pub(super) fn enter(asked: &Asked<'_>, directory: OwnedFd) {
        let mut pending = asked.task.files.pending.borrow_mut();
        if let Some(Pending::Return { entered, .. }) = pending.as_mut() {
            *entered = Some(directory);
        }
    }

    /// Lets a call go on as `nr` with the arguments that `args` makes of a slot, which holds `head`
    /// and `path`. If there is no slot yet, it is mapped first and the call comes again.
    pub(super) fn pinned(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let fill = |slot: &Slot| slot.write(asked.tracee.tid(), head, path);
        self.pinned_in(asked, nr, fill, args, None)
    }

    pub(super) fn pinned_in(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        fill: impl FnOnce(&Slot) -> Result<(), Errno>,
        args: impl FnOnce(&Slot) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        let original = asked.registers;
        if let Some(slot) = slot(asked) {
            fill(&slot)?;
            let changed = original.with_call(nr, args(&slot));
            let pending = Pending::Return {
                original,
                _slot: Some(slot),
                first,
                held: None,
                entered: None,
            };
            asked.task.files.pending.replace(Some(pending));
            return Ok(Resume::SetAndStop(changed));
        }
        match asked.task.space().pages.has_region() {
            false => self.map(asked),
            // Too many calls are under way.
            true => Err(Errno::ENFILE.into()),
        }
    }

    /// Lets the call go on with these bytes where nobody can change them; `args` gets their address.
    pub fn pinned_call(
        &mut self,
        asked: &Asked<'_>,
        bytes: &[u8],
        args: impl FnOnce(u64) -> [u64; 6],
    ) -> Judged<Resume> {
        let bytes = bytes.to_vec();
        self.pinned_as(asked, asked.call.nr, |_| bytes, args, None)
    }

    /// As [`Files::pinned_call`], as another call and with bytes that depend on where they lie.
    /// `first`: what it sent belongs at this address, and it returns 1.
    pub fn pinned_as(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        bytes: impl FnOnce(u64) -> Vec<u8>,
        args: impl FnOnce(u64) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        if !asked.plan.net.pins {
            // `explain` says that it is racy.
            return Ok(Resume::Continue);
        }
        let tid = asked.tracee.tid();
        let fill = |slot: &Slot| slot.fill(tid, &bytes(slot.address));
        self.pinned_in(asked, nr, fill, |slot| args(slot.address), first)
    }

    /// Lets the call go on with other arguments.
    pub fn changed_call(&mut self, asked: &Asked<'_>, args: [u64; 6]) -> Resume {
        let original = asked.registers;
        let pending = Pending::Return {
            original,
            _slot: None,
            first: None,
            held: None,
            entered: None,
        };
        asked.task.files.pending.replace(Some(pending));
        Resume::SetAndStop(original.with_call(asked.call.nr, args))
    }

    /// Maps a region for paths, or seals the one that was mapped: the call is made again afterwards.
    pub(super) fn map(&mut self, asked: &Asked<'_>) -> Judged<Resume> {
        let original = asked.registers;
        // A filter of the command's own may kill for what follows.
        if self.filtered && !self.asynchronous && asked.task.inherits() {
            return Ok(again(original));
        }
        let (op, args, pending) = match asked.task.space().pages.unsealed() {
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
        asked.task.files.pending.replace(Some(pending));
        Ok(Resume::SetAndStop(original.with_call(nr, args)))
    }

    /// Before memory is shared, the region is mapped: afterwards another task could put its own
    /// pages in its place before they are sealed, or keep them from its children.
    pub(super) fn share(&mut self, asked: &Asked<'_>) -> Judged<Resume> {
        match asked.task.may_map() {
            true => self.map(asked),
            false => Ok(Resume::Continue),
        }
    }

    /// The call that must return before anything else is answered.
    pub fn hurried(&mut self) -> Option<Tid> {
        self.hurried.take()
    }

    /// As [`Files::pinned`], for a call that the kernel resolves anew: nothing else is answered
    /// until it has returned.
    pub(super) fn pinned_at_once(
        &mut self,
        asked: &Asked<'_>,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        self.pinned_now(asked, asked.call.nr, head, path, args)
    }

    /// As [`Files::pinned_at_once`], as another call.
    pub(super) fn pinned_now(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let resume = self.pinned(asked, nr, head, path, args)?;
        let pending = asked.task.files.pending.borrow();
        if let Some(Pending::Return { .. }) = pending.as_ref() {
            self.hurried = Some(asked.task.tid());
        }
        Ok(resume)
    }
}

/// A task is to make its own call again.
pub fn again(original: Registers) -> Resume {
    let call = original.call();
    Resume::Set(original.before_call(call.nr, call.args))
}

/// A free slot of a task; `None`: a region has to be mapped. Of many address spaces only this one keeps
/// files open.
fn slot(asked: &Asked<'_>) -> Option<Slot> {
    if are_many(asked.tracees.len()) {
        let others = asked.tracees.all();
        let others = others.filter(|task| task.tid() != asked.task.tid());
        others.for_each(|task| task.space().pages.close());
    }
    asked.task.space().pages.slot()
}
