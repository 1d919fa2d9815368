//! Environment, directory, umask, priority and stdin.

use crate::scene::Scene;
use crate::support::{plain, probe};

#[test]
fn without_process_the_environment_is_the_callers() {
    let outside = plain(["/usr/bin/env"]).env_clear().env("A", "1");
    let scene = Scene::process("");
    let inside = scene
        .run(&["/usr/bin/env"])
        .env_clear()
        .env("A", "1")
        .output()
        .ends_with(0);
    assert_eq!(inside.out, outside.output().out);
}

#[test]
fn only_the_variables_that_are_passed_reach_the_command() {
    let scene = Scene::process(
        "env = { pass = [\"KEPT\", \"LC_*\"], set = { CI = \"1\", KEPT2 = \"$KEPT/x\" } }",
    );
    let run = || {
        let run = scene.run(&["/usr/bin/env"]).env_clear();
        let run = run.env("KEPT", "k").env("SECRET", "s").env("LC_ALL", "C");
        run.env("XLC_ALL", "no").env("CI", "0")
    };
    run()
        .output()
        .ends_with(0)
        .says("KEPT=k\nLC_ALL=C\nCI=1\nKEPT2=k/x\n");
    Scene::process("env = { pass = [] }")
        .run(&["/usr/bin/env"])
        .output()
        .ends_with(0)
        .says("");
    Scene::process("env = { set = { A = \"2\", B = \"\" } }")
        .run(&["/usr/bin/env"])
        .env_clear()
        .env("A", "1")
        .env("C", "3")
        .output()
        .says("A=2\nC=3\nB=\n");
}

#[test]
fn the_command_line_has_the_last_word_on_the_environment() {
    let scene = Scene::process("env = { pass = [\"A\"], set = { CI = \"1\" } }");
    scene
        .with(&["--env", "CI=2", "--env", "B=3"], &["/usr/bin/env"])
        .env_clear()
        .env("A", "0")
        .output()
        .says("A=0\nCI=2\nB=3\n");
    scene
        .with(&["--env-clear", "--env", "B=3"], &["/usr/bin/env"])
        .output()
        .says("B=3\n");
}

#[test]
fn the_program_is_searched_for_in_the_path_that_the_command_gets() {
    let scene = Scene::process("env = { set = { PATH = \"/nonexistent\" } }");
    scene.run(&["true"]).output().ends_with(127);
}

#[test]
fn the_command_starts_in_the_directory_of_the_policy_unless_told_otherwise() {
    let scene = Scene::process("cwd = \"sub/inner\"");
    scene.dir.write("sub/inner/file", "");
    scene.dir.write("else/sub/inner/file", "");
    let here = format!("{}\n", scene.dir.file("sub/inner"));
    scene.run(&["/bin/pwd"]).output().ends_with(0).says(&here);
    let other = format!("{}\n", scene.dir.file("else"));
    scene
        .with(&["--cwd", "else"], &["/bin/pwd"])
        .output()
        .ends_with(0)
        .says(&other);
}

#[test]
fn a_directory_that_is_not_there_is_named_with_its_line() {
    let scene = Scene::process("cwd = \"gone\"");
    scene
        .run(&["true"])
        .output()
        .ends_with(125)
        .complains("policy.toml:3: process.cwd: ")
        .complains("/gone: No such file or directory");
    let scene = Scene::process("cwd = \"policy.toml\"");
    let ran = scene.run(&["true"]).output().ends_with(125);
    ran.complains("is not a directory");
}

/// The paths of `[fs]` start where jail starts, not where the command does.
#[test]
fn the_directory_of_the_policy_moves_no_path_of_it() {
    let scene = Scene::new(
        "extends = [\"base\"]\n[fs]\nread = [\".\"]\ndeny = [\"secret\"]\n[process]\ncwd = \"sub\"\n",
    );
    scene.dir.write("sub/secret", "inner");
    scene.dir.write("secret", "outer");
    let cat = |path: &str| scene.run(&["cat", path]).output();
    cat("secret").ends_with(0).says("inner");
    cat("../secret").ends_with(1).says("");
}

#[test]
fn the_umask_is_the_policys() {
    let scene = Scene::process("umask = \"027\"");
    scene
        .run(&["sh", "-c", "umask; mkdir d; stat -c %a d"])
        .output()
        .ends_with(0)
        .says("0027\n750\n");
}

/// What the supervisor makes in the command's name has that umask, too.
#[test]
fn the_umask_holds_for_what_is_made_in_the_commands_name() {
    let scene =
        Scene::new("default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n[process]\numask = \"077\"\n");
    scene
        .run(&["sh", "-c", "mkdir d; stat -c %a d"])
        .output()
        .ends_with(0)
        .says("700\n");
}

#[test]
fn the_priority_is_the_policys_and_can_only_be_lowered() {
    // Whatever the priority is that the tests run with, as far as it is not the lowest.
    let scene = Scene::process("nice = 17");
    scene.run(&["nice"]).output().ends_with(0).says("17\n");
    scene
        .as_nobody(&["nice", "-n", "3"], &["nice"])
        .output()
        .ends_with(0)
        .says("17\n");
    if crate::support::is_root() {
        scene
            .as_nobody(&["nice", "-n", "40"], &["nice"])
            .output()
            .ends_with(125)
            .says("")
            .complains("setpriority")
            .complains("raising it needs privileges");
    }
}

#[test]
fn stdin_is_the_file_of_the_policy() {
    let scene = Scene::process("stdin = \"input.txt\"");
    scene.dir.write("input.txt", "line\n");
    scene.run(&["cat"]).output().ends_with(0).says("line\n");
    // For reading alone, and nothing else is open.
    let write = "sh -c 'echo x >&0' 2>&- || echo refused";
    scene.run(&["sh", "-c", write]).output().says("refused\n");
    scene
        .run(&[probe(), "descriptors"])
        .output()
        .ends_with(0)
        .says("0 1 2\n");
}

/// Jail opens it, before the policy holds: the command could not.
#[test]
fn stdin_may_be_a_file_that_the_command_cannot_open() {
    let scene = Scene::new(
        "default = \"allow\"\n[fs]\ndeny = [\"input.txt\"]\n[process]\nstdin = \"input.txt\"\n",
    );
    scene.dir.write("input.txt", "line\n");
    scene.run(&["cat"]).output().ends_with(0).says("line\n");
    scene.run(&["cat", "input.txt"]).output().ends_with(1);
}

#[test]
fn a_stdin_that_cannot_be_opened_is_named_with_its_line_and_nothing_runs() {
    let scene = Scene::process("umask = \"022\"\nstdin = \"gone.txt\"");
    scene
        .run(&["sh", "-c", "echo ran"])
        .output()
        .ends_with(125)
        .says("")
        .complains("policy.toml:4: process.stdin: cannot open ")
        .complains("/gone.txt: No such file or directory")
        .complains("nothing was run");
    let scene = Scene::process("stdin = \".\"");
    let ran = scene.run(&["true"]).output().ends_with(125);
    ran.complains("is a directory");
}

#[test]
fn what_is_wrong_stops_the_run_before_it_begins() {
    let scene = Scene::process("isolate = [\"nte\"]\nnice = 20");
    scene
        .run(&["sh", "-c", "echo ran"])
        .output()
        .ends_with(125)
        .says("")
        .complains("`isolate` does not know the word `nte`")
        .complains("`nice` must be a number from 0 to 19, not 20");
}
