//! Checks the table for consistency, and against the condition language.

use std::collections::BTreeSet;

use super::*;
use crate::condition::{Condition, Op};
use crate::syscalls::{self, Width};

#[test]
fn every_rule_names_system_calls_that_exist_and_has_its_own_id() {
    let mut ids = BTreeSet::new();
    for rule in Baseline::new(0).rules() {
        assert!(ids.insert(rule.id), "{} twice", rule.id);
        for name in rule.syscalls {
            assert!(syscalls::by_name(name).is_some(), "{}: {name}", rule.id);
        }
    }
    for name in ALWAYS {
        assert!(syscalls::by_name(name).is_some(), "{name}");
    }
}

/// Registers around each number that a rule tests, alone and with a dirty upper half.
fn boundaries(rule: &Rule) -> Vec<[u64; 6]> {
    let mut values = vec![0, 1, u64::MAX, 0xffff_ffff, 0x8000_0000, 1 << 32];
    for test in rule.when.any.iter().copied().flatten() {
        let mask = test.mask.unwrap_or(0);
        let bits = (0..32)
            .filter(|bit| mask >> bit & 1 == 1)
            .map(|bit| 1 << bit);
        values.extend([
            test.value,
            test.value.wrapping_sub(1),
            test.value + 1,
            mask,
            !mask,
        ]);
        values.extend(bits);
    }
    let dirty: Vec<u64> = values
        .iter()
        .map(|value| value | 0xdead_beef_0000_0000)
        .collect();
    values.extend(dirty);
    let mut calls = Vec::new();
    for one in &values {
        for other in &values {
            for zero in 0..6 {
                let mut call = [*other; 6];
                call[zero] = *one;
                calls.push(call);
                let mut call = [0; 6];
                call[zero] = *one;
                call[(zero + 1) % 6] = *other;
                calls.push(call);
            }
        }
    }
    calls
}

#[test]
fn what_a_rule_says_in_words_is_what_it_tests() {
    for rule in Baseline::new(0)
        .rules()
        .filter(|rule| !rule.when.text.is_empty())
    {
        for name in rule.syscalls {
            let syscall = syscalls::by_name(name).unwrap();
            let words = Condition::parse(rule.when.text, syscall)
                .unwrap_or_else(|error| panic!("{}: {}", rule.id, error.message));
            for args in boundaries(rule) {
                assert_eq!(
                    words.holds(&args),
                    rule.applies(&args),
                    "{} {args:x?}",
                    rule.id
                );
            }
        }
    }
}

