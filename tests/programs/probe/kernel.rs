//! Kernel objects: what a file system in memory keeps for names, links and attributes.

use crate::raw::memory::attribute;
use std::ffi::CString;
use std::fs::{File, create_dir, hard_link};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

const PAGE: usize = 4096;
/// A directory, node or link takes so much at least, with a long name.
const OBJECT: usize = 512;
const ATTRIBUTE: usize = 60_000;

/// Makes so many bytes of one kind in a directory. `None`: no such kind.
pub fn has(kind: &str, bytes: usize, directory: &Path) -> Option<std::io::Result<()>> {
    let long = "n".repeat(240);
    let name = |number: usize| directory.join(format!("{long}{number}"));
    let each = |size: usize, make: &dyn Fn(usize) -> std::io::Result<()>| {
        Some((0..bytes / size).try_for_each(make))
    };
    match kind {
        "symlinks" => {
            let target = "t".repeat(PAGE - 10);
            each(PAGE, &|number| symlink(&target, name(number)))
        }
        "directories" => each(2 * OBJECT, &|number| create_dir(name(number))),
        "nodes" => each(2 * OBJECT, &|number| {
            let path = CString::new(name(number).as_os_str().as_bytes())?;
            let mode = nix::sys::stat::Mode::S_IRUSR;
            Ok(nix::unistd::mkfifo(path.as_c_str(), mode)?)
        }),
        "links" => {
            let first = directory.join("first");
            let made = File::create(&first);
            made.map_or_else(
                |error| Some(Err(error)),
                |_| each(OBJECT, &|number| hard_link(&first, name(number))),
            )
        }
        "attributes" => each(ATTRIBUTE, &|number| {
            let path = name(number);
            File::create(&path)?;
            let path = CString::new(path.as_os_str().as_bytes())?;
            Ok(attribute(&path, &vec![1; ATTRIBUTE])?)
        }),
        _ => None,
    }
}
