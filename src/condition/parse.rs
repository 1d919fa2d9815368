//! Parses text to [`Condition`]. It is strict where C would mislead: each comparison must be explicit.

use super::parser::{Operand, Parser};
use super::token::{Kind, Token};
use super::value::Value;
use super::{Comparison, Condition, ConditionError, Op, sign_bit};
use crate::syscalls::Syscall;

impl Condition {
    /// Parses a condition over the arguments of `syscall`.
    pub fn parse(text: &str, syscall: &'static Syscall) -> Result<Condition, ConditionError> {
        let mut parser = Parser::new(text, syscall)?;
        if parser.peek().kind == Kind::End {
            return Err(ConditionError::new(0..text.len(), "the condition is empty")
                .help(parser.arguments_help()));
        }
        let condition = parser.any()?;
        let rest = parser.peek();
        match rest.kind {
            Kind::End => Ok(condition),
            Kind::Close => Err(ConditionError::new(rest.range(), "this `)` closes nothing")),
            Kind::Compare(_) => Err(ConditionError::new(
                rest.range(),
                "comparisons cannot be chained",
            )
            .help("write each comparison, joined by `&&`")),
            Kind::Name if matches!(parser.text_of(&rest), "and" | "or") => {
                let operator = if parser.text_of(&rest) == "and" {
                    "&&"
                } else {
                    "||"
                };
                Err(
                    ConditionError::new(rest.range(), "conditions are joined by `&&` and `||`")
                        .help(format!("write `{operator}`")),
                )
            }
            _ => Err(ConditionError::new(
                rest.range(),
                "expected `&&`, `||` or the end here",
            )),
        }
    }
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Condition, ConditionError> {
        let first = self.all()?;
        if self.peek().kind != Kind::Or {
            return Ok(first);
        }
        let mut inner = vec![first];
        while self.peek().kind == Kind::Or {
            self.next();
            inner.push(self.all()?);
        }
        Ok(Condition::Any(inner))
    }

    fn all(&mut self) -> Result<Condition, ConditionError> {
        let first = self.unary()?;
        if self.peek().kind != Kind::And {
            return Ok(first);
        }
        let mut inner = vec![first];
        while self.peek().kind == Kind::And {
            self.next();
            inner.push(self.unary()?);
        }
        Ok(Condition::All(inner))
    }

