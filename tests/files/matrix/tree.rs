//! The directory tree of a run: victims before, and what has become of them.

use super::cells::{Call, Cell};
use crate::support::Dir;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// Makes the victims of these cells, all that their calls want beside them, and the list of jobs.
/// Returns the jobs, and the paths that want an extended attribute.
pub fn prepare(tree: &Dir, cells: &[Cell]) -> (String, String) {
    let root = tree.path();
    for directory in ["other", "links"] {
        fs::create_dir(root.join(directory)).expect("a directory of the tree");
    }
    for place in super::ALL {
        let (directory, name) = place.victim(root, 0);
        let victim = Path::new(&directory).join(name);
        let parent = victim.parent().expect("a victim has a directory");
        fs::create_dir_all(parent).expect("a directory of the tree");
    }
    let mut jobs = String::new();
    let mut marked = String::new();
    for cell in cells {
        let (directory, name) = cell.place.victim(root, cell.number);
        let victim = Path::new(&directory).join(&name);
        let last = victim.file_name().expect("a victim has a name");
        let other = root.join("other").join(last);
        make(cell.call, &victim, &other, &mut marked);
        let links = root.join("links");
        match cell.variant {
            "symlink" => {
                let link = links.join(Path::new(&directory).file_name().unwrap_or_default());
                if !link.is_symlink() {
                    symlink(&directory, link).expect("a symbolic link to the directory");
                }
            }
            "final" => symlink(&victim, links.join(last)).expect("a symbolic link to the victim"),
            _ => {}
        }
        jobs += &format!("{} {} {directory} {name}\n", cell.call.name, cell.variant);
    }
    (jobs, marked)
}

fn make(call: &Call, victim: &Path, other: &Path, marked: &mut String) {
    match call.wants.as_str() {
        "nothing" => {}
        "file" => fs::write(victim, "victim").expect("a file"),
        "marked" => {
            fs::write(victim, "victim").expect("a file");
            *marked += &format!("{}\n", victim.display());
        }
        "directory" => fs::create_dir(victim).expect("a directory"),
        "program" => {
            fs::copy("/bin/true", victim).expect("a copy of /bin/true");
        }
        "symlink" => {
            let mut target = other.as_os_str().to_owned();
            target.push(".target");
            fs::write(&target, "target").expect("the target of a symbolic link");
            symlink(target, victim).expect("a symbolic link");
        }
        wants => panic!("`files` wants a {wants:?}"),
    }
    match call.other.as_str() {
        "-" | "nothing" => {}
        "file" => fs::write(other, "other").expect("the second path"),
        other => panic!("`files` wants a second path {other:?}"),
    }
}

/// All of a path that a test can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What a second run can have in common: mode, owner, content.
    pub shape: (u32, u32, u32, u64, Vec<u8>),
    /// Inode, and the times of content and metadata, which changes of any kind move.
    pub identity: [i64; 5],
}

/// The paths of each cell, relative to the root, by the cell's number.
pub type Snapshot = BTreeMap<usize, BTreeMap<PathBuf, State>>;

/// What the tree is now.
pub fn snapshot(root: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the tree") {
            let path = entry.expect("an entry of the tree").path();
            let state = state(root, &path);
            if state.shape.0 & libc::S_IFMT == libc::S_IFDIR {
                left.push(path.clone());
            }
            let relative = path.strip_prefix(root).expect("a path in the tree");
            // Directories that hold victims change with each of them.
            if let Some(number) = number(relative) {
                found
                    .entry(number)
                    .or_default()
                    .insert(relative.to_owned(), state);
            }
        }
    }
    found
}

/// The cell that a path belongs to: the number in its name.
fn number(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_str()?.split('.').next()?;
    let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.parse().ok()
}

fn state(root: &Path, path: &Path) -> State {
    let data = fs::symlink_metadata(path).expect("the metadata of a path of the tree");
    let content = if data.is_file() {
        fs::read(path).expect("a file of the tree")
    } else if data.is_symlink() {
        let target = fs::read_link(path).expect("a symbolic link of the tree");
        let target = target.strip_prefix(root).unwrap_or(&target);
        target.as_os_str().as_encoded_bytes().to_vec()
    } else {
        vec![]
    };
    // The size of a directory is the file system's own affair.
    let links = if data.is_dir() { 0 } else { data.nlink() };
    State {
        shape: (data.mode(), data.uid(), data.gid(), links, content),
        identity: [
            data.ino() as i64,
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
        ],
    }
}
