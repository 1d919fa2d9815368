//! Where this process's own cgroups are: cgroups(7), /proc/self/cgroup and /proc/self/mountinfo.

use crate::plan::CGROUPS;
use crate::sys::proc::{Mount, Mounts};
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long this process is taken to stay where it is.
const STAYS: Duration = Duration::from_millis(100);

/// The two hierarchies that can have the memory controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// A hierarchy as mounted on this host.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// This process's own cgroup.
    pub own: PathBuf,
}

impl Place {
    /// Finds the hierarchy. `None`: it is not mounted, or not where a plan expects it.
    pub fn find(version: Version) -> Option<Place> {
        let mounts = Mounts::own().ok()?;
        let cgroups = std::fs::read("/proc/self/cgroup").ok()?;
        place(version, &mounts, &cgroups)
    }

    /// The same, asked for ten times a second at most: for a program that starts many commands.
    pub fn lately(version: Version) -> Option<Arc<Place>> {
        static FOUND: Mutex<Option<(Version, Instant, Arc<Place>)>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, asked, place)) = &*found
            && *of == version
            && asked.elapsed() < STAYS
        {
            return Some(Arc::clone(place));
        }
        let place = Arc::new(Place::find(version)?);
        *found = Some((version, Instant::now(), Arc::clone(&place)));
        Some(place)
    }
}

fn place(version: Version, mounts: &Mounts, cgroups: &[u8]) -> Option<Place> {
    let mut found = None;
    for hierarchy in mounts.iter().filter(|mount| is_of(version, mount)) {
        let mount = hierarchy.place();
        // The plan has only checked this place for whether the command may write to it.
        if !mount.starts_with(CGROUPS) {
            return None;
        }
        found = found.or(Some((hierarchy.root(), mount)));
    }
    let (root, mount) = found?;
    let mut members = cgroups.split(|byte| *byte == b'\n');
    let own = members.find_map(|line| member(version, line))?;
    // A path outside of this namespace's root begins with "/..": it is not beneath the mount.
    let own = mount.join(own.strip_prefix(root).ok()?);
    let climbs = own.components().any(|part| part.as_os_str() == "..");
    (!climbs).then_some(Place { mount, own })
}

fn is_of(version: Version, mount: &Mount<'_>) -> bool {
    match version {
        Version::V1 => mount.is(&["cgroup"]) && mount.has_super_option("memory"),
        Version::V2 => mount.is(&["cgroup2"]),
    }
}

/// The path of one line of /proc/self/cgroup: `NUMBER:CONTROLLERS:PATH`, for v2 `0::PATH`. It may hold any
/// byte but a newline, and none is escaped.
fn member(version: Version, line: &[u8]) -> Option<&Path> {
    let mut parts = line.splitn(3, |byte| *byte == b':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let mut names = controllers.split(|byte| *byte == b',');
    let matches = match version {
        Version::V1 => names.any(|name| name == b"memory"),
        Version::V2 => number == b"0" && controllers.is_empty(),
    };
    matches.then_some(Path::new(OsStr::from_bytes(path)))
}

/// Whether this thread may write to it, with the rights of its effective user, and the mount is not
/// read-only.
pub fn is_writable(path: &Path) -> bool {
    faccessat(
        nix::fcntl::AT_FDCWD,
        path,
        AccessFlags::W_OK,
        AtFlags::AT_EACCESS,
    )
    .is_ok()
}

/// Whether this word is in a file of words.
pub fn has_word(path: &Path, word: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.split_whitespace().any(|it| it == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn own(version: Version, mounts: &str, cgroups: &str) -> Option<String> {
        let place = place(version, &Mounts::from(mounts), cgroups.as_bytes())?;
        Some(place.own.to_str().expect("UTF-8").to_owned())
    }

    #[test]
    fn the_own_cgroup_is_found_beneath_its_mount() {
        let cgroups = "5:devices:/\n4:memory:/a/b\n0::/u\n";
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(
            own(Version::V1, V1, cgroups),
            is("/sys/fs/cgroup/memory/a/b")
        );
        assert_eq!(
            own(Version::V2, V1, cgroups),
            is("/sys/fs/cgroup/unified/u")
        );
        // A container's.
        let mounts = "9 8 0:32 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(
            own(Version::V2, mounts, "0::/docker/x\n"),
            is("/sys/fs/cgroup/")
        );
        let deeper = own(Version::V2, mounts, "0::/docker/x/y\n");
        assert_eq!(deeper, is("/sys/fs/cgroup/y"));
        // Names are escaped in the one file and not in the other.
        let mounts = "9 8 0:32 /a\\040\\134b /sys/fs/cgroup/c\\040d ro - cgroup2 cgroup rw\n";
        let named = own(Version::V2, mounts, "0::/a \\b/c:d\n");
        assert_eq!(named, is("/sys/fs/cgroup/c d/c:d"));
    }

    #[test]
    fn what_is_outside_of_the_mount_or_mounted_elsewhere_is_not_found() {
        let mounts = "9 8 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        for (mounts, cgroups) in [
            (mounts, "0::/../x\n"),
            (mounts, "4:memory:/\n"),
            ("", "0::/\n"),
            ("9 8 0:32 / /cgroup rw - cgroup2 cgroup rw\n", "0::/\n"),
            (
                "9 8 0:32 /docker/x /sys/fs/cgroup rw - cgroup2 c rw\n",
                "0::/docker/y\n",
            ),
        ] {
            assert_eq!(own(Version::V2, mounts, cgroups), None, "{mounts}{cgroups}");
        }
        let twice = format!("{V1}44 31 0:32 / /other rw - cgroup cgroup rw,memory\n");
        assert_eq!(own(Version::V1, &twice, "4:memory:/\n"), None);
    }
}
