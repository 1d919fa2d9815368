//! The guarded pages: memory of tracees that holds what was judged. Which tasks share an address space is in
//! `tracee::address_space`.
//!
//! The pages lie at the lowest addresses that a program may map, and are private, anonymous and read-only.
//! The filter denies each call that could touch them, from the first instruction of a program on
//! ([`PAGES_END`]): the process that they lie in can neither write, replace, remap nor discard them, nor can
//! any other. The supervisor writes through /proc/PID/mem, which no policy lets a jailed process open for
//! writing.

use super::place::{are_alike, are_there, are_untouched, errno, place};
use super::slots::{SLOT, Slots};
use crate::supervise::credentials::as_tracer;
use crate::sys::files::{Mapping, mapping};
use crate::sys::{self, Errno};
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::OnceLock;

/// Where a slot's path begins.
pub const PATH_AT: u64 = 128;
/// Where its second path begins.
const SECOND_AT: u64 = PATH_AT + 4096;
/// What is kept for each address space.
#[derive(Debug, Default)]
pub struct Pages {
    /// Their slots, once the pages are mapped.
    slots: RefCell<Option<Rc<Slots>>>,
    /// Whether something else lies there: they cannot be mapped until the next execve.
    occupied: Cell<bool>,
    /// None could be mapped: a filter of the command's own refuses what that takes.
    refused: Cell<bool>,
    /// The memory of a child whose parent's event has not come had such pages before the child ran.
    inherited: Cell<bool>,
    /// /proc/PID/mem, open for writing.
    file: RefCell<Option<File>>,
    /// /proc/PID/maps.
    maps: RefCell<Option<File>>,
}

/// A slot in use, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    pages: Rc<Pages>,
    slots: Rc<Slots>,
    /// How it is written.
    by: Writing,
    /// Where it lies in the tracee.
    pub address: u64,
    /// How long it is, and how much of that is written.
    length: Cell<u64>,
    written: Cell<u64>,
}

/// How the supervisor writes to the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Through /proc/PID/mem. A kernel may keep a tracer from writing to read-only memory by this file
    /// (proc_mem.force_override=never, Linux 6.12): then by PTRACE_POKEDATA.
    ByFile,
    /// By PTRACE_POKEDATA alone, which is slower.
    ByPtrace,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self.address, self.length.get());
    }
}

impl Slot {
    /// Fills the slot: `head` at its beginning, then the path.
    pub fn write(&self, tid: Tid, head: &[u8], path: &[u8]) -> Result<(), Errno> {
        let mut bytes = vec![0; PATH_AT as usize];
        if let Some(start) = bytes.get_mut(..head.len()) {
            start.copy_from_slice(head);
        }
        bytes.extend_from_slice(path);
        bytes.push(0);
        self.fill(tid, &bytes)
    }

    /// Fills the slot with these bytes.
    pub fn fill(&self, tid: Tid, bytes: &[u8]) -> Result<(), Errno> {
        self.write_at(tid, 0, bytes)
    }

    /// Adds a second path.
    pub fn write_second(&self, tid: Tid, path: &[u8]) -> Result<(), Errno> {
        let mut bytes = path.to_vec();
        bytes.push(0);
        self.write_at(tid, SECOND_AT, &bytes)
    }

    fn write_at(&self, tid: Tid, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let end = offset + bytes.len() as u64;
        if end > self.length.get() {
            return Err(Errno::ENOBUFS);
        }
        self.written.set(self.written.get().max(end));
        self.pages.write(tid, self.address + offset, bytes, self.by)
    }

    /// It is filled: what is left of it may be used by other calls.
    pub fn trim(&self) {
        let kept = self
            .slots
            .trim(self.address, self.length.get(), self.written.get());
        self.length.set(kept);
    }

    /// Where its second path lies.
    pub fn second(&self) -> u64 {
        self.address + SECOND_AT
    }

    /// Where its path lies.
    pub fn path(&self) -> u64 {
        self.address + PATH_AT
    }
}

impl Pages {
    /// Those of a child that was made by fork(2), and has not run yet.
    ///
    /// It has a copy of mapped pages, which it cannot touch either. But another thread may have had them mapped
    /// after the memory was copied and before this event. So the child is looked at now, when
    /// nothing but the copy can have put something there.
    pub fn copied(&self, child: Tid) -> Self {
        let copy = Self::default();
        if self.are_mapped() && place().is_some_and(|place| are_there(child, &place)) {
            copy.found();
        }
        // The parent has not used its own yet.
        if self.inherited.get() {
            return Self::of_unannounced(child);
        }
        copy
    }

