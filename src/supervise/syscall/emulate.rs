//! Calls that go on with what was judged, in pages that no task can change (see `pin`), and what is
//! done when they return.

use super::path::passing;
use super::pending::{Pending, again};
use super::pin::{Mapped, Slot, Writing, are_many};
use super::place::place;
use super::stop::{Judged, Refused, SyscallStop, errno, refusal};
use crate::baseline::{NO_PAGES, Watch};
use crate::judge::Reason;
use crate::plan::Entry;
use crate::policy::{DomainId, DomainSet};
use crate::supervise::tracee::Task;
use crate::sys::{self, Errno};
use crate::syscalls::op::{Op, Peer};
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
    /// A task whose call has just failed for want of pages for what was judged.
    unmapped: Option<Tid>,
}

impl Emulation {
    /// A call of the supervisor's own making returns this.
    pub fn returned(
        &mut self,
        tracee: &Stopped,
        task: &Task,
        pending: Pending,
        result: i64,
    ) -> Resume {
        let tid = tracee.tid();
        match pending {
            Pending::Return {
                original,
                first: Some(at),
                ..
            } if result >= 0 => {
                let sent = (result as u32).to_ne_bytes();
                let told = sys::memory::write(tid, at, &sent);
                Resume::set(original.with_result(told.map_or_else(errno, |()| 1)))
            }
            Pending::Return { original, made, .. } => Resume::restoring(original, made, result),
            Pending::Passing { original } => passing::returned(task, original, result),
            Pending::Map { original } => {
                let space = task.space();
                match space.pages().mapped(tid, result, space.is_known()) {
                    // The task makes its own call again, which then uses the pages or is denied.
                    Mapped::There | Mapped::Occupied => again(original),
                    Mapped::Failed(result) => self.unmapped(task, original, result),
                }
            }
            Pending::Filter {
                original, domain, ..
            } => match result {
                0 => {
                    task.domains.add(DomainSet::one(domain));
                    again(original)
                }
                _ => Resume::set(original.with_result(errno(Errno::EACCES))),
            },
            // Those of sockets are not made here.
            Pending::Connect { original, .. }
            | Pending::Again { original, .. }
            | Pending::LookUp { original, .. }
            | Pending::Answer { original }
            | Pending::Asked { original }
            | Pending::Fewer { original } => Resume::set(original.with_result(result)),
        }
    }

    /// The pages could not be mapped: a filter of the command's own may have refused it, or the memory of the
    /// task has reached a limit. The installation of a filter goes on, and so does a connect; what needs the
    /// pages fails.
    fn unmapped(&mut self, task: &Task, original: Registers, result: i64) -> Resume {
        task.space().pages().refused();
        match original.call().op() {
            Op::Seccomp | Op::Prctl => again(original),
            // It is made without them.
            Op::Peer(Peer::Connect) => again(original),
            _ => {
                self.unmapped = Some(task.tid());
                Resume::set(original.with_result(result))
            }
        }
    }

    /// Before a filter of the command's own stands, which may refuse it, the pages are mapped, if many calls
    /// use them. `None`: they are mapped, or cannot be.
    pub fn before_filter(&mut self, stop: &SyscallStop<'_>) -> Option<Resume> {
        let used = stop.plan.files.watch.has(Watch::PINS) && stop.plan.keeps_memory();
        match used && stop.task.space().pages().may_map() {
            true => self.map(stop).ok(),
            false => None,
        }
    }

    /// The task whose call has failed because the pages could not be mapped.
    pub fn unmapped_task(&mut self) -> Option<Tid> {
        self.unmapped.take()
    }

