//! Keeps a copy of the file of cases from before the first case ran. A case may be allowed to write to
//! that file, and could so choose the command and the policy of a later case.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;

/// A file without a name, which no command can open.
pub struct Copy(Arc<File>);

/// A reader of the copy, from its beginning.
pub struct Reader {
    file: Arc<File>,
    at: u64,
}

impl Copy {
    /// Copies the unread part of a regular file. `None`: it is not a regular file.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn of(file: BorrowedFd<'_>) -> io::Result<Option<Copy>> {
        let mut file = File::from(file.try_clone_to_owned()?);
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut copy = unnamed()?;
        io::copy(&mut file, &mut copy)?;
        Ok(Some(Copy(Arc::new(copy))))
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> Reader {
        Reader {
            file: Arc::clone(&self.0),
            at: 0,
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A file on disk, or in memory if the file system has no unnamed files (O_TMPFILE).
fn unnamed() -> io::Result<File> {
    let flags = libc::O_TMPFILE | libc::O_EXCL | libc::O_CLOEXEC;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).mode(0o600);
    match options.custom_flags(flags).open(std::env::temp_dir()) {
        Ok(file) => Ok(file),
        Err(_) => Ok(memfd_create(c"cases", MFdFlags::MFD_CLOEXEC)?.into()),
    }
}
