//! Name changes that `protect` does not allow though nothing that they name is covered: a directory
//! that holds something covered is moved, or one comes to be above it (see `judge::protect`).
//!
//! A walk looks at what is there. What it finds not to be covered stays so, since no jail of this
//! policy can make or move a covered name; so the walk need not be repeated when the rename is made.

use super::resolve::{PATH_MAX, Resolved, is_directory, join};
use super::{Judged, PathObject, Refused, SyscallStop};
use crate::judge::{Beneath, Entered, Verdict};
use crate::paths::Access;
use crate::supervise::object::Object;
use crate::sys::Errno;
use crate::sys::files::{Arg, NO_SYMLINKS, openat2, perform};
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstat, fstatat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How many names a walk looks at: some 50 ms. Larger directories are not moved.
const NAMES: usize = 65_536;
/// What one getdents64(2) fills.
const BUFFER: usize = 32_768;
/// `d_type` of dirent(5).
const DT_DIR: u8 = 4;
const DT_UNKNOWN: u8 = 0;

fn denied<T>(verdict: Verdict, given: &[u8], path: Vec<u8>) -> Judged<T> {
    Err(Refused::Denied(
        verdict,
        Object::Path(PathObject {
            access: Access::Write,
            given: given.to_vec(),
            resolved: path,
            exists: true,
        }),
    ))
}

/// Whether `to` may become another name of an object, or its only one.
pub(super) fn may_become(
    stop: &SyscallStop<'_>,
    object: &OwnedFd,
    given: &[u8],
    from: &Resolved,
    to: &[u8],
) -> Judged<()> {
    let judge = &stop.plan.judge;
    if is_directory(object) {
        if let Some(verdict) = judge.gained(&from.path, to) {
            return denied(verdict, given, to.to_vec());
        }
        return match judge.beneath(&from.path) {
            Some(beneath) => Walk::of(object, given, &from.path).look(beneath),
            None => Ok(()),
        };
    }
    match is_link(object) {
        true => may_be_link(stop, given, to),
        false => may_be_file(stop, given, to),
    }
}

/// Whether anything but a directory may be changed or made at `path`.
pub(super) fn may_be_file(stop: &SyscallStop<'_>, given: &[u8], path: &[u8]) -> Judged<()> {
    match stop.plan.judge.occupied(path) {
        Some(verdict) => denied(verdict, given, path.to_vec()),
        None => Ok(()),
    }
}

/// Whether a symbolic link may stand at `path`.
pub(super) fn may_be_link(stop: &SyscallStop<'_>, given: &[u8], path: &[u8]) -> Judged<()> {
    match stop.plan.judge.replaced(path) {
        Some(verdict) => denied(verdict, given, path.to_vec()),
        None => Ok(()),
    }
}

fn is_link(object: &OwnedFd) -> bool {
    let kind = |mode| SFlag::from_bits_truncate(mode) & SFlag::S_IFMT;
    // What cannot be told may be one.
    fstat(object.as_fd()).map_or(true, |stat| kind(stat.st_mode) == SFlag::S_IFLNK)
}

/// A path, its directory, and its name there.
pub(super) type Name<'a> = (&'a [u8], &'a OwnedFd, &'a CStr);

/// A file that was renamed: it was judged as what it was, and another jail may have put a directory or
/// a symbolic link in its place before the call was made. Then the rename is taken back.
pub(super) fn was_file(stop: &SyscallStop<'_>, from: Name<'_>, to: Name<'_>) -> Judged<()> {
    let (from_path, from_directory, from_name) = from;
    let (path, to_directory, to_name) = to;
    let judge = &stop.plan.judge;
    let verdict = judge
        .replaced(path)
        .or_else(|| judge.gained(from_path, path));
    let Some(verdict) = verdict else {
        return Ok(());
    };
    let stat = fstatat(to_directory.as_fd(), to_name, AtFlags::AT_SYMLINK_NOFOLLOW);
    let kind = stat.map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
    if !matches!(kind, Ok(SFlag::S_IFDIR | SFlag::S_IFLNK)) {
        return Ok(());
    }
    let number = |directory: &OwnedFd| Arg::Number(directory.as_raw_fd() as u64);
    let args = [
        number(to_directory),
        Arg::Text(to_name),
        number(from_directory),
        Arg::Text(from_name),
        Arg::Number(libc::RENAME_NOREPLACE.into()),
        Arg::Number(0),
    ];
    if perform(libc::SYS_renameat2, args).is_err() && kind == Ok(SFlag::S_IFLNK) {
        let args = [number(to_directory), Arg::Text(to_name), Arg::Number(0)];
        let _ = perform(libc::SYS_unlinkat, super::raw::six(args));
    }
    denied(verdict, path, path.to_vec())
}

