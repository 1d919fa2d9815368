//! The privileges that the child drops: all capabilities but those kept, and its user if it runs as
//! another.
//!
//! `Privileges::new` decides before the fork; `give_up` makes system calls only.

use super::{Command, LaunchError, Step, User};
use crate::sys::{Errno, process};
use caps::{CapSet, Capability, CapsHashSet};
use std::sync::LazyLock;

/// The capabilities that this kernel has. All are dropped, whether the bounding set has them or not:
/// to ask for each would cost as much, and the answer may differ between threads.
static KNOWN: LazyLock<CapsHashSet> = LazyLock::new(known);

/// The kernel numbers them without a gap, so the last one is found in a few calls instead of one for each.
fn known() -> CapsHashSet {
    let mut all: Vec<Capability> = caps::all().into_iter().collect();
    all.sort_unstable_by_key(Capability::index);
    let is_known = |one: &Capability| caps::has_cap(None, CapSet::Bounding, *one).is_ok();
    let count = all.partition_point(is_known);
    all.into_iter().take(count).collect()
}

/// What dropping needs, allocated before the fork.
#[derive(Clone)]
pub struct Privileges {
    /// The user to become.
    user: Option<User>,
    kept: CapsHashSet,
    /// Whether this process may lock the securebits (CAP_SETPCAP).
    locks: bool,
    /// Capabilities to drop from the bounding set; none if this process may not drop any.
    bounding: Vec<Capability>,
}

impl Privileges {
    /// `own_users`: whether the child is in a user namespace of its own, where it has all capabilities.
    pub fn new(command: &Command, own_users: bool) -> Result<Self, LaunchError> {
        let failed = |error: caps::errors::CapsError| LaunchError::Capabilities(error.to_string());
        let kept: CapsHashSet = command.capabilities.iter().copied().collect();
        let locks = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
        let locks = own_users || locks.map_err(failed)?;
        let bounding = match locks {
            true => KNOWN.difference(&kept).copied().collect(),
            false => Vec::new(),
        };
        Ok(Self {
            user: command.user.clone(),
            kept,
            locks,
            bounding,
        })
    }

    /// The capabilities that are kept.
    pub fn kept(&self) -> &CapsHashSet {
        &self.kept
    }

    /// Whether the child becomes another user.
    pub fn changes_user(&self) -> bool {
        self.user.is_some()
    }

    /// Reduces every set to the capabilities that are kept, and locks them; execve cannot restore others
    /// (no_new_privs follows).
    ///
    /// The crate allocates only in its error paths; glibc's malloc is usable after fork.
    pub fn give_up(&self) -> Result<(), (Step, Errno)> {
        let at = |step: Step| move |_| (step, Errno::last());
        caps::clear(None, CapSet::Ambient).map_err(at(Step::Ambient))?;
        let set = |which| caps::set(None, which, &self.kept).map_err(at(Step::Capabilities));
        set(CapSet::Inheritable)?;
        // Ambient capabilities survive an execve for any user (capabilities(7)).
        for &capability in &self.kept {
            caps::raise(None, CapSet::Ambient, capability).map_err(at(Step::Ambient))?;
        }
        if self.locks {
            process::set_securebits(LOCKED_SECUREBITS)
                .map_err(|errno| (Step::Securebits, errno))?;
            for &capability in &self.bounding {
                caps::drop(None, CapSet::Bounding, capability).map_err(at(Step::Bounding))?;
            }
        }
        if let Some(user) = &self.user {
            user.take(None).map_err(|errno| (Step::User, errno))?;
            // Every process in the caller's session possesses the keys of its session keyring, whatever
            // its user (session-keyring(7)).
            match process::new_session_keyring() {
                // Without CONFIG_KEYS, or if a profile forbids keyctl, the command cannot use keys
                // either.
                Ok(()) | Err(Errno::ENOSYS | Errno::EPERM) => {}
                Err(errno) => return Err((Step::Keyring, errno)),
            }
        }
        set(CapSet::Effective)?;
        set(CapSet::Permitted)
    }

    /// The same, keeping nothing.
    pub fn give_up_all(&self) -> Result<(), Errno> {
        let failed = |_: caps::errors::CapsError| Errno::last();
        self.give_up().map_err(|(_, errno)| errno)?;
        let sets = [
            CapSet::Ambient,
            CapSet::Inheritable,
            CapSet::Effective,
            CapSet::Permitted,
        ];
        sets.into_iter()
            .try_for_each(|set| caps::clear(None, set).map_err(failed))
    }
}

impl User {
    /// Changes the calling thread to this user; `reserve` is the user id that it may return to.
    pub(crate) fn take(&self, reserve: Option<u32>) -> Result<(), Errno> {
        process::set_groups(&self.groups)?;
        process::set_group_ids(self.gid, self.gid, self.gid)?;
        process::set_user_ids(self.uid, self.uid, reserve.unwrap_or(self.uid))
    }
}

/// capabilities(7), "The securebits flags": uid 0 has no special rights, and all flags are locked.
const LOCKED_SECUREBITS: i32 = libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_of_this_kernel_are_those_that_it_answers_for() {
        let all = caps::runtime::thread_all_supported();
        assert!(all.contains(&Capability::CAP_CHOWN));
        assert_eq!(known(), all);
    }
}
