//! Directories in the project that call themselves caches, by a file `CACHEDIR.TAG` (<https://bford.info/cachedir/>):
//! pytest and cargo make such. They may be removed at any time, and the program that finds none makes it anew. So
//! what a run changes in one says little of what the next run changes.

use super::record::Recorded;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const TAG: &str = "CACHEDIR.TAG";
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The caches in a project above the recorded paths. A tag that the run has touched does not count: a command could
/// open any directory for its next run.
pub fn tagged(recorded: &Recorded, project: Option<&Path>) -> BTreeSet<Vec<u8>> {
    let Some(project) = project else {
        return BTreeSet::new();
    };
    let paths = recorded.paths(|path| path.starts_with(project));
    let paths = paths
        .iter()
        .map(|path| Path::new(std::ffi::OsStr::from_bytes(path)));
    let inside = |above: &&Path| above.starts_with(project) && *above != project;
    let above: BTreeSet<&Path> = paths
        .flat_map(|path| path.ancestors().skip(1))
        .filter(inside)
        .collect();
    let touched = |tag: &Path| !recorded.paths(|path| path == tag).is_empty();
    let caches = above.into_iter().filter(|directory| {
        let tag = directory.join(TAG);
        is_tag(&tag) && !touched(&tag)
    });
    caches
        .map(|directory| directory.as_os_str().as_bytes().to_vec())
        .collect()
}

fn is_tag(path: &Path) -> bool {
    let mut start = [0; SIGNATURE.len()];
    let regular = path.symlink_metadata().is_ok_and(|found| found.is_file());
    regular
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok()
        && start == *SIGNATURE
}
