//! The terminals that a command is started with. The command has them open, so it may also open them by
//! their names, whatever the policy says of `/dev/pts`: a shell's `tty`, `less` and `gpg` do so.
//!
//! Other terminals of the same user are not allowed, because the command could read what is typed there.

use super::Command;
use crate::plan::Terminal;
use crate::policy::{Action, List, Policy};
use crate::sys::{self, process, terminal};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The major number of pseudoterminals (Documentation/admin-guide/devices.txt).
const PTS_MAJOR: u32 = 136;

impl Command {
    /// The command's terminals: its open streams and passed descriptors, and its controlling terminal if
    /// the policy opens `/dev/tty`. `piped`: which streams will be pipes.
    pub fn terminals(&self, policy: &Policy, piped: [bool; 3]) -> Vec<Terminal> {
        if policy.default.action == Action::Allow {
            return Vec::new();
        }
        let mut found: Vec<Terminal> = Vec::new();
        let open = self.descriptors(piped).into_iter();
        let controlling = || opens_controlling(policy).then(controlling).flatten();
        for terminal in open.filter_map(held).chain(controlling()) {
            match found.iter_mut().find(|known| known.path == terminal.path) {
                Some(known) => {
                    known.read |= terminal.read;
                    known.write |= terminal.write;
                }
                None => found.push(terminal),
            }
        }
        found
    }
}

/// The terminal of this descriptor.
fn held(fd: RawFd) -> Option<Terminal> {
    if !terminal::is_terminal(fd) {
        return None;
    }
    let copy = process::duplicate(fd)?;
    let flags = sys::files::status_flags(copy.as_fd()).ok()? & libc::O_ACCMODE;
    Some(Terminal {
        path: name(copy.as_fd())?,
        read: flags == libc::O_RDONLY || flags == libc::O_RDWR,
        write: flags == libc::O_WRONLY || flags == libc::O_RDWR,
    })
}

/// The terminal's path, if it leads to this terminal: a descriptor from another container has a name
/// from there, which may be another terminal here.
fn name(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    let found = fs::symlink_metadata(&path).ok()?;
    let open = fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    let same = (found.dev(), found.ino()) == (open.dev(), open.ino());
    let named = path.starts_with("/dev") && path != Path::new(Terminal::CONTROLLING);
    (same && named && found.file_type().is_char_device()).then_some(path)
}

/// Whether the policy lets the controlling terminal be opened by its general name.
fn opens_controlling(policy: &Policy) -> bool {
    let name = Terminal::CONTROLLING.as_bytes();
    let covers = |list: List| {
        let mut entries = policy.paths.iter().filter(|entry| entry.list == list);
        entries.any(|entry| entry.covers(name))
    };
    covers(List::Write) && !covers(List::Deny) && !covers(List::Hide)
}

/// The controlling terminal, if it is a pseudoterminal.
fn controlling() -> Option<Terminal> {
    // Encoded as by new_encode_dev() of linux/kdev_t.h.
    let device = terminal::controlling_device()?;
    let (major, minor) = (
        (device & 0xfff00) >> 8,
        device & 0xff | (device >> 12) & 0xfff00,
    );
    let path = PathBuf::from(format!("/dev/pts/{minor}"));
    let found = fs::symlink_metadata(&path).ok()?;
    let same = found.rdev() == libc::makedev(major, minor);
    (major == PTS_MAJOR && same && found.file_type().is_char_device()).then_some(Terminal {
        path,
        read: true,
        write: true,
    })
}
