//! Generated policies: their filter, run without a kernel, against the judge and a reference
//! that reads the generated model, not the parsed policy.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cbpf::agreement::{HOSTS, assert_agreement};
use crate::cbpf::reference::{Sayings, Says};
use jail::internal::policy::{Action, Policy};
use jail::internal::syscalls::{self, Errno};
use proptest::prelude::*;
use proptest::sample::select;

/// How the kernel reads an argument.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Type {
    I32,
    U32,
    I64,
    U64,
}
use Type::{I32, I64, U32, U64};

/// Position, name and type of each argument.
type Arguments = &'static [(usize, &'static str, Type)];

/// System calls that conditions are made for, with arguments as the manual and the kernel's
/// prototypes have them.
#[rustfmt::skip]
const CALLS: &[(&[&str], Arguments)] = &[
    (&["socket"],          &[(0, "domain", U32), (1, "type", U32), (2, "protocol", U32)]),
    (&["ioctl"],           &[(0, "fd", I32), (1, "request", U32), (2, "arg2", U64)]),
    (&["clone"],           &[(0, "flags", U32), (4, "tls", U64)]),
    (&["mmap"],            &[(1, "length", U64), (2, "prot", U64), (5, "offset", I64)]),
    (&["lseek"],           &[(1, "offset", I64), (2, "whence", U32)]),
    (&["fcntl"],           &[(1, "cmd", U32), (2, "arg", U64)]),
    (&["kill"],            &[(0, "pid", I32), (1, "sig", I32)]),
    (&["tgkill"],          &[(0, "tgid", I32), (1, "tid", I32)]),
    (&["setpriority"],     &[(0, "which", U32), (1, "who", I32)]),
    (&["prctl"],           &[(0, "option", U32), (1, "arg2", U64), (2, "arg3", U64)]),
    (&["perf_event_open"], &[(1, "pid", I32), (2, "cpu", I32), (4, "flags", U64)]),
    (&["seccomp"],         &[(0, "operation", U32), (1, "flags", U32)]),
    (&["unshare"],         &[(0, "flags", U64)]),
    (&["prlimit64"],       &[(0, "pid", I32), (1, "resource", U32)]),
    (&["sched_setparam", "sched_setaffinity"], &[(0, "pid", I32)]),
    (&["read", "write", "pread64"],            &[(0, "fd", I32), (2, "count", U64)]),
];

/// System calls that entries name, beside those.
const NAMES: &[&str] = &[
    "getpid",
    "uname",
    "execve",
    "execveat",
    "openat",
    "ptrace",
    "clone3",
    "io_uring_setup",
    "pidfd_send_signal",
    "exit_group",
    "restart_syscall",
    "socketpair",
    "personality",
    "futex",
];

