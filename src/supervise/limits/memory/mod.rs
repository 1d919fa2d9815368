//! Memory of the whole tree, added up at each tick, where no cgroup limits it.
//!
//! First roughly: what each process has resident, pages that several share counted at each, and what
//! the files in memory take. Only what is past the limit then is weighed: by each process's share of
//! its pages, so that what is shared counts once, and only of what is certain to be the jail's. Each step
//! has its time, so that a large tree cannot keep the supervisor from its stops: what is left is done at
//! the next tick.
//!
//! A look between two ticks ([`Moments`]) is made in one go.
//!
//! All this takes a while, in which memory goes from one process to another, or a file is removed and
//! another one made, so that the same is seen twice. So a tree is past its limit only if it was found so
//! at several ticks one after the other.

mod address_spaces;
mod descriptors;
pub mod moments;
mod mounts;
mod objects;
mod pass;
mod pss;
pub mod smaps;
mod sysv_ipc;
mod sysv_shm;
mod tmpfs;

use super::state::Making;
use super::turn::Turns;
use crate::sorting::sort_by_key;
use crate::supervise::tracee::{Task, Tracees};
use crate::sys::Errno;
use crate::syscalls::{Call, Op};
use crate::trace::{Resume, ResumeAction, Tid};
use descriptors::Descriptors;
use moments::Moments;
use objects::Objects;
use pass::Around;
use pss::{PssSum, Summed};
use smaps::{Inode, Resident};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use sysv_ipc::{Kept, Kind};
use sysv_shm::Segments;
use tmpfs::TmpfsFiles;

/// What reading of processes may take at a tick of 20 ms: some 30 µs each.
const TIME: Duration = Duration::from_millis(3);
/// What weighing may take at a tick, and where the tree was too heavy at the last look.
const WEIGH: Duration = Duration::from_millis(8);
const WEIGH_AGAIN: Duration = Duration::from_millis(20);
/// After something was weighed and found light, nothing is weighed for so many times as long.
const REST: u32 = 4;
/// At so many looks one after the other a tree must be past its limit.
const LOOKS: u32 = 2;
/// A look between two ticks has as many steps as it takes until this time is over, and so many at least: this
/// thread may have to wait for a processor. A tree of more than so many processes has fewer.
const LONGEST: Duration = Duration::from_millis(40);
const STEPS: u32 = 16;
const LARGE: usize = 64;
/// So long after the first one files count whether all of them could be looked at again or not.
const PATIENCE: Duration = Duration::from_secs(1);

/// A limit of memory.
#[derive(Debug)]
pub struct Memory {
    /// In bytes.
    limit: u64,
    round: Turns,
    descriptors: Descriptors,
    written: TmpfsFiles,
    objects: Objects,
    /// How many tasks are about to open a file, or to map one.
    making: Rc<Making>,
    segments: Segments,
    semaphores: Kept,
    messages: Kept,
    /// Whether the command has an IPC namespace of its own.
    own_ipc: bool,
    /// Who has ended since the last look.
    ended: HashSet<Tid>,
    /// The device of memfds, System V segments and shared anonymous mappings: files of a mount that only
    /// the kernel has.
    nameless: u64,
    pss_sum: Option<PssSum>,
    /// At how many looks the tree was past its limit, and how often all files had been looked at then:
    /// those that have not been since may be gone.
    past: (u32, (u64, u64)),
    /// When it was first past it.
    since: Instant,
    rest: Instant,
    most: Option<u64>,
    moments: Moments,
}

impl Memory {
    /// `user`: the user that the command runs as. `writable`: where it may change files; `None`: anywhere.
    /// `own_ipc`: whether it has an IPC namespace of its own.
    pub fn new(limit: u64, user: u32, writable: Option<&[PathBuf]>, own_ipc: bool) -> Self {
        let nameless = nameless();
        Self {
            limit,
            round: Turns::default(),
            descriptors: Descriptors::default(),
            written: TmpfsFiles::new(writable),
            objects: Objects::new(nameless),
            making: Rc::default(),
            segments: Segments::new(user),
            semaphores: Kept::new(Kind::Semaphores, user),
            messages: Kept::new(Kind::Messages, user),
            own_ipc,
            ended: HashSet::new(),
            nameless,
            pss_sum: None,
            past: (0, (0, 0)),
            since: Instant::now(),
            rest: Instant::now(),
            most: None,
            moments: Moments::new(Instant::now()),
        }
    }

