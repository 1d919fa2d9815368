//! Splits a condition's text into tokens, without interpreting them.

use std::ops::Range;

use super::{ConditionError, Op};

/// The kind of a token. Names and numbers are read from the text by their range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Compare(Op),
    And,
    Or,
    Not,
    Mask,
    Union,
    Complement,
    Minus,
    Open,
    Close,
    SetOpen,
    SetClose,
    Comma,
    End,
}

/// A token and its place in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// All tokens of the text, an [`Kind::End`] last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionError> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (kind, length) = match (byte, next) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => {
                at += 1;
                continue;
            }
            (b'=', Some(b'=')) => (Kind::Compare(Op::Eq), 2),
            (b'!', Some(b'=')) => (Kind::Compare(Op::Ne), 2),
            (b'<', Some(b'=')) => (Kind::Compare(Op::Le), 2),
            (b'>', Some(b'=')) => (Kind::Compare(Op::Ge), 2),
            (b'&', Some(b'&')) => (Kind::And, 2),
            (b'|', Some(b'|')) => (Kind::Or, 2),
            (b'<', Some(b'<')) | (b'>', Some(b'>')) => {
                return Err(
                    ConditionError::new(at..at + 2, "shifts are not part of the language")
                        .help("write the shifted number, for example 0x100"),
                );
            }
            (b'<', _) => (Kind::Compare(Op::Lt), 1),
            (b'>', _) => (Kind::Compare(Op::Gt), 1),
            (b'!', _) => (Kind::Not, 1),
            (b'&', _) => (Kind::Mask, 1),
            (b'|', _) => (Kind::Union, 1),
            (b'~', _) => (Kind::Complement, 1),
            (b'-', _) => (Kind::Minus, 1),
            (b'(', _) => (Kind::Open, 1),
            (b')', _) => (Kind::Close, 1),
            (b'{', _) => (Kind::SetOpen, 1),
            (b'}', _) => (Kind::SetClose, 1),
            (b',', _) => (Kind::Comma, 1),
            (b'0'..=b'9', _) => (Kind::Number, word_length(&bytes[at..])),
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => (Kind::Name, word_length(&bytes[at..])),
            (b'=', _) => {
                return Err(
                    ConditionError::new(at..at + 1, "`=` does not compare").help("write `==`")
                );
            }
            _ => return Err(unexpected(text, at)),
        };
        tokens.push(Token {
            kind,
            start: at,
            end: at + length,
        });
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        start: text.len(),
        end: text.len(),
    });
    Ok(tokens)
}

fn word_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| !b.is_ascii_alphanumeric() && *b != b'_')
        .unwrap_or(bytes.len())
}

fn unexpected(text: &str, at: usize) -> ConditionError {
    // `at` is on a character's boundary: every token before it is ASCII.
    let found = text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .unwrap_or('?');
    ConditionError::new(
        at..at + found.len_utf8(),
        format!("`{}` is not part of a condition", found.escape_debug()),
    )
    .help("a condition compares arguments: `domain == AF_INET && (type & 0xf) == SOCK_STREAM`")
}
