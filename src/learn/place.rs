//! Which directories may be opened as a whole, and how a path is written.

use super::part::{Part, is_temporary};
use super::{Scene, Section};
use crate::judge::width::{is_shared, is_too_wide};
use crate::paths::{is_beneath, split};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Directories of the system whose parts have different owners: nothing in them is opened as a whole because
/// several files in it were used.
const APART: &[&str] = &["/dev", "/etc", "/proc", "/run", "/sys", "/var"];
fn is_child(parent: &Path, path: &[u8]) -> bool {
    split(path).0 == parent.as_os_str().as_bytes()
}

/// Whether an entry may never cover this directory with all that lies in it.
pub fn is_wide(scene: &Scene, directory: &[u8]) -> bool {
    let leads = |place: &Path| {
        let place = place.as_os_str().as_bytes();
        place != directory && is_beneath(place, directory)
    };
    is_too_wide(&scene.run, directory) || scene.run.directory.as_deref().is_some_and(leads)
}

/// Whether a directory may stand for several of its files.
pub fn may_fold(scene: &Scene, section: Section, directory: &[u8]) -> bool {
    let mut apart = APART.iter();
    let home = scene.run.home.as_deref();
    may_stand(scene, section, directory)
        && !apart.any(|known| is_beneath(directory, known.as_bytes()))
        && (section != Section::Write || home.is_some_and(|home| !is_child(home, directory)))
}

/// Whether a directory may stand for a file in it that has another name each time.
pub fn may_stand(scene: &Scene, section: Section, directory: &[u8]) -> bool {
    // `~/.cargo` holds programs and credentials beside the cache that a tool changes.
    let dotted = split(directory).1.starts_with(b".");
    let inside = |place: &Path| is_beneath(directory, place.as_os_str().as_bytes());
    let own = scene.run.directory.as_deref().is_some_and(inside);
    let home = scene.run.home.as_deref();
    let tool = !own && (dotted || home.is_some_and(|home| is_child(home, directory)));
    let variable = |place: &Path| place.as_os_str().as_bytes() == directory;
    let holds = |programs: &PathBuf| {
        let programs = programs.as_os_str().as_bytes();
        is_beneath(programs, directory) || is_beneath(directory, programs)
    };
    let of_tool = |place: &PathBuf| place.as_os_str().as_bytes() == directory;
    let closed = is_wide(scene, directory)
        || is_temporary(scene, directory)
        || is_shared(&scene.run, directory)
        || section == Section::Write
            && (tool || scene.tools.iter().any(of_tool) || scene.programs.iter().any(holds))
        || scene.variables.iter().any(|(_, place)| variable(place));
    !closed
}

/// The text of an entry for these components: relative to the starting directory, or to a variable.
pub fn text(scene: &Scene, parts: &[Part]) -> String {
    let names: Vec<&str> = parts.iter().filter_map(Part::text).collect();
    let run = &scene.run;
    let home = run.home.iter().map(|place| ("~".to_owned(), place));
    let variables = scene.variables.iter();
    let variables = variables.map(|(name, place)| (format!("${name}"), place));
    let tmpdir = run.tmpdir.iter();
    let tmpdir = tmpdir.map(|place| ("$TMPDIR".to_owned(), place));
    let directory = run.directory.iter().map(|place| (".".to_owned(), place));
    // Of two of the same length the last one is taken.
    let longest = home
        .chain(variables)
        .chain(tmpdir)
        .chain(directory)
        .filter_map(|(short, place)| Some((short, leading(parts, place)?)))
        .max_by_key(|(_, length)| *length);
    let (short, length) = longest.unwrap_or_default();
    let rest = names.get(length..).unwrap_or_default();
    let rest: String = rest.iter().map(|name| format!("/{name}")).collect();
    match short.is_empty() && rest.is_empty() {
        true => "/".to_owned(),
        false => format!("{short}{rest}"),
    }
}

/// The number of components of a place, if the path leads through it. The root stands for nothing.
fn leading(parts: &[Part], place: &Path) -> Option<usize> {
    let names: Vec<Part> = place
        .as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .map(|name| Part::Name(crate::policy::written::abstract_name(name)))
        .collect();
    (!names.is_empty() && parts.starts_with(&names)).then_some(names.len())
}
