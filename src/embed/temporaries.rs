//! The temporary directories of runs under `tmpdir = "fresh"`: a later run gets a directory of the same name, so that
//! it has the same policy, and needs no plan of its own. The directory itself is a new one for each run.

use crate::launch::{Command, Temporary, Unavailable};
use crate::policy::Policy;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many names are kept.
const ROOM: usize = 64;

/// The names that no run uses.
#[derive(Debug, Default)]
pub struct Temporaries(Mutex<Vec<Named>>);

/// A policy with a name in it.
#[derive(Debug)]
pub struct Named {
    of: Arc<Policy>,
    path: PathBuf,
    policy: Arc<Policy>,
}

/// The directory of a run, and its name.
pub struct Own {
    named: Named,
    /// `None`: in the command's own mounts, and gone with them.
    directory: Option<Temporary>,
}

impl Own {
    /// The run's policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.named.policy
    }
}

impl Temporaries {
    /// Creates the directory of a run under this policy, and makes the command's variables name it, except those that
    /// the caller has `set`. `None`: the policy asks for none.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn take(
        &self,
        policy: &Arc<Policy>,
        command: &mut Command,
        set: &dyn Fn(&OsStr) -> bool,
    ) -> Result<Option<Own>, Unavailable> {
        if policy.tmpdir.is_none() {
            return Ok(None);
        }
        let known = {
            let mut free = self.free();
            let found = free.iter().position(|named| Arc::ptr_eq(&named.of, policy));
            found.map(|found| free.remove(found))
        };
        let name = known.as_ref().map(|named| named.path.as_path());
        let Some((directory, path)) = Temporary::of(policy, command, name)? else {
            return Ok(None);
        };
        command.adopt_tmpdir(policy, &path, set);
        let named = match known {
            Some(named) if named.path == path => named,
            _ => {
                let mut settled = Policy::clone(policy);
                settled.settle_tmpdir(&path);
                Named {
                    of: Arc::clone(policy),
                    path,
                    policy: Arc::new(settled),
                }
            }
        };
        Ok(Some(Own { named, directory }))
    }

    /// Removes the directory, and keeps its name unless something is left. The oldest makes room.
    pub fn give(&self, own: Own) {
        if own.directory.and_then(Temporary::remove).is_some() {
            return;
        }
        let mut free = self.free();
        if free.len() >= ROOM {
            free.remove(0);
        }
        free.push(own.named);
    }

    /// A panic in another thread leaves the data usable.
    fn free(&self) -> MutexGuard<'_, Vec<Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
