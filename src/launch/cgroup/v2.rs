//! The memory controller of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
//!
//! A cgroup that has processes cannot have children with controllers. So the command's cgroup is created
//!
//! - beneath this process's own cgroup, if that is the root cgroup, which is exempt;
//! - beneath its own cgroup, after this process has moved into a leaf there, if this process is the only
//!   one in it, as in a scope that was created for it, and may be moved;
//! - otherwise beside its own cgroup, if the directory above was delegated to this user, too.

use super::places::{self, Place, Version};
use super::{Cgroup, Count, Members, Renewal, directory};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CHILDREN: &str = "cgroup.subtree_control";
const PROCS: &str = "cgroup.procs";

/// The limits of the process's own cgroup, which must also apply to one that is created beside it.
const KEPT: [&str; 3] = ["memory.high", "pids.max", "cpu.max"];

/// Where a cgroup can be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Beneath this process's own cgroup.
    Beneath,
    /// Beneath its own cgroup, which this process must leave first.
    BeneathAlone,
    /// Beside its own cgroup.
    Beside,
}

/// Whether children of this cgroup have the controller, or this process may give it to them, and can be
/// created here.
fn takes_children(directory: &Path) -> bool {
    // The root cgroup has no such file.
    let is_root = !directory.join("cgroup.type").exists();
    (places::has_word(&directory.join(CHILDREN), "memory") || is_root && can_give(directory))
        && places::is_writable(directory)
        // Moving a process needs write permission for this file of the nearest common ancestor.
        && places::is_writable(&directory.join(PROCS))
}

/// Whether this process may give children the controller.
fn can_give(directory: &Path) -> bool {
    places::has_word(&directory.join("cgroup.controllers"), "memory")
        && places::is_writable(&directory.join(CHILDREN))
}

fn give(directory: &Path) -> io::Result<()> {
    match places::has_word(&directory.join(CHILDREN), "memory") {
        true => Ok(()),
        false => fs::write(directory.join(CHILDREN), "+memory"),
    }
}

/// Whether this process is the only one in the cgroup, and may give children the controller.
fn is_alone(own: &Path) -> bool {
    let alone = fs::read_to_string(own.join(PROCS))
        .is_ok_and(|text| text.trim() == std::process::id().to_string());
    alone && can_give(own) && places::is_writable(own) && places::is_writable(&own.join(PROCS))
}

fn find(place: &Place, alone: bool) -> Option<Where> {
    let above = place.own.parent().filter(|it| it.starts_with(&place.mount));
    if takes_children(&place.own) {
        return Some(Where::Beneath);
    }
    if alone && is_alone(&place.own) {
        return Some(Where::BeneathAlone);
    }
    above.filter(|above| takes_children(above))?;
    Some(Where::Beside)
}

/// Where a cgroup can be created. `alone`: whether this process may be moved.
pub fn possible(alone: bool) -> Option<Where> {
    find(&Place::find(Version::V2)?, alone)
}

/// Keeps this process in a leaf of its former cgroup; dropping it moves the process back.
pub struct Moved {
    own: PathBuf,
    leaf: Option<directory::Made>,
}

impl Moved {
    fn new(own: &Path) -> io::Result<Moved> {
        let leaf = directory::Made::new(own)?;
        fs::write(leaf.path().join(PROCS), "0")?;
        let moved = Moved {
            own: own.to_owned(),
            leaf: Some(leaf),
        };
        give(own)?;
        Ok(moved)
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        // A cgroup accepts no process while its children have controllers.
        let _ = fs::write(self.own.join(CHILDREN), "-memory");
        let _ = fs::write(self.own.join(PROCS), "0");
        self.leaf = None;
    }
}

/// Creates a cgroup. `alone`: this process may be moved.
pub fn make(limit: u64, alone: bool) -> io::Result<Cgroup> {
    // With `alone` this process moves.
    let place = match alone {
        true => Place::find(Version::V2).map(Arc::new),
        false => Place::lately(Version::V2),
    };
    let place = place.ok_or(io::ErrorKind::NotFound)?;
    let place_of_it = find(&place, alone).ok_or(io::ErrorKind::PermissionDenied)?;
    let above = place.own.parent().unwrap_or(&place.mount);
    let (moved, parent) = match place_of_it {
        Where::Beneath => (None, place.own.as_path()),
        Where::BeneathAlone => (Some(Moved::new(&place.own)?), place.own.as_path()),
        Where::Beside => (None, above),
    };
    give(parent)?;
    let made = directory::Made::new(parent)?;
    let at = made.path();
    let beside = (place_of_it == Where::Beside).then(|| place.own.clone());
    match &beside {
        Some(own) => bound(own, at, limit)?,
        None => fs::write(at.join("memory.max"), limit.to_string())?,
    }
    // The file exists only if the kernel counts swap.
    let swap = at.join("memory.swap.max");
    if swap.exists() {
        fs::write(swap, "0")?;
    }
    // Linux 4.19: the kernel kills all processes of the cgroup together. If the file is missing, the
    // supervisor kills the others.
    let together = at.join("memory.oom.group");
    if together.exists() {
        fs::write(together, "1")?;
    }
    // Linux 5.19; writing to it, which sets back what this descriptor tells, 6.12.
    let peak = at.join("memory.peak");
    let writable = File::options().read(true).write(true).open(&peak);
    let peaks = writable
        .as_ref()
        .map(|file| file.try_clone().map(|file| vec![file]));
    Ok(Cgroup {
        renewal: Renewal {
            peaks: peaks.ok().transpose()?.unwrap_or_default(),
            charged: at.join("memory.current"),
            inhabited: (at.join("cgroup.events"), "populated 0"),
            beside,
            place: (Version::V2, place),
        },
        peak: writable.or_else(|_| File::open(&peak)).ok(),
        members: Members(File::options().write(true).open(at.join(PROCS))?),
        met: Count::new(at, "memory.events", "oom", 1)?,
        killed: Count::new(at, "memory.events", "oom_kill", 1)?,
        made,
        _moved: moved,
    })
}