/// Values near which things go wrong; cut to the argument's type.
const VALUES: &[u64] = &[
    0,
    1,
    2,
    3,
    8,
    10,
    15,
    62,
    0x100,
    0x5412,
    0x8901,
    0xffff,
    0x0002_0000,
    0x0080_0000,
    0x1000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

#[derive(Debug, Clone)]
enum Cond {
    Compare {
        arg: usize,
        name: &'static str,
        ty: Type,
        op: &'static str,
        value: u64,
    },
    Masked {
        arg: usize,
        name: &'static str,
        ty: Type,
        mask: u64,
        equal: bool,
        value: u64,
    },
    In {
        arg: usize,
        name: &'static str,
        ty: Type,
        values: Vec<u64>,
    },
    Not(Box<Cond>),
    Both(Box<Cond>, Box<Cond>),
    Either(Box<Cond>, Box<Cond>),
}

/// The bits that the kernel reads.
fn cut(ty: Type, register: u64) -> u64 {
    match ty {
        I32 | U32 => register & 0xffff_ffff,
        I64 | U64 => register,
    }
}

/// The number that the kernel reads.
fn number(ty: Type, register: u64) -> i128 {
    match ty {
        I32 => i128::from(register as u32 as i32),
        U32 => i128::from(register as u32),
        I64 => i128::from(register as i64),
        U64 => i128::from(register),
    }
}

impl Cond {
    fn holds(&self, args: &[u64; 6]) -> bool {
        match self {
            Cond::Compare {
                arg, ty, op, value, ..
            } => {
                let (left, right) = (number(*ty, args[*arg]), number(*ty, *value));
                match *op {
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    ">=" => left >= right,
                    _ => unreachable!(),
                }
            }
            Cond::Masked {
                arg,
                ty,
                mask,
                equal,
                value,
                ..
            } => (cut(*ty, args[*arg]) & cut(*ty, *mask) == cut(*ty, *value)) == *equal,
            Cond::In {
                arg, ty, values, ..
            } => values
                .iter()
                .any(|value| number(*ty, *value) == number(*ty, args[*arg])),
            Cond::Not(inner) => !inner.holds(args),
            Cond::Both(one, other) => one.holds(args) && other.holds(args),
            Cond::Either(one, other) => one.holds(args) || other.holds(args),
        }
    }

    fn text(&self) -> String {
        let hex = |ty: Type, value: u64| format!("{:#x}", cut(ty, value));
        match self {
            Cond::Compare {
                name,
                ty,
                op,
                value,
                ..
            } => {
                format!("{name} {op} {}", number(*ty, *value))
            }
            Cond::Masked {
                name,
                ty,
                mask,
                equal,
                value,
                ..
            } => {
                let op = if *equal { "==" } else { "!=" };
                format!("({name} & {}) {op} {}", hex(*ty, *mask), hex(*ty, *value))
            }
            Cond::In {
                name, ty, values, ..
            } => {
                let values: Vec<_> = values.iter().map(|value| hex(*ty, *value)).collect();
                format!("{name} in {{{}}}", values.join(", "))
            }
            Cond::Not(inner) => format!("!({})", inner.text()),
            Cond::Both(one, other) => format!("({}) && ({})", one.text(), other.text()),
            Cond::Either(one, other) => format!("({}) || ({})", one.text(), other.text()),
        }
    }
}

/// A policy as it was meant.
#[derive(Debug, Clone)]
pub struct Model {
    allow_by_default: bool,
    entries: BTreeMap<String, Says>,
    rules: Vec<(&'static [&'static str], Cond, Says)>,
}

impl Model {
    fn toml(&self) -> String {
        let default = if self.allow_by_default {
            "allow"
        } else {
            "deny"
        };
        format!("default = \"{default}\"\n\n{}", self.entries())
    }

    /// `[syscalls]` and the rules.
    pub fn entries(&self) -> String {
        let mut text = "[syscalls]\n".to_owned();
        for (key, says) in &self.entries {
            let _ = match says.action {
                Action::Deny(_) => writeln!(
                    text,
                    "\"{key}\" = {{ action = \"{}\", quiet = {} }}",
                    says.action, says.quiet
                ),
                action => writeln!(text, "\"{key}\" = \"{action}\""),
            };
        }
        for (names, condition, says) in &self.rules {
            let _ = writeln!(
                text,
                "\n[[rule]]\nsyscall = {names:?}\nwhen = \"{}\"\naction = \"{}\"",
                condition.text(),
                says.action
            );
            if matches!(says.action, Action::Deny(_)) {
                let _ = writeln!(text, "quiet = {}", says.quiet);
            }
        }
        text
    }

    fn sayings(&self, name: &str, args: &[u64; 6]) -> Sayings {
        let mut sayings = Sayings::default();
        for (names, condition, says) in &self.rules {
            if names.contains(&name) && condition.holds(args) {
                sayings.rules.push(*says);
            }
        }
        for (key, says) in &self.entries {
            let member = || {
                let about = syscalls::by_name(name).unwrap();
                syscalls::group(key).unwrap().set.contains(about)
            };
            if key == name {
                sayings.names.push(*says);
            } else if key.starts_with('@') && member() {
                sayings.groups.push(*says);
            }
        }
        sayings
    }
}

