//! Paths as a tree, and which directories stand for what lies in them.

use super::part::{Part, parts};
use super::place::{is_wide, may_fold, may_stand, text};
use super::{Beyond, Entry, Evidence, Learned, Level, MADE, Recording, Request, Scene, Section};
use crate::judge::width::is_shared;
use crate::paths::{Access, split};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;

const WHOLE: &str = "an entry would open the whole directory";
const NAMELESS: &str = "its name changes, and an entry would open the whole directory";
const REFUSED: &str = "file permissions deny it to this user, too";
const LED: &str = "it leads elsewhere now, by a symbolic link that an entry would follow";
const SYNCED: &str = "SQLite opens it to sync the name of a journal, and goes on without";
const PROCESS: &str = "a process has another number the next time";
const TERMINAL: &str = "a terminal has another number the next time";

/// Of how many entries in a directory the directory takes the place; `None`: of none.
#[derive(Debug, Clone, Copy)]
pub struct Coarseness(Option<usize>);

impl Coarseness {
    /// Those to be tried one after another, until there are few enough entries.
    pub fn of(level: Level) -> Vec<Coarseness> {
        let sizes: &[Option<usize>] = match level {
            Level::Exact => &[None],
            Level::Directories | Level::Patterns => &[Some(3), Some(2), Some(1)],
            Level::Broad => &[Some(2), Some(1)],
        };
        sizes.iter().copied().map(Coarseness).collect()
    }
}

/// What an entry will stand for.
#[derive(Debug, Clone, Default)]
struct Seen {
    evidence: Evidence,
    requests: usize,
    beyond: Option<Beyond>,
    /// Whether the place itself was made by the run.
    made: bool,
}

impl Seen {
    fn join(&mut self, other: &Seen) {
        self.evidence.join(&other.evidence);
        self.requests += other.requests;
        self.beyond = self.beyond.max(other.beyond);
    }
}

/// A directory, or what was asked for.
#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Part, Node>,
    here: Option<Seen>,
}

/// A place that gets an entry.
#[derive(Debug, Clone)]
struct Place {
    parts: Vec<Part>,
    seen: Seen,
}

impl Place {
    fn covers(&self, other: &Place) -> bool {
        let mut pairs = self.parts.iter().zip(&other.parts);
        self.parts.len() <= other.parts.len() && pairs.all(|(above, part)| above.covers(part))
    }

    fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Name(_)))
    }
}

/// Adds the entries of `[fs]`.
pub fn paths(
    recording: &Recording,
    scene: &Scene,
    level: Level,
    coarseness: Coarseness,
    learned: &mut Learned,
) {
    let written = written(recording);
    let mut trees: BTreeMap<Section, Node> = BTreeMap::new();
    for (request, evidence) in recording {
        let Request::Path(access, path) = request else {
            continue;
        };
        let Some(section) = section(*access) else {
            continue;
        };
        match components(scene, level, *access, path, &written) {
            Ok((parts, beyond)) => {
                let seen = Seen {
                    evidence: evidence.clone(),
                    requests: 1,
                    beyond,
                    // Not of a directory that stands for it, unless that is a cache.
                    made: scene.made.contains(path) && parts.len() == depth(path)
                        || scene.caches.contains(&raw(&parts)),
                };
                trees.entry(section).or_default().insert(&parts, &seen);
            }
            Err(why) => learned.left.push((request.clone(), why)),
        }
    }
    let mut places = |section| -> Vec<Place> {
        let tree = trees.remove(&section).unwrap_or_default();
        let absorbs = |at: &[Part], count: usize| {
            let large = coarseness.0.is_some_and(|size| count >= size);
            large && may_fold(scene, section, &raw(at))
        };
        let places = tree.fold(&absorbs, Vec::new());
        let places = without_covered(places);
        match section == Section::Read && level >= Level::Patterns {
            true => project(scene, places),
            false => places,
        }
    };
    let write = places(Section::Write);
    let mut read = places(Section::Read);
    let mut exec = places(Section::Exec);
    read.retain(|place| !write.iter().any(|above| above.covers(place)));
    if level > Level::Exact {
        exec = within(exec, &write);
    }
    for (section, places) in [
        (Section::Read, read),
        (Section::Write, write),
        (Section::Exec, exec),
    ] {
        let entry = |place: Place| Entry {
            section,
            why: place.seen.made.then_some(MADE),
            text: text(scene, &place.parts),
            evidence: place.seen.evidence,
            requests: place.seen.requests,
            beyond: place.seen.beyond.unwrap_or(Beyond::Nothing),
        };
        learned.entries.extend(places.into_iter().map(entry));
    }
}

