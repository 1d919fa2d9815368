//! Classic BPF instructions, as seccomp runs them, by name. No policy.

use crate::policy::DomainSet;
use seccompiler::sock_filter;

// linux/bpf_common.h
const LD_W_ABS: u16 = 0x20;
const JMP_JA: u16 = 0x05;
const ALU_AND_K: u16 = 0x54;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGT_K: u16 = 0x25;
const JMP_JGE_K: u16 = 0x35;
pub const RET_K: u16 = 0x06;

// linux/seccomp.h
const RET_ERRNO: u32 = 0x0005_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

/// SECCOMP_RET_DATA of the jail's RET_TRACE, which PTRACE_GETEVENTMSG returns at a seccomp-stop.
/// Programs that install their own filter usually use 0 or a small number.
pub const TRACE_DATA: u16 = 0x6a6c;

/// The same of the filter of a domain; the low byte is the set of domains of the task.
const DOMAIN_DATA: u16 = 0x6b00;

/// The domains of a task, as far as a seccomp-stop tells them. `None`: the stop is not of the jail.
pub fn domains_of(data: u64) -> Option<DomainSet> {
    const SET: u64 = 0xff;
    if data == u64::from(TRACE_DATA) {
        return Some(DomainSet::NONE);
    }
    (data & !SET == u64::from(DOMAIN_DATA) && data & SET != 0)
        .then(|| DomainSet::of_bits((data & SET) as u8))
}

/// Offset of `nr` in `struct seccomp_data`.
pub const NR: u32 = 0;
/// Offset of `arch` in `struct seccomp_data`.
pub const ARCH: u32 = 4;
/// Offset of the first of the six arguments, of 64 bits each, in `struct seccomp_data`.
pub const ARGS: u32 = 16;

/// The maximum length of a program that the kernel accepts (`BPF_MAXINSNS`).
pub const MAX_LEN: usize = 4096;

/// How the filter answers a call. The kernel masks an errno to 12 bits (`MAX_ERRNO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return(u32);

impl Return {
    /// The call runs.
    pub const ALLOW: Return = Return(RET_ALLOW);
    /// The supervisor decides.
    pub const TRACE: Return = Return(RET_TRACE | TRACE_DATA as u32);

    /// The same, for a task in these domains.
    pub const fn trace_in(set: DomainSet) -> Return {
        Return(RET_TRACE | DOMAIN_DATA as u32 | set.bits() as u32)
    }

    /// The call fails with an errno.
    pub fn errno(errno: crate::syscalls::Errno) -> Return {
        // 0 would read as success, and negative numbers do not exist.
        Return(RET_ERRNO | (errno.number().clamp(1, 4095) as u32))
    }

    /// The instruction.
    pub fn instruction(self) -> sock_filter {
        sock_filter {
            code: RET_K,
            jt: 0,
            jf: 0,
            k: self.0,
        }
    }
}

/// Loads 32 bits of `struct seccomp_data`.
pub fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: LD_W_ABS,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Keeps the bits of `mask` of the loaded value.
pub fn and(mask: u32) -> sock_filter {
    sock_filter {
        code: ALU_AND_K,
        jt: 0,
        jf: 0,
        k: mask,
    }
}

/// Skips `distance` instructions.
pub fn jump(distance: u32) -> sock_filter {
    sock_filter {
        code: JMP_JA,
        jt: 0,
        jf: 0,
        k: distance,
    }
}

/// What follows an instruction, by how many instructions lie between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Nothing: it returns.
    End,
    /// The next one.
    Next,
    /// The one after so many.
    Jump(u32),
    /// One of two: if it holds, and if not.
    Branch(u32, u32),
}

/// What follows an instruction.
pub fn flow(instruction: &sock_filter) -> Flow {
    // BPF_CLASS of linux/bpf_common.h: the low three bits.
    match (instruction.code, instruction.code & 7) {
        (JMP_JA, _) => Flow::Jump(instruction.k),
        (_, 5) => Flow::Branch(instruction.jt.into(), instruction.jf.into()),
        (_, 6) => Flow::End,
        _ => Flow::Next,
    }
}

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Loads 32 bits at this offset of `struct seccomp_data`.
    Load(u32),
    /// The loaded value is this one from now on.
    Loaded(u32),
    /// Skips so many of the following instructions.
    Skip(u32),
    /// Ends the program with this answer.
    Returns(Return),
    /// None of those that are made here.
    Unknown,
}

/// What an instruction does if this value is loaded.
pub fn step(instruction: &sock_filter, loaded: u32) -> Step {
    let k = instruction.k;
    let branch = |holds| match holds {
        true => Step::Skip(instruction.jt.into()),
        false => Step::Skip(instruction.jf.into()),
    };
    match instruction.code {
        LD_W_ABS => Step::Load(k),
        ALU_AND_K => Step::Loaded(loaded & k),
        JMP_JA => Step::Skip(k),
        JMP_JEQ_K => branch(loaded == k),
        JMP_JGT_K => branch(loaded > k),
        JMP_JGE_K => branch(loaded >= k),
        RET_K => Step::Returns(Return(k)),
        _ => Step::Unknown,
    }
}

/// Skips `then` instructions if the loaded value is `k`, else `otherwise`.
pub fn if_equal(k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter {
        code: JMP_JEQ_K,
        jt: then,
        jf: otherwise,
        k,
    }
}

/// Skips `then` instructions if the loaded value is at least `k`, else `otherwise`.
pub fn if_at_least(k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter {
        code: JMP_JGE_K,
        jt: then,
        jf: otherwise,
        k,
    }
}

/// Skips `then` instructions if the loaded value is above `k`, else `otherwise`.
pub fn if_above(k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter {
        code: JMP_JGT_K,
        jt: then,
        jf: otherwise,
        k,
    }
}