    /// It is that of a part of the tree.
    pub fn of_part(mut self) -> Self {
        self.objects.of_part();
        self
    }

    /// Whether the tree has more than it may.
    pub fn is_past(&mut self, tracees: &Tracees, processes: &[Tid]) -> bool {
        let begin = Instant::now();
        let owners = address_spaces::once(tracees, processes);
        self.round.go(&owners, TIME, |pid| {
            let memory = smaps::resident(pid).unwrap_or_default();
            keep(tracees, pid, memory);
        });
        self.descriptors.look(tracees, processes, &mut self.written);
        let around = Jail(tracees, &self.written);
        self.objects.look(&around, self.past.0 > 0);
        if self.objects.was_evaded() {
            return true;
        }
        let mut open: HashMap<Inode, u64> = self.descriptors.found().collect();
        open.extend(self.objects.files());
        self.written.look(&open);
        let pages = owners.iter().filter_map(|pid| kept(tracees, *pid));
        let pages: u64 = pages.map(|memory| memory.sum()).sum();
        let opened = open
            .iter()
            .map(|(at, bytes)| self.written.grown(*at, *bytes));
        let files = opened.fold(self.written.sum(&open), u64::saturating_add);
        let files = files.saturating_add(self.segments(processes));
        let files = files.saturating_add(self.objects.shared());
        let files = files.saturating_add(self.written.records());
        if self.making.unfinished.take() {
            self.semaphores.unfinished();
            self.messages.unfinished();
        }
        let making = self.making.tasks.get() > 0;
        let files = files.saturating_add(self.semaphores.sum(making));
        let files = files.saturating_add(self.messages.sum(making));
        let rough = pages.saturating_add(files);
        if rough.saturating_add(self.moments.inexact()) <= self.limit {
            self.saw(rough);
            self.moments.found(rough, begin);
            self.pss_sum = None;
            self.past.0 = 0;
            return false;
        }
        if let Some(sum) = self.alone(tracees, &owners) {
            self.saw(sum);
            return true;
        }
        let begin = Instant::now();
        // Of page tables each process has its own: they need not be weighed, which takes long where there
        // are many.
        let files = files.saturating_add(tables(tracees, &owners));
        begin >= self.rest && self.weigh(tracees, &owners, &open, files, begin)
    }

    /// A process is about to lose memory: whether the tree has more than it may.
    pub fn is_past_before(&mut self, tracees: &Tracees, pid: Tid) -> bool {
        let begin = Instant::now();
        if !self.moments.is_due(self.limit, begin) {
            return false;
        }
        let past = self.look_now(tracees, pid);
        self.moments.spent(begin.elapsed());
        past
    }

    /// As many looks as a verdict takes. What was being weighed at ticks goes on there, if this one does not
    /// come to an end.
    fn look_now(&mut self, tracees: &Tracees, pid: Tid) -> bool {
        let processes = tracees.leaders();
        let pss_sum = self.pss_sum.take();
        self.rest = Instant::now();
        let begin = self.rest;
        let steps = if processes.len() > LARGE { 1 } else { STEPS };
        for step in 1.. {
            // In a large tree a look may not get to it.
            if let Some(memory) = smaps::resident(pid) {
                keep(tracees, pid, memory);
            }
            if self.is_past(tracees, &processes) {
                return true;
            }
            if self.pss_sum.is_none() && self.past.0 == 0 {
                return false;
            }
            if step >= steps && begin.elapsed() >= LONGEST {
                break;
            }
        }
        self.pss_sum = self.pss_sum.take().and(pss_sum);
        false
    }

    /// Notes what is read at a process's end anyway.
    pub fn ends(&mut self, task: &Task) {
        if let Some(memory) = smaps::resident(task.pid()) {
            task.process().limits.resident.set(Some(memory));
            self.saw(memory.anonymous().saturating_add(memory.tables));
        }
    }

    /// What System V segments take that the tree has made.
    fn segments(&mut self, processes: &[Tid]) -> u64 {
        let ended = std::mem::take(&mut self.ended);
        let is_own = |pid: Tid| ended.contains(&pid) || processes.binary_search(&pid).is_ok();
        self.segments.sum(is_own)
    }