/// Limits a cgroup that is beside this one: it must not have more than this one has.
pub fn bound(own: &Path, at: &Path, limit: u64) -> io::Result<()> {
    let most = limit.min(number(&own.join("memory.max")).unwrap_or(limit));
    for name in KEPT {
        inherit(&own.join(name), &at.join(name))?;
    }
    fs::write(at.join("memory.max"), most.to_string())
}

/// The limit in a file; `None`: no limit, or `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Copies a limit, if there is one: the command must not escape it by leaving its cgroup.
fn inherit(from: &Path, to: &Path) -> io::Result<()> {
    match fs::read_to_string(from) {
        Ok(text) if !text.starts_with("max") => fs::write(to, text.trim()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with files like those of a cgroup, so that the search for a place is tested without a
    /// kernel.
    struct Sham(PathBuf);

    impl Sham {
        fn new(name: &str, files: &[(&str, &str)]) -> Sham {
            let name = format!("jail-cgroup-{}-{name}", std::process::id());
            let sham = Sham(std::env::temp_dir().join(name));
            for (file, text) in files {
                let path = sham.0.join(file);
                fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
                fs::write(path, text).expect("a file");
            }
            sham
        }

        fn place(&self, own: &str) -> Place {
            Place {
                mount: self.0.clone(),
                own: self.0.join(own),
            }
        }
    }

    impl Drop for Sham {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_root_has_children_and_another_cgroup_has_siblings() {
        let files = [
            ("cgroup.subtree_control", "cpu memory pids\n"),
            ("cgroup.procs", ""),
            ("own/cgroup.type", "domain\n"),
            ("own/cgroup.controllers", "cpu memory\n"),
            ("own/cgroup.subtree_control", "\n"),
            ("own/cgroup.procs", "1\n2\n"),
        ];
        let sham = Sham::new("siblings", &files);
        assert_eq!(find(&sham.place(""), true), Some(Where::Beneath));
        assert_eq!(find(&sham.place("own"), true), Some(Where::Beside));
        fs::write(sham.0.join("cgroup.subtree_control"), "cpu").expect("a file");
        fs::write(sham.0.join("cgroup.controllers"), "cpu memory").expect("a file");
        assert_eq!(find(&sham.place(""), true), Some(Where::Beneath));
        fs::write(sham.0.join("cgroup.type"), "domain").expect("a file");
        assert_eq!(find(&sham.place("own"), true), None);
    }

    #[test]
    fn only_a_process_that_is_alone_and_may_be_moved_leaves_its_cgroup() {
        let own = std::process::id().to_string();
        let files = [
            ("cgroup.subtree_control", "memory\n"),
            ("cgroup.type", "domain\n"),
            ("own/cgroup.type", "domain\n"),
            ("own/cgroup.controllers", "memory\n"),
            ("own/cgroup.subtree_control", ""),
            ("own/cgroup.procs", own.as_str()),
        ];
        let sham = Sham::new("alone", &files);
        let place = sham.place("own");
        assert_eq!(find(&place, true), Some(Where::BeneathAlone));
        // There is no cgroup.procs above, so no process can be moved there.
        assert_eq!(find(&place, false), None);
        let another = format!("{own}\n1\n");
        fs::write(sham.0.join("own/cgroup.procs"), another).expect("a file");
        assert_eq!(find(&place, true), None);
    }

    #[test]
    fn a_limit_of_the_cgroup_that_is_left_is_taken_over() {
        let files = [("from", "100000 100000\n"), ("open", "max 100000\n")];
        let sham = Sham::new("kept", &files);
        let at = |name: &str| sham.0.join(name);
        inherit(&at("from"), &at("to")).expect("a file");
        assert_eq!(
            fs::read_to_string(at("to")).expect("a file"),
            "100000 100000"
        );
        for nothing in ["open", "missing"] {
            inherit(&at(nothing), &at("none")).expect("nothing to do");
            assert!(!at("none").exists());
        }
        assert_eq!(number(&at("open")), None);
    }
}
