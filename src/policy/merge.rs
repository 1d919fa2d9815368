//! Merges the files of an `extends`: the extending file's settings replace those that it inherits.

use super::file::File;
use super::{Default, Entry, Limits, NetEntry, PathEntry, Rule};

/// The merged settings of a file and all that it extends.
pub(super) struct Merged {
    pub default: Option<Default>,
    pub entries: Vec<Entry>,
    pub rules: Vec<Rule>,
    pub paths: Vec<PathEntry>,
    pub left_out: Vec<PathEntry>,
    pub peers: Vec<NetEntry>,
    pub limits: Limits,
}

/// Joins the files; the first one extends the others, directly or not.
///
/// `parents` holds for each file the indices of those that it extends. There must be no cycles.
pub(super) fn merge(files: &mut [File], parents: &[Vec<u16>]) -> Merged {
    let mut tree = Tree {
        parents,
        defaults: vec![None; files.len()],
        limits: vec![None; files.len()],
        positions: vec![None; files.len()],
        files,
    };
    let default = tree.default(0);
    let limits = tree.limits(0);
    let positions = tree.positions(0);
    let mut entries: Vec<Vec<Option<Entry>>> = files
        .iter_mut()
        .map(|file| {
            std::mem::take(&mut file.entries)
                .into_iter()
                .map(Some)
                .collect()
        })
        .collect();
    Merged {
        default,
        limits,
        entries: positions
            .into_iter()
            .filter_map(|(file, position)| entries.get_mut(file)?.get_mut(position)?.take())
            .collect(),
        rules: files
            .iter_mut()
            .flat_map(|file| std::mem::take(&mut file.rules))
            .collect(),
        paths: files
            .iter_mut()
            .flat_map(|file| std::mem::take(&mut file.paths))
            .collect(),
        left_out: files
            .iter_mut()
            .flat_map(|file| std::mem::take(&mut file.left_out))
            .collect(),
        peers: files
            .iter_mut()
            .flat_map(|file| std::mem::take(&mut file.peers))
            .collect(),
    }
}

/// An entry: the index of its file and the position in it.
type Position = (usize, usize);

/// The results for each file, so that a file that is extended by many is processed once.
struct Tree<'f, 'p> {
    files: &'f mut [File],
    parents: &'p [Vec<u16>],
    defaults: Vec<Option<Option<Default>>>,
    limits: Vec<Option<Limits>>,
    positions: Vec<Option<Vec<Position>>>,
}

impl<'p> Tree<'_, 'p> {
    /// The file's own default, otherwise the strictest inherited one.
    fn default(&mut self, file: usize) -> Option<Default> {
        if let Some(Some(known)) = self.defaults.get(file) {
            return *known;
        }
        let mut found = self.files.get(file).and_then(|file| file.default);
        if found.is_none() {
            for parent in self.parents_of(file) {
                let inherited = self.default(usize::from(*parent));
                found = match (found, inherited) {
                    (Some(one), Some(other))
                        if one.action.strictness() >= other.action.strictness() =>
                    {
                        Some(one)
                    }
                    (one, None) => one,
                    (_, other) => other,
                };
            }
        }
        if let Some(slot) = self.defaults.get_mut(file) {
            *slot = Some(found);
        }
        found
    }

    /// The file's own limits, and for missing ones the strictest inherited one.
    fn limits(&mut self, file: usize) -> Limits {
        if let Some(Some(known)) = self.limits.get(file) {
            return known.clone();
        }
        let own = self.files.get(file).map(|file| file.limits.clone());
        let inherited = self
            .parents_of(file)
            .iter()
            .map(|parent| self.limits(usize::from(*parent)))
            .fold(Limits::default(), Limits::and);
        let found = own.unwrap_or_default().or(inherited);
        if let Some(slot) = self.limits.get_mut(file) {
            *slot = Some(found.clone());
        }
        found
    }

    /// The file's own entries, and the inherited ones whose keys it does not define.
    fn positions(&mut self, file: usize) -> Vec<Position> {
        if let Some(Some(known)) = self.positions.get(file) {
            return known.clone();
        }
        let own = self.files.get(file).map_or(0, |file| file.entries.len());
        let mut found: Vec<Position> = (0..own).map(|position| (file, position)).collect();
        let parents = self.parents_of(file);
        if !parents.is_empty() {
            let mut inherited: Vec<Position> = parents
                .iter()
                .flat_map(|parent| self.positions(usize::from(*parent)))
                .collect();
            inherited.sort_unstable();
            inherited.dedup();
            found.extend(self.without_replaced(file, inherited));
        }
        if let Some(slot) = self.positions.get_mut(file) {
            *slot = Some(found.clone());
        }
        found
    }

    /// Those whose keys the file does not define; its own entries note what they replace.
    fn without_replaced(&mut self, file: usize, inherited: Vec<Position>) -> Vec<Position> {
        let (mut kept, mut replaced) = (Vec::with_capacity(inherited.len()), Vec::new());
        if let Some(own) = self.files.get(file) {
            let mut keys: Vec<(&str, usize)> = own
                .entries
                .iter()
                .enumerate()
                .map(|(at, entry)| (entry.key.as_str(), at))
                .collect();
            keys.sort_unstable();
            for position in inherited {
                let Some(entry) = self
                    .files
                    .get(position.0)
                    .and_then(|file| file.entries.get(position.1))
                else {
                    continue;
                };
                match keys.binary_search_by_key(&entry.key.as_str(), |(key, _)| key) {
                    Ok(at) => replaced.extend(keys.get(at).map(|(_, own)| (*own, entry.origin))),
                    Err(_) => kept.push(position),
                }
            }
        }
        for (own, origin) in replaced {
            if let Some(entry) = self
                .files
                .get_mut(file)
                .and_then(|file| file.entries.get_mut(own))
            {
                entry.replaces.get_or_insert(origin);
            }
        }
        kept
    }

    fn parents_of(&self, file: usize) -> &'p [u16] {
        self.parents.get(file).map_or(&[], Vec::as_slice)
    }
}
