//! [`Condition`] to its canonical text, which parses back to the same condition.

use std::fmt;

use super::{Comparison, Condition, sign_bit, sign_extend};
use crate::syscalls::{Arg, Syscall};

/// A condition with its syscall: printed with the names of the arguments.
#[derive(Debug, Clone, Copy)]
pub struct Described<'c> {
    condition: &'c Condition,
    syscall: Option<&'static Syscall>,
}

impl Condition {
    /// The text with the argument names of `syscall`: the one that it was parsed for.
    pub fn describe(&self, syscall: &'static Syscall) -> Described<'_> {
        Described {
            condition: self,
            syscall: Some(syscall),
        }
    }
}

/// With `arg0` to `arg5` as names.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Described {
            condition: self,
            syscall: None,
        }
        .fmt(f)
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition {
            Condition::Compare(comparison) => self.comparison(comparison, f),
            Condition::Not(inner) => write!(f, "!({})", self.inner(inner)),
            Condition::All(inner) if inner.is_empty() => f.write_str("true"),
            Condition::Any(inner) if inner.is_empty() => f.write_str("false"),
            Condition::All(inner) => self.joined(inner, " && ", f),
            Condition::Any(inner) => self.joined(inner, " || ", f),
        }
    }
}

impl<'c> Described<'c> {
    fn inner(&self, condition: &'c Condition) -> Described<'c> {
        Described { condition, ..*self }
    }

    fn joined(&self, inner: &'c [Condition], by: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in inner.iter().enumerate() {
            if index > 0 {
                f.write_str(by)?;
            }
            // `&&` within `||` needs no parentheses; they separate a nested list of the same kind.
            let parentheses = match (self.condition, condition) {
                (Condition::Any(_), Condition::All(_)) => false,
                (_, Condition::All(_) | Condition::Any(_)) => true,
                _ => false,
            };
            if parentheses {
                write!(f, "({})", self.inner(condition))?;
            } else {
                write!(f, "{}", self.inner(condition))?;
            }
        }
        Ok(())
    }

    fn comparison(&self, comparison: &Comparison, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arg = self.arg(comparison);
        match (arg, comparison.mask) {
            (Some(arg), None) => f.write_str(&arg.name)?,
            (Some(arg), Some(mask)) => write!(f, "({} & {mask:#x})", arg.name)?,
            (None, None) => write!(f, "arg{}", comparison.arg)?,
            (None, Some(mask)) => write!(f, "(arg{} & {mask:#x})", comparison.arg)?,
        }
        write!(f, " {} ", comparison.op.text())?;
        let Comparison { value, width, .. } = *comparison;
        if arg.is_some_and(|arg| arg.kind.is_pointer()) {
            f.write_str("NULL")
        } else if comparison.signed && comparison.mask.is_none() && value & sign_bit(width) != 0 {
            write!(f, "{}", sign_extend(value, width))
        } else if value > 9 && (!comparison.signed || comparison.mask.is_some()) {
            write!(f, "{value:#x}")
        } else {
            write!(f, "{value}")
        }
    }

    fn arg(&self, comparison: &Comparison) -> Option<&'static Arg> {
        self.syscall?.args.get(usize::from(comparison.arg))
    }
}
