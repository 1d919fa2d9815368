//! What a program that starts many commands keeps between starts: the stack for a child, and the ruleset
//! of the plan that was used last.
//!
//! A ruleset grants the files that its paths led to when it was created, and keeps these alive. So it is
//! reused only if the paths still lead to the same files: a directory that was created anew is another
//! one. (The kernel keeps the inode that a rule names, so its number is not reused meanwhile.)

use super::landlock::{self, Floor};
use super::{Handed, LaunchError};
use crate::plan::Plan;
use crate::sys;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Starts commands, one at a time.
pub struct Spawner {
    pub(super) room: sys::clone_vm::CloneVmSpawner,
    cached: Option<CachedRuleset>,
}

/// A cached ruleset.
struct CachedRuleset {
    plan: Arc<Plan>,
    found: Vec<Option<Found>>,
    floor: Option<Arc<Floor>>,
}

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
            room: sys::clone_vm::CloneVmSpawner::new()?,
            cached: None,
        })
    }

    /// Whether commands can be started in it: see [`sys::clone_vm::CloneVmSpawner::is_own`].
    pub fn is_own(&self) -> bool {
        self.room.is_own()
    }

    /// The ruleset of a plan. A command that was handed files gets its own ruleset, because these files
    /// are for no other command.
    pub(super) fn floor(
        &mut self,
        plan: &Arc<Plan>,
        handed: &[Handed],
    ) -> Result<Option<Arc<Floor>>, LaunchError> {
        let make = || {
            let floor = landlock::floor(plan.domain, &plan.files, &plan.net, handed, false)?;
            Ok(floor.map(Arc::new))
        };
        if !handed.is_empty() {
            return make();
        }
        // Taken before the ruleset is created, so that a change meanwhile is noticed next time.
        let found = found(plan);
        if let Some(cached) = &self.cached
            && Arc::ptr_eq(&cached.plan, plan)
            && cached.found == found
        {
            return Ok(cached.floor.clone());
        }
        let floor = make()?;
        self.cached = Some(CachedRuleset {
            plan: Arc::clone(plan),
            found,
            floor: floor.clone(),
        });
        Ok(floor)
    }
}

fn found(plan: &Plan) -> Vec<Option<Found>> {
    let paths = plan.files.grants.iter().map(|(path, _)| path);
    let sockets = plan.net.unix.iter().flatten();
    let found = paths.chain(sockets).map(|path| {
        let found = path.symlink_metadata().ok()?;
        Some(Found {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
        })
    });
    found.collect()
}
