//! What the jail's own namespaces make of ids and paths: to the tasks of a pid namespace other numbers
//! stand for them than here, and a path of a mount namespace leads elsewhere.
//!
//! The supervisor is in neither. Whatever it is told by ptrace and wait is in its own ids, whatever a
//! tracee says or hears is in the tracee's.

use crate::launch::Isolation;
use crate::supervise::credentials::as_tracer;
use crate::sys::files::openat2;
use crate::sys::proc::Status;
use crate::sys::{self, Errno};
use crate::trace::Tid;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// The init of a pid namespace, to those within.
pub const INIT: Tid = 1;

/// The namespaces of a jail, as far as they matter here. Without any all is as it is outside.
#[derive(Debug, Default)]
pub struct Namespaces {
    pid: bool,
    mount: bool,
    own_proc: bool,
    /// The root of the jail's mounts, once it is known.
    root: Option<OwnedFd>,
}

impl Namespaces {
    pub fn new(isolation: &Isolation) -> Self {
        Self {
            pid: isolation.pid,
            mount: isolation.mount,
            own_proc: isolation.has_own_proc(),
            ..Self::default()
        }
    }

    /// A program of the jail runs: where its root is, so are all others'.
    ///
    /// One that may be executed and not read cannot be looked into: then paths lead nowhere, until
    /// another program runs.
    pub fn enter(&mut self, tid: Tid) {
        if !self.mount || self.root.is_some() {
            return;
        }
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let root = CString::new(format!("/proc/{tid}/root")).ok();
        self.root =
            root.and_then(|root| as_tracer(|| openat2(libc::AT_FDCWD, &root, flags, 0)).ok());
    }

    /// Whether the tasks have other ids within than here.
    pub fn hides_ids(&self) -> bool {
        self.pid
    }

    /// Whether paths lead elsewhere within than here.
    pub fn has_own_mounts(&self) -> bool {
        self.mount
    }

    /// Whether the numbers in `/proc` are ids within.
    pub fn has_own_proc(&self) -> bool {
        self.own_proc
    }

    /// What a receiver in the jail is told of this process as a sender (pid_namespaces(7)).
    pub fn own_pid(&self) -> Tid {
        match self.pid {
            true => 0,
            false => sys::process::getpid(),
        }
    }

    /// openat2(2) of an absolute path, from the jail's root.
    pub fn open(&self, path: &[u8], flags: i32, resolve: u64) -> Result<OwnedFd, Errno> {
        let text = |path| CString::new(path).map_err(|_| Errno::EINVAL);
        let root = match &self.root {
            Some(root) => root,
            None if self.mount => return Err(Errno::EACCES),
            None => return openat2(libc::AT_FDCWD, &text(path)?, flags, resolve),
        };
        let start = path.iter().position(|byte| *byte != b'/');
        let relative = match start.and_then(|start| path.get(start..)) {
            Some(relative) => text(relative)?,
            None => CString::from(c"."),
        };
        openat2(root.as_raw_fd(), &relative, flags, resolve)
    }
}

/// The id of a task in its innermost pid namespace: the last of NSpid (proc_pid_status(5), Linux 4.1).
pub(super) fn id_within(tid: Tid) -> Option<Tid> {
    let status = Status::of(tid)?;
    let mut ids = status.field("NSpid")?.split_ascii_whitespace();
    ids.next_back()?.parse().ok()
}
