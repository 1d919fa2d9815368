//! Lowers conditions to what a BPF program can test: alternatives of unsigned tests.
//!
//! It may drop alternatives that can never hold, but must never change what a condition means.

use super::{Comparison, Condition, Op, ones, register, sign_bit, truncate};
use crate::syscalls::Width;

/// How many alternatives a condition may expand to.
pub const MAX_ALTERNATIVES: usize = 64;

/// How many tests an alternative may hold.
pub const MAX_TESTS: usize = 32;

/// One unsigned test of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Test {
    /// Index of the argument, 0 to 5.
    pub arg: u8,
    /// How much of the register is compared.
    pub width: Width,
    /// The mask applied before the comparison: only with `Eq` and `Ne`.
    pub mask: Option<u64>,
    /// The operator, unsigned.
    pub op: Op,
    /// The right-hand side; within `mask` if there is one.
    pub value: u64,
}

/// Tests that must all pass. Empty: always true.
pub type Alternative = Vec<Test>;

/// The condition expands to more than a filter should hold, or compares masked bits by order, which only
/// code can construct and no test can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooComplex;

impl std::fmt::Display for TooComplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the condition expands to more than {MAX_ALTERNATIVES} alternatives of {MAX_TESTS} tests"
        )
    }
}

impl std::error::Error for TooComplex {}

impl Condition {
    /// The condition as alternatives, one of which must hold: its disjunctive normal form.
    ///
    /// No alternative: it never holds. One empty alternative: it always does.
    pub fn alternatives(&self) -> Result<Vec<Alternative>, TooComplex> {
        expand(self, false)
    }
}

impl Test {
    /// Whether it passes for these registers.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        self.passes(register(args, self.arg))
    }

    fn passes(&self, register: u64) -> bool {
        let left = truncate(register, self.width) & self.mask.unwrap_or(u64::MAX);
        self.op.holds(left, self.value)
    }

    /// Whether both test the same bits.
    fn same_operand(&self, other: &Test) -> bool {
        self.arg == other.arg && self.width == other.width && self.mask == other.mask
    }
}

/// The possible results of lowering a single comparison.
enum Lowered {
    Never,
    Always,
    One(Test),
    Both(Test, Test),
    Either(Test, Test),
}

fn expand(condition: &Condition, negate: bool) -> Result<Vec<Alternative>, TooComplex> {
    match condition {
        Condition::Compare(comparison) => {
            let op = if negate {
                comparison.op.negated()
            } else {
                comparison.op
            };
            Ok(match lower(&Comparison { op, ..*comparison })? {
                Lowered::Never => vec![],
                Lowered::Always => vec![vec![]],
                Lowered::One(test) => vec![vec![test]],
                Lowered::Both(one, other) => vec![vec![one, other]],
                Lowered::Either(one, other) => vec![vec![one], vec![other]],
            })
        }
        Condition::Not(inner) => expand(inner, !negate),
        // De Morgan: negation swaps `&&` and `||`.
        Condition::All(inner) if negate => union(inner, negate),
        Condition::All(inner) => product(inner, negate),
        Condition::Any(inner) if negate => product(inner, negate),
        Condition::Any(inner) => union(inner, negate),
    }
}

fn union(conditions: &[Condition], negate: bool) -> Result<Vec<Alternative>, TooComplex> {
    let mut all: Vec<Alternative> = Vec::new();
    for condition in conditions {
        for alternative in expand(condition, negate)? {
            if alternative.is_empty() {
                return Ok(vec![alternative]);
            }
            if !all.contains(&alternative) {
                all.push(alternative);
            }
        }
        if all.len() > MAX_ALTERNATIVES {
            return Err(TooComplex);
        }
    }
    Ok(all)
}

fn product(conditions: &[Condition], negate: bool) -> Result<Vec<Alternative>, TooComplex> {
    let mut all: Vec<Alternative> = vec![vec![]];
    for condition in conditions {
        let factors = expand(condition, negate)?;
        let mut next = Vec::with_capacity(all.len());
        for left in &all {
            for right in &factors {
                if let Some(joined) = join(left, right)
                    && !next.contains(&joined)
                {
                    next.push(joined);
                }
                if next.len() > MAX_ALTERNATIVES {
                    return Err(TooComplex);
                }
            }
        }
        all = next;
    }
    if all.iter().any(|alternative| alternative.len() > MAX_TESTS) {
        return Err(TooComplex);
    }
    Ok(all)
}

