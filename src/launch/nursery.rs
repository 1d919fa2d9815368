//! What is kept between the starts of a program that starts many: the room for a child, and the ruleset
//! of the plan that was last used.
//!
//! A ruleset grants what its paths led to when it was made, and holds it. So it is used again only if
//! they lead there still: a directory that was made anew is another one. (The kernel keeps what a rule
//! names, so that its number is nobody else's meanwhile.)

use super::floor::{self, Floor};
use super::{Handed, LaunchError};
use crate::plan::{Files, Plan};
use crate::sys;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Where commands are born, one at a time.
pub struct Nursery {
    pub(super) room: sys::nursery::Nursery,
    laid: Option<Laid>,
}

/// A ruleset that was made.
struct Laid {
    plan: Arc<Plan>,
    found: Vec<Option<Found>>,
    floor: Option<Arc<Floor>>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    device: u64,
    inode: u64,
    mode: u32,
}

impl Nursery {
    /// Makes one.
    ///
    /// # Errors
    /// Where there is no memory, or no thread.
    pub fn new() -> std::io::Result<Nursery> {
        Ok(Nursery {
            room: sys::nursery::Nursery::new()?,
            laid: None,
        })
    }

    /// Whether commands can be born in it: see [`sys::nursery::Nursery::is_own`].
    pub fn is_own(&self) -> bool {
        self.room.is_own()
    }

    /// The ruleset of a plan. What one command was handed is no other's: it gets a ruleset of its own.
    pub(super) fn floor(
        &mut self,
        plan: &Arc<Plan>,
        handed: &[Handed],
    ) -> Result<Option<Arc<Floor>>, LaunchError> {
        let make = || {
            let floor = floor::floor(plan.domain, &plan.files, &plan.net, handed, false)?;
            Ok(floor.map(Arc::new))
        };
        if !handed.is_empty() {
            return make();
        }
        // Looked at before: what changes meanwhile is seen the next time.
        let found = found(&plan.files);
        if let Some(laid) = &self.laid
            && Arc::ptr_eq(&laid.plan, plan)
            && laid.found == found
        {
            return Ok(laid.floor.clone());
        }
        let floor = make()?;
        self.laid = Some(Laid {
            plan: Arc::clone(plan),
            found,
            floor: floor.clone(),
        });
        Ok(floor)
    }
}

fn found(files: &Files) -> Vec<Option<Found>> {
    let paths = files.grants.iter().map(|(path, _)| path);
    let found = paths.map(|path| {
        let found = path.symlink_metadata().ok()?;
        Some(Found {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
        })
    });
    found.collect()
}
