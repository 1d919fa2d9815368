//! What /proc tells of a process or a thread: proc_pid_status(5), proc_pid_mountinfo(5).

mod mounts;

pub use mounts::{Mount, Mounts};

use libc::pid_t;
use std::fs::File;
use std::io::Read;
use std::str::FromStr;

/// A status has about 1,400 bytes. The limit leaves room for a user of many groups.
const USUAL: usize = 4096;
const MOST: u64 = 1 << 20;

/// The fields of /proc/PID/status.
#[derive(Debug, Clone, Default)]
pub struct Status(String);

impl Status {
    /// That of a process or a thread. `None`: it is gone, or this process has no descriptor left.
    pub fn of(tid: pid_t) -> Option<Status> {
        read(&format!("/proc/{tid}/status"))
    }

    /// That of this process.
    pub fn own() -> Option<Status> {
        read("/proc/self/status")
    }

    /// A field's value: `field("Tgid")`.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim())
    }

    /// A field that is a decimal number.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.field(name)?.parse().ok()
    }

    /// A field that is a mask in hexadecimal.
    pub fn mask(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.field(name)?, 16).ok()
    }

    /// A field that is an amount in kB, in bytes.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        let number = self.field(name)?.strip_suffix("kB")?.trim_end();
        number.parse::<u64>().ok()?.checked_mul(1024)
    }
}

/// Reads with room for all at once, because files of /proc have no size.
fn read(path: &str) -> Option<Status> {
    let mut text = String::with_capacity(USUAL);
    let mut file = File::open(path).ok()?.take(MOST);
    file.read_to_string(&mut text).ok()?;
    Some(Status(text))
}

impl From<&str> for Status {
    fn from(text: &str) -> Status {
        Status(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let status = Status::from("Name:\tTgid: 7\nTgid:\t12\nVmRSS:\t   8 kB\nSigIgn:\t00ff\n");
        assert_eq!(status.number("Tgid"), Some(12));
        assert_eq!(status.field("Tg"), None);
        assert_eq!(status.bytes("VmRSS"), Some(8192));
        assert_eq!(status.mask("SigIgn"), Some(0xff));
        assert_eq!(status.bytes("VmSwap"), None);
    }

    #[test]
    fn this_process_has_a_status_and_one_that_is_not_there_has_none() {
        let own = Status::own().and_then(|status| status.number("Tgid"));
        assert_eq!(own, Some(std::process::id()));
        assert!(Status::of(pid_t::MAX).is_none());
    }
}