    /// Lets a call go on as `nr` with the arguments that `args` makes of a slot, which holds `head`
    /// and `path`. If there are no pages yet, they are mapped first and the call comes again.
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
        if !stop.plan.files.watch.has(Watch::PINS) {
            // Nothing keeps other tasks from the pages.
            return Err(Errno::EACCES.into());
        }
        if stop.task.space().has_own_memory() && !self.asynchronous {
            stop.task.space().pages().take_copy();
        }
        if let Some(slot) = slot(stop) {
            fill(&slot)?;
            let made = args(&slot);
            slot.trim();
            let pending = Pending::Return {
                original,
                made,
                _slot: Some(slot),
                first,
                held: None,
                entered: None,
            };
            stop.task.pending.replace(Some(pending));
            return Ok(Resume::calling(original.with_call(nr, made)).and_stop());
        }
        let pages = stop.task.space().pages();
        if pages.are_mapped() {
            // Too many calls are under way.
            return Err(Errno::ENFILE.into());
        }
        match pages.are_occupied() {
            true => Err(Refused::Called(refusal(Reason::Baseline(&NO_PAGES)))),
            false => self.map(stop),
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

    /// As [`Emulation::pinned_call`], for a call that can be made in another way: `None` where there are no pages,
    /// or half of the slots are in use. It may wait for long, and others must not fail for want of a slot.
    pub fn pinned_if_free(
        &mut self,
        stop: &SyscallStop<'_>,
        bytes: &[u8],
        args: impl FnOnce(u64) -> [u64; 6],
    ) -> Option<Resume> {
        let pages = stop.task.space().pages();
        match stop.plan.files.watch.has(Watch::PINS) && (pages.are_half_free() || pages.may_map()) {
            true => self.pinned_call(stop, bytes, args).ok(),
            false => None,
        }
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
            made: args,
            _slot: None,
            first: None,
            held: None,
            entered: None,
        };
        stop.task.pending.replace(Some(pending));
        Resume::calling(original.with_call(stop.call.nr, args)).and_stop()
    }

    /// Has the task install the filter of a domain: its call is made again afterwards.
    pub(super) fn install(
        &mut self,
        stop: &SyscallStop<'_>,
        entry: &Entry,
        domain: DomainId,
    ) -> Judged<Resume> {
        const SECCOMP_SET_MODE_FILTER: u64 = 1;
        /// `struct sock_fprog` of linux/filter.h, with its padding.
        const HEAD: u64 = 16;
        let (original, tid) = (stop.registers, stop.tracee.tid());
        if stop.task.space().has_own_memory() && !self.asynchronous {
            stop.task.space().pages().take_copy();
        }
        let Some(slot) = slot(stop) else {
            let pages = stop.task.space().pages();
            if pages.are_mapped() {
                // Too many calls are under way.
                return Err(Errno::ENFILE.into());
            }
            return match pages.are_occupied() {
                true => Err(Refused::Called(refusal(Reason::Baseline(&NO_PAGES)))),
                false => self.map(stop),
            };
        };
        let set = stop.task.domains.judged().and(stop.task.domains.filters());
        let filter = entry.filter(domain, set.and(DomainSet::one(domain)));
        let mut bytes = vec![0; HEAD as usize];
        let count = (filter.len() / size_of::<libc::sock_filter>()) as u16;
        bytes[..2].copy_from_slice(&count.to_ne_bytes());
        bytes[8..].copy_from_slice(&(slot.address + HEAD).to_ne_bytes());
        bytes.extend(filter);
        slot.fill(tid, &bytes)?;
        slot.trim();
        let nr = Op::Seccomp.number().ok_or(Errno::ENOSYS)?;
        let args = [SECCOMP_SET_MODE_FILTER, 0, slot.address, 0, 0, 0];
        let pending = Pending::Filter {
            original,
            domain,
            _slot: slot,
        };
        stop.task.pending.replace(Some(pending));
        Ok(Resume::calling(original.with_call(nr, args)).and_stop())
    }

    /// Has the task map the pages: its call is made again afterwards. The mmap names an address that the
    /// filter hands to the supervisor, but a call that was changed in its stop does not stop again
    /// (seccomp(2), SECCOMP_RET_TRACE).
    fn map(&mut self, stop: &SyscallStop<'_>) -> Judged<Resume> {
        let place = place().ok_or(Errno::EACCES)?;
        let original = stop.registers;
        let nr = Op::Mmap.number().ok_or(Errno::ENOSYS)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let (length, access) = (place.end - place.start, libc::PROT_READ as u64);
        let args = [place.start, length, access, flags as u64, u64::MAX, 0];
        stop.task.pending.replace(Some(Pending::Map { original }));
        Ok(Resume::calling(original.with_call(nr, args)).and_stop())
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

/// A free slot of a task; `None`: the pages have to be mapped first, or all are in use. Of many address spaces
/// only this one keeps files open.
fn slot(stop: &SyscallStop<'_>) -> Option<Slot> {
    if are_many(stop.tracees.len()) {
        let others = stop.tracees.all();
        let others = others.filter(|task| task.tid() != stop.task.tid());
        others.for_each(|task| task.space().pages().close());
    }
    let by = match stop.plan.files.memory_files {
        true => Writing::ByFile,
        false => Writing::ByPtrace,
    };
    stop.task.space().pages().slot(by)
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
