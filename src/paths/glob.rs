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
    fn what_is_not_closed_is_refused() {
        for wrong in ["[a", "{a", "a\\"] {
            assert!(Glob::new(wrong).is_err(), "{wrong}");
        }
    }
}
