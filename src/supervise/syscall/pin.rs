//! The memory of tracees as far as the supervisor uses it: pages that hold what was judged. Which tasks
//! share an address space is in `tracee::address_space`.
//!
//! A page of slots is private, anonymous, read-only and sealed (mseal(2), Linux 6.10): the process
//! that it lies in can neither write, replace, remap nor discard it, nor can anybody else. The
//! supervisor writes through /proc/PID/mem, which no policy lets a jailed process open for writing.

use crate::supervise::credentials::as_tracer;
use crate::sys::Errno;
use crate::sys::files::{Mapping, mapping};
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
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
/// Slots of a region: calls that may be under way at the same time. A call that finds none fails.
const SLOTS: u64 = 128;
/// Bytes of a region.
pub const REGION: u64 = SLOT * SLOTS;

/// What is kept for each address space.
#[derive(Debug, Default)]
pub struct Pages {
    pub(super) region: RefCell<Option<Region>>,
    /// A region that is mapped and not sealed yet.
    pub(super) unsealed: Cell<Option<u64>>,
    /// Where the memory that this one was copied from had its region.
    pub(super) inherited: Cell<Option<u64>>,
    /// None could be mapped: a filter of the command's own refuses what that takes.
    refused: Cell<bool>,
    /// /proc/PID/mem, open for writing.
    file: RefCell<Option<File>>,
    /// /proc/PID/maps.
    maps: RefCell<Option<File>>,
}

#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) address: u64,
    /// A bit for each slot in use.
    pub(super) used: u128,
}

/// A slot in use, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    pages: Rc<Pages>,
    /// Where it lies in the tracee.
    pub address: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(region) = self.pages.region.borrow_mut().as_mut() {
            let place = self.address.wrapping_sub(region.address) / SLOT;
            region.used &= !1u128.checked_shl(place as u32).unwrap_or(0);
        }
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
    /// Those of memory that was copied from this by fork(2).
    ///
    /// What a child has of its parent's pages need not be what the parent has: they may have been marked
    /// for it (MADV_DONTFORK) before they were sealed. It gets its own.
    pub fn copied(&self) -> Self {
        let region = self.region.borrow();
        let region = region.as_ref().map(|region| region.address);
        Self {
            inherited: Cell::new(region.or(self.inherited.get())),
            ..Self::default()
        }
    }

    /// Closes the files of one that is not in use now.
    pub fn close(&self) {
        self.file.take();
        self.maps.take();
    }

    /// Whether a region is there.
    pub fn has_region(&self) -> bool {
        self.region.borrow().is_some()
    }

    /// Whether a region may be mapped, as far as nothing is there and nothing refuses it.
    pub(super) fn is_free(&self) -> bool {
        !self.has_region() && !self.refused.get()
    }

    /// A region was mapped.
    pub fn mapped(&self, address: u64) {
        self.unsealed.set(Some(address));
    }

    /// A region that is to be sealed.
    pub fn unsealed(&self) -> Option<u64> {
        self.unsealed.get()
    }

    /// No region can be mapped, or sealed.
    pub fn refused(&self) {
        self.refused.set(true);
    }

    /// A free slot; `None`: a region has to be mapped.
    pub fn slot(self: &Rc<Self>) -> Option<Slot> {
        let mut region = self.region.borrow_mut();
        let region = region.as_mut().filter(|region| region.used != u128::MAX)?;
        let place = region.used.trailing_ones();
        region.used |= 1 << place;
        Some(Slot {
            pages: Rc::clone(self),
            address: region.address + u64::from(place) * SLOT,
        })
    }

    fn write(&self, tid: Tid, address: u64, bytes: &[u8]) -> Result<(), Errno> {
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

/// Whether no page of a region is there, in memory or in swap: /proc/PID/pagemap, a word a page
/// (Documentation/admin-guide/mm/pagemap.rst). Where it cannot be asked, one may be.
pub(super) fn is_untouched(tid: Tid, address: u64) -> bool {
    const PAGE: u64 = 4096;
    const PRESENT_OR_SWAPPED: u64 = 3 << 62;
    let mut words = vec![0xff; (REGION / PAGE * 8) as usize];
    let read = as_tracer(|| File::open(format!("/proc/{tid}/pagemap")).map_err(errno))
        .map_err(std::io::Error::from)
        .and_then(|file| file.read_exact_at(&mut words, address / PAGE * 8));
    let absent = |word: &[u8]| {
        let word = u64::from_ne_bytes(word.try_into().unwrap_or([0xff; 8]));
        word & PRESENT_OR_SWAPPED == 0
    };
    read.is_ok() && words.chunks_exact(8).all(absent)
}

/// Whether the mapping that holds an address is sealed: `sl` of its VmFlags (proc_pid_smaps(5), Linux
/// 6.10). Where it cannot be asked, it is not.
pub(super) fn is_sealed(tid: Tid, address: u64) -> bool {
    let open = || File::open(format!("/proc/{tid}/smaps")).map_err(errno);
    as_tracer(open).is_ok_and(|smaps| is_sealed_in(BufReader::new(smaps), address))
}

fn is_sealed_in(smaps: impl BufRead, address: u64) -> bool {
    let mut here = false;
    for line in smaps.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| here) {
            return flags.split_ascii_whitespace().any(|flag| flag == "sl");
        }
        if let Some(range) = range(&line) {
            here = range.contains(&address);
        }
    }
    false
}

