//! What lies beside the recorded paths: a pattern for one of them must not open it.

use super::record::Recorded;
use crate::paths::is_beneath;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Directories that are looked at.
const DIRECTORIES: usize = 512;
/// Names of one.
const NAMES: usize = 4096;

/// The names of each directory; `None`: it was not looked at to its end.
pub type Beside = BTreeMap<Vec<u8>, Option<BTreeSet<Vec<u8>>>>;

/// The names in each directory above a recorded path, but for those of recorded paths and of what leads to them.
/// `apart`: places whose directories do not matter.
pub fn names(recorded: &Recorded, apart: &[Option<&Path>]) -> Beside {
    let paths = recorded.paths(|_| true);
    let mut directories: BTreeSet<&Path> = BTreeSet::new();
    let mut known: BTreeSet<&Path> = BTreeSet::new();
    for path in &paths {
        let path = Path::new(OsStr::from_bytes(path));
        known.extend(path.ancestors());
        directories.extend(path.ancestors().skip(1));
    }
    let is_apart = |directory: &Path| {
        let places = apart.iter().copied().flatten();
        let mut places = places.chain([Path::new("/proc")]);
        places.any(|place| {
            is_beneath(
                directory.as_os_str().as_bytes(),
                place.as_os_str().as_bytes(),
            )
        })
    };
    let mut found = Beside::new();
    for directory in directories {
        if is_apart(directory) {
            continue;
        }
        let names = match found.len() < DIRECTORIES {
            true => listed(directory, &known),
            false => Some(None),
        };
        if let Some(names) = names {
            found.insert(directory.as_os_str().as_bytes().to_vec(), names);
        }
    }
    found
}

/// The names in a directory that are not `known`; `None`: it is not there any more.
fn listed(directory: &Path, known: &BTreeSet<&Path>) -> Option<Option<BTreeSet<Vec<u8>>>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return None;
        }
        Err(_) => return Some(None),
    };
    let mut names = BTreeSet::new();
    for (at, entry) in entries.enumerate() {
        let Ok(entry) = entry else { return Some(None) };
        if at >= NAMES {
            return Some(None);
        }
        if !known.contains(entry.path().as_path()) {
            names.insert(entry.file_name().into_vec());
        }
    }
    Some(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_the_names_that_are_not_known() {
        let own = std::env::temp_dir().join(format!("jail-beside-{}", std::process::id()));
        fs::create_dir_all(&own).expect("a directory");
        for name in ["a", "b"] {
            fs::write(own.join(name), "").expect("a file");
        }
        let known = own.join("a");
        let known = BTreeSet::from([known.as_path()]);
        let names = Some(Some(BTreeSet::from([b"b".to_vec()])));
        assert_eq!(listed(&own, &known), names);
        assert_eq!(listed(&own.join("missing"), &known), None);
        for number in 0..NAMES {
            fs::write(own.join(format!("{number}")), "").expect("a file");
        }
        assert_eq!(listed(&own, &known), Some(None));
        let _ = fs::remove_dir_all(&own);
    }
}
