//! The temporary directory of a run: created before the command starts, removed when no process of it is
//! left.
//!
//! It is in `jail-UID` beneath the caller's TMPDIR, which only that user may enter. While jail runs, it
//! holds a lock (flock(2)) on the directory. A directory without a lock was left behind by a killed
//! jail, and the next run removes it at its end.

use super::User;
use nix::unistd::{getegid, geteuid};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

mod removal;

/// How many directories are checked for being left behind.
const MOST_LOOKED_AT: usize = 64;
/// How often a name is tried.
const TRIES: usize = 8;

/// The run's own directory. Dropping this removes it.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    name: String,
    /// The directory that contains it, and whether that holds only directories of this kind.
    parent: File,
    shared: bool,
    /// The directory, locked. `None` once it was removed.
    directory: Option<File>,
}

impl Temporary {
    /// Creates one beneath `base`, owned by the user that the command runs as; with the name of an `earlier` one that
    /// was removed, if it is free.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn make(base: &Path, user: Option<&User>, earlier: Option<&Path>) -> io::Result<Temporary> {
        let (uid, gid) = match user {
            Some(user) => (user.uid, user.gid),
            None => (geteuid().as_raw(), getegid().as_raw()),
        };
        let (above, parent) = match own_parent(base, uid, gid) {
            Ok(found) => found,
            // Another user may have taken the name.
            Err(_) => (base.to_owned(), open_directory(base)?),
        };
        let shared = above != base;
        let earlier = earlier.filter(|earlier| earlier.parent() == Some(&above));
        let mut earlier = earlier.and_then(Path::file_name).and_then(OsStr::to_str);
        for _ in 0..TRIES {
            let prefix = if shared { "" } else { "jail-" };
            let again = earlier.take();
            let name = match again {
                Some(name) => name.to_owned(),
                None => format!("{prefix}{}", random()?),
            };
            let at = within(&parent, &name);
            match DirBuilder::new().mode(0o700).create(&at) {
                Err(_) if again.is_some() => continue,
                created => created?,
            }
            // Until it is locked, another run that ends may remove it as left behind.
            let directory = match open_directory(&at) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened?,
            };
            // On a file system without locks, nothing is ever treated as left behind.
            if matches!(directory.try_lock(), Err(TryLockError::WouldBlock)) || !is(&at, &directory)
            {
                continue;
            }
            directory.set_permissions(Permissions::from_mode(0o700))?;
            if user.is_some() {
                fchown(&directory, Some(uid), Some(gid))?;
            }
            return Ok(Temporary {
                path: above.join(&name),
                name,
                parent,
                shared,
                directory: Some(directory),
            });
        }
        Err(io::Error::other("another program removes it at once"))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and others that were left behind. `Some`: a message about what could not be removed.
    pub fn remove(mut self) -> Option<String> {
        self.clear()
    }

    fn clear(&mut self) -> Option<String> {
        let directory = self.directory.take()?;
        let result = remove(&self.parent, &self.name, &directory);
        // A program that runs many commands checks once.
        static LOOKED: AtomicBool = AtomicBool::new(false);
        if self.shared && !LOOKED.swap(true, Ordering::Relaxed) {
            self.remove_left_behind();
        }
        let error = result.err()?;
        Some(format!("{} is left: {error}", self.path.display()))
    }

    fn remove_left_behind(&self) {
        let entries = fs::read_dir(within(&self.parent, "."))
            .into_iter()
            .flatten();
        for entry in entries.take(MOST_LOOKED_AT).flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_name(name)) else {
                continue;
            };
            if let Ok(directory) = open_directory(&within(&self.parent, name))
                && directory.try_lock().is_ok()
            {
                let _ = remove(&self.parent, name, &directory);
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Empties a directory and removes it.
fn remove(parent: &File, name: &str, directory: &File) -> io::Result<()> {
    removal::empty(directory)?;
    let at = within(parent, name);
    let result = match fs::remove_dir(&at) {
        // If the supervisor judges paths, the command may have put something else in its place.
        Err(error) if error.kind() == ErrorKind::NotADirectory => fs::remove_file(&at),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            removal::empty(&open_directory(&at)?)?;
            fs::remove_dir(&at)
        }
        result => result,
    };
    result.or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// `jail-UID` beneath a directory, created if it does not exist.
fn own_parent(base: &Path, uid: u32, gid: u32) -> io::Result<(PathBuf, File)> {
    let path = base.join(format!("jail-{uid}"));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let parent = open_directory(&path)?;
    let mut found = parent.metadata()?;
    // Root has just created it, for another user.
    if found.uid() != uid && found.uid() == geteuid().as_raw() {
        fchown(&parent, Some(uid), Some(gid))?;
        found = parent.metadata()?;
    }
    match found.uid() == uid && found.mode() & 0o077 == 0 {
        true => Ok((path, parent)),
        false => Err(ErrorKind::PermissionDenied.into()),
    }
}

/// Opens a directory, without following a symbolic link.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let mut fd = OwnedFd::from(file);
    super::landlock::past_streams(&mut fd).map_err(io::Error::other)?;
    Ok(fd.into())
}

/// Whether the path names this open directory.
fn is(path: &Path, file: &File) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// A name in an open directory, independent of what its path leads to now (proc_pid_fd(5)).
fn within(directory: &File, name: impl AsRef<Path>) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name)
}

/// 16 hexadecimal digits that cannot be guessed.
fn random() -> io::Result<String> {
    Ok(format!("{:016x}", super::random_word()?))
}

fn is_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}
