//! What is wrong with a policy, as people read it: each file of `tests/golden/policy` with the
//! message that it gives.
//!
//! `BLESS=1` writes the expected files anew.

use std::fs;
use std::path::{Path, PathBuf};

use jail::internal::policy::{Policy, lint, render};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy")
}

fn golden(name: &str, actual: &str) {
    let path = folder().join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name}: expected\n{expected}\ngot\n{actual}"
    );
}

/// The problems of `NAME.toml`, against `NAME.txt`.
fn refused(name: &str) {
    let problems = match Policy::load(&format!("{name}.toml"), &folder()) {
        Ok(_) => panic!("{name} is valid"),
        Err(problems) => problems,
    };
    golden(&format!("{name}.txt"), &format!("{problems}\n"));
}

#[test]
fn three_mistakes_are_shown_together_with_carets() {
    refused("three-mistakes");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let problems = Policy::load("three-mistakes.toml", &folder()).expect_err("three mistakes");
    golden("color.txt", &problems.render(true));
    let mut plain = String::new();
    let mut rest = problems.render(true);
    while let Some(escape) = rest.find('\u{1b}') {
        plain.push_str(&rest[..escape]);
        let end = rest[escape..]
            .find('m')
            .expect("the end of an escape sequence");
        rest = rest.split_off(escape + end + 1);
    }
    assert_eq!(plain + &rest, problems.render(false));
}

#[test]
fn what_is_no_list_is_named_with_what_is() {
    refused("lists");
}

#[test]
fn what_is_lifted_needs_a_reason_and_a_place() {
    refused("lift");
    refused("lift-baseline");
    let policy = Policy::load("lift-warnings.toml", &folder()).expect("a valid policy");
    golden(
        "lift-warnings.txt",
        &format!("{}\n", render(&policy.sources, &lint(&policy), false)),
    );
}

#[test]
fn wrong_keys_and_values_are_named_with_what_was_likely_meant() {
    refused("keys");
    refused("domain-keys");
    refused("files");
    refused("protect");
}

#[test]
fn broken_toml_is_shown_without_what_only_follows_from_it() {
    refused("syntax");
}

#[test]
fn what_a_command_starts_with_is_named_with_what_was_likely_meant() {
    refused("process");
    refused("process-types");
    refused("process-ranges");
}

#[test]
fn a_capability_that_goes_round_net_is_refused_where_net_restricts() {
    refused("process-peers");
}

#[test]
fn what_is_inherited_with_two_values_names_both_places() {
    refused("process-two");
}

#[test]
fn what_the_jail_needs_cannot_be_opened_nor_what_programs_need_be_closed() {
    refused("protected");
}

#[test]
fn rules_are_read_for_each_syscall_that_they_cover() {
    refused("rules");
}

#[test]
fn problems_of_all_files_are_shown_together() {
    refused("two-files");
}

#[test]
fn a_cycle_is_shown_whole() {
    refused("cycle-a");
}

#[test]
fn what_cannot_be_meant_is_a_warning() {
    let policy = Policy::load("warnings.toml", &folder()).expect("a valid policy");
    golden(
        "warnings.txt",
        &format!("{}\n", render(&policy.sources, &lint(&policy), false)),
    );
}

#[test]
fn a_policy_that_is_not_there_leads_to_one_that_is() {
    let load = |name: &str| {
        Policy::load(name, &folder())
            .expect_err("no such policy")
            .to_string()
    };
    let messages = [
        load("bas"),
        load("nothing-like-it"),
        load("base.toml"),
        load("./nothing-like-it"),
        load("/"),
        load("/dev/zero"),
        load("color"),
        Policy::preset("offlin")
            .expect_err("no such preset")
            .to_string(),
        Policy::parse("extends = './base.toml'", "text")
            .expect_err("no file")
            .to_string(),
    ];
    golden("missing.txt", &(messages.join("\n\n") + "\n"));
}

#[test]
fn endpoints_that_are_none_are_told_what_they_could_be() {
    refused("net");
}

#[test]
fn endpoints_that_say_nothing_or_less_than_they_seem_are_warned_of() {
    for name in [
        "net-warnings",
        "no-resolver",
        "any-resolver",
        "protect-warnings",
    ] {
        let policy = Policy::load(&format!("{name}.toml"), &folder()).expect(name);
        let text = render(&policy.sources, &lint(&policy), false);
        golden(&format!("{name}.txt"), &format!("{text}\n"));
    }
}

#[test]
fn limits_that_are_none_are_told_what_they_could_be() {
    refused("limits");
}
