//! Races for a call between its judgement and its making: ways round `[fs]` and rules about paths and
//! arguments that were open once.

use crate::support::arena::{Passes, Tree, never_won, nothing_won};
use crate::support::landlock::landlocks;
use crate::support::races::{Score, alone};

/// A denial within what may be read, which Landlock cannot hold.
const DENIED: &str = r#"
read  = ["@"]
write = ["@/w"]
exec  = ["@/bin"]
deny  = ["@/w/bad", "@/bin/bad*"]
"#;

const GOOD: &str = "@/w/pad/file";
const BAD: &str = "@/w/bad/file";

#[test]
fn a_call_that_is_repeated_in_a_restartable_sequence_lets_no_other_go_unjudged() {
    let _alone = alone();
    let tree = Tree::new();
    let attack = ["case", "critical", GOOD, BAD];
    let command = tree.attacker(&[&attack[..], &["1"]].concat());
    let free = Score::of(&tree.unjailed(&command).ends_with(0));
    assert!(free.passed > 1000, "the call is never made: {free:?}");
    let attack = tree.attacker(&attack);
    for policy in [
        format!("extends = [\"base\"]\n[fs]\n{DENIED}"),
        "default = \"allow\"\n[fs]\ndeny = [\"@/w/bad\"]\n".to_owned(),
    ] {
        let policy = tree.policy(&policy);
        for landlock in landlocks() {
            nothing_won(&tree, landlock, &policy, &attack, 100, Passes::Some);
        }
    }
}

#[test]
fn a_call_that_is_repeated_in_a_restartable_sequence_installs_no_listener() {
    let _alone = alone();
    let tree = Tree::new();
    let attack = tree.attacker(&["case", "listener", GOOD]);
    let command = tree.attacker(&["case", "listener", GOOD, "0.1"]);
    // Where it is allowed, the attacker has one.
    let free = tree.unjailed(&command).ends_with(0);
    assert!(free.out.contains("asked: listener true"), "{}", free.out);
    let policy = tree.lists(DENIED);
    for landlock in landlocks() {
        let ran = tree.jailed(landlock, &policy, &command).ends_with(0);
        assert!(
            ran.out.contains("asked: EPERM"),
            "{landlock:?}: {}",
            ran.out
        );
        nothing_won(&tree, landlock, &policy, &attack, 100, Passes::Some);
    }
}

#[test]
fn a_look_up_in_the_directory_of_a_dead_process_is_not_made_with_another_string() {
    let tree = Tree::new();
    let words = ["dead-directory-flips-path", GOOD, BAD];
    never_won(&tree, &tree.lists(DENIED), &words, 1000, Passes::Never);
}

#[test]
fn a_working_directory_that_is_shared_over_an_exec_is_no_way_to_a_denied_file() {
    let tree = Tree::new();
    // Nothing may be written.
    let policy = tree.lists("read = [\"@\"]\nexec = [\"@/bin\"]\ndeny = [\"@/w/bad\"]\n");
    let words = ["cwd-swapped-by-program", GOOD, BAD];
    never_won(&tree, &policy, &words, 1000, Passes::Some);
}

#[test]
fn a_descriptor_that_its_owner_swaps_is_no_way_to_a_file_that_may_not_be_read() {
    let tree = Tree::new();
    // A pattern, which Landlock cannot hold.
    let policy = tree.lists("read = [\"@/data/*.txt\", \"@/bin\"]\nexec = [\"@/bin\"]\n");
    let words = ["fd-of-other-flipped", "@/data/open.txt", "@/data/secret"];
    never_won(&tree, &policy, &words, 1000, Passes::Never);
}

#[test]
fn a_descriptor_that_its_owner_swaps_is_no_way_to_a_file_that_may_not_be_written() {
    let tree = Tree::new();
    let file = "@/readonly/file";
    let words = ["memfd-of-other-reopened", file, file];
    never_won(&tree, &tree.lists(DENIED), &words, 1000, Passes::Never);
}

#[test]
fn bind_through_a_magic_link_makes_no_socket_in_a_denied_directory() {
    let tree = Tree::new();
    let words = ["bind-proc-cwd-swapped", GOOD, BAD];
    never_won(&tree, &tree.lists(DENIED), &words, 500, Passes::Some);
}

#[test]
fn a_hidden_directory_is_not_entered_from_one_that_is_removed() {
    let tree = Tree::new();
    let policy =
        tree.lists("read = [\"@\"]\nwrite = [\"@/w\"]\nexec = [\"@/bin\"]\nhide = [\"@/w/bad\"]\n");
    let words = ["enter-flipped", GOOD, BAD];
    never_won(&tree, &policy, &words, 500, Passes::Never);
}

#[test]
fn a_rule_about_a_path_holds_for_a_path_that_is_flipped() {
    let tree = Tree::new();
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["open", "openat", "openat2"]
path = "@/w/bad"
action = "deny"
"#,
    );
    let words = ["case", "open", GOOD, BAD];
    never_won(&tree, &policy, &words, 1000, Passes::Some);
}

#[test]
fn a_rule_about_the_path_of_a_program_holds_for_a_path_that_is_flipped() {
    let tree = Tree::new();
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["execve", "execveat"]
path = "@/bin/bad"
action = "deny"
"#,
    );
    let programs = ["@/bin/pad/prog", "@/bin/bad/prog"];
    for attack in [&["exec-flipped"][..], &["case", "program"]] {
        let words = [attack, &programs].concat();
        never_won(&tree, &policy, &words, 20, Passes::Some);
    }
}

#[test]
fn a_rule_about_arguments_holds_for_arguments_that_are_flipped() {
    let tree = Tree::new();
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["execve", "execveat"]
argv = ["*", "push", "**"]
action = "deny"
"#,
    );
    for how in ["ends", "changes", "changes-in-thread"] {
        let words = ["case", "argument", how];
        never_won(&tree, &policy, &words, 20, Passes::Some);
    }
}
