//! The part of a `[[rule]]` about what a call's registers only point to. Pure: the caller reads the
//! memory.

use std::fmt;

use crate::net::{Endpoint, Reach};
use crate::paths::{Glob, Pattern};

/// The conditions of a rule on a path or peer that the call names, and on the arguments of a program.
#[derive(Debug, Clone)]
pub struct Object {
    /// The path: as written, and what it covers.
    pub path: Option<(String, Pattern)>,
    /// The peer, as written, and what it covers.
    pub peer: Option<(String, Endpoint)>,
    /// The argument vector.
    pub argv: Option<Argv>,
    /// Whether the rule denies or kills: then the peer covers everything that an address may stand for.
    pub closes: bool,
}

impl Object {
    /// Whether the rule's peer covers the peer of a call; false if the rule has none.
    pub fn covers_peer(&self, reach: &Reach<'_>) -> bool {
        let covers = |(_, endpoint): &(String, Endpoint)| endpoint.covers(reach, self.closes);
        self.peer.as_ref().is_some_and(covers)
    }
}

/// A pattern for an argument vector: one glob per argument, `**` for any further ones.
#[derive(Debug, Clone)]
pub struct Argv {
    words: Vec<(String, Glob)>,
    /// Whether more may follow.
    open: bool,
}

/// The maximum number of words: more than any rule needs.
const MAX_WORDS: usize = 64;
/// How many arguments suffice for any rule: [`Argv::needs`] is never more.
pub const MOST_ARGUMENTS: usize = MAX_WORDS + 1;

impl Argv {
    /// Parses the words of a policy.
    ///
    /// # Errors
    /// If a word is not a valid glob, or `**` is not at the end.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Argv, String> {
        let mut argv = Argv {
            words: Vec::new(),
            open: false,
        };
        for word in words {
            if argv.open {
                return Err(
                    "`**` matches all further arguments: nothing may come after it".to_owned(),
                );
            }
            if word == "**" {
                argv.open = true;
                continue;
            }
            let glob = Glob::new(word).map_err(|error| error.0)?;
            argv.words.push((word.to_owned(), glob));
        }
        match argv.words.len() {
            0 if !argv.open => Err("an empty argument vector".to_owned()),
            0..=MAX_WORDS => Ok(argv),
            _ => Err(format!("more than {MAX_WORDS} arguments")),
        }
    }

    /// How many arguments must be known to decide.
    pub fn needs(&self) -> usize {
        self.words.len() + 1
    }

    /// Some of the vectors that match, and one with a word that does not.
    pub fn examples(&self) -> Vec<Vec<Vec<u8>>> {
        let first = |glob: &Glob| glob.examples().into_iter().next().unwrap_or_default();
        let words: Vec<Vec<u8>> = self.words.iter().map(|(_, glob)| first(glob)).collect();
        let mut found = vec![words.clone()];
        for (place, (_, glob)) in self.words.iter().enumerate() {
            for example in glob.examples() {
                let mut other = words.clone();
                if let Some(word) = other.get_mut(place) {
                    *word = example;
                }
                found.push(other);
            }
        }
        found.push([words.as_slice(), &[b"jail-other".to_vec()]].concat());
        if let Some((last, before)) = words.split_last() {
            found.push(before.to_vec());
            let changed = [last.as_slice(), b"jail-other"].concat();
            found.push([before, &[changed]].concat());
        }
        found
    }

    /// Whether the vector matches. `arguments` may be truncated after [`Argv::needs`].
    pub fn matches(&self, arguments: &[Vec<u8>]) -> bool {
        let enough = match self.open {
            true => arguments.len() >= self.words.len(),
            false => arguments.len() == self.words.len(),
        };
        enough
            && self
                .words
                .iter()
                .zip(arguments)
                .all(|((_, glob), word)| glob.matches(word))
    }
}

/// As written in a policy.
impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.then_some("**");
        let words = self.words.iter().map(|(word, _)| word.as_str()).chain(open);
        f.debug_list().entries(words).finish()
    }
}

/// The conditions of a rule as text.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut and = "";
        if let Some((text, _)) = &self.path {
            write!(f, "path {text}")?;
            and = " and ";
        }
        if let Some((text, _)) = &self.peer {
            write!(f, "{and}peer {text}")?;
            and = " and ";
        }
        if let Some(argv) = &self.argv {
            write!(f, "{and}argv {argv}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &[&str], arguments: &[&str]) -> bool {
        let arguments: Vec<Vec<u8>> = arguments
            .iter()
            .map(|word| word.as_bytes().to_vec())
            .collect();
        Argv::new(pattern.iter().copied())
            .expect("a pattern")
            .matches(&arguments)
    }

    #[test]
    fn each_word_is_a_glob_and_two_stars_are_the_rest() {
        assert!(matches(&["git", "push", "**"], &["git", "push"]));
        assert!(matches(
            &["git", "push", "**"],
            &["git", "push", "-f", "x/y"]
        ));
        assert!(!matches(&["git", "push", "**"], &["git"]));
        assert!(!matches(&["git", "push"], &["git", "push", "-f"]));
        assert!(matches(&["*git", "*"], &["/usr/bin/git", "a/b"]));
        assert!(matches(&["**"], &[]));
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for wrong in [&["**", "x"][..], &[], &["[a"]] {
            assert!(Argv::new(wrong.iter().copied()).is_err(), "{wrong:?}");
        }
    }
}
