//! The directory of a cgroup that is created for one jail: its name, its removal, and the removal of
//! those that a killed jail has left behind.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often removal is tried. A process leaves its cgroup a moment after its end was told, and a killed one whose
/// end jail has not waited for when it is dead. So the pauses are short first; all together take 0.2 s.
const TRIES: u32 = 47;
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(5);

/// Those of others are looked for before each so many.
const LOOKS: u32 = 64;

/// How many names are tried, because a killed jail with the same process id may have left some.
const NAMES: u32 = 64;

/// A cgroup, removed at the end of this.
#[derive(Debug)]
pub struct Made(PathBuf);

impl Made {
    /// Creates one with a name that no other process uses, and removes those of jails that have ended.
    pub fn new(parent: &Path) -> io::Result<Made> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A program that runs many commands looks once.
        if NEXT.load(Ordering::Relaxed).is_multiple_of(LOOKS) {
            sweep(parent, is_running);
        }
        let own = std::process::id();
        let mut last = io::ErrorKind::AlreadyExists.into();
        for _ in 0..NAMES {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("jail-{own}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Made(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A fork of the process that created it has a copy of this.
        let name = self.0.file_name().and_then(OsStr::to_str);
        if name.and_then(owner) != Some(std::process::id()) {
            return;
        }
        let mut pause = SHORTEST;
        for _ in 0..TRIES {
            match fs::remove_dir(&self.0) {
                // Processes are still in it.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                _ => return,
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Removes cgroups of jails that have ended. The kernel refuses to remove one that has processes.
fn sweep(parent: &Path, is_running: impl Fn(u32) -> bool) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name
            .to_str()
            .and_then(owner)
            .is_some_and(|pid| !is_running(pid))
        {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The process that created a cgroup of this name.
fn owner(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix("jail-")?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_jail_that_is_gone_has_left_is_swept() {
        let parent = std::env::temp_dir().join(format!("jail-sweep-{}", std::process::id()));
        let names = ["jail-7-0", "jail-8-3", "jail-7-x", "jail-7", "other-7-0"];
        for name in names {
            fs::create_dir_all(parent.join(name)).expect("mkdir");
        }
        sweep(&parent, |pid| pid == 8);
        let left: Vec<bool> = names.iter().map(|it| parent.join(it).exists()).collect();
        let _ = fs::remove_dir_all(&parent);
        assert_eq!(left, [false, true, true, true, true]);
    }

    #[test]
    fn each_has_its_own_name_and_is_removed() {
        let parent = std::env::temp_dir();
        let (one, other) = (Made::new(&parent), Made::new(&parent));
        let (one, other) = (one.expect("mkdir"), other.expect("mkdir"));
        assert!(one.path() != other.path() && one.path().exists());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