/// A look through a directory that is to be moved.
struct Walk<'a> {
    top: &'a OwnedFd,
    given: &'a [u8],
    /// The path of the top.
    from: &'a [u8],
    /// The way from the top to where the walk is.
    way: Vec<u8>,
    left: usize,
    buffer: Vec<u8>,
}

/// A directory on the way, and what of it is still to be entered.
struct Level<'a> {
    /// The length of the way to it.
    length: usize,
    beneath: Beneath<'a>,
    directories: Vec<Vec<u8>>,
}

impl Walk<'_> {
    fn of<'a>(top: &'a OwnedFd, given: &'a [u8], from: &'a [u8]) -> Walk<'a> {
        Walk {
            top,
            given,
            from,
            way: Vec::new(),
            left: NAMES,
            buffer: vec![0; BUFFER],
        }
    }

    /// Goes through all that may hold something covered. One descriptor is open at a time, and what
    /// is kept is at most [`NAMES`] names.
    fn look(&mut self, beneath: Beneath<'_>) -> Judged<()> {
        let mut levels = vec![self.level(beneath)?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.directories.pop() else {
                levels.pop();
                continue;
            };
            self.way.truncate(level.length);
            let Entered::Beneath(beneath) = level.beneath.enter(&name) else {
                continue;
            };
            if !self.way.is_empty() {
                self.way.push(b'/');
            }
            self.way.extend_from_slice(&name);
            levels.push(self.level(beneath)?);
        }
        Ok(())
    }

    /// Reads the directory at the end of the way.
    fn level<'a>(&mut self, beneath: Beneath<'a>) -> Judged<Level<'a>> {
        let mut level = Level {
            length: self.way.len(),
            beneath,
            directories: Vec::new(),
        };
        let directory = match self.open() {
            Ok(directory) => directory,
            // It is gone, or was none: neither can have held anything covered.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) if level.length > 0 => {
                return Ok(level);
            }
            Err(_) => return self.unsearched(&level.beneath),
        };
        loop {
            let args = [
                Arg::Number(directory.as_raw_fd() as u64),
                Arg::Out(&mut self.buffer),
                Arg::Number(BUFFER as u64),
            ];
            let filled = perform(libc::SYS_getdents64, super::raw::six(args));
            let Ok(filled) = filled else {
                return self.unsearched(&level.beneath);
            };
            if filled == 0 {
                return Ok(level);
            }
            let buffer = std::mem::take(&mut self.buffer);
            let entries = buffer.get(..filled as usize).unwrap_or_default();
            let seen = self.names(entries, &mut level);
            self.buffer = buffer;
            seen?;
        }
    }

    /// Looks at the entries of a directory as getdents64(2) has them.
    fn names(&mut self, mut entries: &[u8], level: &mut Level<'_>) -> Judged<()> {
        // struct linux_dirent64: d_ino, d_off, d_reclen, d_type, d_name.
        while let (Some(length), Some(kind)) = (entries.get(16..18), entries.get(18)) {
            let length = usize::from(u16::from_ne_bytes(length.try_into().unwrap_or_default()));
            let name = entries.get(19..length).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let kind = *kind;
            entries = entries.get(length.max(1)..).unwrap_or_default();
            if name.is_empty() || name == b"." || name == b".." {
                continue;
            }
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return self.unsearched(&level.beneath);
            }
            match level.beneath.enter(name) {
                Entered::Covered(verdict) => {
                    let mut path = self.place();
                    join(&mut path, name);
                    return denied(verdict, self.given, path);
                }
                Entered::Beneath(beneath) => {
                    if matches!(kind, DT_DIR | DT_UNKNOWN) && !beneath.is_nothing() {
                        level.directories.push(name.to_vec());
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        let way = match self.way.as_slice() {
            [] => c".".to_owned(),
            way if way.len() >= PATH_MAX => return Err(Errno::ENAMETOOLONG),
            way => CString::new(way).map_err(|_| Errno::EINVAL)?,
        };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NONBLOCK;
        let resolve = NO_SYMLINKS | libc::RESOLVE_BENEATH;
        openat2(self.top.as_raw_fd(), &way, flags, resolve)
    }

    /// Where the walk is.
    fn place(&self) -> Vec<u8> {
        let mut path = self.from.to_vec();
        if !self.way.is_empty() {
            join(&mut path, &self.way);
        }
        path
    }

    fn unsearched<T>(&self, beneath: &Beneath<'_>) -> Judged<T> {
        match beneath.unsearched() {
            Some(verdict) => denied(verdict, self.given, self.place()),
            None => Err(Errno::EACCES.into()),
        }
    }
}