#[test]
fn every_test_looks_at_the_bits_that_the_kernel_reads() {
    for rule in Baseline::new(0).rules() {
        // unshare takes an unsigned long, and refuses bits that it does not know.
        let width = match rule.id {
            "no-unshare" => Width::Qword,
            _ => Width::Dword,
        };
        for test in rule.when.any.iter().copied().flatten() {
            assert_eq!(test.width, width, "{}", rule.id);
            assert!(
                test.mask.is_none() || matches!(test.op, Op::Eq | Op::Ne),
                "{}",
                rule.id
            );
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_constants() {
    let applies = |id: &str, args: [u64; 6]| {
        Baseline::new(0)
            .rules()
            .find(|rule| rule.id == id)
            .unwrap()
            .applies(&args)
    };
    let value = |name: &str| syscalls::constant(name).unwrap();
    for flag in [
        "CLONE_NEWNS",
        "CLONE_NEWCGROUP",
        "CLONE_NEWUTS",
        "CLONE_NEWIPC",
        "CLONE_NEWUSER",
        "CLONE_NEWPID",
        "CLONE_NEWNET",
    ] {
        assert!(
            applies("no-namespaces", [value(flag), 0, 0, 0, 0, 0]),
            "{flag}"
        );
        assert!(
            applies("no-unshare", [value(flag), 0, 0, 0, 0, 0]),
            "{flag}"
        );
    }
    for flag in ["CLONE_NEWTIME", "UNSHARE_EMPTY_MNTNS", "CLONE_EMPTY_MNTNS"] {
        let args = [value(flag), 0, 0, 0, 0, 0];
        assert!(applies("no-unshare", args), "{flag}");
    }
    let shared = "VM FS FILES SIGHAND THREAD SYSVSEM".split(' ');
    let shared = shared.map(|name| value(&format!("CLONE_{name}")));
    let shared = shared.fold(0, |flags, flag| flags | flag);
    assert!(!applies("no-unshare", [shared, 0, 0, 0, 0, 0]));
    let tree = value("OPEN_TREE_NAMESPACE");
    assert!(applies("no-tree-namespace", [0, 0, tree, 0, 0, 0]));
    let mount = value("FSMOUNT_NAMESPACE");
    assert!(applies("no-fsmount-namespace", [0, mount, 0, 0, 0, 0]));
    assert!(!applies(
        "no-namespaces",
        [value("CLONE_NEWTIME"), 0, 0, 0, 0, 0]
    ));
    for request in ["TIOCSTI", "TIOCLINUX"] {
        assert!(
            applies("no-terminal-input", [0, value(request), 0, 0, 0, 0]),
            "{request}"
        );
    }
    assert!(applies(
        "no-foreign-owner",
        [0, value("F_SETOWN"), 7, 0, 0, 0]
    ));
    assert!(applies(
        "no-owner-in-memory",
        [0, value("F_SETOWN_EX"), 0, 0, 0, 0]
    ));
}

#[test]
fn fork_and_threads_are_left_alone() {
    // What glibc and musl pass for fork, vfork, posix_spawn and pthread_create.
    let blocks = |flags: u64| {
        let about = |rule: &&Rule| rule.syscalls.contains(&"clone");
        Baseline::new(0)
            .rules()
            .filter(about)
            .any(|rule| rule.applies(&[flags, 0, 0, 0, 0, 0]))
    };
    for flags in [0x0120_0011, 0x4111, 0x003d_0f00, 0x11] {
        assert!(!blocks(flags), "{flags:#x}");
    }
    assert!(blocks(0x0120_0011 | 0x1000_0000));
    assert!(blocks(0x003d_0f00 | 0x0080_0000));
}

#[test]
fn a_closed_system_call_says_why_and_one_with_conditions_is_not_closed() {
    assert!(closed("ptrace").is_some());
    assert!(closed("clone3").is_some());
    for open in [
        "clone",
        "ioctl",
        "kill",
        "pidfd_send_signal",
        "socket",
        "nosuchcall",
    ] {
        assert_eq!(closed(open), None, "{open}");
    }
}

#[test]
fn landlock_takes_over_the_signals_from_abi_6_on() {
    let kill = syscalls::parse_call("kill(1, SIGKILL)").unwrap();
    let owner = syscalls::parse_call("fcntl(3, F_SETOWN, 1)").unwrap();
    let other = syscalls::parse_call("fcntl(3, F_GETFD)").unwrap();
    assert!(Baseline::new(6).scoped(&kill) && Baseline::new(6).scoped(&owner));
    assert!(!Baseline::new(6).scoped(&other));
    assert!(!Baseline::new(5).scoped(&kill));
    assert_eq!(Baseline::newest(), Baseline::new(6));
}

#[test]
fn each_check_reads_the_argument_that_names_its_target() {
    let target = |text: &str| {
        let call = syscalls::parse_call(text).unwrap();
        let about = |rule: &&Rule| rule.syscalls.contains(&call.syscall().unwrap().name);
        let check = |rule: &'static Rule| match rule.answer {
            Answer::Check(check) if rule.applies(&call.args) => Some(check),
            _ => None,
        };
        let found = Baseline::new(0).rules().filter(about).find_map(check);
        found.unwrap_or_else(|| panic!("{text}")).target(&call.args)
    };
    for text in [
        "prlimit64(77)",
        "setpriority(PRIO_PROCESS, 77)",
        "ioprio_set(1, 77)",
        "sched_setaffinity(77)",
        "sched_setattr(77)",
        "sched_setparam(77)",
        "sched_setscheduler(77)",
        "migrate_pages(77)",
        "move_pages(77)",
        "perf_event_open(NULL, 77)",
        "kill(77, SIGTERM)",
        "tkill(77, SIGTERM)",
        "tgkill(70, 77, SIGTERM)",
        "rt_sigqueueinfo(77, SIGTERM)",
        "rt_tgsigqueueinfo(70, 77, SIGTERM)",
        "fcntl(3, F_SETOWN, 77)",
    ] {
        assert_eq!(target(text), Target::Task(77), "{text}");
    }
    assert_eq!(target("setpriority(PRIO_USER, 77)"), Target::User(77));
    assert_eq!(target("ioprio_set(2, 77)"), Target::Group(77));
}
