//! The files that a command is started with. The command may open again, by a name such as `/dev/stdin`,
//! a file that it holds as a descriptor, with no more access than the descriptor has: that gives it
//! nothing new.
//!
//! Only files that the caller has handed over count, recognised by device and inode; descriptors that
//! the command opens itself do not. An entry of the policy that denies, hides or protects the file takes
//! precedence.

use super::{Command, landlock};
use crate::plan::{Plan, Reopened};
use crate::sys::files::{openat2, status_flags_of};
use nix::sys::stat::{FileStat, SFlag, fstat, lstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::ffi::CString;
use std::fs::read_link;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The devices of linux/drivers/char/mem.c that are the same at each open: null, zero, full, random,
/// urandom.
const MEMORY_MAJOR: u64 = 1;
const MEMORY_MINORS: [u64; 5] = [3, 5, 7, 8, 9];

/// A file that the command holds and the policy does not open.
#[derive(Debug)]
pub struct Handed {
    /// Keeps the inode from being reused while open. O_PATH: it neither holds a lock nor keeps a pipe
    /// open.
    object: OwnedFd,
    device: u64,
    inode: u64,
    /// Whether the command may open it for reading.
    pub read: bool,
    /// Whether the command may open it for writing.
    pub write: bool,
}

impl Handed {
    /// Whether this is the file.
    pub fn is(&self, found: &FileStat) -> bool {
        (self.device, self.inode) == (found.st_dev, found.st_ino)
    }

    pub(super) fn object(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}

impl Command {
    /// The command's streams and passed descriptors, as far as they are files that the policy does not
    /// open anyway.
    pub(super) fn handed(&self, plan: &Plan) -> Vec<Handed> {
        let mut handed: Vec<Handed> = Vec::new();
        let all = self.descriptors([false; 3]).into_iter();
        for file in all.filter_map(|fd| held(fd, plan)) {
            let same =
                |known: &&mut Handed| (known.device, known.inode) == (file.device, file.inode);
            match handed.iter_mut().find(same) {
                Some(known) => {
                    known.read |= file.read;
                    known.write |= file.write;
                }
                None => handed.push(file),
            }
        }
        handed
    }
}

/// The file of this descriptor, unless the policy already allows all the access that the descriptor has.
///
/// The descriptor is not duplicated: to close the copy would release the locks of fcntl(2) that this process
/// has on the file.
fn held(fd: RawFd, plan: &Plan) -> Option<Handed> {
    let flags = status_flags_of(fd).ok()?;
    let mode = match flags & libc::O_PATH {
        0 => flags & libc::O_ACCMODE,
        _ => return None,
    };
    let link = format!("/proc/self/fd/{fd}");
    let opened = CString::new(link.as_str()).ok()?;
    let mut object = openat2(libc::AT_FDCWD, &opened, libc::O_PATH, 0).ok()?;
    let found = fstat(object.as_fd()).ok()?;
    if !is_plain(&found) {
        return None;
    }
    let path = name(&link, &found)?;
    let reads = matches!(mode, libc::O_RDONLY | libc::O_RDWR);
    let writes = matches!(mode, libc::O_WRONLY | libc::O_RDWR);
    let Reopened { read, write } = plan.reopens(&path, reads, writes)?;
    if is_of_proc(object.as_fd()) {
        return None;
    }
    landlock::past_streams(&mut object).ok()?;
    Some(Handed {
        object,
        device: found.st_dev,
        inode: found.st_ino,
        read,
        write,
    })
}

/// Whether opening it again gives the same object and nothing more: a directory would also open
/// everything beneath it, and some devices are another one at each open.
fn is_plain(found: &FileStat) -> bool {
    match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG | SFlag::S_IFIFO => true,
        SFlag::S_IFCHR => {
            let (major, minor) = (libc::major(found.st_rdev), libc::minor(found.st_rdev));
            u64::from(major) == MEMORY_MAJOR && MEMORY_MINORS.contains(&u64::from(minor))
        }
        _ => false,
    }
}

/// Files of a procfs are opened anew for the process that opens them.
fn is_of_proc(fd: BorrowedFd<'_>) -> bool {
    fstatfs(fd).map_or(true, |found| found.filesystem_type() == PROC_SUPER_MAGIC)
}

/// Its path, or its path before it was removed. `None`: the name leads to something else here, so the
/// policy's entries cannot be applied.
fn name(link: &str, found: &FileStat) -> Option<PathBuf> {
    const DELETED: &[u8] = b" (deleted)";
    let path = read_link(link).ok()?;
    if !path.is_absolute() {
        return None;
    }
    let leads = |other: FileStat| (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino);
    if lstat(&path).is_ok_and(leads) {
        return Some(path);
    }
    let former = path.as_os_str().as_bytes().strip_suffix(DELETED)?;
    // Landlock does not restrict files that never had a name.
    let named = found.st_nlink == 0 && !former.starts_with(b"/memfd:");
    named.then(|| PathBuf::from(std::ffi::OsStr::from_bytes(former)))
}
