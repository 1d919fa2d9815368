//! The guarded pages: memory of tracees that holds what was judged. Which tasks share an address space is in
//! `tracee::address_space`.
//!
//! The pages lie at the lowest addresses that a program may map, and are private, anonymous and read-only.
//! The filter denies each call that could touch them, from the first instruction of a program on
//! ([`PAGES_END`]): the process that they lie in can neither write, replace, remap nor discard them, nor can
//! any other. The supervisor writes through /proc/PID/mem, which no policy lets a jailed process open for
//! writing.

use crate::baseline::PAGES_END;
use crate::supervise::credentials::as_tracer;
use crate::sys::files::{Mapping, mapping};
use crate::sys::memory::page_size;
use crate::sys::{self, Errno};
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::OnceLock;

/// Bytes of a slot: `struct open_how` or a socket address, then one path or two.
pub const SLOT: u64 = 16384;
/// Where a slot's path begins.
pub const PATH_AT: u64 = 128;
/// Where its second path begins.
const SECOND_AT: u64 = PATH_AT + 4096;
/// The pages begin here at least, and at a multiple of it: security modules may refuse lower addresses
/// whatever vm.mmap_min_addr says (CONFIG_LSM_MMAP_MIN_ADDR), and no page of memory is larger.
const LEAST: u64 = 65536;

/// The addresses of the pages, the same in every process. They begin at vm.mmap_min_addr. A slot is for a call
/// that is under way; a call that finds none free fails. `None`: vm.mmap_min_addr leaves no room for a slot.
pub(super) fn place() -> Option<Range<u64>> {
    static PLACE: OnceLock<Option<Range<u64>>> = OnceLock::new();
    let read = || {
        // If it cannot be read or is no number, the kernel refuses to map what it does not allow.
        let least = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
        place_above(least.trim().parse().unwrap_or(0))
    };
    PLACE.get_or_init(read).clone()
}

fn place_above(lowest: u64) -> Option<Range<u64>> {
    let start = lowest.max(LEAST).checked_next_multiple_of(LEAST)?;
    (start + SLOT <= PAGES_END).then_some(start..PAGES_END)
}

/// What is kept for each address space.
#[derive(Debug, Default)]
pub struct Pages {
    /// Their slots, once the pages are mapped.
    slots: RefCell<Option<Rc<Slots>>>,
    /// Whether something else lies there: they cannot be mapped until the next execve.
    occupied: Cell<bool>,
    /// None could be mapped: a filter of the command's own refuses what that takes.
    refused: Cell<bool>,
    /// /proc/PID/mem, open for writing.
    file: RefCell<Option<File>>,
    /// /proc/PID/maps.
    maps: RefCell<Option<File>>,
}

/// The slots of mapped pages.
#[derive(Debug)]
struct Slots {
    place: Range<u64>,
    /// A bit for each slot in use, and for each that has no room.
    used: Cell<u128>,
}

impl Slots {
    fn new(place: Range<u64>) -> Rc<Self> {
        let count = (place.end - place.start) / SLOT;
        let used = Cell::new(u128::MAX.checked_shl(count as u32).unwrap_or(0));
        Rc::new(Self { place, used })
    }

    fn take(&self) -> Option<u64> {
        let used = self.used.get();
        let free = (used != u128::MAX).then(|| used.trailing_ones())?;
        self.used.set(used | 1 << free);
        Some(self.place.start + u64::from(free) * SLOT)
    }

    fn give_back(&self, address: u64) {
        let place = address.wrapping_sub(self.place.start) / SLOT;
        let bit = 1u128.checked_shl(place as u32).unwrap_or(0);
        self.used.set(self.used.get() & !bit);
    }
}

