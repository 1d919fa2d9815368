//! What a policy's paths led to when it was loaded, kept open until Landlock's rules are made: a policy has hundreds,
//! and one open then serves as the look at each and as the object of its rule. It also rules out that a path leads to
//! something else when the rule is made.

use crate::plan::ByPath;
use crate::policy::Keeper;
use crate::sys::files::{NO_SYMLINKS, close_all, openat2};
use crate::sys::{Errno, process};
use std::ffi::{CString, OsString};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers of descriptors that may be kept: not those of the streams, which the caller may have closed, and no
/// more than three of four that this process may have, because it must open other files meanwhile.
const MOST: u64 = 1024;

/// The open files. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Open>);

#[derive(Debug, Default)]
struct Open {
    /// One past the highest number that is kept.
    end: RawFd,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    kept: ByPath<OsString, OwnedFd>,
    /// The directory of the last path, as most have one that the next path is in, too.
    directory: Vec<u8>,
    /// That directory, once a second path in it was asked for: the kernel then has one name to look up, not all.
    /// `Some(None)`: it cannot be opened.
    opened: Option<Option<OwnedFd>>,
}

impl Kept {
    /// Keeps as many as this process can spare. The default keeps none.
    pub fn some() -> Kept {
        let may = process::descriptor_limit().map_or(0, |limit| limit / 4 * 3);
        Kept(Arc::new(Open {
            end: may.min(MOST) as RawFd,
            files: Mutex::default(),
        }))
    }

    /// What keeps files for a policy that is being loaded.
    pub fn keeper(&self) -> Arc<dyn Keeper> {
        let keeper: Arc<Open> = Arc::clone(&self.0);
        keeper
    }

    /// Takes all.
    pub(super) fn take(&self) -> Taken {
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        Taken(std::mem::take(&mut *files).kept)
    }
}

impl Files {
    /// Opens what is at a path, unless there is a symbolic link in it.
    fn open(&mut self, path: &[u8], numbers: Range<RawFd>) -> Result<OwnedFd, Errno> {
        let (directory, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) if at > 0 => (&path[..at], &path[at + 1..]),
            _ => return open(libc::AT_FDCWD, path),
        };
        if matches!(name, b"" | b"." | b"..") {
            return open(libc::AT_FDCWD, path);
        }
        if self.directory != directory {
            self.directory = directory.to_owned();
            self.opened = None;
        } else if self.opened.is_none() {
            let opened = open(libc::AT_FDCWD, directory).ok();
            self.opened = Some(opened.filter(|opened| numbers.contains(&opened.as_raw_fd())));
        }
        match self.opened.as_ref().and_then(Option::as_ref) {
            Some(opened) => open(opened.as_raw_fd(), name),
            None => open(libc::AT_FDCWD, path),
        }
    }
}

fn open(from: RawFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    openat2(from, &path, libc::O_PATH, NO_SYMLINKS)
}

impl Keeper for Open {
    fn keep(&self, path: &Path) -> Option<bool> {
        let numbers = 3..self.end;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match files.open(path.as_os_str().as_bytes(), numbers.clone()) {
            Ok(file) => file,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Some(false),
            Err(_) => return None,
        };
        if numbers.contains(&file.as_raw_fd()) {
            files.kept.insert(path.as_os_str().to_owned(), file);
        }
        Some(true)
    }
}

/// What paths lead to, as far as that is known without a look.
pub(super) trait Objects {
    /// `None`: not known.
    fn at(&self, path: &Path) -> Option<Object<'_>>;
}

/// What a path leads to.
pub(super) enum Object<'a> {
    /// This, which may be a directory.
    Opened(BorrowedFd<'a>),
    /// The same, and whether it is one.
    Open(BorrowedFd<'a>, bool),
}

/// The files, until the rules are made. Dropping them closes them by few calls.
#[derive(Default)]
pub(super) struct Taken(ByPath<OsString, OwnedFd>);

impl Objects for Taken {
    fn at(&self, path: &Path) -> Option<Object<'_>> {
        let file = self.0.get(path.as_os_str())?;
        Some(Object::Opened(file.as_fd()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        close_all(self.0.drain().map(|(_, file)| file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_kept_and_a_link_is_left_to_others() {
        let dir = std::env::temp_dir().join(format!("jail-kept-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let dir = dir.canonicalize().expect("its path");
        std::os::unix::fs::symlink("/etc", dir.join("link")).expect("a link");
        let kept = Kept::some();
        let keeper = kept.keeper();
        assert_eq!(keeper.keep(&dir), Some(true));
        assert_eq!(keeper.keep(&dir.join("link")), None);
        assert_eq!(keeper.keep(&dir.join("none")), Some(false));
        let taken = kept.take();
        assert!(taken.at(&dir).is_some());
        assert!(taken.at(Path::new("/etc")).is_none());
        drop(taken);
        assert!(kept.take().0.is_empty());
        let _ = std::fs::remove_dir_all(dir);
    }

    #[test]
    fn paths_of_one_directory_lead_to_what_they_name() {
        let dir = std::env::temp_dir().join(format!("jail-kept-beside-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/b")).expect("directories");
        let dir = dir.canonicalize().expect("its path");
        std::os::unix::fs::symlink("a", dir.join("link")).expect("a link");
        let kept = Kept::some();
        let keeper = kept.keeper();
        let mut found = Vec::new();
        for path in [
            "a", "none", "a", "link", "link/b", "a/b", "a/none", "a/b/none", "a/b",
        ] {
            found.push((path, keeper.keep(&dir.join(path))));
        }
        assert_eq!(keeper.keep(&dir.join("a/..")), Some(true));
        let there = |path| (path, Some(true));
        let missing = |path| (path, Some(false));
        let expected = [
            there("a"),
            missing("none"),
            there("a"),
            ("link", None),
            ("link/b", None),
            there("a/b"),
            missing("a/none"),
            missing("a/b/none"),
            there("a/b"),
        ];
        assert_eq!(found, expected);
        let taken = kept.take();
        for path in ["a", "a/b"] {
            let path = dir.join(path);
            let Some(Object::Opened(kept)) = taken.at(&path) else {
                panic!("{} is not kept", path.display());
            };
            let kept = std::fs::read_link(format!("/proc/self/fd/{}", kept.as_raw_fd()));
            assert_eq!(kept.expect("its name"), path);
        }
        let _ = std::fs::remove_dir_all(dir);
    }

    #[test]
    fn the_default_keeps_nothing_but_tells_what_is_there() {
        let kept = Kept::default();
        assert_eq!(kept.keeper().keep(Path::new("/")), Some(true));
        assert!(kept.take().0.is_empty());
    }
}
