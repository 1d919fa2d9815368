//! One word of a pattern with wildcards, compared with a word of bytes.

use super::PatternError;

/// A word with `*`, `?`, `[a-z]`, `{a,b}`, and `\` before a literal character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<u8>);

/// Replaces a slash, which the matcher would treat as the end of a component. A compared word cannot
/// contain a NUL.
const SLASH: u8 = 0;

impl Glob {
    /// Compiles a word.
    ///
    /// # Errors
    /// If a bracket or brace is not closed, and the like.
    pub fn new(text: &str) -> Result<Glob, PatternError> {
        // A leading `!` would be a negation, which the policy language does not have.
        let plain = if text.starts_with('!') { "\\" } else { "" };
        let glob: Vec<u8> = format!("{plain}{text}")
            .bytes()
            .map(without_slash)
            .collect();
        match fast_glob::validate(&glob) {
            Ok(()) => Ok(Glob(glob)),
            Err(error) => Err(PatternError(format!(
                "`{text}` is not a valid pattern: {error}"
            ))),
        }
    }

    /// Whether it is `*`, which matches any word.
    pub fn is_any(&self) -> bool {
        self.0 == b"*"
    }

    /// Whether the whole word matches. A `*` also matches a slash.
    pub fn matches(&self, word: &[u8]) -> bool {
        if word.contains(&b'/') {
            let word: Vec<u8> = word.iter().copied().map(without_slash).collect();
            return fast_glob::glob_match(&self.0, word);
        }
        fast_glob::glob_match(&self.0, word)
    }
}

/// The largest number of examples of a word.
const EXAMPLES: usize = 12;
/// What stands for `*` and `?`.
const ANY: u8 = b'x';

impl Glob {
    /// Some of the words that match: each alternative, and `*` as nothing and as a letter.
    pub fn examples(&self) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        for word in expanded(&self.0) {
            let word: Vec<u8> = word.into_iter().map(with_slash).collect();
            let fit = !word.is_empty() && self.matches(&word) && !found.contains(&word);
            if fit && found.len() < EXAMPLES {
                found.push(word);
            }
        }
        found
    }

    /// A word that matches both, if one is found: examples of one, and the start of one with the end of
    /// the other.
    pub fn joined(&self, other: &Glob) -> Option<Vec<u8>> {
        let (one, two) = (self.examples(), other.examples());
        let both = |word: &Vec<u8>| self.matches(word) && other.matches(word);
        if let Some(word) = one.iter().chain(&two).find(|word| both(word)) {
            return Some(word.clone());
        }
        one.iter()
            .flat_map(|start| two.iter().map(move |end| [start.as_slice(), end].concat()))
            .find(both)
    }
}

/// The words that a pattern stands for, with a choice for each wildcard. Not all of them match: the caller
/// checks.
fn expanded(glob: &[u8]) -> Vec<Vec<u8>> {
    const MOST: usize = 64;
    let mut words = vec![Vec::new()];
    let mut rest = glob;
    while let Some((&byte, after)) = rest.split_first() {
        let (choices, left): (Vec<Vec<u8>>, &[u8]) = match byte {
            b'\\' => match after.split_first() {
                Some((&literal, left)) => (vec![vec![literal]], left),
                None => (Vec::new(), after),
            },
            b'*' => {
                let stars = after.iter().take_while(|byte| **byte == b'*').count();
                let left = after.get(stars..).unwrap_or_default();
                (vec![vec![ANY], Vec::new()], left)
            }
            b'?' => (vec![vec![ANY]], after),
            b'[' => class(after),
            b'{' => braces(after),
            literal => (vec![vec![literal]], after),
        };
        let join = |word: &Vec<u8>, choice: &Vec<u8>| [word.as_slice(), choice].concat();
        words = words
            .iter()
            .flat_map(|word| choices.iter().map(move |choice| join(word, choice)))
            .take(MOST)
            .collect();
        rest = left;
    }
    words
}

/// Bytes that a class may stand for, and what follows it.
fn class(after: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let first = usize::from(matches!(after.first(), Some(b'!' | b'^')));
    let end = after.iter().skip(first + 1).position(|byte| *byte == b']');
    let end = end.map_or(after.len(), |end| first + 1 + end);
    let inner = after.get(first..end).unwrap_or_default();
    let own = inner
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b'\\'))
        .take(2);
    let others = [ANY, b'0', b'~'];
    let choices = own.chain(&others).map(|byte| vec![*byte]).collect();
    (choices, after.get(end + 1..).unwrap_or_default())
}

/// The alternatives in braces, and what follows them.
fn braces(after: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let mut depth = 0;
    let mut start = 0;
    let mut choices = Vec::new();
    let mut escaped = false;
    for (place, byte) in after.iter().enumerate() {
        let part = after.get(start..place).unwrap_or_default();
        match byte {
            _ if escaped => {
                escaped = false;
                continue;
            }
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => {
                choices.extend(expanded(part));
                return (choices, after.get(place + 1..).unwrap_or_default());
            }
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                choices.extend(expanded(part));
                start = place + 1;
            }
            _ => {}
        }
    }
    (choices, &[])
}

fn with_slash(byte: u8) -> u8 {
    match byte {
        SLASH => b'/',
        other => other,
    }
}

fn without_slash(byte: u8) -> u8 {
    match byte {
        b'/' => SLASH,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_whole() {
        let matches =
            |glob: &str, word: &str| Glob::new(glob).expect(glob).matches(word.as_bytes());
        assert!(matches("*.o", "a.o") && matches("*.o", ".o") && !matches("*.o", "a.oo"));
        assert!(matches("a?c", "abc") && !matches("a?c", "ac"));
        assert!(matches("[a-c]x", "bx") && !matches("[a-c]x", "dx"));
        assert!(matches("{a,b*}", "bz") && !matches("{a,b*}", "az"));
        assert!(matches("!a*", "!ab") && !matches("!a*", "b"));
        assert!(matches("*x*", "a/x/b"));
        assert!(matches("a/*", "a/b/c"));
        assert!(matches("**", "a/b"));
        assert!(matches(r"\*", "*") && !matches(r"\*", "a"));
        assert!(Glob::new("*").expect("a star").matches(b"\xff\xfe"));
        assert!(matches("*", ".hidden"));
    }

    #[test]
    fn examples_match_and_each_alternative_has_one() {
        for (glob, least) in [
            ("*.o", 2),
            ("a?c", 1),
            ("[a-c]x", 1),
            ("[!a]x", 1),
            ("{a,b*,{c,d}}.x", 5),
            (r"\*", 1),
            ("a/*", 1),
            ("id_{rsa,ed25519}*", 4),
            ("*", 1),
        ] {
            let glob = Glob::new(glob).expect(glob);
            let examples = glob.examples();
            assert!(examples.len() >= least, "{glob:?} {examples:?}");
            assert!(examples.iter().all(|word| glob.matches(word)));
        }
    }

    #[test]
    fn a_word_that_two_patterns_match_is_found() {
        for (one, other) in [
            ("lib*", "*.so"),
            ("*", "a?"),
            ("{a,b}", "b*"),
            ("x*", "*y*"),
        ] {
            let [one, other] = [one, other].map(|text| Glob::new(text).expect(text));
            let word = one.joined(&other).expect("a word");
            assert!(one.matches(&word) && other.matches(&word));
        }
        let [one, other] = ["a", "b"].map(|text| Glob::new(text).expect(text));
        assert_eq!(one.joined(&other), None);
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for wrong in ["[a", "{a", "a\\"] {
            assert!(Glob::new(wrong).is_err(), "{wrong}");
        }
    }
}
