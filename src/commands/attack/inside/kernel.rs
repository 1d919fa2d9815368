//! Ways into the kernel that a filter may not see, and views of the file system of the process's own.

use super::super::given::{Given, Tried};
use super::super::tools::{any, by, c_path, content};
use crate::sys;
use crate::sys::attack;
use std::fs::{self, File};
use std::path::Path;

/// A call of i386.
pub fn i386(given: &Given) -> Tried {
    content(attack::open_i386(&c_path(&given.secret)?).map_err(by("open of i386"))?)
}

/// A call of x32.
pub fn x32(given: &Given) -> Tried {
    content(attack::open_x32(&c_path(&given.secret)?).map_err(by("open of x32"))?)
}

/// An open through io_uring.
pub fn ring(given: &Given) -> Tried {
    content(attack::open_by_ring(&c_path(&given.secret)?).map_err(by("io_uring"))?)
}

/// A filter of the process's own, whose listener lets the call continue.
pub fn listener(given: &Given) -> Tried {
    content(attack::open_continued(&c_path(&given.secret)?).map_err(by("seccomp with a listener"))?)
}

/// Enters a user and a mount namespace, so that this process has all capabilities there.
fn enter() -> Result<(), String> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    attack::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(by("unshare"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(by("write to /proc/self/setgroups"))?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).map_err(by("write to uid_map"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).map_err(by("write to gid_map"))
}

/// Mounts the directory of the secret within the working directory.
pub fn mount(given: &Given) -> Tried {
    let above = given.secret.parent().unwrap_or(Path::new("/"));
    let place = given.work.join("mounted");
    enter()?;
    fs::create_dir(&place).map_err(by("mkdir"))?;
    let (from, to) = (c_path(above)?, c_path(&place)?);
    sys::namespace::mount(Some(&from), &to, None, libc::MS_BIND, None).map_err(by("mount"))?;
    let file = place.join(given.secret.file_name().unwrap_or_default());
    content(File::open(file).map_err(by("open"))?)
}

/// Makes the directory of the secret the root.
pub fn chroot(given: &Given) -> Tried {
    let above = given.secret.parent().unwrap_or(Path::new("/"));
    enter()?;
    std::os::unix::fs::chroot(above).map_err(by("chroot"))?;
    let name = given.secret.file_name().unwrap_or_default();
    content(File::open(Path::new("/").join(name)).map_err(by("open"))?)
}

/// Copies the mounts of the directory of the secret to a descriptor.
pub fn copied_mount(given: &Given) -> Tried {
    let above = given.secret.parent().unwrap_or(Path::new("/"));
    let name = c_path(Path::new(given.secret.file_name().unwrap_or_default()))?;
    any(&mut [&mut || {
        enter()?;
        let copy = sys::namespace::copy_mounts(&c_path(above)?).map_err(by("open_tree"))?;
        let copy = std::os::fd::AsRawFd::as_raw_fd(&copy);
        let file = sys::files::openat2(copy, &name, libc::O_RDONLY, 0);
        content(file.map_err(by("openat2"))?)
    }])
}
