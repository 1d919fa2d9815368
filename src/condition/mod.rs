//! The condition language of `[[rule]] when`: parsed text, evaluated on registers, lowered for BPF.
//!
//! Pure: no I/O, no knowledge of policies. A condition knows argument positions, never a syscall.

mod display;
mod error;
mod lower;
mod nearest;
mod parse;
mod parser;
mod token;
mod value;

#[cfg(test)]
mod tests;

pub use error::ConditionError;
#[cfg(test)]
pub use lower::MAX_TESTS;
pub use lower::{Test, TooComplex};
pub use nearest::nearest;

use crate::syscalls::Width;

/// A condition over the register arguments of one syscall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One comparison.
    Compare(Comparison),
    /// The inner condition does not hold.
    Not(Box<Condition>),
    /// Every one holds. Empty: true.
    All(Vec<Condition>),
    /// At least one holds. Empty: false.
    Any(Vec<Condition>),
}

/// One comparison of a register argument, as its author meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Index of the argument, 0 to 5.
    pub arg: u8,
    /// How much of the register the kernel reads.
    pub width: Width,
    /// Whether the kernel's type is signed, which decides what `<` means.
    pub signed: bool,
    /// `(arg & mask)`; `None` compares the whole argument.
    pub mask: Option<u64>,
    /// The operator.
    pub op: Op,
    /// The right-hand side, truncated to `width`.
    pub value: u64,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Condition {
    /// Whether it holds for these registers: what the condition means.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        match self {
            Condition::Compare(comparison) => comparison.holds(args),
            Condition::Not(inner) => !inner.holds(args),
            Condition::All(inner) => inner.iter().all(|c| c.holds(args)),
            Condition::Any(inner) => inner.iter().any(|c| c.holds(args)),
        }
    }
}

impl Comparison {
    /// Whether it holds for these registers.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let mut left = truncate(register(args, self.arg), self.width);
        if let Some(mask) = self.mask {
            left &= mask;
        }
        let right = truncate(self.value, self.width);
        // A masked value is a set of bits, not a number: it has no sign.
        if self.signed && self.mask.is_none() {
            self.op.holds(
                sign_extend(left, self.width),
                sign_extend(right, self.width),
            )
        } else {
            self.op.holds(left, right)
        }
    }
}

impl Op {
    /// Whether `left op right`.
    pub fn holds<T: Ord>(self, left: T, right: T) -> bool {
        match self {
            Op::Eq => left == right,
            Op::Ne => left != right,
            Op::Lt => left < right,
            Op::Le => left <= right,
            Op::Gt => left > right,
            Op::Ge => left >= right,
        }
    }

    /// The operator that holds exactly where this one does not.
    pub const fn negated(self) -> Op {
        match self {
            Op::Eq => Op::Ne,
            Op::Ne => Op::Eq,
            Op::Lt => Op::Ge,
            Op::Le => Op::Gt,
            Op::Gt => Op::Le,
            Op::Ge => Op::Lt,
        }
    }

    /// As written in a policy.
    pub const fn text(self) -> &'static str {
        match self {
            Op::Eq => "==",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        }
    }

    const fn is_equality(self) -> bool {
        matches!(self, Op::Eq | Op::Ne)
    }
}

/// The register of an argument. There are six; a position beyond them reads as 0.
fn register(args: &[u64; 6], index: u8) -> u64 {
    args.get(usize::from(index)).copied().unwrap_or(0)
}

/// A mask of all bits of a width.
const fn ones(width: Width) -> u64 {
    match width {
        Width::Dword => 0xffff_ffff,
        Width::Qword => u64::MAX,
    }
}

/// The sign bit of a width.
const fn sign_bit(width: Width) -> u64 {
    match width {
        Width::Dword => 1 << 31,
        Width::Qword => 1 << 63,
    }
}

const fn truncate(value: u64, width: Width) -> u64 {
    value & ones(width)
}

const fn sign_extend(value: u64, width: Width) -> i64 {
    match width {
        Width::Dword => value as u32 as i32 as i64,
        Width::Qword => value as i64,
    }
}