    /// Those of a child that was made and released before its parent's event, and has not run yet. If it has
    /// its memory for itself, pages in it are a copy ([`Pages::take_copy`]).
    pub fn of_unannounced(child: Tid) -> Self {
        let pages = Self::default();
        let there = place().is_some_and(|place| are_alike(child, &place));
        pages.inherited.set(there);
        pages
    }

    /// It is not known whether the child had run before.
    pub fn may_have_run(&self) {
        self.inherited.set(false);
    }

    /// Pages that the child was made with are used. The caller knows that no other task has the same memory,
    /// and that no read is under way into it: then nothing but the supervisor can change them, also if the
    /// parent had put memory of its own there.
    pub(super) fn take_copy(&self) {
        if self.inherited.take() {
            self.found();
        }
    }

    /// What lay there is judged anew: it was not known whether another task has the same memory.
    pub fn look_again(&self) {
        self.occupied.set(false);
    }

    /// These are the same memory as others, which was not known. Where one of the two has mapped the pages,
    /// the other one uses these slots, too.
    pub fn are_also(&self, other: &Pages) {
        let (own, others) = (self.slots.borrow().clone(), other.slots.borrow().clone());
        match (own, others) {
            (None, Some(slots)) => *self.slots.borrow_mut() = Some(slots),
            // Mapped once, they cannot be mapped again. If they were, no slot would be used twice.
            (Some(own), Some(others)) => others.join(&own),
            (_, None) => {}
        }
    }

    /// Closes the files of one that is not in use now.
    pub fn close(&self) {
        self.file.take();
        self.maps.take();
    }

    /// Whether the pages are mapped.
    pub fn are_mapped(&self) -> bool {
        self.slots.borrow().is_some()
    }

    /// Whether they are mapped, and more than half of the slots are free.
    pub(super) fn are_half_free(&self) -> bool {
        let slots = self.slots.borrow();
        slots.as_ref().is_some_and(|slots| slots.are_half_free())
    }

    /// Whether something else lies there.
    pub(super) fn are_occupied(&self) -> bool {
        self.occupied.get() || place().is_none()
    }

    /// Whether they may be mapped, as far as is known.
    pub(super) fn may_map(&self) -> bool {
        !self.are_mapped() && !self.are_occupied() && !self.refused.get()
    }

    /// The mmap of them has returned this. `sure`: it is known which tasks share the memory.
    ///
    /// Pages of which two parts of the supervisor do not know that they are the same must never have slots
    /// for both. So whatever is found, and not known to be mapped by this call, must be untouched, and is
    /// touched then.
    pub(super) fn mapped(&self, tid: Tid, result: i64, sure: bool) -> Mapped {
        let Some(place) = place() else {
            return Mapped::Occupied;
        };
        let first = || are_untouched(tid, &place) && self.touch(tid, &place);
        if result == place.start as i64 {
            return self.judged(sure || self.are_mapped() || first());
        }
        if result != -i64::from(libc::EEXIST) {
            // Nothing but a filter answers by another number.
            return Mapped::Failed(match result {
                -4095..0 => result,
                _ => -i64::from(libc::EACCES),
            });
        }
        // Another thread has had them mapped at the same time; or a thread of the parent had, before a fork.
        // Then they have not been used yet. If they have, other tasks may be using their slots, or a read
        // may be under way into memory that was moved here when no other address was free.
        let there = || sure && are_alike(tid, &place) && first();
        self.judged(self.are_mapped() || there())
    }

    fn judged(&self, there: bool) -> Mapped {
        if there {
            self.found();
            return Mapped::There;
        }
        self.occupied.set(true);
        Mapped::Occupied
    }

    /// From now on the pages are not untouched.
    fn touch(&self, tid: Tid, place: &Range<u64>) -> bool {
        self.write(tid, place.start, &[0], Writing::ByFile).is_ok()
    }

    /// The pages are there. If they were known to be, their slots may be in use.
    fn found(&self) {
        let mut slots = self.slots.borrow_mut();
        if slots.is_none() {
            *slots = place().map(Slots::new);
        }
    }

