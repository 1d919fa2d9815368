//! Errors in a condition's text, with the next step for its author.

use std::ops::Range;

use super::nearest;
use super::parser::{Operand, Parser};
use super::token::Token;
use crate::syscalls::constant;

/// An error in a condition's text, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// Byte range within the text.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// The next step, for example the nearest known name.
    pub help: Option<String>,
    /// Whether `range` is a name that is not an argument of the syscall. A rule over several syscalls
    /// reports these together.
    pub unknown_argument: bool,
}

impl ConditionError {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>) -> ConditionError {
        ConditionError {
            range,
            message: message.into(),
            help: None,
            unknown_argument: false,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> ConditionError {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for ConditionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConditionError {}

impl Parser<'_> {
    pub(super) fn unknown_argument(&self, token: &Token) -> ConditionError {
        let name = self.text_of(token);
        let syscall = self.syscall.name;
        if name == "not" {
            return ConditionError::new(token.range(), "a condition is negated by `!`")
                .help("write `!(…)`");
        }
        if constant(name).is_some() || name == "NULL" {
            return ConditionError::new(
                token.range(),
                "the argument comes first, the value after it",
            )
            .help(self.arguments_help());
        }
        let error =
            ConditionError::new(token.range(), format!("{syscall} has no argument `{name}`"));
        let help = match nearest(name, self.syscall.args.iter().map(|arg| &*arg.name)) {
            Some(known) => format!("did you mean `{known}`? {}", self.arguments_help()),
            None => self.arguments_help(),
        };
        ConditionError {
            unknown_argument: true,
            ..error.help(help)
        }
    }

    pub(super) fn arguments_help(&self) -> String {
        let syscall = self.syscall.name;
        if self.syscall.args.is_empty() {
            return format!("{syscall} has no arguments");
        }
        let names: Vec<&str> = self.syscall.args.iter().map(|arg| &*arg.name).collect();
        format!("its arguments: {syscall}({})", names.join(", "))
    }

    pub(super) fn unparenthesized_mask(
        &self,
        operand: &Operand,
        ampersand: &Token,
    ) -> ConditionError {
        let rest = self.text.get(ampersand.end..).unwrap_or_default();
        let end = rest
            .find(['=', '!', '<', '>', ')', '&'])
            .unwrap_or(rest.len());
        let mask = rest
            .get(..end)
            .map(str::trim)
            .filter(|mask| !mask.is_empty())
            .unwrap_or("MASK");
        let comparison = match rest.get(end..end + 2) {
            Some(op @ ("==" | "!=")) => format!("{op} …"),
            _ => "!= 0".to_owned(),
        };
        ConditionError::new(
            ampersand.range(),
            "in C, `==` binds more tightly than `&`: parentheses are needed",
        )
        .help(format!("write `({} & {mask}) {comparison}`", operand.name))
    }
}