/// The addresses that the first line of a mapping begins with, `START-END PERMISSIONS …`.
fn range(line: &str) -> Option<std::ops::Range<u64>> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
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

    fn tracees() -> Tracees {
        Tracees::of_test(1, Namespaces::default(), |_| true)
    }

    /// As if a region had been mapped, sealed and looked at.
    fn region(task: &Task) {
        let region = Region {
            address: 0x10000,
            used: 0,
        };
        *task.space().pages.region.borrow_mut() = Some(region);
    }

    fn slot(task: &Task) -> Option<Slot> {
        task.space().pages.slot()
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
    fn a_sealed_mapping_is_told_by_its_flags() {
        let smaps = "\
7f00-7f10 r--p 00000000 00:00 0
Size:                 64 kB
VmFlags: rd mr mw me
7f10-7f20 r--p 00000000 00:00 0 /a 7f20-7f30
VmFlags: rd mr mw me sl
";
        let sealed = |address| is_sealed_in(smaps.as_bytes(), address);
        assert!(sealed(0x7f10) && sealed(0x7f1f));
        assert!(!sealed(0x7f00) && !sealed(0x7f20));
        assert!(!is_sealed(Tid::MAX, 0x7f10));
    }

    #[test]
    fn slots_are_used_once_and_free_when_dropped() {
        let task = tracees().at(1);
        assert!(slot(&task).is_none());
        region(&task);
        let taken: Vec<Slot> = std::iter::from_fn(|| slot(&task)).collect();
        assert_eq!(taken.len() as u64, SLOTS);
        let mut places: Vec<u64> = taken.iter().map(|slot| slot.address).collect();
        places.dedup();
        assert_eq!(places.len() as u64, SLOTS);
        let within = |at: &u64| (0x10000..0x10000 + REGION).contains(at);
        assert!(places.iter().all(within));
        drop(taken);
        assert!(slot(&task).is_some());
    }

    #[test]
    fn the_region_of_a_thread_that_was_faster_stays_with_what_is_in_use() {
        let task = tracees().at(1);
        region(&task);
        let first = slot(&task).expect("a slot");
        task.space().pages.mapped(0x90000);
        assert!(task.sealed(0x90000, false));
        let next = slot(&task).expect("a slot");
        assert_eq!(next.address, first.address + SLOT);
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_keeps_its_memory() {
        let mut tracees = tracees();
        let parent = tracees.at(1);
        region(&parent);
        tracees.adopt(2);
        tracees.executed(2, 2);
        let late = child(&mut tracees, &parent, 2, VFORK);
        assert!(slot(&late).is_none(), "its parent's region is not there");
        tracees.gone(2);
        let new = child(&mut tracees, &parent, 2, VFORK);
        assert!(slot(&new).is_some());
    }

    #[test]
    fn a_thread_shares_the_pages_a_fork_and_an_exec_do_not_have_them() {
        let mut tracees = tracees();
        let first = tracees.at(1);
        region(&first);
        let fork = child(&mut tracees, &first, 2, libc::SIGCHLD as u64);
        assert!(slot(&fork).is_none() && fork.may_map());
        assert!(!first.may_map());
        let thread = child(&mut tracees, &first, 3, THREAD);
        let taken = slot(&first).expect("a slot");
        assert_ne!(slot(&thread).map(|slot| slot.address), Some(taken.address));
        let executed = tracees.executed(3, 3).task;
        assert!(slot(&executed).is_none());
        assert!(slot(&first).is_some());
    }

    #[test]
    fn a_region_is_mapped_only_where_no_other_task_is() {
        let mut tracees = tracees();
        let first = tracees.at(1);
        assert!(first.may_map());
        let other = child(&mut tracees, &first, 3, libc::CLONE_VM as u64);
        assert!(!first.may_map() && !other.may_map());
        drop(other);
        tracees.gone(3);
        assert!(first.may_map());
    }

    #[test]
    fn memory_that_no_event_has_told_of_is_never_taken_for_private() {
        let task = tracees().at(Tid::MAX);
        assert!(!task.is_private(0, 1));
    }
}
