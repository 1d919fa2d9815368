//! File systems in memory where the command may write, and a search of them for files that have another
//! name now than when they were opened.

use super::smaps::Inode;
use crate::sys::proc::Mounts;
use std::collections::HashSet;
use std::fs::{Metadata, read_dir, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One where the command may write.
#[derive(Debug)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// st_dev of its files.
    pub device: u64,
    /// The trees in it that the command may change.
    pub trees: Vec<PathBuf>,
}

/// Those that are mounted, and in which of their trees may be written. `writable`: where the command
/// may change anything; `None`: anywhere.
pub fn mounts(writable: Option<&[PathBuf]>) -> Vec<Mount> {
    let all = Mounts::own().unwrap_or_default();
    let mut mounts: Vec<Mount> = Vec::new();
    for path in in_memory(&all) {
        let trees = trees(&path, writable);
        let Ok(stat) = symlink_metadata(&path) else {
            continue;
        };
        if trees.is_empty() {
            continue;
        }
        match mounts.iter_mut().find(|mount| mount.device == stat.dev()) {
            Some(mount) => mount.trees.extend(trees),
            None => mounts.push(Mount {
                device: stat.dev(),
                path,
                trees,
            }),
        }
    }
    mounts
}

/// Where file systems in memory are mounted that can be written to.
fn in_memory(mounts: &Mounts) -> impl Iterator<Item = PathBuf> {
    let tmpfs = mounts.iter();
    let tmpfs = tmpfs.filter(|mount| mount.is(&["tmpfs", "devtmpfs"]) && !mount.is_read_only());
    tmpfs.map(|mount| mount.place())
}

/// What of a mount may be changed.
fn trees(mount: &Path, writable: Option<&[PathBuf]>) -> Vec<PathBuf> {
    let Some(writable) = writable else {
        return vec![mount.to_owned()];
    };
    if writable.iter().any(|tree| mount.starts_with(tree)) {
        return vec![mount.to_owned()];
    }
    let within = writable.iter().filter(|tree| tree.starts_with(mount));
    within.cloned().collect()
}

/// A search that goes on where it had no more time.
#[derive(Debug)]
pub struct Search {
    left: Vec<PathBuf>,
    devices: HashSet<u64>,
    /// Whether the command may have something where this cannot look.
    blind: bool,
}

impl Search {
    /// Through all trees.
    pub fn new(mounts: &[Mount]) -> Self {
        let trees = mounts.iter().flat_map(|mount| &mount.trees);
        Self {
            left: trees.cloned().collect(),
            devices: mounts.iter().map(|mount| mount.device).collect(),
            blind: false,
        }
    }

    /// Whether it has met a directory in which the command may have files and which cannot be looked at: its
    /// own and locked, one that it may write to, or one whose path is too long.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Tells of each file where it is. Returns whether everything was looked at. What may not be looked
    /// at is passed over.
    pub fn go(&mut self, time: Duration, mut tell: impl FnMut(Inode, PathBuf)) -> bool {
        let begin = Instant::now();
        while let Some(path) = self.left.pop() {
            let stat = match symlink_metadata(&path) {
                Ok(stat) => stat,
                Err(error) => {
                    self.blind |= error.raw_os_error() == Some(libc::ENAMETOOLONG);
                    continue;
                }
            };
            if stat.is_dir() && self.devices.contains(&stat.dev()) {
                match read_dir(&path) {
                    Ok(entries) => {
                        let entries = entries.flatten();
                        self.left.extend(entries.map(|entry| entry.path()));
                    }
                    Err(_) => self.blind |= may_hide(&path, &stat),
                }
            } else if stat.is_file() {
                tell((stat.dev(), stat.ino()), path);
            }
            if begin.elapsed() >= time {
                break;
            }
        }
        self.left.is_empty()
    }
}

/// Whether the command, whose user this thread has, may put files into a directory that cannot be listed, now
/// or once it has changed its mode.
fn may_hide(path: &Path, stat: &Metadata) -> bool {
    use nix::unistd::{AccessFlags, eaccess, geteuid};
    stat.uid() == geteuid().as_raw() || eaccess(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_that_can_be_written_to_is_found_among_mounts() {
        let found = |line: &str| in_memory(&Mounts::from(line)).collect::<Vec<_>>();
        let line = "25 24 0:23 / /dev/sh\\040\\012m rw,nosuid shared:4 - tmpfs tmpfs rw,size=4k";
        assert_eq!(found(line), [PathBuf::from("/dev/sh \nm")]);
        for (from, to) in [("- tmpfs", "- ext4"), ("rw,nosuid", "ro,nosuid")] {
            assert_eq!(found(&line.replace(from, to)), [] as [PathBuf; 0], "{to}");
        }
    }

    #[test]
    fn what_may_be_changed_of_a_mount_is_its_part_of_what_may_be_changed() {
        let shm = Path::new("/dev/shm");
        let trees = |writable: &[&str]| {
            let writable: Vec<PathBuf> = writable.iter().map(PathBuf::from).collect();
            trees(shm, Some(&writable))
        };
        assert_eq!(trees(&["/dev/shm/a", "/tmp"]), [Path::new("/dev/shm/a")]);
        assert_eq!(trees(&["/dev"]), [shm]);
        assert_eq!(trees(&["/dev/sh"]), [] as [&Path; 0]);
        assert_eq!(super::trees(shm, None), [shm]);
    }
}
