//! One attempted call, and its text.

use std::fmt::{self, Display, Write};

use super::kind::{Kind, Set, Width};
use super::sets::OPEN;
use super::{Op, Syscall, by_number, signal_display};

/// The flags of an open that reads its mode: `O_CREAT`, and `O_TMPFILE` without the
/// `O_DIRECTORY` that it includes.
const CREATING: u64 = 0o100 | 0o20_000_000;

/// One attempted call, as the registers described it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The number, which may be one that the table does not know.
    pub nr: u32,
    /// The six argument registers, even if the call takes fewer.
    pub args: [u64; 6],
}

impl Call {
    /// The row of the table, unless the number is unknown.
    pub fn syscall(&self) -> Option<&'static Syscall> {
        by_number(self.nr)
    }

    /// The operation by which the supervisor handles it.
    pub fn op(&self) -> Op {
        self.syscall().map_or(Op::Other, |syscall| syscall.op)
    }

    /// Writes the call as [`Display`] does, but with the contents of pointers for which `memory` returns
    /// a text. `memory` is called with the position, the kind and the value of each argument that is an
    /// address other than NULL.
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
        let before = position
            .checked_sub(1)
            .and_then(|before| syscall.args.get(before));
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
    if value < 0x1_0000 {
        write!(f, "{value}")
    } else {
        write!(f, "{value:#x}")
    }
}

