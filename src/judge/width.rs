//! Places that advice never opens as a whole: the root, the system's directories, and home directories.
//!
//! An entry of `[fs]` covers everything beneath its path. An entry for such a place would grant far more than
//! the denied call needs.

use super::run::Run;
use crate::paths::{is_beneath, split};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories of the system.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/etc",
    "/gnu",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/nix",
    "/opt",
    "/proc",
    "/proc/sys",
    "/root",
    "/run",
    "/run/user",
    "/sbin",
    "/snap",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
];

/// Directories whose children are all directories of the system or of a user.
const PARENTS: &[&str] = &[
    "/gnu",
    "/home",
    "/media",
    "/nix",
    "/proc/sys",
    "/run/user",
    "/sys",
    "/usr",
    "/usr/local",
    "/var",
];

/// Directories of a home that belong to many programs.
const SHARED: &[&str] = &[
    ".cache",
    ".config",
    ".local",
    ".local/bin",
    ".local/share",
    ".local/state",
];

/// Whether a directory of the home belongs to many programs.
pub fn is_shared(run: &Run, directory: &[u8]) -> bool {
    run.home.as_deref().is_some_and(|home| {
        let at = |name: &&str| home.join(name).as_os_str().as_bytes() == directory;
        SHARED.iter().any(at)
    })
}

/// Whether an entry for this path would open a directory of the system, or a home directory.
pub fn is_too_wide(run: &Run, path: &[u8]) -> bool {
    let (parent, name) = split(path);
    let is = |known: &&str| known.as_bytes() == path;
    // `/proc/4711`
    let of_process = parent == b"/proc" && name.iter().all(u8::is_ascii_digit);
    let of_home = |home: &Path| is_beneath(home.as_os_str().as_bytes(), path);
    path == b"/"
        || SYSTEM.iter().any(is)
        || is_parent(parent)
        || of_process
        || run.home.as_deref().is_some_and(of_home)
}

/// Whether each child of a directory is too wide.
pub fn is_parent(directory: &[u8]) -> bool {
    PARENTS.iter().any(|known| known.as_bytes() == directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_the_system_and_home_directories_are_too_wide() {
        let run = Run {
            home: Some("/data/users/u".into()),
            ..Run::default()
        };
        for wide in [
            "/",
            "/etc",
            "/usr",
            "/usr/lib",
            "/usr/local/bin",
            "/var/tmp",
            "/var/lib",
            "/home",
            "/home/somebody",
            "/root",
            "/tmp",
            "/dev/shm",
            "/dev/pts",
            "/sys/class",
            "/proc",
            "/proc/4711",
            "/run/user/1000",
            "/data",
            "/data/users",
            "/data/users/u",
        ] {
            assert!(is_too_wide(&run, wide.as_bytes()), "{wide}");
        }
        for narrow in [
            "/work",
            "/etc/hosts",
            "/usr/lib/x",
            "/var/lib/dpkg",
            "/home/somebody/x",
            "/root/x",
            "/tmp/x",
            "/proc/self",
            "/proc/4711/stat",
            "/dev/null",
            "/dev/mqueue",
            "/data/users/u/x",
            "/data/users/other",
            "/data/x",
        ] {
            assert!(!is_too_wide(&run, narrow.as_bytes()), "{narrow}");
        }
    }
}
