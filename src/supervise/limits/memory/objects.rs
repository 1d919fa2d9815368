//! Memory that belongs to a file and may be in no page table: memfds, files of a tmpfs, and shared
//! anonymous mappings. A process may fill such a file, take its pages out of its page tables
//! (MADV_DONTNEED, munmap(2) of a part, the end of a child) and close its descriptor: the file keeps all
//! of it.
//!
//! Each call that makes or opens such a file is seen at its return. Of a memfd and of a file of a tmpfs
//! the supervisor then opens a descriptor of its own (O_PATH), whose st_blocks tells what the file takes.
//! A shared anonymous mapping has no descriptor: it counts with its whole size.
//!
//! A pass looks at the descriptors and mappings of all tasks. What several passes do not find any more is
//! gone, and the supervisor's own descriptor is closed. A file of a tmpfs that has a name and that no
//! process has open or mapped is left to [`super::tmpfs`]: to reach it again it must be opened again.

use super::pass::{Around, Pass, Seen};
use super::smaps::{self, Inode};
use crate::sys;
use crate::trace::Tid;
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// What passes may take at a tick.
const TIME: Duration = Duration::from_millis(3);
/// At one tick of so many a pass begins where the tree is within its limit.
const SELDOM: u32 = 8;
/// So many passes one after the other may be made at one tick.
const PASSES: usize = 16;
/// After so many passes that have not found a file it is gone. A descriptor may go from one process to
/// another and not be found in either, and a mapping from one address to another: not each time.
const FILE_GONE: u8 = 16;
const SHARED_GONE: u8 = 64;
/// How many files the supervisor has open for this before no further memfd is made, and which part that is
/// of what this process may have open: other jails of the same process need some, too. Of files of a
/// tmpfs, most of which are closed at the next pass, it has as many again.
const MOST: usize = 1024;
const LEAST: usize = 64;
/// Where the memory of parts of the tree is added up, each has such a share of them.
const PARTS: usize = 16;
const LEAST_OF_PART: usize = 8;
const PART: usize = 8;
/// What a pass may take where there is no more room for a file that is about to be opened.
const ROOM: Duration = Duration::from_millis(5);

/// A file that the supervisor has open.
#[derive(Debug)]
struct Held {
    file: File,
    bytes: u64,
    /// Whether it has a name.
    linked: bool,
    found: Found,
}

/// A shared anonymous mapping, wherever a part of it is mapped.
#[derive(Debug)]
struct Shared {
    bytes: u64,
    found: Found,
}

/// What passes have said of a file.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// The pass that was under way when it was first seen: that one may have missed it.
    since: u64,
    /// Whether the last pass has found it, or nothing says that it is gone.
    last: bool,
    /// How many passes one after the other have not.
    missed: u8,
}

/// All of them.
#[derive(Debug)]
pub struct Objects {
    /// The device of memfds and shared anonymous mappings: a mount that only the kernel has.
    nameless: u64,
    held: HashMap<Inode, Held>,
    shared: HashMap<Inode, Shared>,
    most: usize,
    looks: u32,
    pass: Pass,
    /// How many passes are complete.
    passes: u64,
    /// Whether a file was made that could not be looked at.
    evaded: bool,
}

impl Objects {
    /// `nameless`: the device of memfds.
    pub fn new(nameless: u64) -> Self {
        let soft = sys::process::descriptor_limit().map_or(0, |soft| soft as usize);
        Self {
            nameless,
            held: HashMap::new(),
            shared: HashMap::new(),
            most: (soft / PART).clamp(LEAST, MOST),
            looks: 0,
            pass: Pass::default(),
            passes: 0,
            evaded: false,
        }
    }

    /// A task has made a memfd.
    pub fn made(&mut self, tid: Tid, fd: i32) {
        let link = format!("/proc/{tid}/fd/{fd}");
        match self.hold(Path::new(&link), |_| false) {
            Ok(true) => {}
            // A program that may be executed and not read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            // Another thread has moved it to another number since: it is looked for among all of them.
            _ => self.evaded |= !self.find(tid) && has_descriptors(tid),
        }
    }

    /// A task has opened a file for writing, which may be of a tmpfs.
    pub fn opened(&mut self, tid: Tid, fd: i32, is_tmpfs: impl Fn(u64) -> bool) {
        let link = format!("/proc/{tid}/fd/{fd}");
        if let Err(error) = self.hold(Path::new(&link), is_tmpfs)
            && error.kind() == ErrorKind::NotFound
        {
            self.find(tid);
        }
    }

