//! The right-hand side of a comparison: numbers, constants, `|` and `~`, fitted to the argument.

use std::ops::Range;

use super::parser::{Operand, Parser};
use super::token::Kind;
use super::{ConditionError, nearest, ones, truncate};
use crate::syscalls::{self, Width};

/// A value as written and as compared.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// Truncated to the argument's width.
    pub bits: u64,
    /// Whether the author wrote a negative or a positive number; `None` if it means bits.
    pub negative: Option<bool>,
    pub range: Range<usize>,
}

impl Parser<'_> {
    /// `term | term …`
    pub(super) fn value(&mut self, operand: &Operand) -> Result<Value, ConditionError> {
        let mut value = self.term(operand)?;
        while self.peek().kind == Kind::Union {
            self.next();
            let more = self.term(operand)?;
            value = Value {
                bits: value.bits | more.bits,
                negative: None,
                range: value.range.start..more.range.end,
            };
        }
        Ok(value)
    }

    fn term(&mut self, operand: &Operand) -> Result<Value, ConditionError> {
        let token = self.next();
        let range = token.range();
        let pointer = operand.is_pointer;
        match token.kind {
            Kind::Name if self.text_of(&token) == "NULL" => null(operand, range),
            _ if pointer => {
                let name = &operand.name;
                let message = format!(
                    "`{name}` is a pointer: a register says nothing about what it points to"
                );
                let help = format!("a pointer may only be compared with NULL: `{name} == NULL`");
                Err(ConditionError::new(range, message).help(help))
            }
            Kind::Name => {
                let bits = self.constant(&token)?;
                let negative = Some(bits >> 63 == 1);
                Ok(Value {
                    bits: fit(bits, range.clone(), operand)?,
                    negative,
                    range,
                })
            }
            Kind::Number => {
                let bits = self.number(&token)?;
                Ok(Value {
                    bits: fit(bits, range.clone(), operand)?,
                    negative: Some(false),
                    range,
                })
            }
            Kind::Minus => self.negative(operand, range.start),
            Kind::Complement => {
                let inner = self.nested(|parser| parser.term(operand))?;
                Ok(Value {
                    bits: !inner.bits & ones(operand.width),
                    negative: None,
                    range: range.start..inner.range.end,
                })
            }
            Kind::Open => {
                let inner = self.nested(|parser| parser.value(operand))?;
                let close = self.next();
                if close.kind != Kind::Close {
                    return Err(ConditionError::new(close.range(), "expected `)`"));
                }
                Ok(Value {
                    range: range.start..close.end,
                    ..inner
                })
            }
            _ => Err(ConditionError::new(
                range,
                "expected a number or a constant here",
            )),
        }
    }

    /// The number after a `-`.
    fn negative(&mut self, operand: &Operand, start: usize) -> Result<Value, ConditionError> {
        let number = self.next();
        let range = start..number.end;
        if number.kind != Kind::Number {
            let message = "`-` may only precede a number";
            return Err(ConditionError::new(range, message));
        }
        let bits = self.number(&number)?;
        if bits > 1 << 63 {
            let message = "the number does not fit in 64 bits";
            return Err(ConditionError::new(range, message));
        }
        let bits = bits.wrapping_neg();
        Ok(Value {
            bits: fit(bits, range.clone(), operand)?,
            negative: Some(bits != 0),
            range,
        })
    }

    fn constant(&self, token: &super::token::Token) -> Result<u64, ConditionError> {
        let name = self.text_of(token);
        if let Some(value) = syscalls::constant(name) {
            return Ok(value);
        }
        if self.argument(name).is_some() {
            return Err(ConditionError::new(
                token.range(),
                format!("`{name}` is an argument: an argument is compared with a value"),
            ));
        }
        let error = ConditionError::new(token.range(), format!("unknown constant `{name}`"));
        let names = syscalls::constants().map(|(name, _)| name);
        Err(match nearest(name, names) {
            Some(known) => error.help(format!("did you mean `{known}`?")),
            None => error.help(
                "constants have the names of C: AF_INET, O_CREAT, TIOCSTI; a number works too",
            ),
        })
    }

    fn number(&self, token: &super::token::Token) -> Result<u64, ConditionError> {
        let text = self.text_of(token);
        let (digits, radix) = match text.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&text[2..], 16),
            [b'0', b'o' | b'O', ..] => (&text[2..], 8),
            [b'0', b'b' | b'B', ..] => (&text[2..], 2),
            // As in C, where modes are written 0644.
            [b'0', _, ..] => (&text[1..], 8),
            _ => (text, 10),
        };
        u64::from_str_radix(digits, radix).map_err(|error| {
            let message = match error.kind() {
                std::num::IntErrorKind::PosOverflow => format!("`{text}` does not fit in 64 bits"),
                _ => format!("`{text}` is not a number"),
            };
            ConditionError::new(token.range(), message)
                .help("numbers are decimal (10), hexadecimal (0xa) or octal (012, 0o12)")
        })
    }
}

/// NULL, which only a pointer is compared with.
fn null(operand: &Operand, range: Range<usize>) -> Result<Value, ConditionError> {
    if !operand.is_pointer {
        let name = &operand.name;
        let message = format!("`{name}` is not a pointer: it cannot be compared with NULL");
        return Err(ConditionError::new(range, message).help("write 0"));
    }
    Ok(Value {
        bits: 0,
        negative: None,
        range,
    })
}

/// The value truncated to the argument's width, if that only drops copies of the sign bit.
fn fit(bits: u64, range: Range<usize>, operand: &Operand) -> Result<u64, ConditionError> {
    let low = truncate(bits, operand.width);
    let fits = match operand.width {
        Width::Qword => true,
        Width::Dword => bits == low || low as u32 as i32 as i64 as u64 == bits,
    };
    if fits {
        return Ok(low);
    }
    Err(ConditionError::new(
        range,
        format!(
            "the value does not fit: the kernel reads 32 bits of `{}`",
            operand.name
        ),
    )
    .help("the kernel ignores the upper half of the register; write a 32-bit value"))
}
