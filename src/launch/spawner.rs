//! What a program that starts many commands keeps between starts: a thread that starts children, the
//! ruleset of the plan that was used last, and a thread that is confined for it.
//!
//! A ruleset grants the files that its paths led to when it was created, and keeps these alive. So it is
//! reused only if the paths still lead to the same files: a directory that was created anew is another
//! one. (The kernel keeps the inode that a rule names, so its number is not reused meanwhile.)

use super::cgroup::Pool;
use super::child::Prepared;
use super::confined::{Confined, Filters};
use super::landlock::{self, Floor};
use super::system::{Found, System, SystemFiles};
use super::{Handed, LaunchError};
use crate::plan::Plan;
use crate::sys::clone_vm::CloneVmSpawner;
use crate::sys::{Errno, memory::SharedWords};
use std::sync::Arc;

/// Starts commands, one at a time.
pub struct Spawner {
    room: CloneVmSpawner,
    /// Whether this program lets a thread of it be confined.
    confines: bool,
    confined: Option<Confined>,
    /// The filters of the last run.
    last: Option<Filters>,
    /// Shared with the child of the last run.
    page: Option<Arc<SharedWords>>,
    shared: Arc<Shared>,
    cached: Option<CachedRuleset>,
}

/// What the spawners of a program share.
#[derive(Default)]
pub struct Shared {
    system: System,
    groups: Arc<Pool>,
}

impl Shared {
    /// Removes the cgroups that no run uses, for a program that ends without dropping this.
    pub fn remove_groups(&self) {
        self.groups.clear();
    }
}

/// A cached ruleset.
struct CachedRuleset {
    plan: Arc<Plan>,
    /// What the paths led to: those of the system, and the others.
    system: Arc<SystemFiles>,
    found: Vec<Option<Found>>,
    floor: Option<Arc<Floor>>,
}

impl Spawner {
    /// Creates one.
    ///
    /// # Errors
    /// If memory or a thread cannot be had.
    pub fn new(shared: Arc<Shared>) -> std::io::Result<Spawner> {
        Ok(Spawner {
            room: CloneVmSpawner::new(|| Ok(()))?,
            confines: false,
            confined: None,
            last: None,
            page: None,
            shared,
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
        let confined = match (self.confined.take(), self.last.take()) {
            (Some(confined), _) if confined.is_of(plan) => confined,
            (_, Some(last)) if last.are_of(plan) => Confined::new(prepared, last),
            _ => {
                self.last = Some(Filters::new(plan));
                return &mut self.room;
            }
        };
        let room = self.confined.insert(confined).room(prepared);
        room.unwrap_or(&mut self.room)
    }

    /// The cgroups that earlier runs have left.
    pub(super) fn groups(&self) -> &Arc<Pool> {
        &self.shared.groups
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
        let paths = self.shared.system.paths(plan);
        // Before the ruleset is created, so that a change meanwhile is noticed next time.
        let found: Vec<_> = paths.others.iter().map(|path| Found::at(path)).collect();
        let cached = self.cached.as_ref().filter(|cached| {
            handed.is_empty()
                && Arc::ptr_eq(&cached.plan, plan)
                && Arc::ptr_eq(&cached.system, &paths.system)
                && cached.found == found
        });
        if let Some(cached) = cached {
            return Ok(cached.floor.clone());
        }
        let floor = landlock::floor(plan.domain, &plan.files, &plan.net, handed, (false, &paths))?;
        let floor = floor.map(Arc::new);
        if handed.is_empty() {
            self.cached = Some(CachedRuleset {
                plan: Arc::clone(plan),
                system: paths.system,
                found,
                floor: floor.clone(),
            });
        }
        Ok(floor)
    }
}
