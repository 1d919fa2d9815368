//! The memory of tracees as far as the supervisor uses it: pages that hold what was judged, and who
//! shares an address space with whom.
//!
//! A page of slots is private, anonymous, read-only and sealed (mseal(2), Linux 6.10): the process
//! that it lies in can neither write, replace, remap nor discard it, nor can anybody else. The
//! supervisor writes through /proc/PID/mem, which no policy lets a jailed process open for writing.

use crate::supervise::credentials::as_tracer;
use crate::supervise::tracee::{ChildState, Spawn};
use crate::sys::Errno;
use crate::sys::files::{Mapping, Shared, mapping, share};
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
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

/// One address space.
#[derive(Debug, Default)]
pub struct Memory {
    region: RefCell<Option<Region>>,
    /// A region that is mapped and not sealed yet.
    unsealed: Cell<Option<u64>>,
    /// Where the memory that this one was copied from had its region.
    inherited: Cell<Option<u64>>,
    /// None could be mapped: a filter of the command's own refuses what that takes.
    refused: Cell<bool>,
    /// /proc/PID/mem, open for writing.
    file: RefCell<Option<File>>,
    /// /proc/PID/maps.
    maps: RefCell<Option<File>>,
    /// Its tasks share descriptors or the working directory with tasks of another one.
    entangled: Cell<bool>,
    /// The kernel did not tell whether its task shares it.
    unsure: bool,
}

#[derive(Debug, Clone)]
struct Region {
    address: u64,
    /// A bit for each slot in use.
    used: u128,
}

