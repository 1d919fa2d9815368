//! What Linux system calls are: one row a call, with its number, its typed
//! arguments, the constants they take and the groups it belongs to.
//!
//! Everything here is constant data and pure functions over it: no I/O, no
//! allocation in a lookup, nothing to initialise, and no opinion. What a policy
//! allows is decided elsewhere.
//!
//! | file | holds |
//! |---|---|
//! | `table` | the rows |
//! | `kind` | what an argument is, and how much of its register the kernel reads |
//! | `sets` | the constants, by the argument that takes them |
//! | `constants` | the same constants by name |
//! | `set` | a set of rows, as bits |
//! | `groups` | systemd's groups of calls, flattened at compile time |
//! | `foreign` | names that other architectures have |
//! | `errno`, `signals` | the two numbered vocabularies |
//! | `call` | one attempted call, and its text |
//! | `parse` | that text read back |
//! | `arch` | which architecture this is |

pub mod arch;
mod call;
mod constants;
mod errno;
mod foreign;
mod groups;
mod kind;
mod parse;
mod set;
#[rustfmt::skip]
mod sets;
mod signals;
#[rustfmt::skip]
mod table;

pub use call::Call;
pub use constants::{constant, constants};
pub use errno::Errno;
pub use foreign::foreign_name;
pub use groups::{Group, group, groups};
pub use kind::{By, Kind, Set, Width};
pub use parse::{CallError, Unknown, parse_call};
pub use set::SyscallSet;
pub use signals::{signal_by_name, signal_display, signal_name};
pub use table::COUNT;

use arch::Arch;

/// One system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// The kernel's name for it, without `sys_`.
    pub name: &'static str,
    /// Its number on x86-64, if it has one there.
    pub x86_64: Option<u32>,
    /// Its number on aarch64, if it has one there.
    pub aarch64: Option<u32>,
    /// Its arguments in register order, six at most.
    pub args: &'static [Arg],
}

/// One argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// The name the manual page gives it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// Every row, sorted by name.
pub fn all() -> &'static [Syscall] {
    &table::TABLE
}

/// The row of that name.
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    let row = all().binary_search_by(|row| row.name.cmp(name)).ok()?;
    all().get(row)
}

/// The row of that number on the architecture this is compiled for.
pub fn by_number(nr: u32) -> Option<&'static Syscall> {
    let row = *table::BY_NUMBER.get(nr as usize)?;
    all().get(usize::from(row))
}

impl Syscall {
    /// The number on the architecture this is compiled for.
    pub const fn number(&self) -> Option<u32> {
        match arch::NATIVE {
            Arch::X86_64 => self.x86_64,
            Arch::Aarch64 => self.aarch64,
        }
    }

    /// The position of this row in [`all`], as [`SyscallSet`] counts it.
    pub fn index(&self) -> usize {
        match all().binary_search_by(|row| row.name.cmp(self.name)) {
            Ok(row) => row,
            Err(_) => unreachable!("a Syscall is only ever a row of the table"),
        }
    }

    /// The argument of that name and its position. Where two spellings are in
    /// use (`ioctl`'s `request` became `op` in man-pages 6) both are known.
    pub fn arg(&self, name: &str) -> Option<(usize, &'static Arg)> {
        let name = table::canonical(self.name, name);
        self.args.iter().enumerate().find(|(_, arg)| arg.name == name)
    }
}
