//! Where this process's own cgroups are: cgroups(7), /proc/self/cgroup and /proc/self/mountinfo.

use crate::plan::CGROUPS;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use std::path::{Path, PathBuf};

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
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let cgroups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        place(version, &mounts, &cgroups)
    }
}

fn place(version: Version, mounts: &str, cgroups: &str) -> Option<Place> {
    let mut found = None;
    for (root, mount) in mounts.lines().filter_map(|line| mounted(version, line)) {
        // The plan has only checked this place for whether the command may write to it.
        if !mount.starts_with(CGROUPS) {
            return None;
        }
        found = found.or(Some((root, mount)));
    }
    let (root, mount) = found?;
    let own = cgroups.lines().find_map(|line| member(version, line))?;
    // A path outside of this namespace's root begins with "/..": it is not beneath the mount.
    let own = mount.join(own.strip_prefix(root).ok()?);
    let climbs = own.components().any(|part| part.as_os_str() == "..");
    (!climbs).then_some(Place { mount, own })
}

/// The root within the hierarchy and the place of a mount, of one line of mountinfo:
/// `ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [TAG]... - TYPE SOURCE SUPEROPTIONS`.
fn mounted(version: Version, line: &str) -> Option<(PathBuf, PathBuf)> {
    let (mount, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1)?);
    let matches = match version {
        Version::V1 => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
        Version::V2 => kind == "cgroup2",
    };
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    matches.then(|| (root.into(), point.into()))
}

/// The path of one line of /proc/self/cgroup: `NUMBER:CONTROLLERS:PATH`, for v2 `0::PATH`.
fn member(version: Version, line: &str) -> Option<&Path> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let matches = match version {
        Version::V1 => controllers.split(',').any(|name| name == "memory"),
        Version::V2 => number == "0" && controllers.is_empty(),
    };
    matches.then_some(Path::new(path))
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
        let place = place(version, mounts, cgroups)?;
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