    /// What one process has that is too much by itself: no page of its anonymous memory is there twice,
    /// so that nothing must be weighed.
    fn alone(&self, tracees: &Tracees, owners: &[Tid]) -> Option<u64> {
        let heavy = |pid: &&Tid| {
            let memory = kept(tracees, **pid);
            memory.is_some_and(|memory| memory.anonymous() + self.moments.inexact() > self.limit)
        };
        // It may have given it back since it was read.
        let again = |pid: &Tid| smaps::resident(*pid).map(Resident::anonymous);
        let now = |pid: &Tid| smaps::anonymous(*pid).or_else(|| again(pid));
        let mut heavy = owners.iter().filter(heavy).take(3).filter_map(now);
        heavy.find(|&anonymous| anonymous > self.limit)
    }

    /// Weighs what is roughly too much. `files`: what those in memory take, and page tables.
    fn weigh(
        &mut self,
        tracees: &Tracees,
        owners: &[Tid],
        open: &HashMap<Inode, u64>,
        files: u64,
        begin: Instant,
    ) -> bool {
        let found = match self.limit.checked_sub(files) {
            Some(enough) => self.weigh_pages(tracees, owners, open, enough),
            None => Summed::Heavy(0),
        };
        match found {
            Summed::Unfinished => false,
            Summed::Light(pages) => {
                self.saw(pages + files);
                let pss_sum = self.pss_sum.take();
                let since = pss_sum.as_ref().map_or(begin, PssSum::since);
                self.moments.found(pages + files, since);
                let took = pss_sum.map_or(Duration::ZERO, |it| it.took());
                if self.past.0 == 0 {
                    self.rest = Instant::now() + (took + begin.elapsed()) * REST;
                }
                self.past.0 = 0;
                false
            }
            Summed::Heavy(pages) => {
                self.pss_sum = None;
                let (looks, (before, objects)) = self.past;
                // Both have looked at all of their files again.
                let looked = self.written.passes().min(self.descriptors.passes());
                let passes = (looked, self.objects.complete());
                // The next pass may have begun before, and only the one after it tells what is gone.
                let again = before != passes.0 && (objects + 2 <= passes.1 || !self.objects.any());
                if looks == 0 {
                    self.since = begin;
                }
                if looks == 0 || again || self.since + PATIENCE <= begin {
                    self.past = (looks + 1, passes);
                }
                if self.past.0 < LOOKS {
                    return false;
                }
                self.saw(pages + files);
                true
            }
        }
    }

    fn weigh_pages(
        &mut self,
        tracees: &Tracees,
        owners: &[Tid],
        open: &HashMap<Inode, u64>,
        enough: u64,
    ) -> Summed {
        let pss_sum = self.pss_sum.get_or_insert_with(|| {
            let most =
                |pid: &Tid| std::cmp::Reverse(kept(tracees, *pid).map(|memory| memory.sum()));
            let mut order = address_spaces::certain(tracees, owners);
            sort_by_key(&mut order, most);
            PssSum::new(order)
        });
        // What is open, or of a tmpfs and the jail's, counts as a file; what is of a tmpfs and not the
        // jail's, does not count.
        let nameless = self.nameless;
        let (objects, segments) = (&self.objects, &self.segments);
        let is_file = |inode: Inode| {
            open.contains_key(&inode) || objects.has_shared(inode) || segments.has(inode.1)
        };
        let counts = |inode: Inode| inode.0 == nameless && !is_file(inode);
        let time = match self.past.0 {
            0 => WEIGH,
            _ => WEIGH_AGAIN,
        };
        pss_sum.go(enough, time, |pid| share(pid, counts))
    }

    fn saw(&mut self, sum: u64) {
        self.most = self.most.max(Some(sum));
    }

