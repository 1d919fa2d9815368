//! The walk through the directories that patterns can tell apart.
//!
//! A directory is represented by the state that it leaves each pattern in. Most names leave most patterns in the
//! state that any other name leaves them in. So a state keeps which names it tells apart, and the directory beneath
//! a name is that beneath any other name but for these patterns.
//!
//! Whether a path is allowed depends on which patterns cover it, not on how far it leads into others. So of the
//! directories that the same patterns cover, only the first is told.

use crate::paths::{Glob, Pattern, Progress};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

/// Directories that are walked.
const MOST: usize = 20_000;
/// A name that policies do not have.
const OTHER: &[u8] = b"jail-other";

/// The number of a name, in the order of their bytes; of a glob; of a state of one pattern.
type Name = usize;
type GlobId = usize;
type State = u32;
/// A glob with another one, or with itself.
type Pair = (GlobId, GlobId);

/// A state of a pattern.
struct Row {
    /// Where a name leads that the pattern does not know.
    other: State,
    /// The names that lead elsewhere.
    special: Vec<(Name, State)>,
    /// What the pattern waits for.
    names: Vec<Name>,
    globs: Vec<GlobId>,
}

/// A pattern and the states that were met.
struct States<'p> {
    pattern: &'p Pattern,
    numbers: HashMap<Progress, State>,
    met: Vec<Progress>,
    rows: Vec<Option<Rc<Row>>>,
}

/// A directory: the state of each pattern.
#[derive(PartialEq, Eq)]
struct Directory {
    /// Of the states, so that a directory need not be hashed as a whole.
    mark: u64,
    states: Vec<State>,
}

impl Hash for Directory {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.mark);
    }
}