    /// Opens what a descriptor of a task is. Returns whether it is a file in memory.
    fn hold(&mut self, link: &Path, is_tmpfs: impl Fn(u64) -> bool) -> std::io::Result<bool> {
        let stat = std::fs::metadata(link)?;
        let at = (stat.dev(), stat.ino());
        if !stat.is_file() || at.0 != self.nameless && !is_tmpfs(at.0) {
            return Ok(false);
        }
        if self.held.contains_key(&at) {
            return Ok(true);
        }
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(link);
        let file = file?;
        let stat = file.metadata()?;
        let found = self.fresh();
        let (bytes, linked) = (size(&stat), stat.nlink() > 0);
        let held = Held {
            file,
            bytes,
            linked,
            found,
        };
        self.held.insert((stat.dev(), stat.ino()), held);
        Ok(true)
    }

    fn fresh(&self) -> Found {
        Found {
            since: self.passes,
            last: true,
            missed: 0,
        }
    }

    /// Holds each memfd that a task has. Returns whether there is one that was not held.
    fn find(&mut self, tid: Tid) -> bool {
        let before = self.held.len();
        let entries = std::fs::read_dir(format!("/proc/{tid}/fd"));
        for entry in entries.into_iter().flatten().flatten() {
            let _ = self.hold(&entry.path(), |_| false);
        }
        self.held.len() > before
    }

    /// A task has mapped something shared at this address.
    pub fn mapped(&mut self, tid: Tid, address: u64) {
        let mut there = false;
        let mut found = None;
        let read = smaps::mappings(tid, |mapping| {
            if mapping.range.contains(&address) {
                there = true;
                found = Some(mapping.inode)
                    .filter(|at| at.0 == self.nameless && mapping.is_shared_anonymous());
                if let Some(inode) = found {
                    self.share(inode, mapping.end);
                }
            }
            !there
        });
        // What was mapped a moment ago is not there: another thread has moved it, or taken a part away.
        self.evaded |= read.is_ok_and(|lines| lines > 0) && !there;
    }

    fn share(&mut self, inode: Inode, bytes: u64) {
        let found = self.fresh();
        let shared = self
            .shared
            .entry(inode)
            .or_insert(Shared { bytes: 0, found });
        shared.bytes = shared.bytes.max(bytes);
    }

    /// Whether a file was made and taken away before it could be looked at, which only a program does that
    /// hides memory.
    pub fn was_evaded(&self) -> bool {
        self.evaded
    }

    /// It is one of several: fewer descriptors are for it.
    pub fn of_part(&mut self) {
        self.most = (self.most / PARTS).max(LEAST_OF_PART);
    }

    /// Before a call that may open one more, or make one (`memfd`). Returns whether there is room.
    pub fn has_room(&mut self, around: &impl Around, memfd: bool) -> bool {
        let most = if memfd { self.most } else { 2 * self.most };
        if self.held.len() < most {
            return true;
        }
        self.measure();
        self.passes(around, ROOM, 1);
        if self.held.len() < most {
            return true;
        }
        // One that has a name is found by that.
        let named = self.held.iter().find(|(_, held)| held.linked);
        let named = named.map(|(&inode, _)| inode);
        named.is_some_and(|inode| self.held.remove(&inode).is_some())
    }

    /// Looks how large files are, and which are gone. `heavy`: whether the tree was past its limit at the
    /// last look.
    pub fn look(&mut self, around: &impl Around, heavy: bool) {
        self.measure();
        self.looks = self.looks.wrapping_add(1);
        let unnamed = self.held.values().any(|held| !held.linked);
        let now = self.looks.is_multiple_of(SELDOM) && (unnamed || !self.shared.is_empty());
        if now || self.held.len() > self.most / 2 || heavy && self.any() {
            let gone = |found: &Found| found.missed > 0;
            let mut found = self.held.values().map(|held| &held.found);
            let missing = found.any(gone) || self.shared.values().any(|shared| gone(&shared.found));
            let most = if missing || heavy { PASSES } else { 1 };
            self.passes(around, TIME, most);
        }
    }

    fn measure(&mut self) {
        for held in self.held.values_mut() {
            if let Ok(stat) = held.file.metadata() {
                (held.bytes, held.linked) = (size(&stat), stat.nlink() > 0);
            }
        }
    }

    fn passes(&mut self, around: &impl Around, time: Duration, most: usize) {
        let end = Instant::now() + time;
        for _ in 0..most {
            let Some(seen) = self.pass.go(around, end, self.nameless) else {
                return;
            };
            self.passed(&seen);
            if Instant::now() >= end {
                return;
            }
        }
    }

