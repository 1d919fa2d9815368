//! Maps by the bytes of paths, and the paths above one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What is known of paths. The keys are bytes or strings, because hashing a `Path` walks its components.
pub type ByPath<K, V> = HashMap<K, V, QuickHash>;

/// How the keys of small maps are hashed.
pub type QuickHash = BuildHasherDefault<Words>;

/// 2^64 divided by the golden ratio: its bits have no pattern.
const GOLDEN: u128 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a few instructions for eight bytes. The names are those of a policy, and of symbolic links on the way
/// to them: a few hundred, so that names with equal hashes can slow nothing down.
#[derive(Debug, Default)]
pub struct Words(u64);

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(rest) {
                *to = *from;
            }
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.add(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Words {
    fn add(&mut self, word: u64) {
        // The lower half of a product says nothing of the highest bytes of a word, which are the last of a name, in
        // its lowest bits, where a map begins to search. The upper half does.
        let product = u128::from(self.0 ^ word) * GOLDEN;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

/// The paths above a resolved path, from the root on.
pub fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    // The root is its own parent.
    let parents = slashes.filter(move |_| path != b"/");
    parents.filter_map(move |(at, _)| path.get(..at.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::hash::BuildHasher;

    #[test]
    fn the_paths_above_one_begin_at_the_root() {
        let shown = |path: &'static str| -> Vec<String> {
            let all = above(path.as_bytes());
            all.map(|path| String::from_utf8_lossy(path).into_owned())
                .collect()
        };
        assert_eq!(shown("/a/b/c"), ["/", "/a", "/a/b"]);
        assert_eq!(shown("/a"), ["/"]);
        assert!(shown("/").is_empty());
    }

    /// A map with 1,024 places begins to search where the lowest ten bits say, and compares names with the same
    /// highest seven.
    #[test]
    fn names_of_one_directory_begin_at_different_places() {
        for directory in [
            "/",
            "/a/",
            "/ab/",
            "/abc/",
            "/abcd/",
            "/abcde/",
            "/abcdef/",
            "/abcdefg/",
        ] {
            let hash = |name: String| QuickHash::default().hash_one(OsString::from(name));
            let names = (0..500).map(|number| hash(format!("{directory}{number}")));
            let (mut places, mut marks) = (BTreeSet::new(), [0; 128]);
            for hash in names {
                places.insert(hash & 1023);
                marks[(hash >> 57) as usize] += 1;
            }
            // At random: 395 places, four names for each mark.
            assert!(places.len() > 350, "{directory}: {} places", places.len());
            assert!(
                marks.iter().all(|names| *names < 20),
                "{directory}: {marks:?}"
            );
        }
    }

    #[test]
    fn every_byte_of_a_name_counts() {
        let hash = |name: &str| {
            let mut words = Words::default();
            words.write(name.as_bytes());
            words.finish()
        };
        let names = [
            "",
            "/",
            "/usr/lib",
            "/usr/lia",
            "/usr/lib6",
            "/usr/lib7",
            "/usr/lib64",
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(
                names
                    .iter()
                    .skip(at + 1)
                    .all(|other| hash(name) != hash(other)),
                "{name}"
            );
        }
    }
}
