//! A seccomp filter that a program of the jail installs itself, as far as jail has to know it: which calls
//! that jail makes in place of the program's own it refuses. It is read for messages alone; nothing is
//! decided by it.

use crate::sys::memory;
use crate::syscalls::Call;
use crate::syscalls::arch;
use crate::syscalls::op::{Op, Open};
use crate::trace::Tid;

/// BPF_MAXINSNS of linux/bpf_common.h.
const MOST: usize = 4096;
/// `struct sock_filter`.
const INSTRUCTION: usize = 8;
/// `struct seccomp_data`.
const DATA: usize = 64;
/// BPF_MEMWORDS of linux/filter.h.
const WORDS: usize = 16;

/// How a filter answers a call that it does not let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// By this errno.
    Errno(i32),
    /// By SIGSYS: the task is killed, or its handler is called.
    Signal,
}

/// Calls that jail makes in place of an open: openat2 of the path that it has judged, and mmap of the pages
/// for that.
const MADE: [Op; 2] = [Op::Open(Open::Openat2), Op::Mmap];

/// Which of these the filter that this call installs refuses, where it lets openat pass.
pub fn refusals(tid: Tid, call: &Call) -> Vec<(Op, Refusal)> {
    let by_prctl = call.op() == Op::Prctl;
    if by_prctl && call.args[1] as i32 != libc::SECCOMP_MODE_FILTER as i32 {
        return Vec::new();
    }
    let Some(program) = read(tid, call.args[2]) else {
        return Vec::new();
    };
    let answer = |op: Op| Some(Answer::of(run(&program, op.number()?)?));
    if answer(Op::Open(Open::Openat)) != Some(Answer::Passes) {
        return Vec::new();
    }
    let refused = MADE.into_iter().filter_map(|op| match answer(op)? {
        Answer::Refuses(refusal) => Some((op, refusal)),
        Answer::Passes => None,
    });
    refused.collect()
}

#[derive(Debug, PartialEq)]
enum Answer {
    Passes,
    Refuses(Refusal),
}

impl Answer {
    /// seccomp(2), RETURN VALUE of a filter.
    fn of(value: u32) -> Self {
        match value & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_ERRNO => {
                Self::Refuses(Refusal::Errno((value & libc::SECCOMP_RET_DATA) as i32))
            }
            libc::SECCOMP_RET_KILL_PROCESS
            | libc::SECCOMP_RET_KILL_THREAD
            | libc::SECCOMP_RET_TRAP => Self::Refuses(Refusal::Signal),
            _ => Self::Passes,
        }
    }
}

/// One instruction.
#[derive(Debug, Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

/// The program of a `struct sock_fprog`: its length, and where it lies.
fn read(tid: Tid, address: u64) -> Option<Vec<Instruction>> {
    let mut head = [0; 16];
    memory::read_all(tid, address, &mut head).ok()?;
    let [a, b, _, _, _, _, _, _, at @ ..] = head;
    let length = usize::from(u16::from_ne_bytes([a, b]));
    if length > MOST {
        return None;
    }
    let bytes = memory::bytes_at(tid, u64::from_ne_bytes(at), length * INSTRUCTION).ok()?;
    let instruction = |bytes: &[u8]| {
        let [a, b, if_true, if_false, k @ ..] = *bytes.first_chunk::<INSTRUCTION>()?;
        Some(Instruction {
            code: u16::from_ne_bytes([a, b]),
            if_true,
            if_false,
            k: u32::from_ne_bytes(k),
        })
    };
    bytes.chunks_exact(INSTRUCTION).map(instruction).collect()
}

/// What a program answers to a call whose arguments are 0. `None`: it is none that the kernel takes.
fn run(program: &[Instruction], nr: u32) -> Option<u32> {
    let mut data = [0; DATA];
    data.get_mut(..4)?.copy_from_slice(&nr.to_ne_bytes());
    let native = arch::NATIVE.audit_arch();
    data.get_mut(4..8)?.copy_from_slice(&native.to_ne_bytes());
    let (mut a, mut x, mut words) = (0u32, 0u32, [0u32; WORDS]);
    let mut at = 0;
    // Jumps lead forwards only.
    while let Some(&Instruction {
        code,
        if_true,
        if_false,
        k,
    }) = program.get(at)
    {
        at += 1;
        let word = k as usize;
        let jump = |holds: bool| usize::from(if holds { if_true } else { if_false });
        // linux/bpf_common.h and linux/filter.h.
        match code {
            0x06 => return Some(k),
            0x16 => return Some(a),
            0x20 => a = u32::from_ne_bytes(*data.get(word..)?.first_chunk()?),
            0x00 => a = k,
            0x01 => x = k,
            0x80 => a = DATA as u32,
            0x81 => x = DATA as u32,
            0x60 => a = *words.get(word)?,
            0x61 => x = *words.get(word)?,
            0x02 => *words.get_mut(word)? = a,
            0x03 => *words.get_mut(word)? = x,
            0x07 => x = a,
            0x87 => a = x,
            0x05 => at += word,
            0x15 => at += jump(a == k),
            0x1d => at += jump(a == x),
            0x25 => at += jump(a > k),
            0x2d => at += jump(a > x),
            0x35 => at += jump(a >= k),
            0x3d => at += jump(a >= x),
            0x45 => at += jump(a & k != 0),
            0x4d => at += jump(a & x != 0),
            _ => a = calculated(code, a, if code & 8 == 0 { k } else { x })?,
        }
    }
    None
}

/// BPF_ALU.
fn calculated(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & !8 {
        0x04 => a.wrapping_add(operand),
        0x14 => a.wrapping_sub(operand),
        0x24 => a.wrapping_mul(operand),
        0x34 => a.checked_div(operand)?,
        0x44 => a | operand,
        0x54 => a & operand,
        0x64 => a.checked_shl(operand)?,
        0x74 => a.checked_shr(operand)?,
        0x84 => a.wrapping_neg(),
        0xa4 => a ^ operand,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u16, if_true: u8, if_false: u8, k: u32) -> Instruction {
        Instruction {
            code,
            if_true,
            if_false,
            k,
        }
    }

    #[test]
    fn a_list_of_what_is_allowed_refuses_the_rest() {
        let openat = Op::Open(Open::Openat).number().expect("a known call");
        let denied = libc::SECCOMP_RET_ERRNO | 1;
        let program = [
            instruction(0x20, 0, 0, 4),
            instruction(0x15, 1, 0, arch::NATIVE.audit_arch()),
            instruction(0x06, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
            instruction(0x20, 0, 0, 0),
            instruction(0x15, 0, 1, openat),
            instruction(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
            instruction(0x06, 0, 0, denied),
        ];
        assert_eq!(run(&program, openat), Some(libc::SECCOMP_RET_ALLOW));
        assert_eq!(run(&program, 437), Some(denied));
        assert_eq!(Answer::of(denied), Answer::Refuses(Refusal::Errno(1)));
        assert_eq!(Answer::of(libc::SECCOMP_RET_ALLOW), Answer::Passes);
        assert_eq!(run(&program[..4], openat), None);
        assert_eq!(run(&[instruction(0x20, 0, 0, 62)], openat), None);
    }
}
