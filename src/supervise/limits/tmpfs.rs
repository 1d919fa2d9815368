//! File systems in memory where the command may write: what its files there take, open or not.
//!
//! A tmpfs tells only how much of it is used, by everybody. As long as what came in addition since the
//! start leaves the limit alone, nobody has to look further. Else the trees are walked in which the
//! command may write: files that were changed since the start count.

use super::reading::Inode;
use nix::sys::statvfs::statvfs;
use std::collections::HashMap;
use std::fs::{Metadata, read_dir, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a walk may take. Of what is too large all that came in addition counts.
const WALK: Duration = Duration::from_millis(10);

/// One where the command may write.
#[derive(Debug)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// st_dev of its files.
    pub device: u64,
    /// The trees in it that the command may change.
    trees: Vec<PathBuf>,
    /// What was used at the start, in bytes.
    before: u64,
}

/// Those that are mounted, and in which of their trees may be written. `writable`: where the command
/// may change anything; `None`: anywhere.
pub fn mounts(writable: Option<&[PathBuf]>) -> Vec<Mount> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<Mount> = Vec::new();
    for path in text.lines().filter_map(mounted) {
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
                before: used(&path).unwrap_or_default(),
                device: stat.dev(),
                path,
                trees,
            }),
        }
    }
    mounts
}

/// The place of a mount, of one line of /proc/PID/mountinfo, if it is a tmpfs; blanks are `\040`.
fn mounted(line: &str) -> Option<PathBuf> {
    let (mount, system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(4);
    let (path, options) = (mount.next()?, mount.next()?);
    let kind = system.split(' ').next()?;
    let writable = options.split(',').all(|option| option != "ro");
    (matches!(kind, "tmpfs" | "devtmpfs") && writable).then(|| path.replace("\\040", " ").into())
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

fn used(mount: &Path) -> Option<u64> {
    let stat = statvfs(mount).ok()?;
    let blocks = stat.blocks().saturating_sub(stat.blocks_free());
    Some(blocks.saturating_mul(stat.fragment_size()))
}

impl Mount {
    /// What is used in addition to what was at the start, by whomever.
    pub fn growth(&self) -> u64 {
        let used = used(&self.path).unwrap_or_default();
        used.saturating_sub(self.before)
    }

    /// The files that were changed since the start, and are in its trees or among `open` ones, and what
    /// each takes in bytes; `None`: there are too many to look at, or some that may not be looked at.
    pub fn files(
        &self,
        since: (i64, i64),
        open: &HashMap<Inode, u64>,
    ) -> Option<HashMap<Inode, u64>> {
        let own = open
            .iter()
            .filter(|((device, _), _)| *device == self.device);
        let mut found: HashMap<Inode, u64> = own.map(|(&inode, &bytes)| (inode, bytes)).collect();
        let end = Instant::now() + WALK;
        let mut left: Vec<PathBuf> = self.trees.clone();
        while let Some(path) = left.pop() {
            let stat = match symlink_metadata(&path) {
                Ok(stat) => stat,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(_) => return None,
            };
            if Instant::now() >= end {
                return None;
            }
            if stat.dev() != self.device {
                continue;
            }
            if stat.is_dir() {
                match read_dir(&path) {
                    Ok(entries) => left.extend(entries.flatten().map(|entry| entry.path())),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(_) => return None,
                }
            } else if is_new(&stat, since) {
                found.insert((stat.dev(), stat.ino()), stat.blocks() * 512);
            }
        }
        Some(found)
    }
}

fn is_new(stat: &Metadata, since: (i64, i64)) -> bool {
    (stat.ctime(), stat.ctime_nsec()) >= since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_that_can_be_written_to_is_found_among_mounts() {
        let line = "25 24 0:23 / /dev/sh\\040m rw,nosuid shared:4 - tmpfs tmpfs rw,size=4k";
        assert_eq!(mounted(line), Some("/dev/sh m".into()));
        assert_eq!(mounted(&line.replace("- tmpfs", "- ext4")), None);
        assert_eq!(mounted(&line.replace("rw,nosuid", "ro,nosuid")), None);
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

    #[test]
    fn files_that_are_new_count_once_and_old_ones_do_not() {
        let root = std::env::temp_dir().join(format!("jail-walk-{}", std::process::id()));
        std::fs::create_dir_all(root.join("deep")).expect("mkdir");
        std::fs::write(root.join("deep/file"), vec![1; 1 << 16]).expect("a file");
        std::fs::hard_link(root.join("deep/file"), root.join("link")).expect("a link");
        let stat = symlink_metadata(root.join("link")).expect("a file");
        let mount = Mount {
            path: root.clone(),
            device: stat.dev(),
            trees: vec![root.clone()],
            before: 0,
        };
        let open = HashMap::from([((stat.dev(), stat.ino()), 7), ((0, 1), 9)]);
        let found = mount.files((0, 0), &open);
        let later = mount.files((i64::MAX, 0), &HashMap::new());
        let _ = std::fs::remove_dir_all(&root);
        let file = ((stat.dev(), stat.ino()), stat.blocks() * 512);
        assert_eq!(found, Some(HashMap::from([file])));
        assert_eq!(later, Some(HashMap::new()));
    }
}
