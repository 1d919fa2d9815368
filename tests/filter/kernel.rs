//! Generated policies and calls that are really made: what the kernel answers in the jail, beside the judge and the
//! filter in the interpreter. The supervisor survives all of them.
//!
//! `JAIL_TEST_ROUNDS=500 cargo test --test filter kernel` tries so many policies instead of a few.

use crate::cbpf::registers::{Dice, Values};
use crate::cbpf::{Answer, Data, run};
use crate::generated::{Model, allows_or_denies, model_without};
use crate::support::{Dir, jail, probe, rounds};
use jail::internal::launch::{Withheld, probe_for};
use jail::internal::plan::Plan;
use jail::internal::policy::{Action, Policy};
use jail::internal::syscalls::{self, Call, Errno};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use std::fs::File;

/// What no call answers by itself: where it is the answer, it is the policy's.
const RARE: &[Errno] = &[Errno::ENOTNAM, Errno::EXFULL, Errno::EBADSLT];

/// What the probe, its C library and its loader need.
const UNSAID: &[&str] = &[
    "access",
    "arch_prctl",
    "brk",
    "clone",
    "clone3",
    "close",
    "dup2",
    "dup3",
    "execve",
    "exit_group",
    "fcntl",
    "fork",
    "fstat",
    "futex",
    "getrandom",
    "gettid",
    "ioctl",
    "kill",
    "lseek",
    "mmap",
    "mprotect",
    "munmap",
    "newfstatat",
    "openat",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "pread64",
    "prlimit64",
    "read",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "statx",
    "wait4",
    "write",
];

/// What could reach processes or objects outside if a jail failed. Other tests attack these on purpose.
const UNMADE: &[&str] = &[
    "ioprio_set",
    "keyctl",
    "kill",
    "migrate_pages",
    "move_pages",
    "msgctl",
    "msgget",
    "pidfd_send_signal",
    "prlimit64",
    "process_madvise",
    "process_mrelease",
    "reboot",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "semctl",
    "semget",
    "setpriority",
    "shmctl",
    "shmget",
    "sync",
    "syncfs",
    "tgkill",
    "tkill",
    "vhangup",
];

/// Calls of one policy, so many of them by a random number.
const CALLS: usize = 48;
const BY_NUMBER: usize = 16;

#[test]
fn calls_are_answered_as_they_are_judged() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut denied, mut allowed) = (0, 0);
    for _ in 0..rounds(6) {
        let model = model_without(UNSAID, || allows_or_denies(RARE));
        let model = model.new_tree(&mut runner).expect("a model").current();
        let (fell, went) = agrees(&model, &mut dice);
        denied += fell;
        allowed += went;
    }
    println!("{denied} calls denied, {allowed} allowed");
    assert!(denied > 20 && allowed > 20, "{denied} {allowed}");
}

/// Makes calls under one policy; how many were denied, and how many allowed.
fn agrees(model: &Model, dice: &mut Dice) -> (usize, usize) {
    let dir = Dir::new();
    let text = format!("extends = [\"permissive\"]\n{}", model.entries());
    let file = dir.write("generated.toml", &text);
    let policy = Policy::parse(&text, "generated.toml").unwrap();
    let plan = Plan::new(&policy, &probe_for(&policy, &Withheld::default())).unwrap();
    let calls = calls(&policy, dice);
    let line = |call: &Call| {
        let args = call.args.map(|arg| arg.to_string());
        format!("{} {}\n", call.nr, args.join(" "))
    };
    let lines: String = calls.iter().map(line).collect();
    let input = File::open(dir.write("calls", lines)).expect("the calls");
    let arguments = ["--kill-on-exit", "--policy", &file, "--", probe(), "calls"];
    let ran = jail(arguments).stdin(input).output();
    let ran = ran.ends_with(0);
    let answers: Vec<&str> = ran.out.lines().collect();
    assert_eq!(answers.len(), calls.len(), "{text}\n{}", ran.err);
    let (mut denied, mut allowed) = (0, 0);
    for (call, answer) in calls.iter().zip(answers) {
        let answer: Option<i64> = answer.parse().ok();
        let verdict = plan.judge.call(call);
        let rare = RARE
            .iter()
            .any(|errno| answer == Some(-i64::from(errno.number())));
        let said = format!("{call}, args {:x?}: {answer:?}\n{text}", call.args);
        let (filter, _) = run(&plan.filter, &Data::native(call.nr, call.args));
        match filter {
            Answer::Errno(errno) => assert_eq!(answer, Some(-i64::from(errno)), "filter: {said}"),
            Answer::Allow => assert!(!rare, "filter: {said}"),
            Answer::Trace => {}
        }
        if verdict.check.is_some() || plan.judge.needs_objects(call) {
            continue;
        }
        match verdict.action {
            Action::Deny(errno) => {
                denied += 1;
                assert_eq!(answer, Some(-i64::from(errno.number())), "judge: {said}");
            }
            _ => {
                allowed += 1;
                assert!(!rare, "judge: {said}");
            }
        }
    }
    (denied, allowed)
}

/// Calls that the policy speaks of, with the values around its conditions, and some by their number.
fn calls(policy: &Policy, dice: &mut Dice) -> Vec<Call> {
    let names = policy.rules.iter().flat_map(|rule| &rule.conditions);
    let mut numbers: Vec<u32> = names.filter_map(|(on, _)| on.number()).collect();
    let entries = policy.syscalls.iter();
    numbers.extend(entries.filter_map(|entry| syscalls::by_name(&entry.key)?.number()));
    numbers.extend((0..BY_NUMBER).map(|_| (dice.throw() % 480) as u32 | strange(dice)));
    let is_made = |nr: &u32| {
        syscalls::by_number(*nr & !X32).is_none_or(|about| !UNMADE.contains(&about.name))
    };
    numbers.retain(is_made);
    let mut calls = Vec::new();
    while calls.len() < CALLS {
        let nr = numbers[(dice.throw() % numbers.len() as u64) as usize];
        let values = syscalls::by_number(nr)
            .map_or(Values::default(), |about| Values::of(policy, about.name));
        let of_it = values.calls(dice, 3);
        let args = of_it[(dice.throw() % of_it.len() as u64) as usize];
        calls.push(Call { nr, args });
    }
    calls
}

/// The bit of x32's numbers.
const X32: u32 = 0x4000_0000;

fn strange(dice: &mut Dice) -> u32 {
    match dice.throw() % 8 {
        0 => X32,
        _ => 0,
    }
}
