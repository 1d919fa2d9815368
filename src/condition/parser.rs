//! Shared parts of the parsers of conditions and values: tokens, arguments, depth.

use std::ops::Range;

use super::ConditionError;
use super::token::{Kind, Token, tokens};
use crate::syscalls::{Arg, Syscall, Width};

/// How deep parentheses, `!` and `~` may nest: far more than any use needs, and far less than the stack
/// allows.
const MAX_DEPTH: u32 = 64;

/// The left-hand side of a comparison.
pub(super) struct Operand {
    pub name: String,
    pub index: u8,
    pub width: Width,
    pub signed: bool,
    pub is_pointer: bool,
    pub mask: Option<u64>,
    pub range: Range<usize>,
}

pub(super) struct Parser<'t> {
    pub text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    pub syscall: &'static Syscall,
    depth: u32,
}

impl<'t> Parser<'t> {
    /// One at the beginning of a text.
    pub(super) fn new(text: &'t str, syscall: &'static Syscall) -> Result<Self, ConditionError> {
        Ok(Parser {
            text,
            tokens: tokens(text)?,
            at: 0,
            syscall,
            depth: 0,
        })
    }

    /// The argument with a name of the man page, or `arg0` to `arg5`.
    pub(super) fn argument(&self, name: &str) -> Option<(usize, &'static Arg)> {
        if let Some(found) = self.syscall.arg(name) {
            return Some(found);
        }
        let index = match name.strip_prefix("arg")?.as_bytes() {
            [digit @ b'0'..=b'5'] => usize::from(digit - b'0'),
            _ => return None,
        };
        self.syscall.args.get(index).map(|arg| (index, arg))
    }

    /// Whether the next tokens are `( name &`: a masked argument rather than a condition.
    pub(super) fn masked_operand_follows(&self) -> bool {
        let kind = |offset| {
            self.tokens
                .get(self.at + offset)
                .map(|token: &Token| token.kind)
        };
        kind(0) == Some(Kind::Open) && kind(1) == Some(Kind::Name) && kind(2) == Some(Kind::Mask)
    }
    /// Runs a parse rule one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, ConditionError>,
    ) -> Result<T, ConditionError> {
        if self.depth == MAX_DEPTH {
            return Err(ConditionError::new(
                self.peek().range(),
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    pub(super) fn text_of(&self, token: &Token) -> &'t str {
        self.text.get(token.range()).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Token {
        let end = Token {
            kind: Kind::End,
            start: self.text.len(),
            end: self.text.len(),
        };
        self.tokens.get(self.at).copied().unwrap_or(end)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }
}
