//! One `syscall` instruction between a full load and a full store of the registers.

/// General registers that a call must keep: all but rax (the result), rcx and r11 (taken by
/// the instruction itself).
const NAMES: [&str; 12] = [
    "rbx", "rbp", "rdi", "rsi", "rdx", "r8", "r9", "r10", "r12", "r13", "r14", "r15",
];

/// Carry, parity, adjust, zero, sign, direction, overflow: those that a program owns.
const FLAGS: u64 = 0xcd5;

// The offsets in the assembly below are those of this layout.
#[repr(C, align(16))]
pub struct State {
    number: u64,
    pub result: u64,
    before: [u64; 12],
    after: [u64; 12],
    flags_before: u64,
    flags_after: u64,
    stack_before: u64,
    stack_after: u64,
    vectors_before: [u128; 16],
    vectors_after: [u128; 16],
}

impl State {
    pub fn new(number: u64) -> Self {
        // Halves differ, so that a value cut to 32 bits shows.
        let word = |i: usize| 0xa5a5_0000_5a5a_0000 | (i as u64) << 32 | (i as u64 + 1);
        Self {
            number,
            result: 0,
            before: std::array::from_fn(word),
            after: [0; 12],
            flags_before: FLAGS | 0x202,
            flags_after: 0,
            stack_before: 0,
            stack_after: 0,
            vectors_before: std::array::from_fn(|i| {
                u128::from(word(i)) << 64 | u128::from(!word(i))
            }),
            vectors_after: [0; 16],
        }
    }

    pub fn registers(&self) -> Vec<(String, u128, u128)> {
        let general = NAMES.iter().zip(self.before.iter().zip(&self.after));
        let vectors = self
            .vectors_before
            .iter()
            .zip(&self.vectors_after)
            .enumerate();
        let mut all: Vec<(String, u128, u128)> = general
            .map(|(&name, (&before, &after))| (name.to_owned(), before.into(), after.into()))
            .chain(vectors.map(|(i, (&before, &after))| (format!("xmm{i}"), before, after)))
            .collect();
        let flags = (self.flags_before & FLAGS, self.flags_after & FLAGS);
        all.push(("flags".to_owned(), flags.0.into(), flags.1.into()));
        all.push((
            "rsp".to_owned(),
            self.stack_before.into(),
            self.stack_after.into(),
        ));
        all
    }
}

const _: () = {
    assert!(std::mem::offset_of!(State, before) == 16);
    assert!(std::mem::offset_of!(State, after) == 112);
    assert!(std::mem::offset_of!(State, flags_before) == 208);
    assert!(std::mem::offset_of!(State, stack_before) == 224);
    assert!(std::mem::offset_of!(State, vectors_before) == 240);
    assert!(std::mem::offset_of!(State, vectors_after) == 496);
};

// rsp holds the state's address on top while everything else is loaded.
std::arch::global_asm!(
    ".globl probe_call_with_all_registers",
    "probe_call_with_all_registers:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "push rdi",
    "mov [rdi + 224], rsp",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movdqu xmm\\n, [rdi + 240 + 16 * \\n]",
    ".endr",
    "mov rax, [rdi]",
    "mov rbx, [rdi + 16]",
    "mov rbp, [rdi + 24]",
    "mov rsi, [rdi + 40]",
    "mov rdx, [rdi + 48]",
    "mov r8,  [rdi + 56]",
    "mov r9,  [rdi + 64]",
    "mov r10, [rdi + 72]",
    "mov r12, [rdi + 80]",
    "mov r13, [rdi + 88]",
    "mov r14, [rdi + 96]",
    "mov r15, [rdi + 104]",
    "push qword ptr [rdi + 208]",
    "mov rdi, [rdi + 32]",
    "popfq",
    "syscall",
    "pushfq",
    "cld",
    "push rax",
    "mov rax, [rsp + 16]",
    "pop qword ptr [rax + 8]",
    "pop qword ptr [rax + 216]",
    "mov [rax + 232], rsp",
    "mov [rax + 112], rbx",
    "mov [rax + 120], rbp",
    "mov [rax + 128], rdi",
    "mov [rax + 136], rsi",
    "mov [rax + 144], rdx",
    "mov [rax + 152], r8",
    "mov [rax + 160], r9",
    "mov [rax + 168], r10",
    "mov [rax + 176], r12",
    "mov [rax + 184], r13",
    "mov [rax + 192], r14",
    "mov [rax + 200], r15",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movdqu [rax + 496 + 16 * \\n], xmm\\n",
    ".endr",
    "pop rdi",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
);

unsafe extern "C" {
    fn probe_call_with_all_registers(state: *mut State);
}

pub fn call(state: &mut State) {
    // SAFETY: the assembly follows the C calling convention (it restores what a callee must,
    // and the direction flag), and touches nothing but its stack and `state`, whose layout is
    // asserted above. The call takes no arguments (a probe is given getppid and its like).
    unsafe { probe_call_with_all_registers(state) }
}
