//! One attempted call, and its text.

use std::fmt::{self, Display, Write};

use super::kind::{Kind, Set};
use super::sets::OPEN;
use super::{Syscall, by_number, signal_display};

/// The flags of an open that reads its mode: `O_CREAT`, and `O_TMPFILE` without the
/// `O_DIRECTORY` that it includes.
const CREATING: u64 = 0o100 | 0o20_000_000;

/// One attempted call, as the registers had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The number, which may be one that the table does not know.
    pub nr: u32,
    /// The six argument registers, whether the call takes as many or not.
    pub args: [u64; 6],
}

impl Call {
    /// The row of the table, unless the number is unknown.
    pub fn syscall(&self) -> Option<&'static Syscall> {
        by_number(self.nr)
    }

    /// Writes the call as [`Display`] does, with what a pointer points to where
    /// `memory` has a text for it. It is asked with the position, the kind and the
    /// value of each argument that is an address other than NULL.
    ///
    /// # Errors
    /// Those of the formatter.
    pub fn format_with(
        &self,
        f: &mut impl Write,
        memory: &mut dyn FnMut(usize, Kind, u64) -> Option<String>,
    ) -> fmt::Result {
        let Some(syscall) = self.syscall() else {
            write!(f, "syscall_{}(", self.nr)?;
            for (position, value) in self.args.iter().enumerate() {
                write!(f, "{}{value:#x}", if position == 0 { "" } else { ", " })?;
            }
            return f.write_char(')');
        };
        write!(f, "{}(", syscall.name)?;
        for (position, arg) in syscall.args.iter().enumerate() {
            let value = self.args[position];
            if self.is_unread_mode(syscall, position) {
                break;
            }
            if position > 0 {
                f.write_str(", ")?;
            }
            if arg.kind.is_pointer() && value != 0 {
                match memory(position, arg.kind, value) {
                    Some(text) => f.write_str(&text)?,
                    None => write!(f, "{value:#x}")?,
                }
            } else {
                self.write_value(f, arg.kind, value)?;
            }
        }
        f.write_char(')')
    }

    /// Whether this is the mode, zero, of an open that creates nothing.
    fn is_unread_mode(&self, syscall: &Syscall, position: usize) -> bool {
        if position + 1 != syscall.args.len() || self.args[position] != 0 {
            return false;
        }
        let before = position.checked_sub(1).and_then(|before| syscall.args.get(before));
        match (before.map(|arg| arg.kind), syscall.args[position].kind) {
            (Some(Kind::Flags(set)), Kind::Mode) => {
                *set == OPEN && self.args[position - 1] & CREATING == 0
            }
            _ => false,
        }
    }

    fn write_value(&self, f: &mut impl Write, kind: Kind, register: u64) -> fmt::Result {
        let value = kind.significant(register);
        let signed = value as u32 as i32;
        match kind {
            Kind::Dirfd if signed == -100 => f.write_str("AT_FDCWD"),
            Kind::Fd | Kind::Dirfd | Kind::Int | Kind::Pid => write!(f, "{signed}"),
            Kind::Uint | Kind::Size => write!(f, "{value}"),
            Kind::Id if value == 0xffff_ffff => f.write_str("-1"),
            Kind::Id => write!(f, "{value}"),
            Kind::Long | Kind::Offset => write!(f, "{}", value as i64),
            Kind::Ulong => write_number(f, value),
            Kind::Signal => f.write_str(&signal_display(signed)),
            Kind::Mode if value == 0 => f.write_char('0'),
            Kind::Mode => write!(f, "0{value:o}"),
            Kind::Enum(set) | Kind::Flags(set) | Kind::Enum64(set) | Kind::Flags64(set) => {
                match set.resolve(&self.args) {
                    Some(set) => write_constants(f, set, kind, value),
                    None if value >> 31 == 1 => write!(f, "{signed}"),
                    None => write_number(f, value),
                }
            }
            Kind::Pointer
            | Kind::Path { .. }
            | Kind::String
            | Kind::Strings
            | Kind::Sockaddr { .. } => match value {
                0 => f.write_str("NULL"),
                address => write!(f, "{address:#x}"),
            },
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.format_with(f, &mut |_, _, _| None)
    }
}

/// Small numbers as people write them, large ones in hex.
fn write_number(f: &mut impl Write, value: u64) -> fmt::Result {
    if value < 0x1_0000 { write!(f, "{value}") } else { write!(f, "{value:#x}") }
}

/// A value by the names of a set, what has none in hex.
fn write_constants(f: &mut impl Write, set: &Set, kind: Kind, value: u64) -> fmt::Result {
    // A negative constant is stored with its sign extended over all 64 bits.
    let matches = |constant: u64| kind.significant(constant);
    let choice = kind.significant(set.choice);
    if choice != kind.significant(u64::MAX) && value == kind.significant(u64::MAX) {
        return write!(f, "{value:#x}"); // all ones: not flags, but "ask" or an error
    }
    let mut rest = value;
    let mut separator = "";

    let chosen = value & choice;
    let chosen_name = set.constants.iter().find(|(_, constant)| {
        let constant = matches(*constant);
        constant == chosen && constant & !choice == 0
    });
    if let Some((name, _)) = chosen_name {
        f.write_str(name)?;
        rest &= !choice;
        separator = "|";
    }
    for (name, constant) in set.constants {
        let constant = matches(*constant);
        if constant & !choice != 0 && constant & choice == 0 && rest & constant == constant {
            write!(f, "{separator}{name}")?;
            rest &= !constant;
            separator = "|";
        }
    }
    if rest == 0 && !separator.is_empty() {
        return Ok(());
    }
    f.write_str(separator)?;
    let negative = i64::from(rest as u32 as i32);
    let whole_choice = choice == kind.significant(u64::MAX);
    if whole_choice && rest <= 0xffff_ffff && (-4096..0).contains(&negative) {
        write!(f, "{negative}")
    } else if whole_choice {
        write_number(f, rest)
    } else if rest == 0 {
        f.write_char('0')
    } else {
        write!(f, "{rest:#x}")
    }
}