    /// A pass is complete.
    fn passed(&mut self, seen: &Seen) {
        let begun = self.passes;
        self.passes += 1;
        for (&inode, &bytes) in &seen.shared {
            self.share(inode, bytes);
        }
        self.held.retain(|inode, held| {
            // It may be in a message that no process has received.
            let there = seen.files.contains(inode) || seen.in_flight;
            match (held.linked, held.found.tell(there, begun)) {
                (true, missed) => missed == 0,
                (false, missed) => missed < FILE_GONE,
            }
        });
        self.shared.retain(|inode, shared| {
            let there = seen.shared.contains_key(inode);
            shared.found.tell(there, begun) < SHARED_GONE
        });
    }

    /// How many passes are complete.
    pub fn complete(&self) -> u64 {
        self.passes
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.held.is_empty() || !self.shared.is_empty()
    }

    /// Files that are there, each with what it takes in bytes.
    pub fn files(&self) -> impl Iterator<Item = (Inode, u64)> {
        let there = self
            .held
            .iter()
            .filter(|(_, held)| held.linked || held.found.last);
        there.map(|(&inode, held)| (inode, held.bytes))
    }

    /// What shared anonymous mappings take at most that are there, in bytes.
    pub fn shared(&self) -> u64 {
        let there = self.shared.values().filter(|shared| shared.found.last);
        there
            .map(|shared| shared.bytes)
            .fold(0, u64::saturating_add)
    }

    /// Whether it counts as one of those.
    pub fn has_shared(&self, inode: Inode) -> bool {
        self.shared.contains_key(&inode)
    }
}

impl Found {
    /// What a pass says that began after so many others were complete. Returns how many have missed it.
    fn tell(&mut self, there: bool, begun: u64) -> u8 {
        if there || self.since >= begun {
            (self.last, self.missed) = (true, 0);
        } else {
            (self.last, self.missed) = (false, self.missed.saturating_add(1));
        }
        self.missed
    }
}

fn size(stat: &Metadata) -> u64 {
    stat.blocks().saturating_mul(512)
}

/// Whether a task still has some: one that ends has none.
fn has_descriptors(tid: Tid) -> bool {
    std::fs::read_dir(format!("/proc/{tid}/fd")).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use std::io::Write;
    use std::os::fd::AsRawFd;

    /// No task has anything: this process, whose files they are, is the supervisor as well.
    struct Nothing;

    impl Around for Nothing {
        fn tasks(&self) -> Vec<(Tid, Tid)> {
            Vec::new()
        }

        fn may_have(&self, _: &Path, _: &Path) -> bool {
            false
        }
    }

    fn memfd() -> File {
        let fd = memfd_create(c"objects", MFdFlags::MFD_CLOEXEC);
        File::from(fd.expect("a memfd"))
    }

    fn sum(objects: &Objects) -> u64 {
        objects.files().map(|(_, bytes)| bytes).sum()
    }

    #[test]
    fn a_memfd_counts_until_several_passes_have_not_found_it() {
        let mut file = memfd();
        let own = std::process::id() as Tid;
        let mut objects = Objects::new(file.metadata().expect("stat").dev());
        objects.made(own, file.as_raw_fd());
        file.write_all(&[1; 1 << 16]).expect("a write");
        // A look that is not heavy measures and makes no pass, however fast the machine is.
        objects.look(&Nothing, false);
        assert_eq!(sum(&objects), 1 << 16);
        drop(file);
        objects.look(&Nothing, true);
        assert_eq!(sum(&objects), 0);
        (0..FILE_GONE).for_each(|_| objects.look(&Nothing, true));
        assert!(!objects.any() && !objects.was_evaded());
    }

    #[test]
    fn a_memfd_that_is_not_where_it_was_made_is_looked_for() {
        let file = memfd();
        let own = std::process::id() as Tid;
        let mut objects = Objects::new(file.metadata().expect("stat").dev());
        objects.made(own, i32::MAX);
        assert!(objects.any() && !objects.was_evaded());
        let mut objects = Objects::new(0);
        objects.made(own, i32::MAX);
        assert!(objects.was_evaded());
        // One that has ended has moved nothing.
        let mut objects = Objects::new(0);
        objects.made(Tid::MAX, 3);
        assert!(!objects.was_evaded());
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let files: Vec<File> = (0..3).map(|_| memfd()).collect();
        let own = std::process::id() as Tid;
        let device = files.first().and_then(|file| file.metadata().ok());
        let mut objects = Objects::new(device.expect("stat").dev());
        objects.most = files.len();
        for file in &files {
            assert!(objects.has_room(&Nothing, true));
            objects.made(own, file.as_raw_fd());
        }
        assert!(!objects.has_room(&Nothing, true) && objects.has_room(&Nothing, false));
    }
}
