//! The mounts of a mount namespace: the command's own `/tmp`, `/dev/shm` and `/proc`, and everything
//! else read-only if the policy asks for it.
//!
//! Mount events do not propagate to or from the host's namespace. The directory that the command starts
//! in stays visible even if it is beneath one of the private directories.

use super::lookup;
use super::{Command, LaunchError, Step};
use crate::sys::{Errno, namespace, process};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The directories that are private, and empty.
pub const PRIVATE: [&CStr; 2] = [c"/tmp", c"/dev/shm"];

/// What else is not made read-only: the device files, and the files of processes about themselves.
const SPECIAL: [&str; 2] = ["/dev", "/proc"];

/// The mounts to set up, allocated before the fork.
pub struct Mounts {
    /// The directory to start in. It must be entered again, because the mount over it is another
    /// directory.
    start: CString,
    /// The directories on the way to it from a private one, including itself.
    inside: Option<Vec<CString>>,
    /// The paths that stay writable while the rest is read-only, parents first.
    writable: Option<Vec<CString>>,
    /// Their detached copies meanwhile.
    copies: Mutex<Vec<Option<OwnedFd>>>,
    /// The mount options of a tmpfs.
    options: CString,
    /// A directory to create in the private `/tmp`, and its mode.
    tmpdir: Option<(CString, u32)>,
    proc: bool,
}

impl Mounts {
    /// # Errors
    /// [`LaunchError::Private`] if the program itself is in a private directory.
    pub fn new(command: &Command) -> Result<Mounts, LaunchError> {
        let isolation = &command.isolation;
        let start = lookup::in_directory(command, Path::new("."));
        let start = start.canonicalize().unwrap_or(start);
        if let Some(program) = lookup::program(command)
            && let Some(private) = private(&program)
            && (start == private || !program.starts_with(&start))
        {
            return Err(LaunchError::Private {
                place: isolation.place.clone(),
                program,
                private,
            });
        }
        let inside = match private(&start).filter(|private| *private != start) {
            Some(private) => {
                let above = start.ancestors().take_while(|path| *path != private);
                let mut above = above.map(text).collect::<Result<Vec<_>, _>>()?;
                above.reverse();
                Some(above)
            }
            None => None,
        };
        // If everything may be written, nothing is made read-only.
        let named = isolation.read_only.as_ref();
        let named = named.filter(|named| !named.iter().any(|path| path == Path::new("/")));
        let writable = named.map(|named| {
            let mut all: Vec<PathBuf> = named.clone();
            all.extend(SPECIAL.iter().map(PathBuf::from));
            all.sort();
            all.dedup();
            all.iter()
                .map(|path| text(path))
                .collect::<Result<Vec<_>, _>>()
        });
        let writable = writable.transpose()?;
        let room = writable.as_ref().map_or(0, Vec::len);
        Ok(Mounts {
            start: text(&start)?,
            inside,
            writable,
            copies: Mutex::new(Vec::with_capacity(room)),
            options: options(isolation.temporary)?,
            tmpdir: match &isolation.tmpdir {
                // If root creates it for another user, others may enter it: no other user sees these
                // mounts.
                Some(path) if command.user.is_some() => Some((text(path)?, 0o1777)),
                Some(path) => Some((text(path)?, 0o700)),
                None => None,
            },
            proc: isolation.has_own_proc(),
        })
    }

    /// Sets up the mounts. The calling process must be alone in its mount namespace, and in its pid
    /// namespace if it has one.
    pub fn make(&self) -> Result<(), (Step, Errno)> {
        let at = |step| move |errno| (step, errno);
        namespace::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)
            .map_err(at(Step::Private))?;
        if let Some(writable) = &self.writable {
            self.close_all_but(writable).map_err(at(Step::ReadOnly))?;
        }
        // Copied now, before a mount covers it.
        let copy = self
            .inside
            .as_ref()
            .map(|above| Ok((above, namespace::copy_mounts(&self.start)?)));
        let copy = copy.transpose().map_err(at(Step::Start))?;
        for directory in PRIVATE {
            let flags = libc::MS_NOSUID | libc::MS_NODEV;
            let options = Some(self.options.as_c_str());
            match namespace::mount(Some(c"tmpfs"), directory, Some(c"tmpfs"), flags, options) {
                // If it does not exist, nothing is shared through it.
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err((Step::Temporary, errno)),
            }
        }
        if let Some((path, mode)) = &self.tmpdir {
            namespace::make_directory(path, *mode).map_err(at(Step::Temporary))?;
        }
        if let Some((above, copy)) = copy {
            for directory in above {
                namespace::make_directory(directory, 0o755).map_err(at(Step::Start))?;
            }
            namespace::mount_copy(&copy, &self.start).map_err(at(Step::Start))?;
        }
        if self.proc {
            let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
            namespace::mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, None)
                .map_err(at(Step::Proc))?;
        }
        process::chdir(&self.start).map_err(at(Step::Start))
    }

    /// The writable paths are copied first and mounted last, so that nothing becomes writable that was
    /// not.
    fn close_all_but(&self, writable: &[CString]) -> Result<(), Errno> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        for path in writable {
            copies.push(match namespace::copy_mounts(path) {
                Ok(copy) => Some(copy),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(errno),
            });
        }
        namespace::make_read_only(c"/")?;
        for (path, copy) in writable.iter().zip(copies.drain(..)) {
            if let Some(copy) = copy {
                namespace::mount_copy(&copy, path)?;
            }
        }
        Ok(())
    }
}

/// The private directory that contains a path without symbolic links.
fn private(path: &Path) -> Option<PathBuf> {
    let directories = PRIVATE.iter().filter_map(|private| {
        let private = Path::new(std::ffi::OsStr::from_bytes(private.to_bytes()));
        private.canonicalize().ok()
    });
    directories
        .into_iter()
        .find(|private| path.starts_with(private))
}

/// The mount(2) options for a tmpfs that everyone may write to.
fn options(most: Option<u64>) -> Result<CString, LaunchError> {
    let size = most.map_or(String::new(), |bytes| format!(",size={bytes}"));
    super::c_string(format!("mode=1777{size}").into())
}

fn text(path: &Path) -> Result<CString, LaunchError> {
    super::c_string(path.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_is_everybodys_and_as_large_as_it_may_be() {
        let said = |most| options(most).expect("options").into_string();
        assert_eq!(said(None).as_deref(), Ok("mode=1777"));
        assert_eq!(said(Some(4096)).as_deref(), Ok("mode=1777,size=4096"));
    }

    #[test]
    fn what_lies_in_a_private_directory_is_told() {
        let tmp = Path::new("/tmp").canonicalize().expect("a /tmp");
        assert_eq!(private(&tmp.join("a/b")), Some(tmp.clone()));
        assert_eq!(private(&tmp), Some(tmp));
        assert_eq!(private(Path::new("/tmpfile")), None);
        assert_eq!(private(Path::new("/usr/bin/sh")), None);
    }
}
