//! What the child gives up: all capabilities but those kept, and its user if it is to be another.
//!
//! `Privileges::new` decides before the fork; `give_up` makes system calls only.

use super::{Command, LaunchError, Step, User};
use crate::sys::{Errno, process};
use caps::{CapSet, Capability, CapsHashSet};

/// All that giving up needs, allocated before the fork.
pub struct Privileges {
    /// Whom to become.
    user: Option<User>,
    kept: CapsHashSet,
    /// Whether this process may lock itself out (CAP_SETPCAP).
    locks: bool,
    /// Capabilities to drop from the bounding set; none where this process may not.
    bounding: Vec<Capability>,
}

impl Privileges {
    /// `own_users`: whether the child is in a user namespace of its own, where it has everything.
    pub fn new(command: &Command, own_users: bool) -> Result<Self, LaunchError> {
        let failed = |error: caps::errors::CapsError| LaunchError::Capabilities(error.to_string());
        let kept: CapsHashSet = command.capabilities.iter().copied().collect();
        let locks = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
        let locks = own_users || locks.map_err(failed)?;
        let mut bounding = Vec::new();
        if own_users {
            bounding.extend(caps::runtime::thread_all_supported().difference(&kept));
        } else if locks {
            let all = caps::read(None, CapSet::Bounding).map_err(failed)?;
            bounding.extend(all.difference(&kept));
        }
        Ok(Self {
            user: command.user.clone(),
            kept,
            locks,
            bounding,
        })
    }

    /// Whether the child becomes another user.
    pub fn changes_user(&self) -> bool {
        self.user.is_some()
    }

    /// Every set is left with what is kept, and locked; nothing else can come back through execve
    /// (no_new_privs follows).
    ///
    /// The crate allocates in its error paths alone; glibc's malloc is usable after fork.
    pub fn give_up(&self) -> Result<(), (Step, Errno)> {
        let at = |step: Step| move |_| (step, Errno::last());
        caps::clear(None, CapSet::Ambient).map_err(at(Step::Ambient))?;
        let set = |which| caps::set(None, which, &self.kept).map_err(at(Step::Capabilities));
        set(CapSet::Inheritable)?;
        // What is ambient outlives the execve of any program, whoever runs it (capabilities(7)).
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
            // Whoever is in the caller's session possesses what is in its keyring, whatever his user
            // (session-keyring(7)).
            match process::new_session_keyring() {
                // Without keys, or where nobody here may use them, there is none to be had.
                Ok(()) | Err(Errno::ENOSYS | Errno::EPERM) => {}
                Err(errno) => return Err((Step::Keyring, errno)),
            }
        }
        set(CapSet::Effective)?;
        set(CapSet::Permitted)
    }

    /// The same, and nothing is kept.
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
    /// Makes the calling thread this user's; `reserve` is the user id that it may return to.
    pub(crate) fn take(&self, reserve: Option<u32>) -> Result<(), Errno> {
        process::set_groups(&self.groups)?;
        process::set_group_ids(self.gid, self.gid, self.gid)?;
        process::set_user_ids(self.uid, self.uid, reserve.unwrap_or(self.uid))
    }
}

/// capabilities(7), "The securebits flags": uid 0 is nothing special, and all of it is locked.
const LOCKED_SECUREBITS: i32 = libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
