//! Races for programs and for what interprets them, and what their arguments may cost the supervisor: ways
//! round `[fs]` and rules about programs that were open once.

use crate::support::arena::{Passes, Tree, never_won};
use crate::support::landlock::landlocks;
use crate::support::races::alone;
use crate::support::{JAIL, copy, jail, plain};
use std::os::fd::AsRawFd;
use std::time::Duration;

const DENIED: &str = r#"
read  = ["@"]
write = ["@/w"]
exec  = ["@/bin"]
deny  = ["@/bin/bad*"]
"#;

/// What the denied program ends with.
const BAD_PROGRAM: i32 = 77;

fn flipped(leaf: &str) {
    let tree = Tree::new();
    let [good, bad] = ["pad", "bad"].map(|place| format!("@/bin/{place}/{leaf}"));
    let words = ["interpreter-symlink-dance", &good, &bad];
    never_won(&tree, &tree.lists(DENIED), &words, 200, Passes::Some);
}

#[test]
fn an_interpreter_that_is_denied_does_not_run_for_a_flipped_link() {
    flipped("prog-pie");
}

#[test]
fn an_interpreter_that_is_loaded_at_a_fixed_address_does_not_run_for_a_flipped_link() {
    flipped("prog");
}

#[test]
fn an_interpreter_whose_addresses_do_not_begin_at_zero_does_not_run_for_a_flipped_link() {
    flipped("prog-high");
}

#[test]
fn an_interpreter_that_is_denied_does_not_run_however_many_program_headers_there_are() {
    let _alone = alone();
    let tree = Tree::new();
    let policy = tree.lists(DENIED);
    for kind in ["few", "fixed", "high", "many"] {
        let [good, bad] = ["good", "bad"].map(|end| tree.text(&format!("@/bin/{kind}-{end}")));
        let script = |program: &str| {
            let script = format!("{program}; exit $?");
            ["/bin/sh", "-c", &script].map(str::to_owned).to_vec()
        };
        // Or it calls it no program: 126 of the shell.
        let ran = tree.unjailed(&script(&good)).code();
        if [Some(128 + libc::SIGSEGV), Some(126)].contains(&ran) {
            println!("NOT TRIED HERE: {kind}: this kernel does not load such a program");
            continue;
        }
        tree.unjailed(&script(&bad)).ends_with(BAD_PROGRAM);
        for landlock in landlocks() {
            let ran = tree.jailed(landlock, &policy, &script(&good));
            ran.ends_with(0);
            let ran = tree.jailed(landlock, &policy, &script(&bad));
            ran.ends_with(126).complains("Permission denied");
        }
    }
}

/// A program that is denied, in a directory whose path just fits; its own does not. Its twin, which is
/// allowed, has the same name. Both as an attack takes them.
fn far_away(tree: &Tree) -> [String; 2] {
    const DIRECTORY: usize = 4000;
    let leaf = "p".repeat(200);
    let mut directory = tree.text("@/bin/bad");
    while directory.len() + 1 < DIRECTORY {
        let room = DIRECTORY - directory.len() - 1;
        let name = if room > 400 { 200 } else { room.min(200) };
        directory = format!("{directory}/{}", "d".repeat(name));
        std::fs::create_dir(&directory).expect("a directory");
    }
    assert!(directory.len() < 4096 && directory.len() + leaf.len() > 4096);
    let open = std::fs::File::open(&directory).expect("a directory");
    let own = std::process::id();
    let place = format!("/proc/{own}/fd/{}/{leaf}", open.as_raw_fd());
    copy(tree.text("@/bin/bad/prog"), place);
    let good = tree.text(&format!("@/bin/pad/{leaf}"));
    copy(tree.text("@/bin/pad/prog"), &good);
    [good, format!("{directory}/{leaf}")]
}

#[test]
fn a_denied_program_at_a_path_that_is_too_long_does_not_run_for_a_flipped_link() {
    let tree = Tree::new();
    let [good, bad] = far_away(&tree);
    let words = ["exec-symlink-dance", &good, &bad];
    never_won(&tree, &tree.lists(DENIED), &words, 200, Passes::Some);
}

#[test]
fn a_rule_about_programs_holds_for_a_flipped_link_to_a_path_that_is_too_long() {
    let tree = Tree::new();
    let [good, bad] = far_away(&tree);
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["execve", "execveat"]
path = "@/bin/bad"
action = "deny"
"#,
    );
    let words = ["exec-symlink-dance", &good, &bad];
    never_won(&tree, &policy, &words, 200, Passes::Some);
}

#[test]
fn a_vector_of_arguments_that_no_kernel_takes_costs_bounded_memory() {
    let _alone = alone();
    let tree = Tree::new();
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["execve", "execveat"]
argv = ["*", "push", "**"]
action = "deny"
"#,
    );
    // 128 GB of arguments, all of which are one string; then as much as is taken.
    let sizes = [("131070", "1000000", "E2BIG"), ("1000", "1000", "ran")];
    for (length, times, answer) in sizes {
        let command = tree.attacker(&["case", "arguments", "/bin/true", length, times]);
        let free = tree.unjailed(&command).ends_with(0);
        assert_eq!(free.out, format!("{answer}\n"));
        for landlock in landlocks() {
            // 2 GB of address space, for the jail too.
            let limited = ["/bin/sh", "-c", "ulimit -v 2097152 && exec \"$@\"", "sh"];
            let jail = [JAIL, "--quiet", "--policy", &policy, "--"];
            let run = plain(limited)
                .args(jail)
                .args(&command)
                .timeout(Duration::from_secs(20));
            let run = match landlock {
                Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
                None => run,
            };
            let ran = run.output().ends_with(0);
            assert_eq!(ran.out, free.out, "{landlock:?}");
        }
    }
}

/// What a process has resident, in KiB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
fn failed_executions_of_many_tasks_cost_the_supervisor_no_memory_each() {
    let _alone = alone();
    let tree = Tree::new();
    let policy = tree.policy(
        r#"default = "allow"
[[rule]]
syscall = ["execve", "execveat"]
argv = ["*", "push", "**"]
action = "deny"
"#,
    );
    // 5 MB each: more than the kernel takes, so that each call fails, and less than the jail reads.
    let held = |tasks: &str| {
        let words = [
            "case",
            "arguments-of-many",
            "/bin/true",
            "131000",
            "40",
            tasks,
        ];
        let mut running = jail(["--quiet", "--kill-on-exit", "--policy", &policy, "--"])
            .args(tree.attacker(&words))
            .start();
        running.line("held");
        resident(running.pid())
    };
    let (few, many) = (held("1"), held("20"));
    println!("1 task: {few} KiB, 20 tasks: {many} KiB");
    assert!(many < few + (32 << 10), "{few} KiB and {many} KiB");
}
