//! Files in memory that the tree has open: memfds, and files of a tmpfs. What is written to them and
//! not mapped is in no process's memory.

use super::reading::Inode;
use super::round::Round;
use crate::trace::Tid;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What looking at descriptors may take at a tick, and of one process at a time. A descriptor takes
/// some 2 µs: of more than a thousand the others are looked at in the next ticks.
const TIME: Duration = Duration::from_millis(2);

/// What is known of a file.
#[derive(Debug, Clone, Copy)]
struct Open {
    bytes: u64,
    holder: (Tid, i32),
}

/// Files in memory, each once.
#[derive(Debug)]
pub struct Descriptors {
    /// Where a tmpfs is mounted.
    mounts: Vec<PathBuf>,
    /// Files are older that were last changed before, as seconds and nanoseconds of the real time.
    since: (i64, i64),
    round: Round,
    /// The descriptor to go on with, of a process that had too many for one look.
    next: HashMap<Tid, i32>,
    found: HashMap<Inode, Open>,
}

impl Descriptors {
    pub fn new(mounts: Vec<PathBuf>, since: (i64, i64)) -> Self {
        Self {
            mounts,
            since,
            round: Round::default(),
            next: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// Looks for more, and how large those are that are known.
    pub fn look(&mut self, processes: &[Tid]) {
        self.forget();
        let mut round = std::mem::take(&mut self.round);
        let end = Instant::now() + TIME;
        round.go(processes, TIME, |pid| self.look_at(pid, end));
        self.round = round;
    }

    /// Each file with its size in bytes.
    pub fn found(&self) -> impl Iterator<Item = (Inode, u64)> {
        self.found.iter().map(|(&inode, open)| (inode, open.bytes))
    }

    /// A process has ended.
    pub fn gone(&mut self, pid: Tid) {
        self.next.remove(&pid);
    }

    fn look_at(&mut self, pid: Tid, end: Instant) {
        let from = self.next.remove(&pid).unwrap_or_default();
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            return;
        };
        let number = |name: &std::ffi::OsStr| name.to_str()?.parse().ok();
        for entry in descriptors.flatten() {
            let Some(fd) = number(&entry.file_name()).filter(|&fd: &i32| fd >= from) else {
                continue;
            };
            if Instant::now() >= end {
                self.next.insert(pid, fd);
                return;
            }
            // Its name first: nothing is asked of another file system, which might not answer.
            let name = std::fs::read_link(entry.path()).unwrap_or_default();
            if !self.may_be(&name) {
                continue;
            }
            if let Some((inode, bytes)) = self.size((pid, fd)) {
                let holder = (pid, fd);
                self.found.insert(inode, Open { bytes, holder });
            }
        }
    }

    fn may_be(&self, name: &Path) -> bool {
        name.as_os_str().as_bytes().starts_with(b"/memfd:")
            || self.mounts.iter().any(|mount| name.starts_with(mount))
    }

    /// Which file it is, and how large; `None`: it was there before, or is none any more.
    fn size(&self, (pid, fd): (Tid, i32)) -> Option<(Inode, u64)> {
        let stat = std::fs::metadata(format!("/proc/{pid}/fd/{fd}")).ok()?;
        let is_new = (stat.ctime(), stat.ctime_nsec()) >= self.since;
        (stat.is_file() && is_new).then(|| ((stat.dev(), stat.ino()), stat.blocks() * 512))
    }

    /// Whoever held a file may have closed it; somebody else who has it is found again.
    fn forget(&mut self) {
        let known = std::mem::take(&mut self.found);
        for (inode, open) in known {
            match self.size(open.holder) {
                Some((now, bytes)) if now == inode => {
                    self.found.insert(inode, Open { bytes, ..open });
                }
                _ => {}
            }
        }
    }
}