/// The list that opens an access.
fn section(access: Access) -> Option<Section> {
    match access {
        Access::Read => Some(Section::Read),
        Access::Write => Some(Section::Write),
        Access::Exec => Some(Section::Exec),
        Access::Stat | Access::Handle => None,
    }
}

/// All paths that the run changed.
fn written(recording: &Recording) -> BTreeSet<&[u8]> {
    let written = recording.keys().filter_map(|request| match request {
        Request::Path(Access::Write, path) => Some(path.as_slice()),
        _ => None,
    });
    written.collect()
}

/// The components of a path, and what they allow beside it; or why it gets no entry.
fn components(
    scene: &Scene,
    level: Level,
    access: Access,
    path: &[u8],
    written: &BTreeSet<&[u8]>,
) -> Result<(Vec<Part>, Option<Beyond>), &'static str> {
    if let Some(rest) = path.strip_prefix(b"/proc/")
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        return Err(PROCESS);
    }
    if path.starts_with(b"/dev/pts/") {
        return Err(TERMINAL);
    }
    if is_wide(scene, path) || scene.directories.contains(path) && is_shared(&scene.run, path) {
        return Err(WHOLE);
    }
    if access == Access::Write && scene.refused.contains(path) {
        return Err(REFUSED);
    }
    if scene.led.contains(path) {
        return Err(LED);
    }
    if level >= Level::Directories
        && access == Access::Write
        && let Some(cache) = above(path).find(|above| scene.caches.contains(*above))
    {
        let parts = parts(scene, Level::Exact, access, cache);
        return Ok((parts, Some(Beyond::Beneath)));
    }
    if level >= Level::Patterns && access == Access::Read && scene.synced.contains(path) {
        return Err(SYNCED);
    }
    // What the run has made has the names that it chose, also where it is read.
    let made = || above(path).any(|path| written.contains(path));
    let access = if made() { Access::Write } else { access };
    let mut parts = parts(scene, level, access, path);
    if parts.last() != Some(&Part::Any) {
        let patterns = parts.iter().any(|part| matches!(part, Part::Pattern(_)));
        let beyond = match scene.directories.contains(path) {
            true => Some(Beyond::Beneath),
            false => patterns.then_some(Beyond::Names),
        };
        return Ok((parts, beyond));
    }
    parts.pop();
    let directory = above(path).find(|above| depth(above) == parts.len());
    let directory = directory.unwrap_or(b"/");
    match section(access).is_some_and(|section| may_stand(scene, section, directory)) {
        true => Ok((parts, Some(Beyond::Beneath))),
        false => Err(NAMELESS),
    }
}

/// The components of a unix socket's path: a socket is made by the run, or is a place of the host.
pub fn socket(
    scene: &Scene,
    level: Level,
    path: &[u8],
) -> Result<(Vec<Part>, Option<Beyond>), &'static str> {
    let made = BTreeSet::from([path]);
    components(scene, level, Access::Write, path, &made)
}

/// A path and the directories above it.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| {
        let (directory, _) = split(path);
        (directory.len() < path.len() && !directory.is_empty()).then_some(directory)
    })
}

fn depth(path: &[u8]) -> usize {
    let names = path.split(|byte| *byte == b'/');
    names.filter(|name| !name.is_empty()).count()
}