/// What a state adds to the mark of a directory (the finaliser of splitmix64).
fn mark(pattern: usize, state: State) -> u64 {
    let mut mark = (pattern as u64) << 32 | u64::from(state);
    mark = mark.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mark = (mark ^ mark >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mark = (mark ^ mark >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mark ^ mark >> 31
}

impl Directory {
    fn new(states: Vec<State>) -> Self {
        let marks = states.iter().enumerate();
        let mark = marks.fold(0, |sum, (place, state)| sum ^ mark(place, *state));
        Self { mark, states }
    }

    /// The same but for the states of some patterns.
    fn with(&self, changes: &[(usize, State)]) -> Self {
        let (mut sum, mut states) = (self.mark, self.states.clone());
        for (place, next) in changes {
            if let Some(state) = states.get_mut(*place) {
                sum ^= mark(*place, *state) ^ mark(*place, *next);
                *state = *next;
            }
        }
        Self { mark: sum, states }
    }
}

impl<'p> States<'p> {
    fn new(pattern: &'p Pattern) -> Self {
        Self {
            pattern,
            numbers: HashMap::new(),
            met: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn number(&mut self, progress: Progress) -> State {
        let (numbers, met, rows) = (&mut self.numbers, &mut self.met, &mut self.rows);
        *numbers.entry(progress).or_insert_with(|| {
            met.push(progress);
            rows.push(None);
            (met.len() - 1) as State
        })
    }

    fn covers(&self, state: State) -> bool {
        self.met.get(state as usize) == Some(&Progress::Covered)
    }

    fn row(&mut self, state: State, known: &Known<'_>) -> Rc<Row> {
        let at = state as usize;
        if let Some(Some(row)) = self.rows.get(at) {
            return Rc::clone(row);
        }
        let progress = self.met.get(at).copied();
        let progress = progress.unwrap_or(Progress::Covered);
        let unknown = self.pattern.step(progress, OTHER);
        let other = self.number(unknown);
        let mut special = Vec::new();
        for (name, bytes) in known.names.iter().enumerate() {
            let next = self.pattern.step(progress, bytes);
            if next != unknown {
                special.push((name, self.number(next)));
            }
        }
        let awaited = self.pattern.awaits(progress);
        let names = awaited.names.iter().filter_map(|name| known.name(name));
        let globs = awaited.globs.iter().filter_map(|glob| known.glob(glob));
        let row = Rc::new(Row {
            other,
            special,
            names: names.collect(),
            globs: globs.collect(),
        });
        if let Some(place) = self.rows.get_mut(at) {
            *place = Some(Rc::clone(&row));
        }
        row
    }
}

/// All names that patterns wait for.
struct Known<'p> {
    names: Vec<Vec<u8>>,
    globs: Vec<&'p Glob>,
    other: Option<Name>,
    /// The names for each glob, and for each two.
    examples: BTreeMap<Pair, Vec<Name>>,
}

impl<'p> Known<'p> {
    fn new(patterns: &'p [Pattern]) -> Self {
        let mut names = BTreeSet::from([OTHER.to_vec()]);
        let mut globs: Vec<&Glob> = Vec::new();
        for pattern in patterns {
            // In any state.
            let awaited = pattern.awaits(Progress::Open(u64::MAX));
            names.extend(awaited.names);
            for glob in awaited.globs {
                if !globs.contains(&glob) {
                    globs.push(glob);
                }
            }
        }
        let mut words: Vec<(Pair, Vec<Vec<u8>>)> = Vec::new();
        for (one, glob) in globs.iter().enumerate() {
            let mut own = glob.examples();
            own.extend(glob.joined(glob));
            words.push(((one, one), own));
            for (two, other) in globs.iter().enumerate().filter(|(two, _)| *two != one) {
                let joined = glob.joined(other);
                words.extend(joined.map(|word| ((one, two), vec![word])));
            }
        }
        names.extend(words.iter().flat_map(|(_, words)| words.iter().cloned()));
        let mut known = Self {
            names: names.into_iter().collect(),
            globs,
            other: None,
            examples: BTreeMap::new(),
        };
        known.other = known.name(OTHER);
        let examples = words.into_iter().map(|(key, words)| {
            let names = words.iter().filter_map(|word| known.name(word));
            (key, names.collect())
        });
        known.examples = examples.collect();
        known
    }

    fn name(&self, name: &[u8]) -> Option<Name> {
        let found = self
            .names
            .binary_search_by(|known| known.as_slice().cmp(name));
        found.ok()
    }

    fn glob(&self, glob: &Glob) -> Option<GlobId> {
        self.globs.iter().position(|known| *known == glob)
    }

    /// The names for these globs, each alone and two together.
    fn of_globs(&self, globs: &BTreeSet<GlobId>) -> BTreeSet<Name> {
        let pairs = globs
            .iter()
            .flat_map(|one| globs.iter().map(move |other| (*one, *other)));
        let names = pairs.filter_map(|pair| self.examples.get(&pair));
        names.flatten().copied().collect()
    }
}

/// Which patterns cover a directory, and whether the kernel's view of a process's memory is meant, which the baseline
/// decides.
type Covering = (Vec<u64>, bool);

fn covering(path: &[u8], covers: impl Iterator<Item = bool>) -> Covering {
    let mut bits = Vec::new();
    for (place, covers) in covers.enumerate() {
        if place % 64 == 0 {
            bits.push(0);
        }
        if let Some(last) = bits.last_mut() {
            *last |= u64::from(covers) << (place % 64);
        }
    }
    (bits, path.starts_with(b"/proc/") && path.ends_with(b"/mem"))
}

/// A path for each set of patterns that cover one, of the directories that the patterns can tell from all others; and
/// whether there are more.
pub(super) fn walk(patterns: &[Pattern]) -> (Vec<PathBuf>, bool) {
    let known = Known::new(patterns);
    let mut states: Vec<States<'_>> = patterns.iter().map(States::new).collect();
    let mut of_globs: HashMap<BTreeSet<GlobId>, Rc<BTreeSet<Name>>> = HashMap::new();
    let root = states
        .iter_mut()
        .map(|it| it.number(it.pattern.progress(b"/")));
    let root = Rc::new(Directory::new(root.collect()));
    let mut met = HashSet::from([Rc::clone(&root)]);
    let mut found = vec![PathBuf::from("/")];
    let covers = |pattern: &Pattern| pattern.progress(b"/") == Progress::Covered;
    let mut told = HashSet::from([covering(b"/", patterns.iter().map(covers))]);
    let mut left = VecDeque::from([(Vec::new(), root)]);
    // For each name, the patterns that it leaves in another state than other names do.
    let mut changes: Vec<Vec<(usize, State)>> = vec![Vec::new(); known.names.len()];
    while let Some((directory, at)) = left.pop_front() {
        let mut names: BTreeSet<Name> = known.other.into_iter().collect();
        let mut globs = BTreeSet::new();
        let mut beneath = Vec::with_capacity(states.len());
        changes.iter_mut().for_each(Vec::clear);
        for (place, (pattern, state)) in states.iter_mut().zip(&at.states).enumerate() {
            let row = pattern.row(*state, &known);
            beneath.push(row.other);
            names.extend(&row.names);
            globs.extend(&row.globs);
            for (name, next) in &row.special {
                if let Some(changes) = changes.get_mut(*name) {
                    changes.push((place, *next));
                }
            }
        }
        let beneath = Directory::new(beneath);
        let more = of_globs.entry(globs);
        let more = more.or_insert_with_key(|globs| Rc::new(known.of_globs(globs)));
        names.extend(more.iter());
        for name in names {
            let (Some(changes), Some(bytes)) = (changes.get(name), known.names.get(name)) else {
                continue;
            };
            let next = beneath.with(changes);
            if met.contains(&next) {
                continue;
            }
            if met.len() >= MOST {
                return (found, true);
            }
            let path = [directory.as_slice(), b"/", bytes].concat();
            let places = states.iter().zip(&next.states);
            let covers = places.map(|(pattern, state)| pattern.covers(*state));
            if told.insert(covering(&path, covers)) {
                found.push(PathBuf::from(OsString::from_vec(path.clone())));
            }
            let next = Rc::new(next);
            met.insert(Rc::clone(&next));
            left.push_back((path, next));
        }
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn names(patterns: &[Pattern], progress: &[Progress]) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::from([OTHER.to_vec()]);
        let mut globs = Vec::new();
        for (pattern, at) in patterns.iter().zip(progress) {
            let awaited = pattern.awaits(*at);
            names.extend(awaited.names);
            globs.extend(awaited.globs);
        }
        for glob in &globs {
            names.extend(glob.examples());
            for other in &globs {
                names.extend(glob.joined(other));
            }
        }
        names
    }

    /// The same, with each name tried with each pattern in each directory, and each pattern asked about each path.
    fn plain(patterns: &[Pattern]) -> Vec<PathBuf> {
        let root: Vec<Progress> = patterns.iter().map(|it| it.progress(b"/")).collect();
        let mut known = HashSet::from([root.clone()]);
        let mut found = vec![PathBuf::from("/")];
        let covers = |path: &[u8]| -> Vec<bool> {
            patterns
                .iter()
                .map(|pattern| pattern.covers(path))
                .collect()
        };
        let mut told = HashSet::from([covers(b"/")]);
        let mut left = VecDeque::from([(Vec::new(), root)]);
        while let Some((directory, progress)) = left.pop_front() {
            for name in names(patterns, &progress) {
                let steps = patterns.iter().zip(&progress);
                let next: Vec<Progress> = steps.map(|(it, at)| it.step(*at, &name)).collect();
                if known.insert(next.clone()) {
                    let path = [directory.as_slice(), b"/", &name].concat();
                    if told.insert(covers(&path)) {
                        found.push(PathBuf::from(OsString::from_vec(path.clone())));
                    }
                    left.push_back((path, next));
                }
            }
        }
        found
    }

    #[test]
    fn of_directories_that_the_same_patterns_cover_one_is_told() {
        let patterns = [("/p", "**/x/y/z"), ("/", "**/x*/w")];
        let patterns = patterns.map(|(base, text)| Pattern::glob(Path::new(base), text));
        let patterns = patterns.map(|it| it.expect("a pattern"));
        let (found, more) = walk(&patterns);
        let covered = found
            .iter()
            .map(|path| path.as_os_str().as_encoded_bytes())
            .map(|path| patterns.each_ref().map(|pattern| pattern.covers(path)));
        let sets: BTreeSet<[bool; 2]> = covered.collect();
        assert_eq!((found.len(), sets.len(), more), (4, 4, false), "{found:?}");
    }

    proptest! {
        #[test]
        fn the_walk_finds_what_trying_each_name_finds(
            texts in prop::collection::vec(
                ("/|/a|/a/b", "(a|b|a\\*|\\*b|\\{a,cx\\}|\\*\\*)(/(b|c|\\*|a\\*|\\*\\*)){0,2}"),
                1..6,
            )
        ) {
            let patterns = texts.iter();
            let patterns = patterns.map(|(base, text)| Pattern::glob(Path::new(base), text));
            let patterns: Vec<Pattern> = patterns.map(|it| it.expect("a pattern")).collect();
            prop_assert_eq!(walk(&patterns), (plain(&patterns), false));
        }
    }
}