/// A value by the names of a set, and in hex what has no name.
fn write_constants(f: &mut impl Write, set: &Set, kind: Kind, value: u64) -> fmt::Result {
    // A negative constant is stored with its sign extended over all 64 bits.
    let cut = |constant: u64| kind.significant(constant);
    let choice = kind.significant(set.choice);
    if choice != kind.significant(u64::MAX) && value == kind.significant(u64::MAX) {
        return write!(f, "{value:#x}"); // all ones: not flags, but "ask" or an error
    }
    let mut rest = value;
    let mut separator = "";

    let chosen = value & choice;
    let chosen_name = set.constants.iter().find(|(_, constant)| {
        let constant = cut(*constant);
        constant == chosen && constant & !choice == 0 && (choice != 0 || value == 0)
    });
    if let Some((name, _)) = chosen_name {
        f.write_str(name)?;
        rest &= !choice;
        separator = "|";
    }
    for (name, constant) in set.constants {
        let constant = cut(*constant);
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
    let signed = match kind.width() {
        Width::Dword => i64::from(rest as u32 as i32),
        Width::Qword => rest as i64,
    };
    let whole_choice = choice == kind.significant(u64::MAX);
    if whole_choice && (-4096..0).contains(&signed) {
        write!(f, "{signed}")
    } else if whole_choice {
        write_number(f, rest)
    } else if rest == 0 {
        f.write_char('0')
    } else {
        write!(f, "{rest:#x}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{by_name, parse_call};
    use super::*;

    fn call(name: &str, args: &[u64]) -> Call {
        let mut registers = [0; 6];
        registers[..args.len()].copy_from_slice(args);
        Call {
            nr: by_name(name).and_then(Syscall::number).expect(name),
            args: registers,
        }
    }

    #[test]
    fn arguments_are_decoded_by_their_kinds() {
        let golden = [
            (
                call("socket", &[2, 0x80001, 6]),
                "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP)",
            ),
            (
                call("socket", &[2, 1, 0]),
                "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)",
            ),
            (
                call("socket", &[1, 1, 0]),
                "socket(AF_UNIX, SOCK_STREAM, 0)",
            ),
            (
                call("socket", &[16, 3, 15]),
                "socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)",
            ),
            (call("socket", &[99, 0, 0xffff_ffff]), "socket(99, 0, -1)"),
            (call("kill", &[1, 9]), "kill(1, SIGKILL)"),
            (call("kill", &[0xffff_ffff, 37]), "kill(-1, SIGRTMIN+3)"),
            (
                call("ioctl", &[0, 0x5412, 0x7fff_0000_1000]),
                "ioctl(0, TIOCSTI, 0x7fff00001000)",
            ),
            (
                call("ioctl", &[3, 0xdead_beef, 1]),
                "ioctl(3, 0xdeadbeef, 1)",
            ),
            (call("getpid", &[7, 7, 7]), "getpid()"),
            (
                call("mprotect", &[0x1000, 4096, 7]),
                "mprotect(0x1000, 4096, PROT_READ|PROT_WRITE|PROT_EXEC)",
            ),
            (call("mprotect", &[0, 0, 0]), "mprotect(NULL, 0, PROT_NONE)"),
            (
                call("mprotect", &[0, 0, 1 << 40]),
                "mprotect(NULL, 0, 0x10000000000)",
            ),
            (
                call("unshare", &[0x1000_0000 | 0x2_0000]),
                "unshare(CLONE_NEWNS|CLONE_NEWUSER)",
            ),
            (
                call("prctl", &[38, 1, 0, 0, 0]),
                "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)",
            ),
            (
                call("lseek", &[3, -8_i64 as u64, 2]),
                "lseek(3, -8, SEEK_END)",
            ),
            (call("fchmod", &[3, 0o4755]), "fchmod(3, 04755)"),
            (call("setreuid", &[0xffff_ffff, 1000]), "setreuid(-1, 1000)"),
            (
                call("personality", &[0xffff_ffff]),
                "personality(0xffffffff)",
            ),
            (
                call("ptrace", &[16, 42, 0, 0]),
                "ptrace(PTRACE_ATTACH, 42, 0, 0)",
            ),
            (
                call("setsockopt", &[3, 1, 15, 0, 4]),
                "setsockopt(3, SOL_SOCKET, SO_REUSEPORT, NULL, 4)",
            ),
            (
                call("keyctl", &[7, -3_i64 as u64]),
                "keyctl(KEYCTL_CLEAR, 0xfffffffffffffffd, 0, 0, 0)",
            ),
            (
                call("request_key", &[0, 0, 0, 0xffff_fffd]),
                "request_key(NULL, NULL, NULL, KEY_SPEC_SESSION_KEYRING)",
            ),
            (
                call("getrusage", &[0xffff_ffff, 0]),
                "getrusage(RUSAGE_CHILDREN, NULL)",
            ),
        ];
        for (call, text) in golden {
            assert_eq!(call.to_string(), text);
        }
    }

    #[test]
    fn the_upper_half_of_a_32_bit_argument_is_not_shown() {
        assert_eq!(
            call("kill", &[0xdead_0000_0001, 9]).to_string(),
            "kill(1, SIGKILL)"
        );
        assert_eq!(call("close", &[0xffff_ffff]).to_string(), "close(-1)");
        let dirty = call("socket", &[7 << 32 | 1, 7 << 32 | 1, 7 << 32]);
        assert_eq!(dirty.to_string(), "socket(AF_UNIX, SOCK_STREAM, 0)");
        let zero_extended = call("openat", &[0xffff_ff9c, 0x1000, 0]);
        assert_eq!(
            zero_extended.to_string(),
            "openat(AT_FDCWD, 0x1000, O_RDONLY)"
        );
    }

    #[test]
    fn a_mode_is_shown_where_it_is_read() {
        assert_eq!(
            call("openat", &[0, 1, 0x80000, 0]).to_string(),
            "openat(0, 0x1, O_RDONLY|O_CLOEXEC)"
        );
        assert_eq!(
            call("openat", &[0, 1, 0o101, 0o644]).to_string(),
            "openat(0, 0x1, O_WRONLY|O_CREAT, 0644)"
        );
        assert_eq!(
            call("openat", &[0, 1, 0o101, 0]).to_string(),
            "openat(0, 0x1, O_WRONLY|O_CREAT, 0)"
        );
        assert_eq!(
            call("mkdirat", &[0, 1, 0]).to_string(),
            "mkdirat(0, 0x1, 0)"
        );
    }

    #[test]
    fn flags_of_several_bits_are_named_whole() {
        let sync = constant_of("O_SYNC") | 1;
        assert_eq!(
            call("openat", &[0, 1, sync, 0]).to_string(),
            "openat(0, 0x1, O_WRONLY|O_SYNC)"
        );
        let tmpfile = constant_of("O_TMPFILE") | 2;
        assert_eq!(
            call("openat", &[0, 1, tmpfile, 0o600]).to_string(),
            "openat(0, 0x1, O_RDWR|O_TMPFILE, 0600)"
        );
    }

    fn constant_of(name: &str) -> u64 {
        super::super::constant(name).expect(name)
    }

    #[test]
    fn an_unknown_number_is_shown_with_all_registers() {
        let call = Call {
            nr: 999,
            args: [1, 2, 3, 4, 5, 0xffff_ffff_ffff_ffff],
        };
        assert_eq!(
            call.to_string(),
            "syscall_999(0x1, 0x2, 0x3, 0x4, 0x5, 0xffffffffffffffff)"
        );
    }

    #[test]
    fn memory_supplies_the_text_behind_an_address() {
        let call = call("execve", &[0x1000, 0, 0x2000]);
        let mut text = String::new();
        let mut asked = Vec::new();
        let result = call.format_with(&mut text, &mut |position, kind, address| {
            asked.push((position, kind, address));
            matches!(kind, Kind::Path { .. }).then(|| "\"/bin/true\"".to_owned())
        });
        assert_eq!(result, Ok(()));
        assert_eq!(text, "execve(\"/bin/true\", NULL, 0x2000)");
        assert_eq!(
            asked,
            [
                (0, Kind::Path { dirfd: None }, 0x1000),
                (2, Kind::Strings, 0x2000)
            ]
        );
    }

    /// Registers as the kernel would read them: ignored bits are cleared.
    fn as_read(call: Call) -> Call {
        let mut args = [0; 6];
        let rows = call.syscall().map_or(&[][..], |syscall| syscall.args);
        for (position, arg) in rows.iter().enumerate() {
            args[position] = arg.kind.significant(call.args[position]);
        }
        Call { nr: call.nr, args }
    }

    #[test]
    fn a_text_read_back_is_the_call() {
        // A fixed walk over values that reach every branch, for every row.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let boundaries = [
            0,
            1,
            2,
            0x7f,
            0x1_0000,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 63,
            u64::MAX,
        ];
        for row in super::super::all() {
            let Some(nr) = row.number() else { continue };
            for round in 0..200 {
                let args = std::array::from_fn(|_| match random() % 4 {
                    0 => boundaries[random() as usize % boundaries.len()],
                    1 => random() & 0xff,
                    2 => 1 << (random() % 64),
                    _ => random() >> (round % 64),
                });
                let call = as_read(Call { nr, args });
                let text = call.to_string();
                assert_eq!(parse_call(&text).as_ref(), Ok(&call), "{text}");
            }
        }
    }
}
