//! Removes a tree that a hostile program has created, however deep, wide and protected it is.
//!
//! A nested directory is moved to the top before it is emptied, so that no path is longer than two
//! names, and neither memory nor descriptors grow with the tree. Names are removed relative to open
//! directories, and no symbolic link is followed. Files on another file system stay.

use super::within;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// How many names are read at a time before they are removed.
const AT_ONCE: usize = 256;

/// Removes everything in a directory.
///
/// # Errors
/// The first error.
pub fn empty(top: &File) -> io::Result<()> {
    // The command may have removed its own permissions.
    unlock(top)?;
    let mut top = Top {
        directory: top,
        device: top.metadata()?.dev(),
        moved: 0,
    };
    let directory = top.directory;
    top.clear(directory, true)
}

struct Top<'a> {
    directory: &'a File,
    device: u64,
    /// How many directories were moved to the top.
    moved: u64,
}

impl Top<'_> {
    /// Empties the top directory, or a directory in it.
    fn clear(&mut self, directory: &File, is_top: bool) -> io::Result<()> {
        loop {
            let (mut found, mut gone) = (0, 0);
            let mut failed = None;
            for entry in fs::read_dir(within(directory, "."))?.take(AT_ONCE) {
                let entry = entry?;
                let name = entry.file_name();
                found += 1;
                let result = match entry.file_type()?.is_dir() {
                    false => fs::remove_file(within(directory, &name)),
                    true if is_top => self.remove(Path::new(&name)),
                    true => self.bring_up(directory, Path::new(&name)),
                };
                match result {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        let name = name.as_bytes().escape_ascii();
                        failed.get_or_insert_with(|| {
                            io::Error::new(error.kind(), format!("{name}: {error}"))
                        });
                    }
                    _ => gone += 1,
                }
            }
            match failed {
                _ if found == 0 => return Ok(()),
                Some(error) if gone == 0 => return Err(error),
                _ => {}
            }
        }
    }

    /// Removes a directory in the top directory.
    fn remove(&mut self, name: &Path) -> io::Result<()> {
        let at = within(self.directory, name);
        // Most are empty by now.
        if fs::remove_dir(&at).is_ok() {
            return Ok(());
        }
        let directory = self.open(&at)?;
        self.clear(&directory, false)?;
        fs::remove_dir(&at)
    }

    /// Moves a deeper directory to the top. Moving a directory needs write permission for it
    /// (rename(2)).
    fn bring_up(&mut self, from: &File, name: &Path) -> io::Result<()> {
        let at = within(from, name);
        if fs::remove_dir(&at).is_ok() {
            return Ok(());
        }
        self.open(&at)?;
        loop {
            self.moved += 1;
            let to = within(self.directory, format!(".jail-moved-{}", self.moved));
            // The command may have created files with such names.
            match fs::rename(&at, &to) {
                Err(error) if is_taken(&error) => {}
                result => return result,
            }
        }
    }

    /// Opens a directory of this file system, and makes it writable.
    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let mut options = OpenOptions::new();
        let directory = options.read(true).custom_flags(flags).open(path)?;
        if directory.metadata()?.dev() != self.device {
            return Err(io::Error::other("another file system"));
        }
        unlock(&directory)?;
        Ok(directory)
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory
    )
}

/// Lets the owner list and change a directory.
fn unlock(directory: &File) -> io::Result<()> {
    match directory.metadata()?.mode() & 0o700 {
        0o700 => Ok(()),
        // By its descriptor: a name could be a symbolic link by now.
        _ => fs::set_permissions(within(directory, ""), Permissions::from_mode(0o700)),
    }
}
