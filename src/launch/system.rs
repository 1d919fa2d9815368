//! The system's own files and directories that plans grant, kept open for a program that starts many commands: a
//! ruleset for another directory then costs no look at them. All threads share them.
//!
//! No command under the plan can change these, so they are asked for ten times a second at most. If one is replaced,
//! commands cannot use the new one until then.

use super::kept::{Object, Objects};
use super::landlock::past_streams;
use crate::plan::{ByPath, Plan, is_beneath};
use crate::sys::files::open_without_links;
use crate::sys::process;
use std::ffi::{CString, OsString};
use std::fs::File;
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
/// What is not the system's there: any program may change it.
const SHARED: &str = "/dev/shm";
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

/// What a path led to, and that file, open.
#[derive(Debug, Clone)]
struct Kept {
    found: Found,
    file: Arc<OwnedFd>,
}

impl Kept {
    /// `None`: it is not there, or a symbolic link, or cannot be opened now.
    fn open(path: &Path) -> Option<Kept> {
        let text = CString::new(path.as_os_str().as_bytes()).ok()?;
        let mut file = open_without_links(&text).ok()?;
        past_streams(&mut file).ok()?;
        let file = File::from(file);
        let found = Found::from(file.metadata().ok()?);
        Some(Kept {
            found,
            file: Arc::new(file.into()),
        })
    }
}

/// Those that were asked for, at one time.
#[derive(Debug, Clone, Default)]
pub struct SystemFiles(ByPath<OsString, Kept>);

/// The paths of a plan.
pub struct Paths<'a> {
    /// The kept ones of the system, which other plans may share.
    pub system: Arc<SystemFiles>,
    /// The others, which are looked at for each run: it may be this plan's commands that change them.
    pub others: Vec<&'a Path>,
}

impl Objects for Paths<'_> {
    fn at(&self, path: &Path) -> Option<Object<'_>> {
        let kept = self.system.0.get(path.as_os_str())?;
        let is_other = self.others.contains(&path);
        (!is_other).then(|| Object::Open(kept.file.as_fd(), kept.found.is_directory()))
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
    /// The paths of a plan. The same `system` as before means that none of these has changed.
    pub fn paths<'a>(&self, plan: &'a Plan) -> Paths<'a> {
        let (mut of_system, mut others) = paths(plan);
        let system = self.at(&of_system);
        of_system.retain(|path| !system.0.contains_key(path.as_os_str()));
        others.append(&mut of_system);
        Paths { system, others }
    }

    /// Those at these paths, as far as there is room.
    fn at(&self, paths: &[&Path]) -> Arc<SystemFiles> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(newest.asked) >= STAYS {
            newest.asked = now;
            let is_same =
                |(path, kept): &(&OsString, &Kept)| Found::at(Path::new(path)) == Some(kept.found);
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
            let opened = |path: &&Path| Some((path.as_os_str().to_owned(), Kept::open(path)?));
            let opened: Vec<_> = new.take(room).filter_map(opened).collect();
            if !opened.is_empty() {
                let known = known
                    .iter()
                    .map(|(path, kept)| (path.clone(), kept.clone()));
                newest.files = Arc::new(SystemFiles(known.chain(opened).collect()));
            }
        }
        Arc::clone(&newest.files)
    }
}

/// The paths of a plan: those of the system that no command under it can change, and the others.
fn paths(plan: &Plan) -> (Vec<&Path>, Vec<&Path>) {
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
            && !is_within(path, Path::new(SHARED))
            && !writable.iter().any(|tree| is_within(path, tree))
    };
    let all = paths.chain(sockets).map(PathBuf::as_path);
    all.partition(is_system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Host, PlanOptions};
    use crate::policy::Policy;

    fn plan(read: &[&str], write: &[&str]) -> Plan {
        let text = format!("[fs]\nread = {read:?}\nwrite = {write:?}\n");
        let policy = Policy::parse(&text, "a.toml").expect("a policy");
        Plan::with(&policy, &Host::newest(), PlanOptions::default()).expect("a plan")
    }

    #[test]
    fn a_path_is_kept_or_looked_at_for_each_run() {
        let programs = std::fs::read_dir("/usr/bin").expect("programs");
        let programs = programs.flatten().map(|entry| entry.path());
        let programs: Vec<_> = programs.filter(|path| !path.is_symlink()).collect();
        let read = programs.iter().filter_map(|path| path.to_str());
        let is_plain = |text: &&str| text.bytes().all(|it| it == b'/' || it.is_ascii_lowercase());
        let read: Vec<_> = read.filter(is_plain).collect();
        let plan = plan(&read, &[]);
        let paths = System::default().paths(&plan);
        let most = process::descriptor_limit().expect("a limit") / PART;
        assert!(paths.system.0.len() <= most.min(MOST) as usize);
        for (path, _) in &plan.files.grants {
            let kept = paths.at(path).is_some();
            assert!(kept != paths.others.contains(&path.as_path()), "{path:?}");
        }
    }

    #[test]
    fn what_cannot_be_opened_now_is_opened_next_time() {
        let system = System::default();
        let missing = Path::new("/usr/none/such");
        let known = system.at(&[missing, Path::new("/usr")]);
        assert!(known.0.len() == 1 && !known.0.contains_key(missing.as_os_str()));
        assert!(Arc::ptr_eq(&known, &system.at(&[missing])));
    }

    #[test]
    fn a_plan_whose_commands_may_change_a_file_takes_no_kept_one() {
        let file = "/usr/share/doc";
        let (reads, writes) = (plan(&[file], &[]), plan(&[], &[file]));
        let system = System::default();
        let is_kept = |plan| system.paths(plan).at(Path::new(file)).is_some();
        assert!(is_kept(&reads));
        assert!(!is_kept(&writes));
    }

    #[test]
    fn what_all_users_may_write_to_is_not_the_systems() {
        let plan = plan(&["/dev/shm", "/dev/null"], &[]);
        let paths = System::default().paths(&plan);
        assert!(paths.others.contains(&Path::new("/dev/shm")));
        assert!(paths.at(Path::new("/dev/null")).is_some());
    }
}
