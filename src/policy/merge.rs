//! The files of an `extends` made one: what the extending file says replaces what it inherits.

use super::parse::File;
use super::{Action, Default, Entry, Origin, Rule};

/// What a file and all that it extends say together.
pub(super) struct Merged {
    pub default: Option<Default>,
    pub entries: Vec<Entry>,
    pub rules: Vec<Rule>,
}

/// An entry: the file and the position in it.
type Position = (usize, usize);

/// Join the files; the first is the one that extends the others, directly or not.
///
/// `parents` holds for each file the indexes of those that it extends; without cycles.
pub(super) fn merge(mut files: Vec<File>, parents: &[Vec<usize>]) -> Merged {
    let mut effective: Vec<Option<Vec<Position>>> = vec![None; files.len()];
    let default = default(0, &files, parents);
    let positions = positions(0, &mut files, parents, &mut effective);
    let rules = files.iter_mut().flat_map(|file| std::mem::take(&mut file.rules)).collect();
    let entries = positions
        .iter()
        .filter_map(|(file, position)| files.get(*file)?.entries.get(*position).cloned());
    Merged { default, entries: entries.collect(), rules }
}

/// The file's own default, else the strictest inherited one.
fn default(file: usize, files: &[File], parents: &[Vec<usize>]) -> Option<Default> {
    if let Some(own) = files.get(file)?.default {
        return Some(own);
    }
    let inherited = parents.get(file)?.iter().filter_map(|parent| default(*parent, files, parents));
    inherited.reduce(|strictest, other| {
        if rank(other.action) > rank(strictest.action) { other } else { strictest }
    })
}
