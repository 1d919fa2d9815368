//! Files in memory that the tree has open: memfds, and files of a tmpfs that it writes. What is written
//! to them and not mapped is in no process's memory.

use super::reading::Inode;
use super::round::Round;
use super::written::Files;
use crate::trace::Tid;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
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
#[derive(Debug, Default)]
pub struct Descriptors {
    round: Round,
    /// The descriptor to go on with, of a process that had too many for one look.
    next: HashMap<Tid, i32>,
    found: HashMap<Inode, Open>,
}

impl Descriptors {
    /// Looks for more, and how large those are that are known.
    pub fn look(&mut self, processes: &[Tid], written: &mut Files) {
        self.forget();
        let mut round = std::mem::take(&mut self.round);
        let end = Instant::now() + TIME;
        round.go(processes, TIME, |pid| self.look_at(pid, end, written));
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

    fn look_at(&mut self, pid: Tid, end: Instant, written: &mut Files) {
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
            let is_memfd = name.as_os_str().as_bytes().starts_with(b"/memfd:");
            if !is_memfd && !written.may_have(&name) {
                continue;
            }
            if let Ok(stat) = std::fs::metadata(entry.path())
                && stat.is_file()
                && (is_memfd || written.has(&entry.path(), &stat))
            {
                let holder = (pid, fd);
                let bytes = stat.blocks() * 512;
                self.found
                    .insert((stat.dev(), stat.ino()), Open { bytes, holder });
            }
        }
    }

    /// Whoever held a file may have closed it; somebody else who has it is found again.
    fn forget(&mut self) {
        self.found.retain(|inode, open| {
            let (pid, fd) = open.holder;
            match std::fs::metadata(format!("/proc/{pid}/fd/{fd}")) {
                Ok(stat) if (stat.dev(), stat.ino()) == *inode => {
                    open.bytes = stat.blocks() * 512;
                    true
                }
                _ => false,
            }
        });
    }
}
