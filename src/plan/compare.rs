//! Tests of registers as BPF instructions.
//!
//! A register has 64 bits and BPF's accumulator 32, so the two halves are loaded and compared one after the
//! other, the upper one first.

use seccompiler::sock_filter;

use super::bpf;
use crate::condition::{Op, Test, TooComplex};
use crate::syscalls::Width;

/// Appends tests that must all pass to reach the next instruction; otherwise that instruction is
/// skipped.
///
/// # Errors
/// If there are more tests than a conditional jump can skip. [`MAX_TESTS`](crate::condition::MAX_TESTS)
/// is less.
pub fn all(code: &mut Vec<sock_filter>, tests: &[Test]) -> Result<(), TooComplex> {
    let mut compare = Compare {
        code,
        misses: Vec::new(),
    };
    for test in tests {
        compare.test(test);
    }
    compare.link()
}

/// The target of a comparison.
#[derive(Clone, Copy)]
enum To {
    /// To the instruction after so many.
    Skip(u8),
    /// Past the instruction that follows all tests.
    Miss,
}

const NEXT: To = To::Skip(0);

/// Which jump of an instruction must still be set.
enum Jump {
    Then,
    Else,
}

/// Instructions under construction, with the jumps for tests that do not pass.
struct Compare<'a> {
    code: &'a mut Vec<sock_filter>,
    misses: Vec<(usize, Jump)>,
}

/// One of the conditional jumps of [`bpf`].
type If = fn(u32, u8, u8) -> sock_filter;

impl Compare<'_> {
    fn test(&mut self, test: &Test) {
        let offset = bpf::ARGS + u32::from(test.arg) * 8;
        let mask = test.mask.unwrap_or(u64::MAX);
        // Both architectures are little-endian.
        let lower = Half {
            offset,
            mask: mask as u32,
            value: test.value as u32,
        };
        let upper = Half {
            offset: offset + 4,
            mask: (mask >> 32) as u32,
            value: (test.value >> 32) as u32,
        };
        let has_upper = test.width == Width::Qword && upper.mask != 0;
        if has_upper {
            // The number of instructions for the lower half, if it is compared.
            let rest = To::Skip(lower.len());
            self.load(upper);
            match test.op {
                Op::Eq => self.jump(bpf::if_equal, upper.value, NEXT, To::Miss),
                Op::Ne if lower.mask == 0 => {
                    self.jump(bpf::if_equal, upper.value, To::Miss, NEXT);
                }
                Op::Ne => self.jump(bpf::if_equal, upper.value, NEXT, rest),
                Op::Gt | Op::Ge => {
                    self.jump(bpf::if_above, upper.value, To::Skip(1 + lower.len()), NEXT);
                    self.jump(bpf::if_equal, upper.value, NEXT, To::Miss);
                }
                Op::Lt | Op::Le => {
                    self.jump(bpf::if_above, upper.value, To::Miss, NEXT);
                    self.jump(bpf::if_equal, upper.value, NEXT, rest);
                }
            }
        }
        if lower.mask == 0 && has_upper {
            return;
        }
        self.load(lower);
        match test.op {
            Op::Eq => self.jump(bpf::if_equal, lower.value, NEXT, To::Miss),
            Op::Ne => self.jump(bpf::if_equal, lower.value, To::Miss, NEXT),
            Op::Ge => self.jump(bpf::if_at_least, lower.value, NEXT, To::Miss),
            Op::Gt => self.jump(bpf::if_above, lower.value, NEXT, To::Miss),
            Op::Le => self.jump(bpf::if_above, lower.value, To::Miss, NEXT),
            Op::Lt => self.jump(bpf::if_at_least, lower.value, To::Miss, NEXT),
        }
    }

    fn load(&mut self, half: Half) {
        self.code.push(bpf::load(half.offset));
        if half.mask != u32::MAX {
            self.code.push(bpf::and(half.mask));
        }
    }

    fn jump(&mut self, instruction: If, value: u32, then: To, otherwise: To) {
        let at = self.code.len();
        let mut distance = |to, which| match to {
            To::Skip(distance) => distance,
            To::Miss => {
                self.misses.push((at, which));
                0
            }
        };
        let (then, otherwise) = (distance(then, Jump::Then), distance(otherwise, Jump::Else));
        self.code.push(instruction(value, then, otherwise));
    }

    /// Points the jumps past the instruction that follows.
    fn link(self) -> Result<(), TooComplex> {
        let end = self.code.len();
        for (at, which) in self.misses {
            let distance = u8::try_from(end - at).map_err(|_| TooComplex)?;
            if let Some(instruction) = self.code.get_mut(at) {
                match which {
                    Jump::Then => instruction.jt = distance,
                    Jump::Else => instruction.jf = distance,
                }
            }
        }
        Ok(())
    }
}

/// A half of a register, and what it is compared with.
#[derive(Clone, Copy)]
struct Half {
    /// In `struct seccomp_data`.
    offset: u32,
    mask: u32,
    value: u32,
}

