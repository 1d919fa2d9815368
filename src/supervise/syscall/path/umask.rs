//! The umask of what the supervisor makes in a task's name: the task's own, and the caller's again when
//! the jail has ended. Whatever is made after that (the report) must not have one of the command's.

use crate::sys::proc::Status;
use crate::sys::{Errno, files};
use crate::trace::Tid;

/// This thread's umask.
#[derive(Default)]
pub struct Umask {
    /// The caller's, once a task's was taken over.
    before: Option<u32>,
}

impl Umask {
    /// That of a task (proc_pid_status(5), Linux 4.7).
    pub fn of(tid: Tid) -> Result<u32, Errno> {
        let status = Status::of(tid).unwrap_or_default();
        let mask = status.field("Umask");
        let mask = mask.and_then(|mask| u32::from_str_radix(mask, 8).ok());
        mask.ok_or(Errno::ESRCH)
    }

    /// Takes over this one. An error: no thread can have a umask of its own here, because a container's profile
    /// denies unshare(2).
    pub fn take(&mut self, mask: u32) -> Result<(), Errno> {
        if self.before.is_none() {
            // Other threads keep theirs.
            files::own_umask()?;
        }
        let last = files::set_umask(mask);
        self.before.get_or_insert(last);
        Ok(())
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        if let Some(mask) = self.before {
            files::set_umask(mask);
        }
    }
}