    /// They cannot be mapped.
    pub fn refused(&self) {
        self.refused.set(true);
    }

    /// A free slot; `None`: the pages are not mapped, or all slots are in use.
    pub fn slot(self: &Rc<Self>, by: Writing) -> Option<Slot> {
        let slots = self.slots.borrow().clone()?;
        let address = slots.take()?;
        Some(Slot {
            pages: Rc::clone(self),
            slots,
            by,
            address,
            length: Cell::new(SLOT),
            written: Cell::new(0),
        })
    }

    /// Writes to the pages of a stopped task.
    fn write(&self, tid: Tid, address: u64, bytes: &[u8], by: Writing) -> Result<(), Errno> {
        match by {
            Writing::ByFile => self
                .write_file(tid, address, bytes)
                .or_else(|_| sys::ptrace::write_memory(tid, address, bytes)),
            Writing::ByPtrace => sys::ptrace::write_memory(tid, address, bytes),
        }
    }

    fn write_file(&self, tid: Tid, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut file = self.file.borrow_mut();
        if file.is_none() {
            let path = format!("/proc/{tid}/mem");
            let open = || OpenOptions::new().write(true).open(path).map_err(errno);
            *file = Some(as_tracer(open)?);
        }
        match file.as_ref() {
            Some(file) => file.write_all_at(bytes, address).map_err(errno),
            None => Err(Errno::EIO),
        }
    }

    /// Whether nothing but the (stopped) tracee itself can change these bytes: they lie in private
    /// anonymous memory. The caller asks whether another task shares the address space.
    ///
    /// Other ways in which memory changes, and why none is left:
    ///
    /// | way | |
    /// |---|---|
    /// | MADV_FREE, MAP_DROPPABLE: discarded under memory pressure, then zeros | closed by the filter ([`Watch::LAZY_MEMORY`](crate::baseline::Watch)); a mapping of before an execve is gone |
    /// | other values of madvise, munmap, mremap, mprotect | done before the call returns, or keep the content (COLD, PAGEOUT, MERGEABLE, COLLAPSE); WIPEONFORK is for children; HWPOISON is privileged |
    /// | process_vm_writev, process_madvise, ptrace, /proc/PID/mem | denied to every jail |
    /// | Linux AIO (io_submit) | io_setup is watched; from then on everything is pinned |
    /// | io_uring | closed |
    /// | userfaultfd | fills pages that are missing, which the supervisor cannot read: nothing was judged |
    /// | shared memory, private mappings of files, rings of perf, packet and AIO | not anonymous: they have an inode or a device |
    /// | vvar | the supervisor cannot read it |
    /// | rseq, signal frames, set_tid_address, robust futexes | written when the task itself returns to user mode or ends, never between a stop and its call |
    /// | the OOM reaper, process_mrelease | the task is being killed, and reads of it fail |
    /// | KSM, swap, migration, huge pages | keep the content |
    /// | devices that write to a program's memory (GPU, RDMA, vhost), user_events of tracefs | only if the policy grants their nodes |
    pub(super) fn is_private(&self, tid: Tid, address: u64, length: u64) -> bool {
        self.mapping(tid, address).is_some_and(|found| {
            !found.shared && found.anonymous && address.saturating_add(length) <= found.end
        })
    }

    /// The mapping that holds an address.
    pub(super) fn mapping(&self, tid: Tid, address: u64) -> Option<Mapping> {
        let mut maps = self.maps.borrow_mut();
        if maps.is_none() {
            *maps = as_tracer(|| File::open(format!("/proc/{tid}/maps")).map_err(errno)).ok();
        }
        mapping(maps.as_ref()?.as_fd(), address).ok()
    }
}

/// What has become of an mmap of the pages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    /// They are there.
    There,
    /// Something else is.
    Occupied,
    /// It has failed with this result.
    Failed(i64),
}

/// More address spaces than this do not keep files open, one or two each.
const MOST_OPEN: usize = 200;
/// Nor more than this part of the descriptors that this process may have: it needs them to look at tasks.
const PART_OPEN: u64 = 8;

fn most_open() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| most_open_of(crate::sys::process::descriptor_limit().unwrap_or(0)))
}

fn most_open_of(limit: u64) -> usize {
    usize::try_from(limit / PART_OPEN).map_or(MOST_OPEN, |most| most.min(MOST_OPEN))
}

