//! Namespaces of the command's own: which, made how, and what the child does inside to make them
//! usable.
//!
//! Who has no CAP_SYS_ADMIN may make a user namespace, and all others together with it
//! (user_namespaces(7), Linux 3.8). In it the caller's user and group alone are mapped, to themselves.
//! `enter` makes system calls only: all is allocated before the fork.

use super::mounts::Mounts;
use super::{Command, LaunchError, Step};
use crate::sys::{Errno, namespace};
use caps::{CapSet, Capability};
use libc::c_int;
use nix::unistd;
use std::path::PathBuf;

/// Which namespaces a command gets for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Users and groups: the command's own alone. Who is not privileged gets one with any other.
    pub user: bool,
    /// Process ids.
    pub pid: bool,
    /// The network, with its loopback interface up.
    pub net: bool,
    /// System V IPC and POSIX message queues.
    pub ipc: bool,
    /// The host's name.
    pub uts: bool,
    /// Mounts, with a `/tmp` and a `/dev/shm` of its own, and a `/proc` if `pid` is its own, too.
    pub mount: bool,
    /// With `mount`: everything is read-only but this and what is beneath.
    pub read_only: Option<Vec<PathBuf>>,
    /// With `mount`: the most bytes that `/tmp`, and `/dev/shm`, can hold; `None`: half of the memory
    /// (tmpfs(5)).
    pub temporary: Option<u64>,
    /// With `mount`: a directory that is made in the private `/tmp` for the command.
    pub tmpdir: Option<PathBuf>,
    /// Where the policy asks for it: `net.toml:9`.
    pub place: String,
}

impl Isolation {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        self.user || self.pid || self.net || self.ipc || self.uts || self.mount
    }

    /// Whether a user namespace comes with it.
    pub fn needs_users(&self) -> bool {
        self.user || self.is_any() && !is_privileged()
    }

    /// Whether `/proc` is the command's own, and so the ids in it.
    pub fn has_own_proc(&self) -> bool {
        self.pid && self.mount
    }

    /// For clone(2).
    fn flags(&self) -> c_int {
        let all = [
            (self.needs_users(), libc::CLONE_NEWUSER),
            (self.pid, libc::CLONE_NEWPID),
            (self.net, libc::CLONE_NEWNET),
            (self.ipc, libc::CLONE_NEWIPC),
            (self.uts, libc::CLONE_NEWUTS),
            (self.mount, libc::CLONE_NEWNS),
        ];
        let chosen = all.into_iter().filter(|(chosen, _)| *chosen);
        chosen.fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// Whether namespaces can be made without one of users.
fn is_privileged() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false)
}

/// The same, ready for the child.
pub struct Spaces {
    /// For clone(2).
    pub flags: c_int,
    /// Whether the child is the init of a pid namespace.
    pub pid: bool,
    /// uid_map and gid_map.
    maps: Option<(String, String)>,
    loopback: bool,
    mounts: Option<Mounts>,
}

impl Spaces {
    pub fn new(command: &Command) -> Result<Option<Spaces>, LaunchError> {
        let isolation = &command.isolation;
        if !isolation.is_any() {
            return Ok(None);
        }
        let itself = |id: u32| format!("{id} {id} 1\n");
        let maps = isolation.needs_users().then(|| {
            let (user, group) = (unistd::geteuid().as_raw(), unistd::getegid().as_raw());
            (itself(user), itself(group))
        });
        Ok(Some(Spaces {
            flags: isolation.flags(),
            pid: isolation.pid,
            maps,
            loopback: isolation.net,
            mounts: match isolation.mount {
                true => Some(Mounts::new(command)?),
                false => None,
            },
        }))
    }

    /// Whether the command has users of its own.
    pub fn has_users(&self) -> bool {
        self.maps.is_some()
    }

    /// Whether paths lead elsewhere in the child than here.
    pub fn has_mounts(&self) -> bool {
        self.mounts.is_some()
    }

    /// Makes the namespaces usable that the child was made in.
    pub fn enter(&self) -> Result<(), (Step, Errno)> {
        let at = |step| move |errno| (step, errno);
        if let Some((users, groups)) = &self.maps {
            let write = |path, text: &str| {
                namespace::write_file(path, text.as_bytes()).map_err(at(Step::Maps))
            };
            // Without privileges groups can be mapped only where they can no longer be changed
            // (Linux 3.19).
            write(c"/proc/self/setgroups", "deny")?;
            write(c"/proc/self/uid_map", users)?;
            write(c"/proc/self/gid_map", groups)?;
        }
        if self.loopback {
            namespace::raise_loopback().map_err(at(Step::Loopback))?;
        }
        match &self.mounts {
            Some(mounts) => mounts.make(),
            None => Ok(()),
        }
    }
}
