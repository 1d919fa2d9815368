//! A program of a few instructions that prints one line, for policies to deny: no compiler is needed.

use super::tools::TOOL;

/// The address at which it is loaded.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// write(1, TEXT, length), then exit(0); the text follows.
#[cfg(target_arch = "x86_64")]
fn code(length: u32) -> Vec<u8> {
    let mut code = vec![
        0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35, 16, 0, 0, 0, 0xba,
    ];
    code.extend(length.to_le_bytes());
    code.extend([0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]);
    code
}

/// The same: `mov x0, 1; adr x1, TEXT; mov x2, length; mov x8, 64; svc 0; mov x0, 0; mov x8, 93; svc 0`.
#[cfg(target_arch = "aarch64")]
fn code(length: u32) -> Vec<u8> {
    let instructions = [
        0xd280_0020,
        0x1000_00e1,
        0xd280_0002 | length << 5,
        0xd280_0808,
        0xd400_0001,
        0xd280_0000,
        0xd280_0ba8,
        0xd400_0001_u32,
    ];
    instructions
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// The file: an ELF header, one program header, the code and the text (elf(5)).
pub fn elf() -> Vec<u8> {
    let text = format!("{TOOL}\n");
    let code = code(text.len() as u32);
    let size = HEADERS + (code.len() + text.len()) as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend(2_u16.to_le_bytes());
    file.extend(MACHINE.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    // Where it begins, where the program headers are; there are no sections.
    file.extend(
        [BASE + HEADERS, 64, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    file.extend(0_u32.to_le_bytes());
    file.extend(
        [64_u16, 56, 1, 64, 0, 0]
            .iter()
            .flat_map(|half| half.to_le_bytes()),
    );
    // One segment, readable and executable.
    file.extend([1_u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    let segment = [0, BASE, BASE, size, size, 0x1000];
    file.extend(segment.iter().flat_map(|word| word.to_le_bytes()));
    file.extend(code);
    file.extend(text.as_bytes());
    file
}
