//! What a program that starts many commands keeps between starts: a thread that starts children, the
//! ruleset of the plan that was used last, and a thread that is confined for it.
//!
//! A ruleset grants the files that its paths led to when it was created, and keeps these alive. So it is
//! reused only if the paths still lead to the same files: a directory that was created anew is another
//! one. (The kernel keeps the inode that a rule names, so its number is not reused meanwhile.) The system's
//! own directories, which no command can change, are asked for ten times a second at most. If one is replaced,
//! commands cannot use the new one until then.

use super::child::Prepared;
use super::confined::Confined;
use super::kept::Taken;
use super::landlock::{self, Floor};
use super::{Handed, LaunchError};
use crate::plan::{Plan, is_beneath};
use crate::sys::clone_vm::CloneVmSpawner;
use crate::sys::{Errno, memory::SharedWords};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Starts commands, one at a time.
pub struct Spawner {
    room: CloneVmSpawner,
    /// Whether this program lets a thread of it be confined.
    confines: bool,
    confined: Option<Confined>,
    /// The plan of the last run.
    last: Option<Arc<Plan>>,
    /// Shared with the child of the last run.
    page: Option<Arc<SharedWords>>,
    cached: Option<CachedRuleset>,
}

/// A cached ruleset.
struct CachedRuleset {
    plan: Arc<Plan>,
    /// What the paths led to.
    found: Vec<Option<Found>>,
    /// The same of those that are the system's, and when they were asked for.
    system: Vec<Option<Found>>,
    asked: Instant,
    floor: Option<Arc<Floor>>,
}

/// How long the system's own directories are taken for the same.
const SYSTEM_STAYS: Duration = Duration::from_millis(100);
/// Where the system's own files are.
const SYSTEM: [&str; 9] = [
    "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];

/// The file that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    device: u64,
    inode: u64,
    mode: u32,
}

impl Spawner {
    /// Creates one.
    ///
    /// # Errors
    /// If memory or a thread cannot be had.
    pub fn new() -> std::io::Result<Spawner> {
        Ok(Spawner {
            room: CloneVmSpawner::new(|| Ok(()))?,
            confines: false,
            confined: None,
            last: None,
            page: None,
            cached: None,
        })
    }

    /// Whether commands can be started in it: see [`CloneVmSpawner::is_own`].
    pub fn is_own(&self) -> bool {
        self.room.is_own()
    }

    /// From now on a plan that is used again gets a thread that is confined once, for a program that owns its
    /// threads: see [`super::confined`].
    pub fn confine(&mut self) {
        self.confines = true;
    }

    /// Where a command is started: it may inherit what confines it, and is then told so.
    pub(super) fn room(
        &mut self,
        prepared: &mut Prepared<'_>,
        plan: &Arc<Plan>,
    ) -> &mut CloneVmSpawner {
        if !self.confines {
            return &mut self.room;
        }
        let again = self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, plan));
        if !again {
            self.last = Some(Arc::clone(plan));
            return &mut self.room;
        }
        let confined = match self.confined.take() {
            Some(confined) if confined.is_of(plan) => confined,
            _ => Confined::new(prepared, plan),
        };
        match self.confined.insert(confined).room(prepared) {
            Some(room) => {
                prepared.inherit();
                room
            }
            None => &mut self.room,
        }
    }

    /// The words for the next child, all 0: those of the last one, unless something still holds them.
    pub(super) fn page(&mut self) -> Result<Arc<SharedWords>, Errno> {
        if let Some(page) = self.page.as_mut().and_then(Arc::get_mut) {
            page.clear();
        } else {
            self.page = Some(Arc::new(SharedWords::new()?));
        }
        self.page.clone().ok_or(Errno::ENOMEM)
    }

    /// The ruleset of a plan. A command that was handed files gets its own ruleset, because these files
    /// are for no other command.
    pub(super) fn floor(
        &mut self,
        plan: &Arc<Plan>,
        handed: &[Handed],
    ) -> Result<Option<Arc<Floor>>, LaunchError> {
        let make = || {
            let none = Taken::default();
            let floor =
                landlock::floor(plan.domain, &plan.files, &plan.net, handed, (false, &none))?;
            Ok(floor.map(Arc::new))
        };
        if !handed.is_empty() {
            return make();
        }
        // Taken before the ruleset is created, so that a change meanwhile is noticed next time.
        let asked = Instant::now();
        let (system, others) = paths(plan);
        let found = found(&others);
        if let Some(cached) = &mut self.cached
            && Arc::ptr_eq(&cached.plan, plan)
            && cached.found == found
            && cached.knows_system(&system, asked)
        {
            return Ok(cached.floor.clone());
        }
        let system = self::found(&system);
        let floor = make()?;
        self.cached = Some(CachedRuleset {
            plan: Arc::clone(plan),
            found,
            system,
            asked,
            floor: floor.clone(),
        });
        Ok(floor)
    }
}

impl CachedRuleset {
    /// Whether the system's paths lead to the same files, as far as that was asked lately.
    fn knows_system(&mut self, paths: &[&Path], now: Instant) -> bool {
        if now.duration_since(self.asked) < SYSTEM_STAYS {
            return true;
        }
        self.asked = now;
        self.system == found(paths)
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
        SYSTEM.iter().any(|tree| is_within(path, Path::new(tree)))
            && !writable.iter().any(|tree| is_within(path, tree))
    };
    let all = paths.chain(sockets).map(PathBuf::as_path);
    all.partition(is_system)
}

fn found(paths: &[&Path]) -> Vec<Option<Found>> {
    let found = paths.iter().map(|path| {
        let found = path.symlink_metadata().ok()?;
        Some(Found {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
        })
    });
    found.collect()
}