/// A slot in use, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    pages: Rc<Pages>,
    slots: Rc<Slots>,
    /// Where it lies in the tracee.
    pub address: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self.address);
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
        self.pages.write(tid, self.address, &bytes)
    }

    /// Fills the slot with these bytes.
    pub fn fill(&self, tid: Tid, bytes: &[u8]) -> Result<(), Errno> {
        match bytes.len() as u64 <= SLOT {
            true => self.pages.write(tid, self.address, bytes),
            false => Err(Errno::ENOBUFS),
        }
    }

    /// Adds a second path.
    pub fn write_second(&self, tid: Tid, path: &[u8]) -> Result<(), Errno> {
        let mut bytes = path.to_vec();
        bytes.push(0);
        self.pages.write(tid, self.second(), &bytes)
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
        copy
    }

    /// These are the same memory as others, which was not known. Where one of the two has mapped the pages,
    /// the other one uses these slots, too.
    pub fn are_also(&self, other: &Pages) {
        let (own, others) = (self.slots.borrow().clone(), other.slots.borrow().clone());
        match (own, others) {
            (None, Some(slots)) => *self.slots.borrow_mut() = Some(slots),
            // Mapped once, they cannot be mapped again. If they were, no slot would be used twice.
            (Some(own), Some(others)) => own.used.set(own.used.get() | others.used.get()),
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

    /// Whether something else lies there.
    pub(super) fn are_occupied(&self) -> bool {
        self.occupied.get() || place().is_none()
    }

    /// Whether they may be mapped, as far as is known.
    pub(super) fn may_map(&self) -> bool {
        !self.are_mapped() && !self.are_occupied() && !self.refused.get()
    }

    /// The mmap of them has returned this. `sure`: it is known which tasks share the memory.
    pub(super) fn mapped(&self, tid: Tid, result: i64, sure: bool) -> Mapped {
        let Some(place) = place() else {
            return Mapped::Occupied;
        };
        if result == place.start as i64 {
            self.found();
            return Mapped::There;
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
        let there = || sure && are_there(tid, &place) && are_untouched(tid, &place);
        if self.are_mapped() || there() {
            self.found();
            return Mapped::There;
        }
        self.occupied.set(true);
        Mapped::Occupied
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
    pub fn slot(self: &Rc<Self>) -> Option<Slot> {
        let slots = self.slots.borrow().clone()?;
        let address = slots.take()?;
        Some(Slot {
            pages: Rc::clone(self),
            slots,
            address,
        })
    }

    /// Writes to the pages of a stopped task.
    fn write(&self, tid: Tid, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        // A kernel may keep a tracer from writing to read-only memory by this file
        // (proc_mem.force_override, Linux 6.12), and not by ptrace, which is slower.
        self.write_file(tid, address, bytes)
            .or_else(|_| sys::ptrace::write_memory(tid, address, bytes))
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

/// Whether /proc/PID/maps shows the pages at this place: private, anonymous and read-only.
fn are_there(tid: Tid, place: &Range<u64>) -> bool {
    // Hardly anything lies below them. A line that is not read whole does not count.
    let mut lines = [0; 4096];
    let read = as_tracer(|| {
        let mut file = File::open(format!("/proc/{tid}/maps")).map_err(errno)?;
        file.read(&mut lines).map_err(errno)
    });
    let lines = lines.get(..read.unwrap_or(0)).unwrap_or_default();
    shows(lines, place)
}

fn shows(maps: &[u8], place: &Range<u64>) -> bool {
    let mut lines = maps.split_inclusive(|byte| *byte == b'\n');
    lines.any(|line| line.ends_with(b"\n") && is_of_pages(line, place).unwrap_or(false))
}

/// Whether a line of proc_pid_maps(5), `START-END PERMISSIONS OFFSET DEVICE INODE [NAME]`, is that of the pages.
/// The kernel joins neighbouring mappings that are alike.
fn is_of_pages(line: &[u8], place: &Range<u64>) -> Option<bool> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let covers = number(start)? <= place.start && place.end <= number(end)?;
    let access = words.next()?.as_bytes();
    // They may be executable (READ_IMPLIES_EXEC of personality(2)).
    let private = matches!(access, [b'r', b'-', _, b'p']);
    let (device, inode) = (words.nth(1)?, words.next()?);
    Some(covers && private && (device, inode) == ("00:00", "0") && words.next().is_none())
}

/// Whether none of the pages has any content, in memory or in swap: /proc/PID/pagemap, a word a page
/// (Documentation/admin-guide/mm/pagemap.rst). Where it cannot be asked, one may have.
fn are_untouched(tid: Tid, place: &Range<u64>) -> bool {
    const PRESENT_OR_SWAPPED: u64 = 3 << 62;
    let page = page_size();
    let mut words = vec![0xff; ((place.end - place.start) / page * 8) as usize];
    let read = as_tracer(|| File::open(format!("/proc/{tid}/pagemap")).map_err(errno))
        .map_err(std::io::Error::from)
        .and_then(|file| file.read_exact_at(&mut words, place.start / page * 8));
    let absent = |word: &[u8]| {
        let word = u64::from_ne_bytes(word.try_into().unwrap_or([0xff; 8]));
        word & PRESENT_OR_SWAPPED == 0
    };
    read.is_ok() && words.chunks_exact(8).all(absent)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
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
    use crate::supervise::tracee::{Namespaces, Task, Tracees};

    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
    const VFORK: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    const PLACE: Range<u64> = LEAST..PAGES_END;

    fn tracees() -> Tracees {
        Tracees::of_test(1, Namespaces::default(), |_| true)
    }

    /// As if the pages had been mapped.
    fn map(task: &Task) {
        *task.space().pages().slots.borrow_mut() = Some(Slots::new(PLACE));
    }

    fn slot(task: &Task) -> Option<Slot> {
        task.space().pages().slot()
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
    fn the_pages_begin_where_programs_may_map_and_never_below_64_kib() {
        let start = |lowest| place_above(lowest).map(|place| place.start);
        for low in [0, 4096, 32768, 65535, 65536] {
            assert_eq!(start(low), Some(0x10000), "{low}");
        }
        assert_eq!(start(65537), Some(0x20000));
        assert_eq!(start(1 << 20), Some(1 << 20));
        assert_eq!(start(PAGES_END - LEAST), Some(PAGES_END - LEAST));
        for high in [PAGES_END - LEAST + 1, PAGES_END, 1 << 40, u64::MAX] {
            assert_eq!(start(high), None, "{high}");
        }
    }

    #[test]
    fn the_pages_are_told_by_their_line() {
        let there = |lines: &str| shows(lines.as_bytes(), &PLACE);
        assert!(there("00010000-00200000 r--p 00000000 00:00 0 \n"));
        let between = "00000000-00001000 r-xp 00000000 00:05 9   /dev/zero\n\
                       00010000-00210000 r-xp 00000000 00:00 0\n00400000-00401000 r--p 00000000 00:00 0\n";
        assert!(there(between));
        for other in [
            "00010000-00200000 r--p 00000000 00:00 0",
            "00010000-00200000 rw-p 00000000 00:00 0\n",
            "00010000-00200000 r--s 00000000 00:00 0\n",
            "00010000-00200000 ---p 00000000 00:00 0\n",
            "00010000-00200000 r--p 00000000 08:01 7 /a 00:00 0\n",
            "00010000-00200000 r--p 00000000 00:00 0 [heap]\n",
            "00010000-001ff000 r--p 00000000 00:00 0\n001ff000-00200000 r--p 00000000 00:00 0\n",
            "00011000-00200000 r--p 00000000 00:00 0\n",
            "",
        ] {
            assert!(!there(other), "{other}");
        }
        assert!(!are_there(Tid::MAX, &PLACE) && !are_untouched(Tid::MAX, &PLACE));
    }

    #[test]
    fn slots_are_used_once_and_free_when_dropped() {
        let task = tracees().at(1);
        assert!(slot(&task).is_none());
        map(&task);
        let taken: Vec<Slot> = std::iter::from_fn(|| slot(&task)).collect();
        assert_eq!(taken.len() as u64, (PLACE.end - PLACE.start) / SLOT);
        let mut places: Vec<u64> = taken.iter().map(|slot| slot.address).collect();
        places.dedup();
        assert_eq!(places.len(), taken.len());
        let within = |at: &u64| PLACE.contains(at) && at + SLOT <= PLACE.end;
        assert!(places.iter().all(within));
        drop(taken);
        assert!(slot(&task).is_some());
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
        let first = other.slot().expect("a slot");
        one.are_also(&other);
        let second = one.slot().expect("a slot");
        assert_eq!(second.address, first.address + SLOT);
        drop(first);
        assert_eq!(one.slot().map(|slot| slot.address), Some(PLACE.start));
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
    fn memory_that_no_event_has_told_of_is_never_taken_for_private() {
        let task = tracees().at(Tid::MAX);
        assert!(!task.is_private(0, 1));
    }
}
