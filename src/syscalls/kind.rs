//! What an argument is, and how much of its register the kernel reads.
//!
//! The width matters for security: a filter that compares 64 bits of an argument of which the kernel
//! reads 32 can be bypassed with a dirty upper half, and so can one that compares only 32 bits of 64.

use super::text::Text;

/// What an argument is.
///
/// A kind describes how the kernel uses the register, which is not always what the C prototype says:
/// `readv` declares its descriptor `unsigned long` but reads 32 bits of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file descriptor.
    Fd,
    /// A file descriptor of a directory, or `AT_FDCWD`.
    Dirfd,
    /// A signed number of 32 bits.
    Int,
    /// An unsigned number of 32 bits.
    Uint,
    /// A signed number of 64 bits.
    Long,
    /// An unsigned number of 64 bits, or a value with a call-specific meaning.
    Ulong,
    /// A size in bytes, 64 bits.
    Size,
    /// A file offset or length, signed, 64 bits.
    Offset,
    /// A process, thread or process group.
    Pid,
    /// A user or group id; all ones mean "unchanged".
    Id,
    /// A signal number.
    Signal,
    /// Permission bits. The kernel keeps the low 16 bits only (`umode_t`), so compare bits with a mask
    /// rather than the whole value.
    Mode,
    /// One of a set of constants, 32 bits.
    Enum(&'static Set),
    /// Some of a set of constants, 32 bits.
    Flags(&'static Set),
    /// One of a set of constants, 64 bits.
    Enum64(&'static Set),
    /// Some of a set of constants, 64 bits.
    Flags64(&'static Set),
    /// An address of memory of any other kind.
    Pointer,
    /// The address of a NUL-terminated path.
    Path {
        /// Which argument holds the directory a relative path starts from;
        /// `None` for the working directory.
        dirfd: Option<u8>,
    },
    /// The address of a NUL-terminated string that is not a path.
    String,
    /// The address of an array of strings, as `argv` is.
    Strings,
    /// The address of a socket address that the kernel reads.
    Sockaddr {
        /// Which argument holds its length.
        len: u8,
    },
}

/// How much of a register the kernel reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// The low 32 bits; the upper ones are ignored.
    Dword,
    /// All 64 bits.
    Qword,
}

impl Kind {
    /// How much of the register the kernel reads.
    pub const fn width(self) -> Width {
        match self {
            Kind::Fd
            | Kind::Dirfd
            | Kind::Int
            | Kind::Uint
            | Kind::Pid
            | Kind::Id
            | Kind::Signal
            | Kind::Mode
            | Kind::Enum(_)
            | Kind::Flags(_) => Width::Dword,
            Kind::Long
            | Kind::Ulong
            | Kind::Size
            | Kind::Offset
            | Kind::Enum64(_)
            | Kind::Flags64(_)
            | Kind::Pointer
            | Kind::Path { .. }
            | Kind::String
            | Kind::Strings
            | Kind::Sockaddr { .. } => Width::Qword,
        }
    }

    /// Whether the kernel treats it as a signed number.
    pub const fn is_signed(self) -> bool {
        matches!(
            self,
            Kind::Fd
                | Kind::Dirfd
                | Kind::Int
                | Kind::Long
                | Kind::Offset
                | Kind::Pid
                | Kind::Signal
        )
    }

    /// Whether it is an address in the caller's memory.
    pub const fn is_pointer(self) -> bool {
        matches!(
            self,
            Kind::Pointer
                | Kind::Path { .. }
                | Kind::String
                | Kind::Strings
                | Kind::Sockaddr { .. }
        )
    }

    /// The constants it takes, if it takes any by name.
    pub const fn set(self) -> Option<&'static Set> {
        match self {
            Kind::Enum(set) | Kind::Flags(set) | Kind::Enum64(set) | Kind::Flags64(set) => {
                Some(set)
            }
            _ => None,
        }
    }

    /// The part of a register's value that the kernel reads, with the bits above it cleared.
    pub const fn significant(self, register: u64) -> u64 {
        match self.width() {
            Width::Dword => register & 0xffff_ffff,
            Width::Qword => register,
        }
    }
}

/// The name of a constant.
pub type ConstantName = Text<51>;

/// The constants that an argument takes.
#[derive(Debug)]
pub struct Set {
    /// A description for people.
    pub name: &'static str,
    /// Name and value of each. Where two names share a value, the first is the
    /// one to print. A flag of several bits comes before those it includes.
    pub constants: &'static [(ConstantName, u64)],
    /// The bits that hold one value of several; each other bit is a flag. `u64::MAX` for a plain
    /// enumeration, 0 for plain flags, and something between for a socket's type and the like, where
    /// `SOCK_CLOEXEC` is above the value.
    pub choice: u64,
    /// Set if another argument decides which constants apply.
    pub by: Option<By>,
}

/// The choice of a set by another argument.
#[derive(Debug)]
pub struct By {
    /// Which argument decides.
    pub arg: u8,
    /// The set for each of its values; for other values the numbers have no names.
    pub sets: &'static [(u64, &'static Set)],
}

impl Set {
    /// The set that applies to these registers: itself, or the one that another argument selects; `None`
    /// if that argument's value has no set.
    pub fn resolve(&'static self, args: &[u64; 6]) -> Option<&'static Set> {
        let Some(by) = &self.by else {
            return Some(self);
        };
        let decider = args[usize::from(by.arg)] & 0xffff_ffff;
        by.sets
            .iter()
            .find(|(value, _)| *value == decider)
            .map(|(_, set)| *set)
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Set) -> bool {
        self.name == other.name
    }
}

impl Eq for Set {}