    fn unary(&mut self) -> Result<Condition, ConditionError> {
        if self.peek().kind == Kind::Not {
            let not = self.next();
            let after = self.peek();
            // `!flags == 0` and `!(flags & X) == 0` negate the number in C, not the comparison.
            let opens_condition = after.kind == Kind::Open && !self.masked_operand_follows();
            if !opens_condition && after.kind != Kind::Not {
                return Err(ConditionError::new(
                    not.range(),
                    "`!` must be followed by a condition in parentheses",
                )
                .help("write `!(flags == 0)`, or compare with `!=`"));
            }
            let inner = self.nested(Parser::unary)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.peek().kind == Kind::Open && !self.masked_operand_follows() {
            let open = self.next();
            let inner = self.nested(Parser::any)?;
            let close = self.next();
            if close.kind != Kind::Close {
                return Err(ConditionError::new(open.range(), "this `(` is not closed"));
            }
            return Ok(inner);
        }
        self.comparison()
    }

    /// `operand op value` or `operand in {value, …}`
    fn comparison(&mut self) -> Result<Condition, ConditionError> {
        let operand = self.operand()?;
        let token = self.next();
        match token.kind {
            Kind::Compare(op) => {
                let value = self.value(&operand)?;
                compare(&operand, op, &value).map(Condition::Compare)
            }
            Kind::Name if self.text_of(&token) == "in" => self.set(&operand),
            Kind::Name if self.text_of(&token) == "not" => {
                Err(ConditionError::new(token.range(), "there is no `not in`")
                    .help(format!("write `!({} in {{…}})`", operand.name)))
            }
            Kind::Mask => Err(self.unparenthesized_mask(&operand, &token)),
            _ => {
                let written = self
                    .text
                    .get(operand.range.clone())
                    .unwrap_or(&operand.name);
                let other = if operand.is_pointer { "NULL" } else { "0" };
                Err(ConditionError::new(
                    operand.range.clone(),
                    format!("`{written}` is not compared with anything"),
                )
                .help(format!("write `{written} != {other}`")))
            }
        }
    }

    fn set(&mut self, operand: &Operand) -> Result<Condition, ConditionError> {
        let open = self.next();
        if open.kind != Kind::SetOpen {
            return Err(ConditionError::new(open.range(), "expected `{` after `in`")
                .help(format!("write `{} in {{A, B}}`", operand.name)));
        }
        let mut inner = Vec::new();
        loop {
            // A comma may follow the last value.
            if self.peek().kind == Kind::SetClose && !inner.is_empty() {
                self.next();
                break;
            }
            let value = self.value(operand)?;
            inner.push(Condition::Compare(compare(operand, Op::Eq, &value)?));
            let separator = self.next();
            match separator.kind {
                Kind::Comma => {}
                Kind::SetClose => break,
                _ => {
                    return Err(ConditionError::new(
                        separator.range(),
                        "expected `,` or `}` here",
                    ));
                }
            }
        }
        Ok(match inner.len() {
            1 => inner.remove(0),
            _ => Condition::Any(inner),
        })
    }

    /// `arg` or `(arg & mask)`
    fn operand(&mut self) -> Result<Operand, ConditionError> {
        let token = self.next();
        match token.kind {
            Kind::Name => self.named_operand(&token),
            Kind::Open => {
                let name = self.next();
                let mut operand = self.named_operand(&name)?;
                let ampersand = self.next();
                if operand.is_pointer {
                    return Err(ConditionError::new(
                        ampersand.range(),
                        format!("`{}` is a pointer: its bits mean nothing", operand.name),
                    )
                    .help(format!(
                        "a pointer may only be compared with NULL: `{} == NULL`",
                        operand.name
                    )));
                }
                let mask = self.value(&operand)?;
                let close = self.next();
                if close.kind != Kind::Close {
                    return Err(match close.kind {
                        Kind::Compare(_) => self.unparenthesized_mask(&operand, &ampersand),
                        _ => ConditionError::new(close.range(), "expected `)` after the mask"),
                    });
                }
                if mask.bits == 0 {
                    return Err(ConditionError::new(
                        mask.range,
                        "the mask is 0: nothing is left to compare",
                    ));
                }
                operand.mask = Some(mask.bits);
                operand.range = token.start..close.end;
                Ok(operand)
            }
            Kind::Number | Kind::Minus | Kind::Complement => Err(ConditionError::new(
                token.range(),
                "the argument comes first, the value after it",
            )
            .help("write `fd > 2`, not `2 < fd`")),
            Kind::End => Err(
                ConditionError::new(token.range(), "the condition ends too early")
                    .help(self.arguments_help()),
            ),
            _ => Err(
                ConditionError::new(token.range(), "expected an argument here")
                    .help(self.arguments_help()),
            ),
        }
    }

    fn named_operand(&self, token: &Token) -> Result<Operand, ConditionError> {
        let name = self.text_of(token);
        let Some((index, arg)) = self.argument(name) else {
            return Err(self.unknown_argument(token));
        };
        Ok(Operand {
            name: name.to_owned(),
            index: index as u8,
            width: arg.kind.width(),
            signed: arg.kind.is_signed(),
            is_pointer: arg.kind.is_pointer(),
            mask: None,
            range: token.range(),
        })
    }
}

/// The comparison, if it means what it appears to mean.
fn compare(operand: &Operand, op: Op, value: &Value) -> Result<Comparison, ConditionError> {
    let name = &operand.name;
    if let Some(mask) = operand.mask {
        if !op.is_equality() {
            return Err(ConditionError::new(
                operand.range.clone(),
                "masked bits are compared by `==` and `!=` only",
            ));
        }
        if value.bits & !mask != 0 {
            return Err(ConditionError::new(
                value.range.clone(),
                format!(
                    "the value has bits outside the mask ({:#x}): they can never be equal",
                    value.bits & !mask
                ),
            ));
        }
    } else if !op.is_equality() {
        if operand.is_pointer {
            return Err(ConditionError::new(
                operand.range.clone(),
                format!("`{name}` is a pointer: it has no order"),
            )
            .help(format!(
                "a pointer may only be compared with NULL: `{name} == NULL`"
            )));
        }
        let has_sign_bit = value.bits & sign_bit(operand.width) != 0;
        if operand.signed && has_sign_bit && value.negative == Some(false) {
            return Err(ConditionError::new(
                value.range.clone(),
                format!("`{name}` is signed: this value would be read as a negative number"),
            ));
        }
        if !operand.signed && value.negative == Some(true) {
            return Err(ConditionError::new(
                value.range.clone(),
                format!("`{name}` is unsigned: it is never negative"),
            ));
        }
    }
    Ok(Comparison {
        arg: operand.index,
        width: operand.width,
        signed: operand.signed,
        mask: operand.mask,
        op,
        value: value.bits,
    })
}
