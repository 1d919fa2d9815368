//! Directories whose path is longer than PATH_MAX. A program makes them one relative name after the
//! other; readlink(2) of /proc/PID/fd then fails with ENAMETOOLONG, and no single open reaches them.
//!
//! Their path is put together from the names in the directories above, up to the first whose path the
//! kernel tells, and is used only if it leads to the same directory from there. Both has a bound: past
//! it such a directory stays ENAMETOOLONG.

use super::resolve::{PATH_MAX, View, is_directory, path_of};
use crate::sys::Errno;
use crate::sys::files::{NO_SYMLINKS, openat2};
use nix::dir::Dir;
use nix::fcntl::AtFlags;
use nix::sys::stat::{fstat, fstatat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How many directories past PATH_MAX are named.
const MOST_LEVELS: usize = 1024;
/// How many entries of directories are looked at for that.
const MOST_ENTRIES: usize = 8192;

const DIRECTORY: i32 = libc::O_PATH | libc::O_DIRECTORY;

impl View<'_> {
    /// The path of what a descriptor of this process stands for.
    pub fn path_of(&self, object: &OwnedFd) -> Result<Vec<u8>, Errno> {
        match path_of(object) {
            Err(Errno::ENAMETOOLONG) if is_directory(object) => {
                let path = climb(object)?;
                match self.leads_to(&path, object) {
                    true => Ok(path),
                    false => Err(Errno::ENAMETOOLONG),
                }
            }
            other => other,
        }
    }

    /// Opens an absolute path in the tracee's root, of any length where no symbolic link is followed.
    pub(super) fn open(&self, path: &[u8], flags: i32, resolve: u64) -> Result<OwnedFd, Errno> {
        let namespaces = &self.tracees.namespaces;
        if path.len() < PATH_MAX || resolve & NO_SYMLINKS == 0 {
            return namespaces.open(path, flags, resolve);
        }
        let (first, mut rest) = cut(path)?;
        let mut here = namespaces.open(first, DIRECTORY, resolve)?;
        while rest.len() >= PATH_MAX {
            let (next, after) = cut(rest)?;
            let name = CString::new(next).map_err(|_| Errno::EINVAL)?;
            here = openat2(here.as_raw_fd(), &name, DIRECTORY, resolve)?;
            rest = after;
        }
        let name = CString::new(rest).map_err(|_| Errno::EINVAL)?;
        openat2(here.as_raw_fd(), &name, flags, resolve)
    }
}

/// As much of a path as can be opened at once, and the names after it.
fn cut(path: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let head = path.get(..PATH_MAX).unwrap_or(path);
    let end = head.iter().rposition(|byte| *byte == b'/');
    let end = end.filter(|end| *end > 0).ok_or(Errno::ENAMETOOLONG)?;
    let rest = path.get(end + 1..).unwrap_or_default();
    Ok((path.get(..end).unwrap_or_default(), rest))
}

/// The path of a directory, by the names in those above it.
fn climb(directory: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut names = Vec::new();
    let mut here = directory.try_clone().map_err(|_| Errno::EMFILE)?;
    let mut entries = MOST_ENTRIES;
    for _ in 0..MOST_LEVELS {
        let above = openat2(here.as_raw_fd(), c"..", DIRECTORY, 0)?;
        names.push(name(&above, &here, &mut entries)?);
        here = above;
        let mut path = match path_of(&here) {
            Err(Errno::ENAMETOOLONG) => continue,
            other => other?,
        };
        for name in names.iter().rev() {
            super::resolve::join(&mut path, name.to_bytes());
        }
        return Ok(path);
    }
    Err(Errno::ENAMETOOLONG)
}

/// The name of a directory in the one above it. `left`: how many entries may be looked at.
fn name(above: &OwnedFd, directory: &OwnedFd, left: &mut usize) -> Result<CString, Errno> {
    let wanted = fstat(directory.as_fd())?;
    let is = |name: &CStr| {
        let found = fstatat(above.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino))
    };
    let listed = openat2(above.as_raw_fd(), c".", libc::O_DIRECTORY, 0);
    let mut others = Vec::new();
    // Who may not read it is told what the kernel says of the whole path.
    let listed = listed.map_err(|_| Errno::ENAMETOOLONG)?;
    for entry in Dir::from_fd(listed)?.iter() {
        *left = left.checked_sub(1).ok_or(Errno::ENAMETOOLONG)?;
        let entry = entry?;
        let name = entry.file_name();
        match name.to_bytes() {
            b"." | b".." => {}
            _ if entry.ino() == wanted.st_ino && is(name) => return Ok(name.to_owned()),
            _ => others.push(name.to_owned()),
        }
    }
    // Mount points and directories of overlayfs have another number in the list.
    let found = others.into_iter().find(|name| is(name));
    found.ok_or(Errno::ENAMETOOLONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_cut_between_its_names() {
        let name = "n".repeat(200);
        let path = format!("/{}", vec![name.as_str(); 50].join("/"));
        let (mut all, mut rest) = (Vec::new(), path.as_bytes());
        while rest.len() >= PATH_MAX {
            let (first, after) = cut(rest).expect("it has short names");
            assert!(first.len() < PATH_MAX);
            all.extend_from_slice(first);
            all.push(b'/');
            rest = after;
        }
        all.extend_from_slice(rest);
        assert_eq!(all, path.as_bytes());
        assert!(cut(&[b'n'; 2 * PATH_MAX]).is_err());
    }
}
