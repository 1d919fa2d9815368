//! The architectures the table has numbers for.

/// The architecture that this is compiled for.
pub const NATIVE: Arch = if cfg!(target_arch = "aarch64") {
    Arch::Aarch64
} else {
    Arch::X86_64
};

/// An architecture, in its 64-bit calling convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64, without x32 and i386.
    X86_64,
    /// 64-bit Arm, without the 32-bit compatibility calls.
    Aarch64,
}

impl Arch {
    /// The value of `seccomp_data.arch` for it: `AUDIT_ARCH_*` of `linux/audit.h`.
    pub const fn audit_arch(self) -> u32 {
        match self {
            Arch::X86_64 => 0xC000_003E,
            Arch::Aarch64 => 0xC000_00B7,
        }
    }

    /// The name, as `uname -m` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }
}
