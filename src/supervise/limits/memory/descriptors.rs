//! Files in memory that the tree has open: memfds, and files of a tmpfs that it writes. What is written
//! to them and not mapped is in no process's memory.

use super::smaps::Inode;
use super::tmpfs::TmpfsFiles;
use crate::supervise::limits::turn::Turns;
use crate::supervise::tracee::Tracees;
use crate::trace::Tid;
use nix::dir::Dir;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What looking at descriptors may take at a tick, and of one process at a time. A descriptor takes
/// some 2 µs: of more than a thousand the others are looked at in the next ticks.
const TIME: Duration = Duration::from_millis(2);
/// What looking again at the files that were found may take at a tick, some 2 µs each.
const AGAIN: Duration = Duration::from_millis(2);
/// So many are looked at again whatever the time: on a crowded machine this thread may be kept waiting
/// at any moment, and a file that is gone must not count for that.
const AT_LEAST: usize = 256;
/// Before the descriptors of /proc/PID/fd come `.` and `..`.
const DOTS: u64 = 2;

/// What is known of a file.
#[derive(Debug, Clone, Copy)]
struct Open {
    bytes: u64,
    holder: (Tid, i32),
}

/// Files in memory, each once.
#[derive(Debug, Default)]
pub struct Descriptors {
    round: Turns,
    found: HashMap<Inode, Open>,
    /// The rest of a look at those that were found.
    left: Vec<Inode>,
    /// How often all that were found have been looked at again.
    passes: u64,
}

impl Descriptors {
    /// Looks for more, and how large those are that are known.
    pub fn look(&mut self, tracees: &Tracees, processes: &[Tid], written: &mut TmpfsFiles) {
        self.forget();
        let mut round = std::mem::take(&mut self.round);
        let end = Instant::now() + TIME;
        round.go(processes, TIME, |pid| {
            let process = tracees.get(pid).map(|task| task.process());
            let from = process.as_ref().map(|process| process.limits.next.take());
            let next = self.look_at(pid, from.unwrap_or_default(), end, written);
            if let (Some(process), Some(next)) = (process, next) {
                process.limits.next.set(next);
            }
        });
        self.round = round;
    }

    /// Each file with its size in bytes.
    pub fn found(&self) -> impl Iterator<Item = (Inode, u64)> {
        self.found.iter().map(|(&inode, open)| (inode, open.bytes))
    }

    /// How often all that were found have been looked at again.
    pub fn passes(&self) -> u64 {
        self.passes
    }

    /// Looks at the descriptors of a process from this one on. Returns the one to go on with where there are
    /// too many for one look.
    fn look_at(
        &mut self,
        pid: Tid,
        from: i32,
        end: Instant,
        written: &mut TmpfsFiles,
    ) -> Option<i32> {
        for fd in descriptors(pid, from) {
            if Instant::now() >= end {
                return Some(fd);
            }
            let path = PathBuf::from(format!("/proc/{pid}/fd/{fd}"));
            // Its name first: nothing is asked of another file system, which might not answer.
            let name = std::fs::read_link(&path).unwrap_or_default();
            let is_memfd = name.as_os_str().as_bytes().starts_with(b"/memfd:");
            if !is_memfd && !written.may_be(&path, &name) {
                continue;
            }
            if let Ok(stat) = std::fs::metadata(&path)
                && stat.is_file()
                && (is_memfd || written.has(&path, &stat))
            {
                let holder = (pid, fd);
                let bytes = stat.blocks() * 512;
                self.found
                    .insert((stat.dev(), stat.ino()), Open { bytes, holder });
            }
        }
        None
    }

    /// The process that held a file may have closed it; another one that has it is found again.
    fn forget(&mut self) {
        let end = Instant::now() + AGAIN;
        if self.left.is_empty() {
            self.left.extend(self.found.keys());
        }
        let mut looks = 0;
        while let Some(inode) = self.left.pop() {
            looks += 1;
            if let Some(open) = self.found.get_mut(&inode) {
                let (pid, fd) = open.holder;
                match std::fs::metadata(format!("/proc/{pid}/fd/{fd}")) {
                    Ok(stat) if (stat.dev(), stat.ino()) == inode => {
                        open.bytes = stat.blocks() * 512;
                    }
                    _ => _ = self.found.remove(&inode),
                }
            }
            if looks >= AT_LEAST && Instant::now() >= end {
                break;
            }
        }
        self.passes += u64::from(self.left.is_empty());
    }
}

/// The descriptors of a process from this one on, as they are listed: those before are not read.
fn descriptors(pid: Tid, from: i32) -> impl Iterator<Item = i32> {
    let open = || {
        let mut folder = File::open(format!("/proc/{pid}/fd")).ok()?;
        // Where the entry of a descriptor begins (proc_readfd_common() of fs/proc/fd.c).
        let place = u64::try_from(from).ok()? + DOTS;
        folder.seek(SeekFrom::Start(place)).ok()?;
        Dir::from_fd(folder.into()).ok()
    };
    let entries = open().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn descriptors_are_listed_from_any_of_them_on() {
        let files = [(); 8].map(|()| File::open("/dev/null").expect("a file"));
        let numbers = files.each_ref().map(|file| file.as_raw_fd());
        let own = std::process::id() as Tid;
        let most = numbers.into_iter().max().unwrap_or_default();
        for from in [0, 1, numbers[3], most] {
            let listed: Vec<i32> = descriptors(own, from).collect();
            assert!(listed.iter().all(|fd| *fd >= from), "{from}: {listed:?}");
            let has = |fd: &i32| *fd < from || listed.contains(fd);
            assert!(numbers.iter().all(has), "{from}: {listed:?}");
        }
        assert_eq!(descriptors(Tid::MAX, 0).count(), 0);
    }
}
