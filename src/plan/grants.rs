//! Landlock's rules for paths: each path once, and none that another one makes superfluous. A policy has hundreds,
//! so none is compared with all others.

use super::Rights;
use crate::paths::{ByPath, above};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Grants in the order in which they were added.
#[derive(Default)]
pub(super) struct Grants<'a> {
    all: Vec<(&'a Path, Rights)>,
    /// Their places in `all`.
    places: ByPath<&'a [u8], usize>,
}

impl<'a> Grants<'a> {
    /// Grants `rights` for a resolved path and what is beneath it.
    pub(super) fn add(&mut self, path: &'a Path, rights: Rights) {
        let next = self.all.len();
        let place = *self.places.entry(bytes(path)).or_insert(next);
        match self.all.get_mut(place) {
            Some((_, known)) => *known = known.and(rights),
            None => self.all.push((path, rights)),
        }
    }

    /// The rules that are needed. Rights add up over all directories above (landlock(7)), so a path within a grant
    /// of the same rights needs none.
    pub(super) fn needed(self) -> Vec<(PathBuf, Rights)> {
        let rights_at = |path: &[u8]| {
            let place = self.places.get(path)?;
            Some(self.all.get(*place)?.1)
        };
        let is_needed = |(path, rights): &&(&Path, Rights)| {
            let mut outer = above(bytes(path)).filter_map(rights_at);
            !outer.any(|more| rights.within(more) == *rights)
        };
        let needed = self.all.iter().filter(is_needed);
        needed
            .map(|(path, rights)| ((*path).to_owned(), *rights))
            .collect()
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Rights = Rights {
        read: true,
        write: false,
        exec: false,
    };
    const EXEC: Rights = Rights {
        read: false,
        write: false,
        exec: true,
    };

    fn needed(given: &[(&'static str, Rights)]) -> Vec<String> {
        let mut grants = Grants::default();
        for (path, rights) in given {
            grants.add(Path::new(*path), *rights);
        }
        let needed = grants.needed().into_iter();
        needed
            .map(|(path, rights)| format!("{} {}{}", path.display(), rights.read, rights.exec))
            .collect()
    }

    #[test]
    fn a_path_within_a_grant_of_the_same_rights_needs_no_rule() {
        let both = READ.and(EXEC);
        let given = [
            ("/a/b/c", READ),
            ("/a-b", READ),
            ("/a", READ),
            ("/a/x", EXEC),
        ];
        assert_eq!(
            needed(&given),
            ["/a-b truefalse", "/a truefalse", "/a/x falsetrue"]
        );
        assert_eq!(needed(&[("/u/x", both), ("/", READ)]).len(), 2);
        assert_eq!(needed(&[("/u/x", READ), ("/", both)]), ["/ truetrue"]);
    }

    #[test]
    fn rights_of_one_path_add_up_at_its_first_place() {
        let given = [("/b", READ), ("/a", READ), ("/b", EXEC), ("/", READ)];
        assert_eq!(needed(&given), ["/b truetrue", "/ truefalse"]);
    }
}