/// A slot in use, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    memory: Rc<Memory>,
    /// Where it lies in the tracee.
    pub address: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(region) = self.memory.region.borrow_mut().as_mut() {
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
        self.memory.write(tid, self.address, &bytes)
    }

    /// Fills the slot with these bytes.
    pub fn fill(&self, tid: Tid, bytes: &[u8]) -> Result<(), Errno> {
        match bytes.len() as u64 <= SLOT {
            true => self.memory.write(tid, self.address, bytes),
            false => Err(Errno::ENOBUFS),
        }
    }

    /// Adds a second path.
    pub fn write_second(&self, tid: Tid, path: &[u8]) -> Result<(), Errno> {
        let mut bytes = path.to_vec();
        bytes.push(0);
        self.memory.write(tid, self.second(), &bytes)
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

impl Memory {
    /// A free slot; `None`: a region has to be mapped.
    fn slot(self: &Rc<Self>) -> Option<Slot> {
        let mut region = self.region.borrow_mut();
        let region = region.as_mut().filter(|region| region.used != u128::MAX)?;
        let place = region.used.trailing_ones();
        region.used |= 1 << place;
        Some(Slot {
            memory: Rc::clone(self),
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
    fn is_private(&self, tid: Tid, address: u64, length: u64) -> bool {
        self.mapping(tid, address).is_some_and(|found| {
            !found.shared && found.anonymous && address.saturating_add(length) <= found.end
        })
    }

    /// The mapping that holds an address.
    fn mapping(&self, tid: Tid, address: u64) -> Option<Mapping> {
        let mut maps = self.maps.borrow_mut();
        if maps.is_none() {
            *maps = as_tracer(|| File::open(format!("/proc/{tid}/maps")).map_err(errno)).ok();
        }
        mapping(maps.as_ref()?.as_fd(), address).ok()
    }
}

/// Whether tasks share an address space, by the count of those that have it; slots in use hold it
/// too, which errs to the safe side.
fn is_shared(memory: &Rc<Memory>) -> bool {
    // One count is the map's, one the caller's.
    memory.unsure || Rc::strong_count(memory) > 2
}

/// Whether no page of a region is there, in memory or in swap: /proc/PID/pagemap, a word a page
/// (Documentation/admin-guide/mm/pagemap.rst). Where it cannot be asked, one may be.
fn is_untouched(tid: Tid, address: u64) -> bool {
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
fn is_sealed(tid: Tid, address: u64) -> bool {
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

/// Whether two tasks are threads of one process.
fn is_thread_of(one: Tid, other: Tid) -> bool {
    Path::new(&format!("/proc/{one}/task/{other}")).exists()
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The address spaces of a jail's tasks, and how the kernel is asked what two tasks share.
#[derive(Debug)]
pub struct Memories(HashMap<Tid, Rc<Memory>>, Shares);

/// kcmp(2), or what a test has in its place.
type Shares = fn(Tid, Tid, Shared) -> Result<bool, Errno>;

impl Default for Memories {
    fn default() -> Self {
        Self(HashMap::new(), share)
    }
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

impl Memories {
    /// The first task.
    pub fn begin(&mut self, tid: Tid) {
        self.0.insert(tid, Rc::default());
    }

    /// A task was made.
    pub fn spawned(&mut self, spawn: &Spawn) {
        let parent = self.of(spawn.parent);
        // Threads end at an exec; another process goes on sharing its directory after it.
        let shares = spawn.flags & (libc::CLONE_FILES | libc::CLONE_FS) as u64 != 0;
        let shares = shares && !spawn.is_thread();
        // Also of a child that is gone: it may have passed on what it shared to children of its own.
        parent.entangled.set(parent.entangled.get() | shares);
        if spawn.state == ChildState::Gone {
            return;
        }
        // The event was late: the child has run, and its memory is known by what the kernel said then,
        // or by its execve. Its own children may share it by now.
        if let Some(known) = self.0.get(&spawn.child) {
            known.entangled.set(known.entangled.get() | shares);
            return;
        }
        let memory = if spawn.flags & libc::CLONE_VM as u64 != 0 {
            Rc::clone(&parent)
        } else {
            // What the child has of its parent's pages need not be what the parent has: they may have
            // been marked for it (MADV_DONTFORK) before they were sealed. It gets its own.
            let region = parent.region.borrow();
            let region = region.as_ref().map(|region| region.address);
            Rc::new(Memory {
                entangled: Cell::new(shares),
                inherited: Cell::new(region.or(parent.inherited.get())),
                ..Memory::default()
            })
        };
        self.0.insert(spawn.child, memory);
    }

    /// A process runs a new program: nothing of its memory is left.
    pub fn executed(&mut self, pid: Tid, former: Tid) {
        let before = self.0.remove(&former);
        let entangled = before.is_none_or(|memory| memory.unsure || memory.entangled.get());
        self.0.insert(
            pid,
            Rc::new(Memory {
                entangled: Cell::new(entangled),
                ..Memory::default()
            }),
        );
    }

    pub fn gone(&mut self, tid: Tid) {
        self.0.remove(&tid);
    }

    fn of(&mut self, tid: Tid) -> Rc<Memory> {
        if let Some(known) = self.0.get(&tid) {
            return Rc::clone(known);
        }
        // No event told of it: whatever the kernel says, it is not alone.
        let memory = self.ask(tid);
        memory.entangled.set(true);
        self.0.insert(tid, Rc::clone(&memory));
        memory
    }

    /// The memory of a task whose parent's event has not come, and may never come (the parent was
    /// killed): the kernel tells what it shares with the others.
    fn ask(&self, tid: Tid) -> Rc<Memory> {
        let shares = self.1;
        let mut memory = None;
        let mut unsure = shares(tid, tid, Shared::Memory).is_err();
        let mut entangled = false;
        for (&other, known) in &self.0 {
            match shares(tid, other, Shared::Memory) {
                Ok(true) => memory = Some(Rc::clone(known)),
                Ok(false) => {}
                // The other one is gone.
                Err(Errno::ESRCH) => continue,
                Err(_) => unsure = true,
            }
            let of = |what| shares(tid, other, what);
            let apart = of(Shared::Directory) == Ok(false) && of(Shared::Descriptors) == Ok(false);
            if !apart && !is_thread_of(other, tid) {
                known.entangled.set(true);
                entangled = true;
            }
        }
        let memory = memory.unwrap_or_else(|| {
            Rc::new(Memory {
                unsure,
                ..Memory::default()
            })
        });
        memory.entangled.set(memory.entangled.get() | entangled);
        memory
    }

    /// A task runs whose parent's event has not come yet.
    pub fn adopted(&mut self, tid: Tid) {
        if !self.0.contains_key(&tid) {
            let memory = self.ask(tid);
            self.0.insert(tid, memory);
        }
    }

    /// Whether a region may be mapped: the memory has none, and nobody else is there who could put
    /// something else in its place before it is sealed.
    pub fn may_map(&mut self, tid: Tid) -> bool {
        let memory = self.of(tid);
        let free = memory.region.borrow().is_none();
        free && !is_shared(&memory) && !memory.refused.get()
    }

    /// Whether a region is there.
    pub fn has_region(&mut self, tid: Tid) -> bool {
        self.of(tid).region.borrow().is_some()
    }

    /// A free slot of a task; `None`: a region has to be mapped.
    pub fn slot(&mut self, tid: Tid) -> Option<Slot> {
        let slot = self.of(tid).slot();
        if self.0.len() > most_open() {
            self.close_some(tid);
        }
        slot
    }

    /// A region was mapped in a task's memory.
    pub fn mapped(&mut self, tid: Tid, address: u64) {
        self.of(tid).unsealed.set(Some(address));
    }

    /// A region that is to be sealed.
    pub fn unsealed(&mut self, tid: Tid) -> Option<u64> {
        self.of(tid).unsealed.get()
    }

    /// The region was sealed: unless there is one, it is used from now on if it is what it should be,
    /// whoever put it there, be it another task that shares the memory. Sealed, private, anonymous and read-only memory can be changed by nobody.
    ///
    /// `filtered`: a filter of the command's own may have answered mseal in the place of the kernel.
    pub fn sealed(&mut self, tid: Tid, address: u64, filtered: bool) -> bool {
        let memory = self.of(tid);
        memory.unsealed.set(None);
        // Another thread has wanted one at the same time, and its slots may be in use.
        if memory.region.borrow().is_some() {
            return true;
        }
        let found = memory.mapping(tid, address);
        let sound = found.is_some_and(|found| {
            found.start <= address
                && address + REGION <= found.end
                && !found.shared
                && !found.writable
                && found.anonymous
        });
        // Of memory that has never been touched, nobody can have kept a page to write to later, by a
        // read that is under way for instance.
        let sound = sound && (!is_shared(&memory) || is_untouched(tid, address));
        let sound = sound && (!filtered || is_sealed(tid, address));
        if sound {
            *memory.region.borrow_mut() = Some(Region { address, used: 0 });
        }
        sound
    }

    /// A region that was copied with the memory by fork(2) is used here, too, if it is what it should be
    /// ([`Memories::sealed`]). Asked once.
    pub fn inherits(&mut self, tid: Tid) -> bool {
        let inherited = self.of(tid).inherited.take();
        inherited.is_some_and(|address| self.sealed(tid, address, true))
    }

    /// No region can be mapped, or sealed.
    pub fn refused(&mut self, tid: Tid) {
        self.of(tid).refused.set(true);
    }

    /// Whether the task shares neither memory nor descriptors nor working directory with another.
    pub fn is_alone(&mut self, tid: Tid) -> bool {
        let memory = self.of(tid);
        !is_shared(&memory) && !memory.entangled.get()
    }

    /// Whether nothing can change these bytes, nor the descriptors and the working directory of the
    /// task, before it goes on.
    pub fn is_private(&mut self, tid: Tid, address: u64, length: usize) -> bool {
        self.is_alone(tid) && self.of(tid).is_private(tid, address, length as u64 + 1)
    }

    /// Whether anything is kept for a task.
    #[cfg(test)]
    pub fn keeps(&self, tid: Tid) -> bool {
        self.0.contains_key(&tid)
    }

    fn close_some(&self, except: Tid) {
        for (_, memory) in self.0.iter().filter(|(tid, _)| **tid != except) {
            memory.file.take();
            memory.maps.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(parent: Tid, child: Tid, flags: u64) -> Spawn {
        Spawn {
            parent,
            process: parent,
            child,
            flags,
            state: ChildState::New,
        }
    }

    /// Memories of tasks of which the kernel says that they share nothing else than this.
    fn that_share(shares: Shares) -> Memories {
        let mut memories = Memories(HashMap::new(), shares);
        memories.begin(1);
        memories
    }

    /// As if a region had been mapped, sealed and looked at.
    fn region(memories: &mut Memories, tid: Tid) {
        let region = Region {
            address: 0x10000,
            used: 0,
        };
        *memories.of(tid).region.borrow_mut() = Some(region);
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
        let mut memories = Memories::default();
        memories.begin(1);
        assert!(memories.slot(1).is_none());
        region(&mut memories, 1);
        let taken: Vec<Slot> = std::iter::from_fn(|| memories.slot(1)).collect();
        assert_eq!(taken.len() as u64, SLOTS);
        let mut places: Vec<u64> = taken.iter().map(|slot| slot.address).collect();
        places.dedup();
        assert_eq!(places.len() as u64, SLOTS);
        let within = |at: &u64| (0x10000..0x10000 + REGION).contains(at);
        assert!(places.iter().all(within));
        drop(taken);
        assert!(memories.slot(1).is_some());
    }

    #[test]
    fn the_region_of_a_thread_that_was_faster_stays_with_what_is_in_use() {
        let mut memories = Memories::default();
        memories.begin(1);
        region(&mut memories, 1);
        let slot = memories.slot(1).expect("a slot");
        memories.mapped(1, 0x90000);
        assert!(memories.sealed(1, 0x90000, false));
        let next = memories.slot(1).expect("a slot");
        assert_eq!(next.address, slot.address + SLOT);
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_keeps_its_memory() {
        let mut memories = Memories::default();
        memories.begin(1);
        region(&mut memories, 1);
        memories.adopted(2);
        memories.executed(2, 2);
        memories.spawned(&spawn(1, 2, (libc::CLONE_VM | libc::CLONE_VFORK) as u64));
        assert!(
            memories.slot(2).is_none(),
            "its parent's region is not there"
        );
        memories.gone(2);
        memories.spawned(&spawn(1, 2, (libc::CLONE_VM | libc::CLONE_VFORK) as u64));
        assert!(memories.slot(2).is_some());
    }

    #[test]
    fn a_thread_shares_the_pages_a_fork_and_an_exec_do_not_have_them() {
        let mut memories = Memories::default();
        memories.begin(1);
        region(&mut memories, 1);
        memories.spawned(&spawn(1, 2, libc::SIGCHLD as u64));
        assert!(memories.slot(2).is_none() && memories.may_map(2));
        assert!(!memories.may_map(1));
        memories.spawned(&spawn(1, 3, (libc::CLONE_VM | libc::CLONE_THREAD) as u64));
        let slot = memories.slot(1).expect("a slot");
        assert_ne!(
            memories.slot(3).map(|slot| slot.address),
            Some(slot.address)
        );
        memories.executed(3, 3);
        assert!(memories.slot(3).is_none());
        assert!(memories.slot(1).is_some());
    }

    #[test]
    fn whoever_shares_a_directory_with_another_process_is_never_alone_again() {
        let mut memories = Memories::default();
        memories.begin(1);
        memories.spawned(&spawn(1, 2, (libc::CLONE_VM | libc::CLONE_FS) as u64));
        memories.executed(2, 2);
        assert!(!memories.is_alone(1) && !memories.is_alone(2));
        memories.spawned(&spawn(2, 3, libc::SIGCHLD as u64));
        assert!(memories.is_alone(3));
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_leaves_its_parent_alone() {
        let mut memories = that_share(|_, _, _| Ok(false));
        memories.adopted(2);
        memories.gone(2);
        let flags = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
        memories.spawned(&Spawn {
            state: ChildState::Gone,
            ..spawn(1, 2, flags)
        });
        assert!(memories.is_alone(1));
        assert_eq!(memories.0.len(), 1);
    }

    #[test]
    fn a_child_that_executed_before_its_parents_event_leaves_its_parent_alone() {
        let mut memories = that_share(|_, _, what| Ok(what == Shared::Memory));
        memories.adopted(2);
        assert!(!memories.is_alone(1) && !memories.is_alone(2));
        memories.executed(2, 2);
        memories.spawned(&Spawn {
            state: ChildState::Executed,
            ..spawn(1, 2, (libc::CLONE_VM | libc::CLONE_VFORK) as u64)
        });
        assert!(memories.is_alone(1) && memories.is_alone(2));
    }

    #[test]
    fn an_adopted_child_goes_on_sharing_its_memory_with_its_own_threads() {
        let mut memories = that_share(|one, other, _| Ok(one == other));
        memories.adopted(2);
        assert!(memories.is_alone(2));
        let thread = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
        memories.spawned(&spawn(2, 3, thread));
        memories.spawned(&spawn(1, 2, libc::SIGCHLD as u64));
        assert!(!memories.is_alone(2) && !memories.is_alone(3));
    }

    #[test]
    fn an_adopted_child_that_shares_a_directory_entangles_both() {
        // Its parent was killed: the event never comes.
        let mut memories = that_share(|_, _, what| Ok(what == Shared::Directory));
        memories.adopted(Tid::MAX);
        assert!(!memories.is_alone(1) && !memories.is_alone(Tid::MAX));
        memories.executed(Tid::MAX, Tid::MAX);
        assert!(!memories.is_alone(Tid::MAX));
    }

    #[test]
    fn a_child_of_which_the_kernel_tells_nothing_is_not_alone_and_has_no_slots_of_others() {
        let mut memories = that_share(|_, _, _| Err(Errno::EPERM));
        region(&mut memories, 1);
        memories.adopted(2);
        assert!(!memories.is_alone(2) && !memories.may_map(2));
        assert!(memories.slot(2).is_none());
    }

    #[test]
    fn a_region_is_mapped_only_where_nobody_else_is() {
        let mut memories = Memories::default();
        memories.begin(1);
        assert!(memories.may_map(1));
        memories.spawned(&spawn(1, 3, libc::CLONE_VM as u64));
        assert!(!memories.may_map(1) && !memories.may_map(3));
        memories.gone(3);
        assert!(memories.may_map(1));
    }

    #[test]
    fn what_nobody_announced_is_never_taken_for_private() {
        let mut memories = Memories::default();
        assert!(!memories.is_alone(9));
        assert!(!memories.is_private(9, 0, 1));
    }
}
