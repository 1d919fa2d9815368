//! The destination of the document of `--report`: a file that appears whole or not at all, or an open
//! descriptor.
//!
//! The directory is opened before the command starts, so that the command cannot redirect the document
//! by changing the path. No symbolic link is followed in it, and no existing file is opened.

use super::log;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, RenameFlags, fcntl, openat, renameat, renameat2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the reader of a descriptor may pause, so that it cannot block jail for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much a pipe that is ready accepts without blocking: PIPE_BUF (pipe(7)).
const CHUNK: usize = 4096;

/// The destination of the document.
#[derive(Debug)]
pub struct Place {
    to: To,
    name: String,
}

#[derive(Debug)]
enum To {
    /// A file with that name in the directory.
    Beside(OwnedFd, OsString),
    Descriptor(File),
}

/// Why there can be no document at a path.
#[derive(Debug)]
pub enum PlaceError {
    /// A descriptor that is open for reading only.
    Reading,
    /// It names a directory.
    Directory,
    /// The path exists, but is not a regular file.
    Kind(&'static str),
    /// The directory cannot be opened.
    Parent(PathBuf, io::Error),
    /// No file can be created in the directory.
    Create(PathBuf, Errno),
    /// The existing file cannot be removed.
    Remove(Errno),
}

impl std::error::Error for PlaceError {}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading => f.write_str(
                "it is open for reading only; open it for writing, as in `3>report.json`",
            ),
            Self::Directory => f.write_str("it is a directory; name a file in it"),
            Self::Kind(kind) => write!(
                f,
                "it is {kind}, which would be replaced; name a file, or an open descriptor as fd:N"
            ),
            Self::Parent(parent, error) if error.kind() == io::ErrorKind::NotFound => write!(
                f,
                "there is no directory {}; create it first",
                parent.display()
            ),
            Self::Parent(parent, error) => {
                write!(f, "cannot use the directory {}: {error}", parent.display())
            }
            Self::Create(parent, errno) => write!(
                f,
                "cannot create a file in {}: {}; name a directory that you may write to",
                parent.display(),
                errno.desc()
            ),
            Self::Remove(errno) => write!(
                f,
                "cannot replace what is there: {}; name another file",
                errno.desc()
            ),
        }
    }
}

impl Place {
    /// A file. Checks now whether it can be written. An existing file is removed: if jail were killed,
    /// it would be mistaken for this run's.
    ///
    /// # Errors
    /// If it cannot be written; nothing was removed then.
    pub fn file(path: &Path) -> Result<Self, PlaceError> {
        let text = path.as_os_str().as_encoded_bytes();
        let file = match path.file_name() {
            Some(file) if !text.ends_with(b"/") && !text.ends_with(b"/.") => file,
            _ => return Err(PlaceError::Directory),
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory: OwnedFd = fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits())
            .open(parent)
            .map_err(|error| PlaceError::Parent(parent.to_owned(), error))?
            .into();
        let there = is_there(&directory, file)?;
        let create = |errno| PlaceError::Create(parent.to_owned(), errno);
        let (_, trial) = temporary(&directory).map_err(create)?;
        remove(&directory, &trial).map_err(create)?;
        if there {
            remove(&directory, file).map_err(PlaceError::Remove)?;
        }
        Ok(Self {
            to: To::Beside(directory, file.to_owned()),
            name: path.to_string_lossy().into_owned(),
        })
    }

    /// An open descriptor, and its name in messages.
    ///
    /// # Errors
    /// If it is not open for writing.
    pub fn descriptor(file: File, name: String) -> Result<Self, PlaceError> {
        let flags = fcntl(&file, FcntlArg::F_GETFL).unwrap_or(libc::O_RDONLY);
        match flags & libc::O_ACCMODE {
            libc::O_WRONLY | libc::O_RDWR => Ok(Self {
                to: To::Descriptor(file),
                name,
            }),
            _ => Err(PlaceError::Reading),
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes the document. A file gets its name only after all of it is written.
    pub fn write(self, document: &[u8]) -> io::Result<()> {
        match self.to {
            To::Descriptor(file) => put(&file, document),
            To::Beside(directory, name) => {
                let (mut file, temporary) = temporary(&directory)?;
                let written = log::put(&mut file, document)
                    .map_err(|(_, error)| error)
                    .and_then(|()| Ok(take_place(&directory, &temporary, &name)?));
                if written.is_err() {
                    let _ = remove(&directory, &temporary);
                }
                written
            }
        }
    }
}

/// Writes to a descriptor as long as its reader makes progress.
fn put(mut file: &File, mut rest: &[u8]) -> io::Result<()> {
    let mut since = Instant::now();
    while !rest.is_empty() {
        let left = PATIENCE.saturating_sub(since.elapsed());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, timeout) {
            Ok(1..) => {}
            Err(Errno::EINTR) if !left.is_zero() => continue,
            Ok(_) => {
                let text = format!("it has not been read for {} s", PATIENCE.as_secs());
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
            Err(errno) => return Err(errno.into()),
        }
        match file.write(rest.get(..CHUNK).unwrap_or(rest)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                rest = rest.get(written..).unwrap_or_default();
                since = Instant::now();
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a file exists that may be replaced.
fn is_there(directory: &OwnedFd, name: &OsStr) -> Result<bool, PlaceError> {
    let found = match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        // Creating a file will report any other error.
        Err(_) => return Ok(false),
    };
    match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Ok(true),
        SFlag::S_IFDIR => Err(PlaceError::Directory),
        SFlag::S_IFLNK => Err(PlaceError::Kind("a symbolic link")),
        SFlag::S_IFIFO => Err(PlaceError::Kind("a pipe")),
        SFlag::S_IFSOCK => Err(PlaceError::Kind("a socket")),
        _ => Err(PlaceError::Kind("a device")),
    }
}

/// A new file in the directory, with an unpredictable name.
fn temporary(directory: &OwnedFd) -> Result<(File, OsString), Errno> {
    let random = RandomState::new().hash_one(std::process::id());
    let name = OsString::from(format!(".jail-report-{random:016x}"));
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = openat(
        directory,
        name.as_os_str(),
        flags,
        Mode::from_bits_truncate(0o666),
    )?;
    Ok((file.into(), name))
}

fn remove(directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)
}

/// Gives the file its name, whatever the command has put there meanwhile: rename(2) replaces anything
/// but a directory, and a directory is exchanged with the file.
fn take_place(directory: &OwnedFd, temporary: &OsStr, name: &OsStr) -> Result<(), Errno> {
    match renameat(directory, temporary, directory, name) {
        Err(Errno::EISDIR) => renameat2(
            directory,
            temporary,
            directory,
            name,
            RenameFlags::RENAME_EXCHANGE,
        ),
        other => other,
    }
}
