//! Linux system calls as data: one row per call, with its number, its typed arguments, the constants
//! they take and the groups it belongs to.
//!
//! Everything here is constant data and pure functions over it: no I/O, no allocation in a lookup,
//! nothing to initialise, and no policy.
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
//! | `op` | the rows that the supervisor handles, as an enum |
//! | `arch` | which architecture this is |

pub mod arch;
mod call;
mod constants;
mod errno;
mod foreign;
mod groups;
mod kind;
pub mod named;
pub mod op;
mod parse;
mod set;
#[rustfmt::skip]
mod sets;
mod signals;
#[rustfmt::skip]
mod table;
mod text;

pub use call::Call;
pub use constants::{constant, constants};
pub use errno::Errno;
pub use foreign::foreign_name;
pub use groups::{Group, group, groups};
pub use kind::{Kind, Width};
pub use op::Op;
pub use parse::{CallError, Unknown, parse_call};
pub use set::SyscallSet;
pub use signals::{signal_by_name, signal_display, signal_name};
pub use table::COUNT;
use text::Text;

pub use arch::{Arch, NATIVE};

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
    /// The operation by which the supervisor handles it.
    pub op: Op,
}

/// The name of an argument.
pub type ArgName = Text<15>;

/// One argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Its name in the manual page.
    pub name: ArgName,
    /// Its kind.
    pub kind: Kind,
}

/// Every row, sorted by name.
pub fn all() -> &'static [Syscall] {
    &table::TABLE
}

/// The row with that name.
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    let row = all().binary_search_by(|row| row.name.cmp(name)).ok()?;
    all().get(row)
}

