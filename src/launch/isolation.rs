//! The command's own namespaces: which ones, how they are created, and how the child sets them up.
//!
//! A process without CAP_SYS_ADMIN may create a user namespace, and all others together with it
//! (user_namespaces(7), Linux 3.8). In it only the caller's user and group are mapped, to themselves.
//! `enter` makes system calls only: everything is allocated before the fork.

use super::mounts::Mounts;
use super::{Command, LaunchError, Step};
use crate::sys::{Errno, namespace};
use caps::{CapSet, Capability};
use libc::c_int;
use nix::unistd;
use std::path::PathBuf;

/// The namespaces that a command gets for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Users and groups: only the command's own. Without privileges it comes with every other namespace.
    pub user: bool,
    /// Process ids.
    pub pid: bool,
    /// The network, with its loopback interface up.
    pub net: bool,
    /// System V IPC and POSIX message queues.
    pub ipc: bool,
    /// The host's name.
    pub uts: bool,
    /// Mounts, with a `/tmp` and a `/dev/shm` of its own, and a `/proc` if it also has its own `pid`.
    pub mount: bool,
    /// With `mount`: everything is read-only except these paths and what is beneath them.
    pub read_only: Option<Vec<PathBuf>>,
    /// With `mount`: the size limit in bytes of `/tmp` and of `/dev/shm`; `None`: half of the memory
    /// (tmpfs(5)).
    pub temporary: Option<u64>,
    /// With `mount`: a directory to create in the private `/tmp` for the command.
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

    /// Whether the command has its own `/proc`, with its own ids.
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

/// Whether namespaces can be created without a user namespace.
fn is_privileged() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false)
}

/// The same, prepared for the child.
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

    /// Whether the command has its own user namespace.
    pub fn has_users(&self) -> bool {
        self.maps.is_some()
    }

    /// Whether paths may lead elsewhere in the child than in this process.
    pub fn has_mounts(&self) -> bool {
        self.mounts.is_some()
    }

    /// Sets up the namespaces that the child was created in.
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