    /// So much and no more, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The most that was seen, in bytes.
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&mut self, task: &Task) {
        let process = task.process();
        process.limits.resident.set(Some(Resident::default()));
        process.limits.next.set(3);
        process.limits.heap.set(Some(1));
        task.limits.open(&self.making);
    }

    /// How many tasks are in a call that may make something.
    #[cfg(test)]
    pub fn making(&self) -> usize {
        self.making.tasks.get()
    }

    /// Whether [`Memory::refuses`] may have an error for a call.
    pub fn may_refuse(call: &Call) -> bool {
        let keeps = call.op() == Op::Shmget || Kind::of(call).is_some();
        call.syscall().is_some() && (keeps || makes_memfd(call) || tmpfs::may_fill(call))
    }

    /// The error of a call that would make what cannot be counted.
    pub fn refuses(&mut self, tracees: &Tracees, call: &Call) -> Option<Errno> {
        call.syscall()?;
        if call.op() == Op::Shmget || Kind::of(call).is_some() {
            // /proc tells what there is in the reader's own namespace.
            return self.own_ipc.then_some(Errno::ENOSYS);
        }
        let memfd = makes_memfd(call);
        let around = Jail(tracees, &self.written);
        let opens = memfd || tmpfs::may_fill(call);
        let refused = opens && !self.objects.has_room(&around, memfd);
        refused.then_some(Errno::ENFILE)
    }

    /// A call goes on: if it may open a file for writing, make one, or map one for others, its return must
    /// be seen.
    pub fn calls(&mut self, task: &Task, call: &Call, how: Resume) -> Resume {
        let goes_on = matches!(
            how.action,
            ResumeAction::Continue | ResumeAction::Set(_) | ResumeAction::Call(_)
        );
        let keeps = || Kind::of(call).is_some();
        let watched = || tmpfs::may_fill(call) || makes_memfd(call) || maps_shared(call) || keeps();
        match goes_on && watched() {
            true => {
                task.limits.open(&self.making);
                how.and_stop()
            }
            false => how,
        }
    }

    /// A call of a task has returned this.
    pub fn returned(&mut self, tid: Tid, call: &Call, result: i64) {
        match Kind::of(call) {
            Some(Kind::Semaphores) => self.semaphores.got(result),
            Some(Kind::Messages) => self.messages.got(result),
            None => {}
        }
        if maps_shared(call) {
            self.objects.mapped(tid, result as u64);
        } else if let Ok(fd) = i32::try_from(result) {
            if makes_memfd(call) {
                self.objects.made(tid, fd);
            } else if tmpfs::may_fill(call) {
                self.written.opened(tid, fd);
                let is_tmpfs = |device| self.written.is_tmpfs(device);
                self.objects.opened(tid, fd, is_tmpfs);
            }
        }
    }

    /// A task has ended.
    pub fn gone(&mut self, tid: Tid) {
        self.ended.insert(tid);
    }
}

/// What was last read of a process.
fn kept(tracees: &Tracees, pid: Tid) -> Option<Resident> {
    tracees.get(pid)?.process().limits.resident.get()
}

fn keep(tracees: &Tracees, pid: Tid, memory: Resident) {
    if let Some(task) = tracees.get(pid) {
        task.process().limits.resident.set(Some(memory));
    }
}

fn tables(tracees: &Tracees, owners: &[Tid]) -> u64 {
    let certain = address_spaces::certain(tracees, owners);
    let tables = certain.iter().filter_map(|pid| kept(tracees, *pid));
    tables.map(|memory| memory.tables).sum()
}

/// memfd_create(2), but of huge pages: those are of a pool that the host has set aside.
fn makes_memfd(call: &Call) -> bool {
    let flags = call.args.get(1).copied().unwrap_or_default();
    let huge = flags & u64::from(libc::MFD_HUGETLB) != 0;
    call.op() == Op::MemfdCreate && !huge
}

/// mmap(2) with MAP_SHARED, of a file or of none.
fn maps_shared(call: &Call) -> bool {
    let is_mmap = call.op() == Op::Mmap;
    // A register of which the kernel looks at all bits; MAP_SHARED_VALIDATE has this one, too.
    is_mmap && call.args.get(3).is_some_and(|flags| flags & 1 != 0)
}

/// What passes over the tree ask.
struct Jail<'a>(&'a Tracees, &'a TmpfsFiles);

impl Around for Jail<'_> {
    fn tasks(&self) -> Vec<(Tid, Tid)> {
        self.0.tasks()
    }

    fn may_have(&self, link: &Path, name: &Path) -> bool {
        self.1.may_be(link, name)
    }
}

/// A process's share of its anonymous pages, and of those of files that count. Of one that no process may
/// look at (a program that may not be read) all that it has resident.
fn share(pid: Tid, counts: impl Fn(Inode) -> bool) -> u64 {
    match smaps::share(pid) {
        Some(memory) if memory.shared > 0 => {
            let files = smaps::mapped(pid, counts).min(memory.shared);
            memory.anonymous.saturating_add(files)
        }
        Some(memory) => memory.anonymous,
        None => {
            let resident = smaps::resident(pid).unwrap_or_default();
            resident.sum().saturating_sub(resident.tables)
        }
    }
}

/// The device of files in memory that are on no mount of a user's: 0 where there are none.
fn nameless() -> u64 {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let file = nix::sys::memfd::memfd_create(c"jail", flags).map(std::fs::File::from);
    let stat = file.ok().and_then(|file| file.metadata().ok());
    stat.map_or(0, |stat| stat.dev())
}