impl Node {
    fn insert(&mut self, parts: &[Part], seen: &Seen) {
        let mut node = self;
        for part in parts {
            node = node.children.entry(part.clone()).or_default();
        }
        let here = node.here.get_or_insert_default();
        here.join(seen);
        here.made = seen.made;
    }

    /// The places that stand for all that was asked for here. `absorbs`: whether a directory stands for so
    /// many places in it. `at`: the components up to here, of which there are no more than an entry may
    /// have.
    fn fold(self, absorbs: &dyn Fn(&[Part], usize) -> bool, at: Vec<Part>) -> Vec<Place> {
        let below: Vec<Place> = self
            .children
            .into_iter()
            .flat_map(|(part, node)| {
                let mut at = at.clone();
                at.push(part);
                node.fold(absorbs, at)
            })
            .collect();
        let below = without_covered(below);
        if self.here.is_none() && !absorbs(&at, below.len()) {
            return below;
        }
        let mut seen = self.here.unwrap_or_default();
        for place in &below {
            seen.join(&place.seen);
        }
        if !below.is_empty() {
            seen.beyond = Some(Beyond::Beneath);
        }
        vec![Place { parts: at, seen }]
    }
}

/// The places without those that a pattern among them covers.
fn without_covered(places: Vec<Place>) -> Vec<Place> {
    let (mut patterns, names): (Vec<Place>, Vec<Place>) =
        places.into_iter().partition(|place| !place.is_literal());
    let mut kept = Vec::new();
    for place in names {
        match patterns.iter_mut().find(|pattern| pattern.covers(&place)) {
            Some(pattern) => pattern.seen.join(&place.seen),
            None => kept.push(place),
        }
    }
    kept.extend(patterns);
    kept
}

fn raw(parts: &[Part]) -> Vec<u8> {
    let names = parts.iter().filter_map(Part::text);
    let path: String = names.map(|name| format!("/{name}")).collect();
    match path.is_empty() {
        true => b"/".to_vec(),
        false => path.into_bytes(),
    }
}

/// The project as a whole, if several places in it are read: the next change of it will add another.
fn project(scene: &Scene, places: Vec<Place>) -> Vec<Place> {
    let Some(directory) = &scene.run.directory else {
        return places;
    };
    let directory = directory.as_os_str().as_bytes();
    if !may_fold(scene, Section::Read, directory) {
        return places;
    }
    let whole = parts(scene, Level::Exact, Access::Read, directory);
    let (inside, mut outside): (Vec<Place>, Vec<Place>) = places
        .into_iter()
        .partition(|place| place.parts.starts_with(&whole));
    match inside.as_slice() {
        [] => {}
        [one] => outside.push(one.clone()),
        several => {
            let mut seen = Seen::default();
            several.iter().for_each(|place| seen.join(&place.seen));
            seen.beyond = Some(Beyond::Beneath);
            outside.push(Place { parts: whole, seen });
        }
    }
    outside
}

/// Programs that the run made: the directory that it fills stands for them.
fn within(exec: Vec<Place>, write: &[Place]) -> Vec<Place> {
    let mut places: BTreeMap<Vec<Part>, Seen> = BTreeMap::new();
    for place in exec {
        let filled = write
            .iter()
            .find(|above| above.seen.beyond == Some(Beyond::Beneath) && above.covers(&place));
        let (parts, beyond, made) = match filled {
            Some(filled) => (
                filled.parts.clone(),
                Some(Beyond::Beneath),
                filled.seen.made,
            ),
            None => (place.parts, place.seen.beyond, place.seen.made),
        };
        let seen = places.entry(parts).or_default();
        seen.join(&place.seen);
        seen.beyond = seen.beyond.max(beyond);
        seen.made = made;
    }
    let places = places.into_iter();
    places.map(|(parts, seen)| Place { parts, seen }).collect()
}
