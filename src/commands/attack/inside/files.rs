//! Files by other names and other calls than a plain open, and descriptors that were left open.

use super::super::given::{Given, Tried};
use super::super::tools::{all, any, by, c_path, content};
use crate::sys;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A new name in the working directory.
fn own(given: &Given, name: &str) -> PathBuf {
    given.work.join(name)
}

fn read(path: impl AsRef<Path>) -> Result<String, String> {
    content(File::open(path).map_err(by("open"))?)
}

/// Opens the secret by its path, by a path relative to a directory, and by a copy in the kernel.
pub fn open(given: &Given) -> Tried {
    let path = c_path(&given.secret)?;
    any(&mut [
        &mut || read(&given.secret),
        &mut || {
            let above = File::open(given.secret.parent().unwrap_or(Path::new("/")));
            let above = above.map_err(by("open of the directory"))?;
            let name = given.secret.file_name().unwrap_or_default();
            let name = c_path(Path::new(name))?;
            let file = sys::files::openat2(above.as_raw_fd(), &name, libc::O_RDONLY, 0);
            content(file.map_err(by("openat2"))?)
        },
        &mut || {
            let handle = sys::files::open_without_links(&path).map_err(by("open O_PATH"))?;
            let again = format!("/proc/self/fd/{}", handle.as_raw_fd());
            read(again)
        },
        &mut || {
            let copied = own(given, "copied");
            fs::copy(&given.secret, &copied).map_err(by("copy"))?;
            read(copied)
        },
    ])
}

/// Climbs out of the working directory.
pub fn climb(given: &Given) -> Tried {
    let below = |path: &Path| {
        let depth = given.work.components().count();
        let mut up: PathBuf = std::iter::repeat_n("..", depth).collect();
        up.extend(path.components().skip(1));
        up
    };
    any(&mut [&mut || read(below(&given.secret)), &mut || {
        std::env::set_current_dir(given.secret.parent().unwrap_or(Path::new("/")))
            .map_err(by("chdir"))?;
        read(
            given
                .secret
                .file_name()
                .map(Path::new)
                .unwrap_or(Path::new("")),
        )
    }])
}

/// Changes the file outside: writes, truncates, replaces and removes it.
pub fn write(given: &Given) -> Tried {
    let canary = &given.canary;
    all(&mut [
        &mut || {
            let mut file = OpenOptions::new()
                .append(true)
                .open(canary)
                .map_err(by("open"))?;
            file.write_all(given.token.as_bytes()).map_err(by("write"))
        },
        &mut || File::create(canary).map(drop).map_err(by("open O_TRUNC")),
        &mut || {
            let source = own(given, "source");
            fs::write(&source, &given.token).map_err(by("open in the working directory"))?;
            fs::rename(&source, canary).map_err(by("rename"))
        },
        &mut || fs::remove_file(canary).map_err(by("unlink")),
    ])
}

/// Changes the mode of the file outside.
pub fn change_mode(given: &Given) -> Tried {
    let mode = fs::Permissions::from_mode(0o640);
    all(&mut [
        &mut || fs::set_permissions(&given.canary, mode.clone()).map_err(by("chmod")),
        &mut || {
            let file = File::open(&given.canary).map_err(by("open"))?;
            file.set_permissions(mode.clone()).map_err(by("fchmod"))
        },
    ])
}

/// Gives the secret a name in the working directory.
pub fn hard_link(given: &Given) -> Tried {
    let name = own(given, "hard");
    fs::hard_link(&given.secret, &name).map_err(by("link"))?;
    read(name)
}

/// Moves the secret into the working directory, and its directory.
pub fn rename(given: &Given) -> Tried {
    let name = own(given, "moved");
    any(&mut [
        &mut || {
            fs::rename(&given.secret, &name).map_err(by("rename"))?;
            read(&name)
        },
        &mut || {
            let above = given.secret.parent().unwrap_or(Path::new("/"));
            fs::rename(above, &name).map_err(by("rename of the directory"))?;
            read(name.join(given.secret.file_name().unwrap_or_default()))
        },
    ])
}

/// Follows a symbolic link in the working directory, to the file and to its directory.
pub fn symbolic_link(given: &Given) -> Tried {
    let link = own(given, "link");
    any(&mut [
        &mut || read(&given.near),
        &mut || {
            symlink(&given.secret, &link).map_err(by("symlink"))?;
            read(&link)
        },
        &mut || {
            let above = given.secret.parent().unwrap_or(Path::new("/"));
            let link = own(given, "above");
            symlink(above, &link).map_err(by("symlink"))?;
            read(link.join(given.secret.file_name().unwrap_or_default()))
        },
    ])
}

/// Reads each descriptor above 2 that is open.
pub fn descriptors(given: &Given) -> Tried {
    for fd in 3..1024 {
        let Some(copy) = sys::process::duplicate(fd) else {
            continue;
        };
        let mut room = [0; 4096];
        let length = File::from(copy).read_at(&mut room, 0).unwrap_or_default();
        let text = String::from_utf8_lossy(room.get(..length).unwrap_or_default());
        if text.contains(&given.token) {
            return Ok(format!("descriptor {fd}: {text}"));
        }
    }
    Err("no descriptor above 2 leads to the secret".to_owned())
}