/// Both alternatives combined; `None` if they contradict each other.
fn join(left: &[Test], right: &[Test]) -> Option<Alternative> {
    let mut joined = left.to_vec();
    for test in right {
        if !add(&mut joined, *test) {
            return None;
        }
    }
    Some(joined)
}

/// Adds a test to an alternative, unless it is implied. False: it contradicts an existing one.
fn add(tests: &mut Alternative, test: Test) -> bool {
    for known in tests.iter() {
        if known.arg != test.arg || known.width != test.width {
            continue;
        }
        if contradict(known, &test) {
            return false;
        }
        if *known == test || is_fixed(known) {
            // A register known to hold one value passes every test that does not contradict it.
            return true;
        }
    }
    if is_fixed(&test) {
        tests.retain(|known| known.arg != test.arg || known.width != test.width);
    }
    tests.push(test);
    true
}

fn is_fixed(test: &Test) -> bool {
    test.op == Op::Eq && test.mask.is_none()
}

/// Whether no register passes both tests of the same argument. May miss some that do not.
fn contradict(one: &Test, other: &Test) -> bool {
    if is_fixed(one) {
        return !other.passes(one.value);
    }
    if is_fixed(other) {
        return !one.passes(other.value);
    }
    match (one.op, other.op) {
        (Op::Eq, Op::Eq) => {
            let common = one.mask.unwrap_or(u64::MAX) & other.mask.unwrap_or(u64::MAX);
            (one.value ^ other.value) & common != 0
        }
        (Op::Eq, Op::Ne) | (Op::Ne, Op::Eq) => one.same_operand(other) && one.value == other.value,
        _ => match (bounds(one), bounds(other)) {
            (Some(a), Some(b)) => a.0.max(b.0) > a.1.min(b.1),
            _ => false,
        },
    }
}

/// The least and the greatest value that pass an ordering test.
fn bounds(test: &Test) -> Option<(u64, u64)> {
    let greatest = ones(test.width);
    match test.op {
        Op::Lt => Some((0, test.value.saturating_sub(1))),
        Op::Le => Some((0, test.value)),
        Op::Gt => Some((test.value.saturating_add(1), greatest)),
        Op::Ge => Some((test.value, greatest)),
        Op::Eq | Op::Ne => None,
    }
}

/// A comparison as unsigned tests, without tests that every or no register passes.
fn lower(comparison: &Comparison) -> Result<Lowered, TooComplex> {
    let Comparison {
        arg,
        width,
        signed,
        mask,
        op,
        value,
    } = *comparison;
    let value = truncate(value, width);
    let test = |op, value| Test {
        arg,
        width,
        mask: None,
        op,
        value,
    };
    if let Some(mask) = mask {
        let mask = truncate(mask, width);
        return match op {
            Op::Eq if value & !mask != 0 => Ok(Lowered::Never),
            Op::Ne if value & !mask != 0 => Ok(Lowered::Always),
            Op::Eq if mask == 0 => Ok(Lowered::Always),
            Op::Ne if mask == 0 => Ok(Lowered::Never),
            Op::Eq | Op::Ne => Ok(Lowered::One(Test {
                mask: Some(mask),
                ..test(op, value)
            })),
            _ => Err(TooComplex),
        };
    }
    let sign = sign_bit(width);
    let (least, greatest) = if signed {
        (sign, sign - 1)
    } else {
        (0, ones(width))
    };
    // As unsigned numbers, the negative ones are above the others: [0, sign), then [sign, ones].
    let is_negative = test(Op::Ge, sign);
    let is_positive = test(Op::Lt, sign);
    let negative = value & sign != 0;
    #[rustfmt::skip]
    let lowered = match op {
        Op::Eq | Op::Ne                     => Lowered::One(test(op, value)),
        Op::Lt if value == least            => Lowered::Never,
        Op::Ge if value == least            => Lowered::Always,
        Op::Gt if value == greatest         => Lowered::Never,
        Op::Le if value == greatest         => Lowered::Always,
        _ if !signed                        => Lowered::One(test(op, value)),
        Op::Lt if value == 0                => Lowered::One(is_negative),
        Op::Ge if value == 0                => Lowered::One(is_positive),
        Op::Lt | Op::Le if negative         => Lowered::Both(is_negative, test(op, value)),
        Op::Lt | Op::Le                     => Lowered::Either(is_negative, test(op, value)),
        Op::Gt | Op::Ge if negative         => Lowered::Either(is_positive, test(op, value)),
        Op::Gt | Op::Ge                     => Lowered::Both(is_positive, test(op, value)),
    };
    Ok(lowered)
}