/// Whether more address spaces than may keep files open have this many tasks.
pub(super) fn are_many(tasks: usize) -> bool {
    tasks > most_open()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{PAGES_END, PAGES_LEAST};
    use crate::supervise::tracee::{Namespaces, Task, Tracees};

    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
    const VFORK: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    const PLACE: Range<u64> = PAGES_LEAST..PAGES_END;

    fn tracees() -> Tracees {
        Tracees::of_test(1, Namespaces::default(), |_| true)
    }

    /// As if the pages had been mapped.
    fn map(task: &Task) {
        *task.space().pages().slots.borrow_mut() = Some(Slots::new(PLACE));
    }

    fn slot(task: &Task) -> Option<Slot> {
        task.space().pages().slot(Writing::ByFile)
    }

    fn child(tracees: &mut Tracees, parent: &Rc<Task>, tid: Tid, flags: u64) -> Rc<Task> {
        tracees.spawned(parent, tid, flags);
        tracees.at(tid)
    }

    #[test]
    fn of_few_descriptors_most_are_left() {
        for limit in [0, 64, 128, 256, 1024, 20_000, u64::MAX] {
            let open = most_open_of(limit);
            assert!(open <= MOST_OPEN && 2 * open as u64 <= limit / 4, "{limit}");
        }
        assert_eq!(most_open_of(u64::MAX), MOST_OPEN);
    }

    #[test]
    fn slots_are_used_once_and_free_when_dropped() {
        let task = tracees().at(1);
        assert!(slot(&task).is_none());
        let half_free = || task.space().pages().are_half_free();
        assert!(!half_free());
        map(&task);
        let mut taken = Vec::new();
        while half_free() {
            taken.extend(slot(&task));
        }
        let count = (PLACE.end - PLACE.start) / SLOT;
        assert_eq!(taken.len() as u64, count.div_ceil(2));
        taken.extend(std::iter::from_fn(|| slot(&task)));
        assert_eq!(taken.len() as u64, (PLACE.end - PLACE.start) / SLOT);
        let mut places: Vec<u64> = taken.iter().map(|slot| slot.address).collect();
        places.dedup();
        assert_eq!(places.len(), taken.len());
        let within = |at: &u64| PLACE.contains(at) && at + SLOT <= PLACE.end;
        assert!(places.iter().all(within));
        drop(taken);
        assert!(half_free() && slot(&task).is_some());
    }

    #[test]
    fn pages_that_another_thread_has_mapped_meanwhile_keep_the_slots_that_are_in_use() {
        let task = tracees().at(1);
        map(&task);
        let first = slot(&task).expect("a slot");
        let pages = task.space().pages();
        let again = [
            place().expect("room").start as i64,
            -i64::from(libc::EEXIST),
        ];
        for result in again {
            assert_eq!(pages.mapped(1, result, false), Mapped::There);
        }
        let next = slot(&task).expect("a slot");
        assert_eq!(next.address, first.address + SLOT);
    }

    #[test]
    fn what_is_not_known_to_be_the_pages_is_not_used() {
        let task = tracees().at(Tid::MAX);
        let pages = task.space().pages();
        let failed = |result, with: i32| {
            let with = Mapped::Failed(-i64::from(with));
            assert_eq!(pages.mapped(Tid::MAX, result, true), with);
        };
        failed(-i64::from(libc::ENOMEM), libc::ENOMEM);
        // A filter has answered, or a kernel that does not know the flag.
        failed(0, libc::EACCES);
        failed(0x7f00_0000_0000, libc::EACCES);
        assert!(pages.may_map());
        let exists = -i64::from(libc::EEXIST);
        assert_eq!(pages.mapped(Tid::MAX, exists, true), Mapped::Occupied);
        assert!(pages.are_occupied() && !pages.may_map() && slot(&task).is_none());
    }

    #[test]
    fn memory_that_is_the_same_has_the_same_slots() {
        let (one, other) = (Rc::new(Pages::default()), Rc::new(Pages::default()));
        *other.slots.borrow_mut() = Some(Slots::new(PLACE));
        let first = other.slot(Writing::ByFile).expect("a slot");
        one.are_also(&other);
        let second = one.slot(Writing::ByFile).expect("a slot");
        assert_eq!(second.address, first.address + SLOT);
        drop(first);
        let free = one.slot(Writing::ByFile);
        assert_eq!(free.map(|slot| slot.address), Some(PLACE.start));
    }

    #[test]
    fn a_slot_that_was_taken_before_memory_was_known_to_be_the_same_is_given_back() {
        let pages = || {
            let pages = Rc::new(Pages::default());
            *pages.slots.borrow_mut() = Some(Slots::new(PLACE));
            pages
        };
        let (one, other) = (pages(), pages());
        let slot = |pages: &Rc<Pages>| pages.slot(Writing::ByFile).expect("a slot");
        let (own, others) = (slot(&one), [slot(&other), slot(&other)]);
        one.are_also(&other);
        assert_eq!(slot(&one).address, PLACE.start + 2 * SLOT);
        // Both have had the first one: it is free once neither has it.
        drop(own);
        assert_eq!(slot(&one).address, PLACE.start + 2 * SLOT);
        drop(others);
        assert_eq!(slot(&one).address, PLACE.start);
        assert_eq!(slot(&other).address, PLACE.start);
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_keeps_its_memory() {
        let mut tracees = tracees();
        let parent = tracees.at(1);
        map(&parent);
        tracees.adopt(2);
        tracees.executed(2, 2);
        let late = child(&mut tracees, &parent, 2, VFORK);
        assert!(slot(&late).is_none(), "its parent's pages are not there");
        tracees.gone(2);
        let new = child(&mut tracees, &parent, 2, VFORK);
        assert!(slot(&new).is_some());
    }

    #[test]
    fn a_thread_shares_the_pages_a_fork_and_an_exec_do_not_have_them() {
        let mut tracees = tracees();
        let first = tracees.at(1);
        map(&first);
        let fork = child(&mut tracees, &first, 2, libc::SIGCHLD as u64);
        assert!(slot(&fork).is_none() && fork.space().pages().may_map());
        assert!(!first.space().pages().may_map());
        let thread = child(&mut tracees, &first, 3, THREAD);
        let taken = slot(&first).expect("a slot");
        assert_ne!(slot(&thread).map(|slot| slot.address), Some(taken.address));
        let executed = tracees.executed(3, 3).task;
        assert!(slot(&executed).is_none());
        assert!(slot(&first).is_some());
    }

    #[test]
    fn a_copy_is_used_once_it_is_known_to_be_one() {
        let copied = || {
            let pages = Rc::new(Pages::default());
            pages.inherited.set(true);
            pages
        };
        let pages = copied();
        assert!(pages.slot(Writing::ByFile).is_none());
        pages.take_copy();
        let taken = pages.slot(Writing::ByFile).expect("a slot");
        // Asked again it changes nothing.
        pages.take_copy();
        let next = pages.slot(Writing::ByFile).expect("a slot");
        assert_ne!(taken.address, next.address);
        let pages = copied();
        pages.may_have_run();
        pages.take_copy();
        assert!(pages.slot(Writing::ByFile).is_none());
    }

    #[test]
    fn a_late_event_tells_that_memory_is_apart_and_what_lay_there_is_judged_anew() {
        let mut tracees = tracees().that_share(|_, _, _| Err(Errno::EPERM));
        let parent = tracees.at(1);
        map(&parent);
        let task = tracees.adopt(2);
        let exists = -i64::from(libc::EEXIST);
        let pages = task.space().pages();
        let known = task.space().is_known();
        assert!(!known && !task.space().has_own_memory());
        assert_eq!(pages.mapped(2, exists, known), Mapped::Occupied);
        let late = child(&mut tracees, &parent, 2, libc::SIGCHLD as u64);
        assert!(Rc::ptr_eq(&late, &task) && late.space().has_own_memory());
        assert!(pages.may_map() && !late.space().is_shared());
    }

    #[test]
    fn memory_that_may_be_anothers_is_not_used_unless_it_is_untouched() {
        let task = tracees().at(Tid::MAX);
        let pages = task.space().pages();
        // There is no such task: nothing can be known of its memory.
        let start = place().expect("room").start as i64;
        assert_eq!(pages.mapped(Tid::MAX, start, false), Mapped::Occupied);
        assert!(slot(&task).is_none());
    }

    #[test]
    fn memory_that_no_event_has_told_of_is_never_taken_for_private() {
        let task = tracees().at(Tid::MAX);
        assert!(!task.is_private(0, 1));
    }
}
