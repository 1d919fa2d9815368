//! Runs seccomp programs without a kernel: the checker, the machine, and the cache's own reading.
//!
//! Written from the kernel's rules (net/core/filter.c, kernel/seccomp.c), not from what the
//! project happens to emit: anything that the kernel would refuse is an error here.

#![allow(dead_code)]

pub mod agreement;
pub mod reference;
pub mod registers;

use seccompiler::sock_filter;

/// `AUDIT_ARCH_X86_64`.
pub const X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
pub const I386: u32 = 0x4000_0003;
/// `AUDIT_ARCH_AARCH64`.
pub const AARCH64: u32 = 0xc000_00b7;
/// The one that this is compiled for.
pub const NATIVE: u32 = if cfg!(target_arch = "aarch64") {
    AARCH64
} else {
    X86_64
};

const LD_W_ABS: u16 = 0x20;
const AND_K: u16 = 0x54;
const JA: u16 = 0x05;
const JEQ_K: u16 = 0x15;
const JGT_K: u16 = 0x25;
const JGE_K: u16 = 0x35;
const JSET_K: u16 = 0x45;
const RET_K: u16 = 0x06;

/// `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    pub nr: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

/// What a program returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Trace,
    Errno(i32),
}

impl Data {
    pub fn native(nr: u32, args: [u64; 6]) -> Data {
        Data {
            nr,
            arch: NATIVE,
            args,
        }
    }

    /// The 32 bits at a byte offset; both architectures are little-endian.
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.nr,
            4 => self.arch,
            // The instruction pointer: of no interest to a filter that is sound.
            8 | 12 => panic!("the program reads the instruction pointer"),
            16..64 => {
                let arg = self.args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) {
                    arg as u32
                } else {
                    (arg >> 32) as u32
                }
            }
            _ => panic!("the program reads past seccomp_data"),
        }
    }
}

/// The kernel's rules for a program: length, known instructions, jumps that land within it, a
/// return at its end. Instructions of other kinds are legal to the kernel but not expected here.
pub fn check(program: &[sock_filter]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (at, instruction) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        let lands = |distance: usize| {
            if distance < left {
                Ok(())
            } else {
                Err(format!("{at}: jumps out of the program"))
            }
        };
        match instruction.code {
            LD_W_ABS if instruction.k % 4 != 0 || instruction.k >= 64 => {
                return Err(format!("{at}: loads from {}", instruction.k));
            }
            LD_W_ABS | AND_K | RET_K => {}
            JA => lands(instruction.k as usize)?,
            JEQ_K | JGT_K | JGE_K | JSET_K => {
                lands(usize::from(instruction.jt))?;
                lands(usize::from(instruction.jf))?;
            }
            code => return Err(format!("{at}: instruction {code:#x}")),
        }
    }
    match program.last() {
        Some(last) if last.code == RET_K => Ok(()),
        _ => Err("does not end in a return".to_owned()),
    }
}

/// Runs a program on a call. Returns the answer and how many instructions it took.
pub fn run(program: &[sock_filter], data: &Data) -> (Answer, usize) {
    let (mut at, mut loaded, mut steps) = (0, 0u32, 0);
    loop {
        let instruction = &program[at];
        at += 1;
        steps += 1;
        let k = instruction.k;
        let branch = |taken: bool| {
            usize::from(if taken {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        match instruction.code {
            LD_W_ABS => loaded = data.word(k),
            AND_K => loaded &= k,
            JA => at += k as usize,
            JEQ_K => at += branch(loaded == k),
            JGT_K => at += branch(loaded > k),
            JGE_K => at += branch(loaded >= k),
            JSET_K => at += branch(loaded & k != 0),
            RET_K => return (answer(k), steps),
            code => panic!("instruction {code:#x}"),
        }
    }
}

fn answer(k: u32) -> Answer {
    match (k & 0xffff_0000, k & 0xffff) {
        (0x7fff_0000, 0) => Answer::Allow,
        (0x7ff0_0000, data) if data == u32::from(jail::internal::plan::TRACE_DATA) => Answer::Trace,
        (0x0005_0000, errno @ 1..=4095) => Answer::Errno(errno as i32),
        _ => panic!("returns {k:#x}"),
    }
}

/// Whether the kernel's cache finds a number always allowed: it follows the program as long as
/// it looks at the number and the architecture only.
pub fn always_allowed(program: &[sock_filter], nr: u32) -> bool {
    let (mut at, mut loaded) = (0, 0u32);
    loop {
        let instruction = &program[at];
        at += 1;
        let k = instruction.k;
        let taken = match instruction.code {
            LD_W_ABS if k == 0 => {
                loaded = nr;
                continue;
            }
            LD_W_ABS if k == 4 => {
                loaded = NATIVE;
                continue;
            }
            AND_K => {
                loaded &= k;
                continue;
            }
            JA => {
                at += k as usize;
                continue;
            }
            RET_K => return k == 0x7fff_0000,
            JEQ_K => loaded == k,
            JGT_K => loaded > k,
            JGE_K => loaded >= k,
            JSET_K => loaded & k != 0,
            _ => return false,
        };
        at += usize::from(if taken {
            instruction.jt
        } else {
            instruction.jf
        });
    }
}