fn says() -> impl Strategy<Value = Says> {
    let kill = Says {
        action: Action::Kill,
        quiet: false,
    };
    let errnos = &[Errno::EPERM, Errno::EACCES, Errno::ENOSYS];
    prop_oneof![6 => allows_or_denies(errnos), 1 => Just(kill)]
}

/// Allows, or denies with one of these.
pub fn allows_or_denies(errnos: &'static [Errno]) -> impl Strategy<Value = Says> {
    let deny = (select(errnos), any::<bool>()).prop_map(|(errno, quiet)| Says {
        action: Action::Deny(errno),
        quiet,
    });
    let allow = Says {
        action: Action::Allow,
        quiet: false,
    };
    prop_oneof![Just(allow), deny]
}

fn condition(args: Arguments) -> impl Strategy<Value = Cond> {
    let compare = (
        select(args),
        select(vec!["==", "!=", "<", "<=", ">", ">="]),
        select(VALUES),
    )
        .prop_map(|((arg, name, ty), op, value)| Cond::Compare {
            arg,
            name,
            ty,
            op,
            value,
        });
    let masked = (
        select(args),
        select(VALUES),
        select(VALUES),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|((arg, name, ty), mask, value, equal, within)| {
            let mask = if cut(ty, mask) == 0 { 1 } else { mask };
            let value = if within { value & mask } else { 0 };
            Cond::Masked {
                arg,
                name,
                ty,
                mask,
                equal,
                value,
            }
        });
    let one_of = (
        select(args),
        proptest::collection::vec(select(VALUES), 1..4),
    )
        .prop_map(|((arg, name, ty), values)| Cond::In {
            arg,
            name,
            ty,
            values,
        });
    prop_oneof![2 => compare, 2 => masked, 1 => one_of].prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|c| Cond::Not(Box::new(c))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::Both(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Cond::Either(Box::new(a), Box::new(b))),
        ]
    })
}

fn model() -> impl Strategy<Value = Model> {
    model_without(&[], says)
}

/// Models that say nothing of some calls, by these actions.
pub fn model_without<S: Strategy<Value = Says> + 'static>(
    unsaid: &'static [&'static str],
    says: fn() -> S,
) -> impl Strategy<Value = Model> {
    let names = CALLS
        .iter()
        .flat_map(|(names, _)| names.iter())
        .chain(NAMES)
        .copied()
        .filter(|name| !unsaid.contains(name));
    let groups = syscalls::groups().iter().filter(|group| {
        let mut known = unsaid.iter().filter_map(|name| syscalls::by_name(name));
        !known.any(|about| group.set.contains(about))
    });
    let groups = groups.map(|group| group.name);
    let keys: Vec<&'static str> = names.chain(groups).collect();
    let entries =
        proptest::collection::btree_map(select(keys).prop_map(str::to_owned), says(), 0..20)
            .prop_map(|mut entries| {
                // Errors: to allow by its own name what the jail closes, to deny what it never denies.
                let closed = |key: &str| jail::internal::baseline::closed(key).is_some();
                let always = |key: &str| jail::internal::baseline::ALWAYS.contains(&key);
                entries.retain(|key, says| match says.action {
                    Action::Allow => !closed(key),
                    _ => !always(key),
                });
                entries
            });
    let about =
        |(names, _): &&(&[&str], Arguments)| !names.iter().any(|name| unsaid.contains(name));
    let calls: Vec<_> = CALLS.iter().filter(about).copied().collect();
    let rule =
        select(calls).prop_flat_map(move |(names, args)| (Just(names), condition(args), says()));
    (
        any::<bool>(),
        entries,
        proptest::collection::vec(rule, 0..12),
    )
        .prop_map(|(allow_by_default, entries, rules)| Model {
            allow_by_default,
            entries,
            rules,
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_generated_policy_filters_as_it_is_judged(model in model()) {
        let text = model.toml();
        let policy = Policy::parse(&text, "generated.toml")
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        for host in &HOSTS {
            assert_agreement(&policy, host, 60, |name, args| model.sayings(name, args));
        }
    }
}
