//! The system's own files and directories that plans grant, kept open for a program that starts many commands: a
//! ruleset for another directory then costs no look at them. All threads share them.
//!
//! No command under the plan can change these, so they are asked for ten times a second at most. If one is replaced,
//! commands cannot use the new one until then.

use super::kept::{Object, Objects};
use crate::plan::{ByPath, Plan, is_beneath};
use crate::sys::files::open_without_links;
use crate::sys::process;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long they are taken for the same.
const STAYS: Duration = Duration::from_millis(100);
/// Where they are.
const TREES: [&str; 9] = [
    "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];
/// How many are kept open, and one of how many descriptors that this process may have.
const MOST: u64 = 256;
const PART: u64 = 8;

/// The file that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    device: u64,
    inode: u64,
    mode: u32,
}

impl Found {
    /// What is at the path now; `None`: nothing.
    pub fn at(path: &Path) -> Option<Found> {
        path.symlink_metadata().ok().map(Found::from)
    }

    fn is_directory(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

impl From<std::fs::Metadata> for Found {
    fn from(found: std::fs::Metadata) -> Found {
        Found {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
        }
    }
}

/// What a path led to, and that file, open, if it was not a symbolic link.
#[derive(Debug, Clone)]
struct Kept {
    found: Option<Found>,
    file: Option<Arc<OwnedFd>>,
}

impl Kept {
    fn open(path: &Path) -> Kept {
        let text = CString::new(path.as_os_str().as_bytes());
        let file = text.ok().and_then(|path| open_without_links(&path).ok());
        let status = |file: OwnedFd| {
            let file = std::fs::File::from(file);
            let found = file.metadata().ok()?;
            Some((Found::from(found), Arc::new(OwnedFd::from(file))))
        };
        match file.and_then(status) {
            Some((found, file)) => Kept {
                found: Some(found),
                file: Some(file),
            },
            None => Kept {
                found: Found::at(path),
                file: None,
            },
        }
    }
}

/// Those that were asked for, at one time.
#[derive(Debug, Clone, Default)]
pub struct SystemFiles(ByPath<OsString, Kept>);

impl Objects for SystemFiles {
    fn at(&self, path: &Path) -> Option<Object<'_>> {
        let kept = self.0.get(path.as_os_str())?;
        Some(match (&kept.file, kept.found) {
            (Some(file), Some(found)) => Object::Open(file.as_fd(), found.is_directory()),
            _ => Object::Gone,
        })
    }
}

/// The newest of them.
#[derive(Debug)]
pub struct System(Mutex<Newest>);

#[derive(Debug)]
struct Newest {
    files: Arc<SystemFiles>,
    asked: Instant,
}

impl Default for System {
    fn default() -> System {
        System(Mutex::new(Newest {
            files: Arc::default(),
            asked: Instant::now(),
        }))
    }
}

impl System {
    /// Those at these paths, as far as there is room. The same value as before means that none has changed.
    pub fn at(&self, paths: &[&Path]) -> Arc<SystemFiles> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(newest.asked) >= STAYS {
            newest.asked = now;
            let is_same =
                |(path, kept): &(&OsString, &Kept)| Found::at(Path::new(path)) == kept.found;
            if !newest.files.0.iter().all(|entry| is_same(&entry)) {
                let files = newest.files.0.iter().filter(is_same);
                let files = files.map(|(path, kept)| (path.clone(), kept.clone()));
                newest.files = Arc::new(SystemFiles(files.collect()));
            }
        }
        let known = &newest.files.0;
        let mut new = paths
            .iter()
            .filter(|path| !known.contains_key(path.as_os_str()))
            .peekable();
        if new.peek().is_some() {
            let limit = process::descriptor_limit().map_or(0, |limit| (limit / PART).min(MOST));
            let room = (limit as usize).saturating_sub(known.len());
            let mut files = known.clone();
            files.extend(
                new.take(room)
                    .map(|path| (path.as_os_str().to_owned(), Kept::open(path))),
            );
            if files.len() > known.len() {
                newest.files = Arc::new(SystemFiles(files));
            }
        }
        Arc::clone(&newest.files)
    }
}

/// The paths of a plan: those of the system that no command under it can change, and the others.
pub fn paths(plan: &Plan) -> (Vec<&Path>, Vec<&Path>) {
    let paths = plan.files.grants.iter().map(|(path, _)| path);
    let sockets = plan.net.unix.iter().flatten();
    let is_within = |path: &Path, tree: &Path| {
        is_beneath(path.as_os_str().as_bytes(), tree.as_os_str().as_bytes())
    };
    let is_system = |path: &&Path| {
        let Some(writable) = &plan.files.writable else {
            return false;
        };
        TREES.iter().any(|tree| is_within(path, Path::new(tree)))
            && !writable.iter().any(|tree| is_within(path, tree))
    };
    let all = paths.chain(sockets).map(PathBuf::as_path);
    all.partition(is_system)
}
