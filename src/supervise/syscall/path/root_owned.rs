//! Directories in which only root may change a name.
//!
//! Another process may belong to another jail: one of the same policy, or one of a policy that is not
//! known here. The permissions of the file system bound what it may change. So a path that leads through
//! root's directories only, and through none that this policy lets the command change, leads to what was
//! judged.
//!
//! Not held: a jail that runs as root under another policy may rename in root's directories.

use crate::supervise::tracee::Namespaces;
use crate::sys::files::NO_SYMLINKS;
use nix::sys::stat::fstat;
use nix::sys::statfs::fstatfs;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// So many directories are kept in mind.
const MOST: usize = 1024;

/// What is known of directories, by their paths without links. Only root can make a directory
/// another one that is fixed; one that is not may stay in mind as such.
#[derive(Debug, Default)]
pub struct Fixed(HashMap<Vec<u8>, bool>);

impl Fixed {
    /// Whether the name at the end of an absolute path, and every name above it, can be changed by
    /// root alone.
    pub fn holds(&mut self, namespaces: &Namespaces, path: &[u8]) -> bool {
        let end = path.iter().rposition(|byte| *byte == b'/');
        match end.filter(|_| path.starts_with(b"/")) {
            Some(end) => self.directory(namespaces, path.get(..end).unwrap_or_default()),
            None => false,
        }
    }

    /// The same of the names in a directory; the root's path is empty.
    fn directory(&mut self, namespaces: &Namespaces, path: &[u8]) -> bool {
        if let Some(known) = self.0.get(path) {
            return *known;
        }
        // From the root on: what a directory is tells nothing where the way to it may change.
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain([path.len()]);
        let mut fixed = true;
        for part in ends.filter_map(|end| path.get(..end)) {
            fixed = match self.0.get(part) {
                Some(known) => *known,
                None => {
                    let found = is_roots(namespaces, if part.is_empty() { b"/" } else { part });
                    self.keep(part, found)
                }
            };
            if !fixed {
                break;
            }
        }
        self.keep(path, fixed)
    }

    fn keep(&mut self, path: &[u8], fixed: bool) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(path.to_vec(), fixed);
        fixed
    }
}

/// Whether a directory is root's, and no other may write to it. (An access control list shows in the
/// group's permissions: acl(5).)
fn is_roots(namespaces: &Namespaces, path: &[u8]) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let Ok(directory) = namespaces.open(path, flags, NO_SYMLINKS) else {
        return false;
    };
    let stat = fstat(directory.as_fd());
    stat.is_ok_and(|stat| stat.st_uid == 0 && stat.st_mode & OTHERS_WRITE == 0)
        && is_kept_here(&directory)
}

/// Whether the kernel enforces the permissions that it tells. Those of a network file system or of FUSE
/// are what a server says.
fn is_kept_here(directory: &OwnedFd) -> bool {
    /// AFS, CEPH, CIFS, FUSE, NFS, SMB, SMB2 and 9P: linux/magic.h.
    const ELSEWHERE: [i128; 8] = [
        0x5346_414f,
        0x00c3_6400,
        0xff53_4d42,
        0x6573_5546,
        0x6969,
        0x517b,
        0xfe53_4d42,
        0x0102_1997,
    ];
    fstatfs(directory.as_fd())
        .is_ok_and(|found| !ELSEWHERE.contains(&i128::from(found.filesystem_type().0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_rename_is_not_fixed() {
        let (mut fixed, namespaces) = (Fixed::default(), Namespaces::default());
        assert!(fixed.holds(&namespaces, b"/proc/sys/kernel/ostype"));
        assert!(!fixed.holds(&namespaces, b"/proc/1/../sys/kernel/missing/x"));
        assert!(!fixed.holds(&namespaces, b"relative"));
        // It is everybody's, wherever it is there.
        assert!(!fixed.holds(&namespaces, b"/tmp/name"));
        assert!(!fixed.holds(&namespaces, b"/tmp/name/below"));
    }

    #[test]
    fn what_is_kept_in_mind_has_a_bound() {
        let (mut fixed, namespaces) = (Fixed::default(), Namespaces::default());
        for number in 0..3 * MOST {
            fixed.holds(&namespaces, format!("/proc/sys/{number}/name").as_bytes());
        }
        assert!(fixed.0.len() <= MOST);
    }
}