/// The row with that number on the architecture this is compiled for.
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

    /// The position of this row in [`all`], which is its bit in [`SyscallSet`].
    pub fn index(&self) -> usize {
        match all().binary_search_by(|row| row.name.cmp(self.name)) {
            Ok(row) => row,
            Err(_) => unreachable!("a Syscall is only ever a row of the table"),
        }
    }

    /// The argument with that name and its position. If two names are in use (`ioctl`'s `request` became
    /// `op` in man-pages 6), both are known.
    pub fn arg(&self, name: &str) -> Option<(usize, &'static Arg)> {
        let name = table::canonical(self.name, name);
        self.args
            .iter()
            .enumerate()
            .find(|(_, arg)| arg.name.as_bytes() == name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_name() {
        for pair in all().windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }

    #[test]
    fn what_the_supervisor_handles_has_the_row_of_its_name() {
        for row in all().iter().filter(|row| row.op != Op::Other) {
            assert_eq!(row.op.name(), row.name);
            assert_eq!(row.op.number(), row.number());
        }
    }

    #[test]
    fn no_number_is_used_twice() {
        let columns: [fn(&Syscall) -> Option<u32>; 2] = [|row| row.x86_64, |row| row.aarch64];
        for number in columns {
            let mut numbers: Vec<_> = all().iter().filter_map(number).collect();
            numbers.sort_unstable();
            let count = numbers.len();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
        }
    }

    #[test]
    fn x86_64_numbers_leave_only_the_kernels_own_gap() {
        let mut numbers: Vec<_> = all().iter().filter_map(|row| row.x86_64).collect();
        numbers.sort_unstable();
        let expected: Vec<_> = (0..=336).chain(424..=472).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn a_row_is_found_by_its_name_its_number_and_its_index() {
        for (position, row) in all().iter().enumerate() {
            assert_eq!(row.index(), position);
            assert_eq!(by_name(row.name).expect("by name").index(), position);
            if let Some(nr) = row.number() {
                assert_eq!(by_number(nr).expect("by number").index(), position);
            }
        }
        assert_eq!(by_name("sokcet"), None);
        for nr in [337, 423, 999, 0x4000_0000, u32::MAX] {
            assert_eq!(by_number(nr), None, "{nr}");
        }
    }

    #[test]
    fn no_call_has_two_arguments_of_one_name_or_more_than_six() {
        for row in all() {
            assert!(row.args.len() <= 6, "{}", row.name);
            for (position, arg) in row.args.iter().enumerate() {
                assert_eq!(
                    row.arg(&arg.name).expect("by name").0,
                    position,
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn references_between_arguments_point_at_the_right_kind() {
        for row in all() {
            for arg in row.args {
                match arg.kind {
                    Kind::Path { dirfd: Some(at) } => {
                        assert_eq!(row.args[usize::from(at)].kind, Kind::Dirfd, "{}", row.name);
                    }
                    Kind::Sockaddr { len } => {
                        assert_eq!(row.args[usize::from(len)].kind, Kind::Int, "{}", row.name);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn both_spellings_of_an_argument_are_known() {
        let request = by_name("ioctl").expect("ioctl").arg("request");
        assert_eq!(request.expect("request").0, 1);
        assert_eq!(by_name("ioctl").expect("ioctl").arg("op"), request);
        assert_eq!(
            by_name("prctl")
                .expect("prctl")
                .arg("op")
                .expect("op")
                .1
                .name
                .as_str(),
            "option"
        );
        assert_eq!(by_name("socket").expect("socket").arg("op"), None);
    }

    #[test]
    fn every_alias_leads_to_an_argument() {
        for (call, alias, name) in table::ALIASES {
            let row = by_name(call).expect(call);
            assert!(
                row.args.iter().any(|arg| &*arg.name == *name),
                "{call} {name}"
            );
            assert!(
                !row.args.iter().any(|arg| &*arg.name == *alias),
                "{call} {alias}"
            );
        }
    }

    /// Which arguments a filter must compare by their low half only, and which whole: taken from the
    /// kernel's `SYSCALL_DEFINE`s and from what the functions then do.
    #[test]
    fn arguments_that_policies_rule_on_have_the_kernels_width() {
        use Width::{Dword, Qword};
        let expected = [
            ("socket", "domain", Dword),
            ("socket", "type", Dword),
            ("socket", "protocol", Dword),
            ("ioctl", "request", Dword),
            ("ioctl", "argp", Qword),
            ("fcntl", "cmd", Dword),
            ("fcntl", "arg", Qword),
            ("prctl", "option", Dword),
            ("prctl", "arg2", Qword),
            ("ptrace", "request", Qword),
            ("ptrace", "pid", Dword),
            ("clone", "flags", Dword),
            ("unshare", "flags", Qword),
            ("setns", "nstype", Dword),
            ("personality", "persona", Dword),
            ("mmap", "prot", Qword),
            ("mmap", "flags", Qword),
            ("mmap", "fd", Dword),
            ("mprotect", "prot", Qword),
            ("pkey_mprotect", "prot", Qword),
            ("mremap", "flags", Qword),
            ("madvise", "advice", Dword),
            ("kill", "pid", Dword),
            ("kill", "sig", Dword),
            ("open", "flags", Dword),
            ("openat", "dirfd", Dword),
            ("openat", "flags", Dword),
            ("openat2", "size", Qword),
            ("mount", "mountflags", Qword),
            ("umount2", "flags", Dword),
            ("renameat2", "flags", Dword),
            ("sendto", "len", Qword),
            ("sendto", "flags", Dword),
            ("sendto", "addrlen", Dword),
            ("keyctl", "operation", Dword),
            ("keyctl", "arg2", Qword),
            ("reboot", "cmd", Dword),
            ("bpf", "cmd", Dword),
            ("seccomp", "flags", Dword),
            ("prlimit64", "resource", Dword),
            ("futex", "futex_op", Dword),
            ("sched_setaffinity", "cpusetsize", Dword),
            ("readlink", "bufsiz", Dword),
            ("perf_event_open", "flags", Qword),
            ("io_uring_setup", "entries", Dword),
            ("process_vm_writev", "flags", Qword),
            ("fsmount", "attr_flags", Dword),
            ("fanotify_mark", "mask", Qword),
        ];
        for (call, arg, width) in expected {
            let (_, arg) = by_name(call).expect(call).arg(arg).expect(arg);
            assert_eq!(arg.kind.width(), width, "{call} {}", arg.name);
        }
    }

    #[test]
    fn foreign_names_are_not_in_the_table() {
        for name in foreign::NAMES {
            assert!(foreign_name(name), "{name} is out of order");
            assert_eq!(by_name(name), None, "{name}");
        }
        for name in [
            "mmap2",
            "sigreturn",
            "_llseek",
            "socketcall",
            "riscv_flush_icache",
        ] {
            assert!(foreign_name(name), "{name}");
        }
        assert!(!foreign_name("read"));
        assert!(!foreign_name("raed"));
    }
}
