//! The memory of tracees as far as the supervisor uses it: pages that hold what was judged, and who
//! shares an address space with whom.
//!
//! A page of slots is private, anonymous, read-only and sealed (mseal(2), Linux 6.10): the process
//! that it lies in can neither write, replace, remap nor discard it, nor can anybody else. The
//! supervisor writes through /proc/PID/mem, which no policy lets a jailed process open for writing.

use crate::sys::Errno;
use crate::sys::files::{mapping, shares_memory};
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

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
    regions: RefCell<Vec<Region>>,
    /// /proc/PID/mem, open for writing.
    file: RefCell<Option<File>>,
    /// /proc/PID/maps.
    maps: RefCell<Option<File>>,
    /// Its tasks share descriptors or the working directory with tasks of another one.
    entangled: Cell<bool>,
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
        for region in self.memory.regions.borrow_mut().iter_mut() {
            let place = self.address.wrapping_sub(region.address) / SLOT;
            if self.address >= region.address && place < SLOTS {
                region.used &= !(1 << place);
            }
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
        let mut regions = self.regions.borrow_mut();
        let region = regions.iter_mut().find(|region| region.used != u128::MAX)?;
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
            *file = Some(OpenOptions::new().write(true).open(path).map_err(errno)?);
        }
        match file.as_ref() {
            Some(file) => file.write_all_at(bytes, address).map_err(errno),
            None => Err(Errno::EIO),
        }
    }

    /// Whether nothing but the (stopped) tracee itself can change these bytes: they lie in private
    /// anonymous memory.
    ///
    /// Other ways to change them are closed or known: process_vm_writev and /proc/PID/mem (denied),
    /// a task that shares the address space (the caller asks), asynchronous reads (io_setup is
    /// watched), userfaultfd (changes nothing that is there).
    fn is_private(&self, tid: Tid, address: u64, length: u64) -> bool {
        let mut maps = self.maps.borrow_mut();
        if maps.is_none() {
            *maps = File::open(format!("/proc/{tid}/maps")).ok();
        }
        let Some(maps) = maps.as_ref() else {
            return false;
        };
        mapping(maps.as_fd(), address).is_ok_and(|found| {
            !found.shared && found.anonymous && address.saturating_add(length) <= found.end
        })
    }
}

/// Whether tasks share an address space, by the count of those that have it; slots in use hold it
/// too, which errs to the safe side.
fn is_shared(memory: &Rc<Memory>) -> bool {
    // One count is the map's, one the caller's.
    Rc::strong_count(memory) > 2
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The address spaces of a jail's tasks.
#[derive(Debug, Default)]
pub struct Memories(HashMap<Tid, Rc<Memory>>);

/// More files than this are not kept open, one or two for each address space.
const MOST_OPEN: usize = 200;

impl Memories {
    /// The first task.
    pub fn begin(&mut self, tid: Tid) {
        self.0.insert(tid, Rc::default());
    }

    /// A task was made by a call with these clone(2) flags.
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) {
        let parent = self.of(parent);
        let memory = if flags & libc::CLONE_VM as u64 != 0 {
            Rc::clone(&parent)
        } else {
            let shares = flags & (libc::CLONE_FILES | libc::CLONE_FS) as u64 != 0;
            parent.entangled.set(parent.entangled.get() | shares);
            // The child has the same pages at the same places, and their seals.
            let mut regions = parent.regions.borrow().clone();
            for region in &mut regions {
                region.used = 0;
            }
            Rc::new(Memory {
                regions: RefCell::new(regions),
                entangled: Cell::new(shares),
                ..Memory::default()
            })
        };
        self.0.insert(child, memory);
    }

    /// A process runs a new program: nothing of its memory is left.
    pub fn executed(&mut self, pid: Tid, former: Tid) {
        let before = self.0.remove(&former);
        let entangled = before.is_some_and(|memory| memory.entangled.get());
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
        // Its parent was killed at its birth, and nobody has told what they shared.
        let twin = self.0.iter().find(|(other, _)| shares_memory(tid, **other));
        let memory = match twin {
            Some((_, memory)) => Rc::clone(memory),
            None => Rc::default(),
        };
        memory.entangled.set(true);
        self.0.insert(tid, Rc::clone(&memory));
        memory
    }

    /// A task runs whose birth nobody has told of.
    pub fn adopted(&mut self, tid: Tid) {
        self.of(tid);
    }

    /// Whether a region may be mapped: the memory has none, and nobody else is there who could put
    /// something else in its place before it is sealed.
    pub fn may_map(&mut self, tid: Tid) -> bool {
        let memory = self.of(tid);
        let free = memory.regions.borrow().is_empty();
        free && !is_shared(&memory)
    }

    /// Whether a region is there.
    pub fn has_region(&mut self, tid: Tid) -> bool {
        !self.of(tid).regions.borrow().is_empty()
    }

    /// A free slot of a task; `None`: a region has to be mapped.
    pub fn slot(&mut self, tid: Tid) -> Option<Slot> {
        let slot = self.of(tid).slot();
        if self.0.len() > MOST_OPEN {
            self.close_some(tid);
        }
        slot
    }

    /// A region was mapped and sealed in a task's memory.
    pub fn mapped(&mut self, tid: Tid, address: u64) {
        let region = Region { address, used: 0 };
        self.of(tid).regions.borrow_mut().push(region);
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

    #[test]
    fn slots_are_used_once_and_free_when_dropped() {
        let mut memories = Memories::default();
        memories.begin(1);
        assert!(memories.slot(1).is_none());
        memories.mapped(1, 0x10000);
        let taken: Vec<Slot> = std::iter::from_fn(|| memories.slot(1)).collect();
        assert_eq!(taken.len() as u64, SLOTS);
        let mut places: Vec<u64> = taken.iter().map(|slot| slot.address).collect();
        places.dedup();
        assert_eq!(places.len() as u64, SLOTS);
        assert!(
            places
                .iter()
                .all(|at| (0x10000..0x10000 + REGION).contains(at))
        );
        drop(taken);
        assert!(memories.slot(1).is_some());
    }

    #[test]
    fn a_fork_has_the_pages_a_thread_shares_them_an_exec_loses_them() {
        let mut memories = Memories::default();
        memories.begin(1);
        memories.mapped(1, 0x10000);
        memories.spawned(1, 2, libc::SIGCHLD as u64);
        assert!(!memories.may_map(1));
        memories.spawned(1, 3, libc::CLONE_VM as u64);
        let slot = memories.slot(1).expect("a slot");
        assert_eq!(
            memories.slot(2).map(|slot| slot.address),
            Some(slot.address)
        );
        assert_ne!(
            memories.slot(3).map(|slot| slot.address),
            Some(slot.address)
        );
        memories.executed(2, 2);
        assert!(memories.slot(2).is_none());
        assert!(memories.may_map(2));
        assert!(memories.slot(1).is_some());
    }

    #[test]
    fn a_region_is_mapped_only_where_nobody_else_is() {
        let mut memories = Memories::default();
        memories.begin(1);
        assert!(memories.may_map(1));
        memories.spawned(1, 3, libc::CLONE_VM as u64);
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
