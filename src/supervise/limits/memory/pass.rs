//! A look at the descriptors and mappings of every task, which may take several ticks: which files in
//! memory are still there.
//!
//! A pass ends when each task has been looked at since it began, those that were made meanwhile too. A
//! mapping goes from one process to another only by fork(2), so that a process that has it at the end has it
//! since its birth, and was looked at since.

use super::smaps::{self, Inode};
use crate::sys;
use crate::trace::Tid;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

/// A task, and its process.
pub type Task = (Tid, Tid);

/// What a pass asks of others.
pub trait Around {
    /// All tasks that there are now.
    fn tasks(&self) -> Vec<Task>;
    /// Whether a descriptor (its link, and its name) may be of a tmpfs where the command may write.
    fn may_have(&self, link: &Path, name: &Path) -> bool;
}

/// What a pass has found.
#[derive(Debug, Default)]
pub struct Seen {
    /// Files that a process has open or mapped.
    pub files: HashSet<Inode>,
    /// Shared anonymous mappings, each with the end of its last part that is mapped.
    pub shared: HashMap<Inode, u64>,
    /// Whether descriptors are in messages that no process has received.
    pub in_flight: bool,
}

/// A pass that is under way.
#[derive(Debug, Default)]
pub struct Pass {
    done: HashSet<Tid>,
    /// Processes whose mappings were looked at.
    mapped: HashSet<Tid>,
    seen: Seen,
}

impl Pass {
    /// Goes on until a time. `None`: there is more to look at. `nameless`: the device of memfds.
    pub fn go(&mut self, around: &impl Around, end: Instant, nameless: u64) -> Option<Seen> {
        loop {
            let all = around.tasks();
            let left: Vec<Task> = all
                .into_iter()
                .filter(|(tid, _)| !self.done.contains(tid))
                .collect();
            if left.is_empty() {
                return Some(std::mem::take(self).seen);
            }
            for (tid, pid) in left {
                self.look_at(tid, pid, nameless, around);
                if Instant::now() >= end {
                    return None;
                }
            }
        }
    }

    fn look_at(&mut self, tid: Tid, pid: Tid, nameless: u64, around: &impl Around) {
        self.done.insert(tid);
        // All threads of a process have the same memory. A first thread that has ended has none.
        if !self.mapped.contains(&pid) {
            let seen = &mut self.seen;
            let lines = smaps::mappings(tid, |mapping| {
                if mapping.is_shared_anonymous() && mapping.inode.0 == nameless {
                    let end = seen.shared.entry(mapping.inode).or_default();
                    *end = mapping.end.max(*end);
                } else if mapping.inode.1 != 0 {
                    seen.files.insert(mapping.inode);
                }
                true
            });
            if lines.is_ok_and(|lines| lines > 0) {
                self.mapped.insert(pid);
            }
        }
        // A thread may have descriptors of its own (unshare(2) with CLONE_FILES).
        if tid == pid || !sys::files::shares_descriptors(tid, pid) {
            self.look_at_descriptors(tid, around);
        }
    }

    fn look_at_descriptors(&mut self, tid: Tid, around: &impl Around) {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{tid}/fd")) else {
            return;
        };
        for entry in entries.flatten() {
            // Its name first: nothing is asked of another file system, which might not answer.
            let name = std::fs::read_link(entry.path()).unwrap_or_default();
            let bytes = name.as_os_str().as_bytes();
            if bytes.starts_with(b"socket:") {
                self.seen.in_flight |= holds_descriptors(tid, &entry.file_name());
            } else if (bytes.starts_with(b"/memfd:") || around.may_have(&entry.path(), &name))
                && let Ok(stat) = std::fs::metadata(entry.path())
            {
                self.seen.files.insert((stat.dev(), stat.ino()));
            }
        }
    }
}

/// Whether messages that wait at a unix socket hold descriptors (`scm_fds` of its fdinfo, Linux 5.11).
fn holds_descriptors(tid: Tid, fd: &OsStr) -> bool {
    let path = Path::new("/proc").join(format!("{tid}/fdinfo")).join(fd);
    let info = std::fs::read_to_string(path).unwrap_or_default();
    let number = info.lines().find_map(|line| line.strip_prefix("scm_fds:"));
    number.is_some_and(|number| number.trim() != "0")
}
