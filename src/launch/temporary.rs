//! The temporary directory of a run: made before the command starts, removed when none of it is left.
//!
//! It lies in `jail-UID` beneath the caller's TMPDIR, which that user alone may enter. While jail runs it
//! holds a lock (flock(2)) on it: a directory without one was left behind by a jail that was killed, and is
//! removed at the end of the next run.

use super::User;
use nix::unistd::{getegid, geteuid};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

mod removal;

/// How many directories are looked at for one that was left behind.
const MOST_LOOKED_AT: usize = 64;
/// How often a name is tried.
const TRIES: usize = 8;

/// A directory of the run's own. Dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    name: String,
    /// The directory that it lies in, and whether nothing else does but others of its kind.
    parent: File,
    shared: bool,
    /// Itself, locked. `None` once it was removed.
    directory: Option<File>,
}

impl Temporary {
    /// Makes one beneath `base`, of the user that the command runs as.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make(base: &Path, user: Option<&User>) -> io::Result<Temporary> {
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
        for _ in 0..TRIES {
            let prefix = if shared { "" } else { "jail-" };
            let name = format!("{prefix}{}", random()?);
            let at = within(&parent, &name);
            DirBuilder::new().mode(0o700).create(&at)?;
            // The end of another run may take it for left behind until it is locked.
            let directory = match open_directory(&at) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened?,
            };
            // Where a file system knows no locks, nothing is ever taken for left behind.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and others that were left behind. `Some`: what could not be removed, in words.
    pub fn remove(mut self) -> Option<String> {
        self.clear()
    }

    fn clear(&mut self) -> Option<String> {
        let directory = self.directory.take()?;
        let result = remove(&self.parent, &self.name, &directory);
        // A program that runs many looks once.
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
        // Where the supervisor judges paths the command may have put something else in its place.
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

/// `jail-UID` beneath a directory, made if it is not there.
fn own_parent(base: &Path, uid: u32, gid: u32) -> io::Result<(PathBuf, File)> {
    let path = base.join(format!("jail-{uid}"));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let parent = open_directory(&path)?;
    let mut found = parent.metadata()?;
    // Made just now by root, for another user.
    if found.uid() != uid && found.uid() == geteuid().as_raw() {
        fchown(&parent, Some(uid), Some(gid))?;
        found = parent.metadata()?;
    }
    match found.uid() == uid && found.mode() & 0o077 == 0 {
        true => Ok((path, parent)),
        false => Err(ErrorKind::PermissionDenied.into()),
    }
}

/// Opens a directory that no symbolic link stands for.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let mut fd = OwnedFd::from(file);
    super::floor::past_streams(&mut fd).map_err(io::Error::other)?;
    Ok(fd.into())
}

/// Whether that is what stands at a path.
fn is(path: &Path, file: &File) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// A name in an open directory, whatever its path leads to by now (proc_pid_fd(5)).
fn within(directory: &File, name: impl AsRef<Path>) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name)
}

/// 16 hexadecimal digits that cannot be guessed.
fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

fn is_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}
