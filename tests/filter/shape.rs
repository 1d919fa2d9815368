//! Filters that are long, deep or odd, run without a kernel.

use std::fmt::Write as _;

use crate::cbpf::agreement::{HOSTS, assert_agreement};
use crate::cbpf::reference::sayings;
use crate::cbpf::{Data, always_allowed, run};
use jail::internal::plan::Plan;
use jail::internal::policy::Policy;
use jail::internal::syscalls;

fn policy(text: &str) -> Policy {
    Policy::parse(text, "shape.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn assert_all_agree(text: &str) -> usize {
    let policy = policy(text);
    for host in &HOSTS {
        assert_agreement(&policy, host, 120, |name, args| {
            sayings(&policy, name, args)
        });
    }
    Plan::new(&policy, &HOSTS[1]).unwrap().filter.len()
}

#[test]
fn where_memory_is_added_up_the_opens_that_may_write_are_seen() {
    for files in [
        "",
        "[fs]\nread = [\"/\"]\nwrite = [\"/tmp\"]",
        "[fs]\ndeny = [\"**/x\"]",
    ] {
        assert_all_agree(&format!(
            "default = \"allow\"\n{files}\n[limits]\nmemory = \"1MiB\""
        ));
    }
}

/// Names with a number here, none of which the baseline has a rule for.
fn free_names() -> Vec<&'static str> {
    let guarded = |name: &str| {
        jail::internal::baseline::Baseline::new(0)
            .rules()
            .any(|rule| rule.syscalls.contains(&name))
            || jail::internal::baseline::ALWAYS.contains(&name)
    };
    let mut rows: Vec<_> = syscalls::all()
        .iter()
        .filter(|s| s.number().is_some() && !guarded(s.name))
        .collect();
    rows.sort_by_key(|syscall| syscall.number());
    rows.iter().map(|syscall| syscall.name).collect()
}

#[test]
fn a_tree_with_a_leaf_for_every_number_is_right_at_each_of_them() {
    // What the baseline looks into stays conditional: blocks at the end of far jumps.
    let mut text = "default = \"allow\"\n[syscalls]\n".to_owned();
    let errnos = ["EPERM", "EACCES", "ENOENT", "ENOSYS"];
    for (index, name) in free_names().into_iter().enumerate() {
        match index % 3 {
            0 => writeln!(text, "{name} = \"allow\""),
            1 => writeln!(
                text,
                "{name} = {{ action = \"{}\", quiet = true }}",
                errnos[index / 3 % errnos.len()]
            ),
            _ => writeln!(text, "{name} = \"kill\""),
        }
        .unwrap();
    }
    let len = assert_all_agree(&text);
    assert!(len > 300, "{len} instructions need no far jumps");
}

#[test]
fn conditions_on_a_hundred_numbers_are_all_reached() {
    let mut text = "default = \"allow\"\n".to_owned();
    let with_arguments = free_names()
        .into_iter()
        .filter(|name| !syscalls::by_name(name).unwrap().args.is_empty());
    for (index, name) in with_arguments.enumerate().take(100) {
        let argument = syscalls::by_name(name).unwrap().args[0];
        let value = if argument.kind.is_pointer() {
            "NULL".to_owned()
        } else {
            index.to_string()
        };
        let _ = writeln!(
            text,
            "[[rule]]\nsyscall = \"{name}\"\nwhen = \"{} == {value}\"\naction = \"kill\"",
            argument.name
        );
    }
    let len = assert_all_agree(&text);
    assert!(len > 300, "{len}");
}

#[test]
fn the_longest_condition_that_the_language_takes_fits_its_jumps() {
    // An alternative of 32 tests of 64 bits: the last must jump over all the others.
    let tests: Vec<String> = (0..32)
        .map(|bit| format!("(offset & {:#x}) != 0", 0x1_0000_0001_u64 << bit))
        .collect();
    let both: Vec<String> = (0..32)
        .map(|bit| format!("(offset & {0:#x}) == {0:#x}", 0x1_0000_0001_u64 << bit))
        .collect();
    for when in [tests.join(" && "), both.join(" && ")] {
        let text = format!(
            "default = \"deny\"\n[[rule]]\nsyscall = \"lseek\"\nwhen = \"{when}\"\naction = \"allow\""
        );
        assert_all_agree(&text);
    }
}

#[test]
fn an_allowing_rule_does_not_let_a_call_past_the_baseline() {
    for default in ["allow", "deny"] {
        let text = format!(
            "default = \"{default}\"\n\
             [[rule]]\nsyscall = \"ioctl\"\nwhen = \"fd == 0\"\naction = \"allow\"\n\
             [[rule]]\nsyscall = \"clone\"\nwhen = \"(flags & 0x10000000) != 0\"\naction = \"allow\"\n\
             [[rule]]\nsyscall = \"kill\"\nwhen = \"sig == 9\"\naction = \"kill\"\n\
             [[rule]]\nsyscall = \"kill\"\nwhen = \"pid == 7\"\naction = \"allow\"\n\
             [[rule]]\nsyscall = \"fcntl\"\nwhen = \"cmd != 3\"\naction = \"allow\"\n\
             [[rule]]\nsyscall = \"fcntl\"\nwhen = \"fd == 9\"\naction = \"ENOSYS\"\n"
        );
        assert_all_agree(&text);
    }
}

#[test]
fn a_policy_without_entries_is_a_short_filter() {
    let len = assert_all_agree("default = \"allow\"");
    assert!(len < 250, "{len}");
    let len = assert_all_agree("default = \"deny\"");
    assert!(len < 125, "{len}");
}

#[test]
fn a_rule_that_changes_nothing_costs_nothing() {
    let text = "default = \"allow\"\n[[rule]]\nsyscall = \"mmap\"\nwhen = \"prot != 4\"\naction = \"allow\"";
    let plan = Plan::new(&policy(text), &HOSTS[0]).unwrap();
    let mmap = syscalls::by_name("mmap").unwrap().number().unwrap();
    assert!(always_allowed(&plan.filter, mmap));
}

#[test]
fn the_way_to_any_number_is_a_dozen_instructions() {
    for preset in jail::internal::policy::presets() {
        let policy = Policy::preset(preset.name).unwrap();
        let plan = Plan::new(&policy, &HOSTS[0]).unwrap();
        for nr in 0..=500 {
            if always_allowed(&plan.filter, nr) {
                let (_, steps) = run(&plan.filter, &Data::native(nr, [0; 6]));
                assert!(steps <= 14, "{}: {steps} for {nr}", preset.name);
            }
        }
    }
}