impl Half {
    /// How many instructions load and compare it, as the lower half.
    fn len(self) -> u8 {
        match self.mask {
            0 => 0,
            u32::MAX => 2,
            _ => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::MAX_TESTS;

    /// Runs instructions of this file; whether the one that follows is reached.
    fn passes(code: &[sock_filter], args: &[u64; 6]) -> bool {
        let (mut at, mut loaded) = (0, 0_u32);
        while let Some(instruction) = code.get(at) {
            let k = instruction.k;
            let branch = |taken| {
                usize::from(if taken {
                    instruction.jt
                } else {
                    instruction.jf
                })
            };
            at += 1 + match instruction.code {
                0x20 => {
                    let (arg, upper) = ((k - bpf::ARGS) / 8, (k - bpf::ARGS) % 8);
                    loaded = (args[arg as usize] >> (upper * 8)) as u32;
                    0
                }
                0x54 => {
                    loaded &= k;
                    0
                }
                0x15 => branch(loaded == k),
                0x25 => branch(loaded > k),
                0x35 => branch(loaded >= k),
                other => panic!("{other:#x}"),
            };
        }
        assert!(at <= code.len() + 1, "past what is skipped");
        at == code.len()
    }

    /// Values around the borders of both halves.
    const VALUES: [u64; 11] = [
        0,
        1,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        0x1_0000_0001,
        0x1_ffff_ffff,
        0x8000_0000_0000_0000,
        u64::MAX - 1,
        u64::MAX,
    ];
    const MASKS: [Option<u64>; 6] = [
        None,
        Some(1),
        Some(0xffff_ffff),
        Some(0xffff_ffff_0000_0000),
        Some(0x1_0000_0000),
        Some(0x1_8000_0001),
    ];

    fn tests() -> Vec<Test> {
        let mut tests = Vec::new();
        for mask in MASKS {
            for op in [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge] {
                for value in VALUES {
                    for width in [Width::Dword, Width::Qword] {
                        let all = match width {
                            Width::Dword => 0xffff_ffff,
                            Width::Qword => u64::MAX,
                        };
                        // As conditions are lowered: see `Test`.
                        let mask = mask.map(|mask| mask & all);
                        if mask == Some(0) || mask.is_some() && !matches!(op, Op::Eq | Op::Ne) {
                            continue;
                        }
                        tests.push(Test {
                            arg: 2,
                            width,
                            mask,
                            op,
                            value: value & all & mask.unwrap_or(u64::MAX),
                        });
                    }
                }
            }
        }
        tests
    }

    #[test]
    fn the_instructions_decide_as_the_test_does() {
        let tests = tests();
        assert!(tests.len() > 300);
        for test in &tests {
            let mut code = Vec::new();
            all(&mut code, &[*test]).expect("instructions");
            for value in VALUES {
                let args = [!value, !value, value, !value, !value, !value];
                let holds = test.holds(&args);
                assert_eq!(passes(&code, &args), holds, "{test:?} of {value:#x}");
            }
        }
    }

    #[test]
    fn of_several_tests_all_must_pass() {
        let of = |arg, op, value| Test {
            arg,
            width: Width::Qword,
            mask: None,
            op,
            value,
        };
        let tests = [
            of(0, Op::Ge, 5),
            of(1, Op::Ne, 1 << 33),
            of(2, Op::Lt, 1 << 40),
        ];
        let mut code = Vec::new();
        all(&mut code, &tests).expect("instructions");
        for first in [4, 5] {
            for second in [1 << 33, 1] {
                for third in [1 << 40, 9] {
                    let args = [first, second, third, 0, 0, 0];
                    let holds = tests.iter().all(|test| test.holds(&args));
                    assert_eq!(passes(&code, &args), holds, "{args:?}");
                }
            }
        }
    }

    #[test]
    fn as_many_tests_as_an_alternative_holds_are_in_reach_of_a_jump() {
        let longest = Test {
            arg: 5,
            width: Width::Qword,
            mask: None,
            op: Op::Lt,
            value: 1 << 40,
        };
        let mut code = Vec::new();
        assert!(all(&mut code, &[longest; MAX_TESTS]).is_ok());
        assert!(passes(&code, &[0; 6]));
        assert!(!passes(&code, &[0, 0, 0, 0, 0, 1 << 40]));
        assert!(all(&mut code, &[longest; 100]).is_err());
    }

    #[test]
    fn a_masked_test_that_must_differ_needs_no_detour() {
        let test = Test {
            arg: 0,
            width: Width::Qword,
            mask: Some(3),
            op: Op::Ne,
            value: 1,
        };
        let mut code = Vec::new();
        all(&mut code, &[test]).expect("instructions");
        // A load, the mask, a jump: the mask leaves nothing of the upper half.
        assert_eq!(code.len(), 3);
    }
}
