//! A short text that is part of its table.

use std::fmt;
use std::ops::Deref;

/// A text of at most `N` bytes, in place. A reference would be an address: before the program begins, the loader
/// writes each address of a table, and copies each page that it writes to. These tables have thousands of names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// A text.
    ///
    /// # Panics
    /// If it is longer. Tables are made at compile time.
    pub const fn new(text: &str) -> Text<N> {
        assert!(text.len() <= N && N <= u8::MAX as usize, "too long");
        let (mut bytes, mut at) = ([0; N], 0);
        while at < text.len() {
            bytes[at] = text.as_bytes()[at];
            at += 1;
        }
        Text {
            len: text.len() as u8,
            bytes,
        }
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        match str::from_utf8(self.as_bytes()) {
            Ok(text) => text,
            // A text is made of one.
            Err(_) => "",
        }
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len as usize).0
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_made_of() {
        for text in ["", "a", "flags", "ééé"] {
            let made = Text::<6>::new(text);
            assert_eq!((made.as_str(), made.to_string()), (text, text.to_owned()));
        }
        assert_eq!(
            format!("{:>4}|{:?}", Text::<2>::new("ab"), Text::<2>::new("ab")),
            "  ab|\"ab\""
        );
    }

    #[test]
    #[should_panic(expected = "too long")]
    fn a_longer_text_is_none() {
        Text::<2>::new("abc");
    }
}
