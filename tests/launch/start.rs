//! What the command starts with: its program, environment, directory, descriptors, and the
//! attributes that it inherits or loses.

use crate::support::landlock::lacks;
use crate::support::{Dir, JAIL, Run, is_root, jail, permissive, plain, probe, same_inside};
use std::path::Path;

const PERMISSIVE: [&str; 2] = ["--policy", "permissive"];

/// `jail --policy permissive OPTIONS -- COMMAND`.
fn with(options: &[&str], command: &[&str]) -> Run {
    jail(
        PERMISSIVE
            .iter()
            .chain(options)
            .chain(&["--"])
            .chain(command),
    )
}

/// A field of /proc/PID/status.
fn field(status: &str, name: &str) -> String {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim()
        .to_owned()
}

fn inside_status(run: Run) -> String {
    run.output().ends_with(0).out
}

// ---- the program ----

#[test]
fn the_first_executable_file_in_path_is_run() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.path().join("a/it")).expect("mkdir");
    dir.write("b/it", "#!/bin/sh\necho not executable\n");
    dir.program("c/it", "#!/bin/sh\necho c\n");
    dir.program("d/it", "#!/bin/sh\necho d\n");
    let entries = ["nonexistent", "a", "b", "c", "d"].map(|name| dir.file(name));
    permissive(["it"])
        .env("PATH", entries.join(":"))
        .output()
        .ends_with(0)
        .says("c\n");
}

#[test]
fn an_empty_entry_of_path_is_the_working_directory() {
    let dir = Dir::new();
    dir.program("it", "#!/bin/sh\necho here\n");
    for path in [
        ":/nonexistent",
        "/nonexistent:",
        "/nonexistent::/nonexistent2",
        "",
    ] {
        permissive(["it"])
            .env("PATH", path)
            .cwd(dir.path())
            .output()
            .ends_with(0)
            .says("here\n");
    }
}

#[test]
fn without_path_the_usual_places_are_searched() {
    jail(["--policy", "permissive", "--", "true"])
        .env_clear()
        .output()
        .ends_with(0);
}

#[test]
fn a_name_with_a_slash_is_not_searched_for() {
    let dir = Dir::new();
    dir.program("bin/it", "#!/bin/sh\necho found\n");
    permissive(["bin/it"])
        .env("PATH", dir.path())
        .cwd("/")
        .output()
        .ends_with(127);
    permissive(["bin/it"])
        .env("PATH", "/nonexistent")
        .cwd(dir.path())
        .output()
        .says("found\n");
}

#[test]
fn path_is_that_of_the_command() {
    let dir = Dir::new();
    dir.program("bin/it", "#!/bin/sh\necho found\n");
    let path = format!("PATH={}", dir.file("bin"));
    with(&["--env", &path], &["it"])
        .output()
        .ends_with(0)
        .says("found\n");
    with(&["--env", "PATH=/nonexistent"], &["true"])
        .output()
        .ends_with(127);
    with(&["--env-clear", "--env", &path], &["it"])
        .env("PATH", "/nonexistent")
        .output()
        .says("found\n");
}

#[test]
fn a_relative_program_is_seen_from_the_directory_to_start_in() {
    let dir = Dir::new();
    dir.program("sub/bin/it", "#!/bin/sh\npwd\n");
    let here = format!("{}\n", dir.file("sub"));
    with(&["--cwd", "sub"], &["./bin/it"])
        .cwd(dir.path())
        .output()
        .ends_with(0)
        .says(&here);
    with(&["--cwd", "sub"], &["./sub/bin/it"])
        .cwd(dir.path())
        .output()
        .ends_with(127);
}

#[test]
fn a_relative_entry_of_path_is_seen_from_the_directory_to_start_in() {
    let dir = Dir::new();
    dir.program("bin/it", "#!/bin/sh\necho outer\n");
    dir.program("sub/bin/it", "#!/bin/sh\necho inner\n");
    dir.program("sub/it", "#!/bin/sh\necho innermost\n");
    let sub = dir.file("sub");
    with(&["--cwd", &sub], &["it"])
        .cwd(dir.path())
        .env("PATH", "bin")
        .output()
        .says("inner\n");
    with(&["--cwd", "sub"], &["it"])
        .cwd(dir.path())
        .env("PATH", "")
        .output()
        .says("innermost\n");
}

#[test]
fn argv_is_passed_on_as_it_is() {
    let ran = permissive([probe(), "arguments", "", "a b", "--", "-x", "ä\n"])
        .output()
        .ends_with(0);
    let expected = format!(
        "{:?}\n\"arguments\"\n\"\"\n\"a b\"\n\"--\"\n\"-x\"\n\"ä\\n\"\n",
        probe()
    );
    assert_eq!(ran.out, expected);
}

#[test]
fn the_program_is_called_by_the_name_that_was_typed() {
    // A link, since the kernel gives a script another argv[0].
    let dir = Dir::new();
    std::os::unix::fs::symlink(probe(), dir.path().join("it")).expect("symlink");
    permissive(["it", "arguments"])
        .env("PATH", dir.path())
        .output()
        .ends_with(0)
        .says("\"it\"\n\"arguments\"\n");
}

// ---- the environment ----

#[test]
fn the_environment_is_the_callers_in_the_callers_order() {
    let run = |run: Run| {
        run.env_clear()
            .env("ZZ", "1")
            .env("AA", "2")
            .env("empty", "")
            .output()
    };
    let outside = run(plain(["/usr/bin/env"]));
    let inside = run(permissive(["/usr/bin/env"]));
    assert_eq!(inside.out, outside.out);
}

#[test]
fn the_environment_can_be_emptied_and_set() {
    with(&["--env-clear"], &["/usr/bin/env"])
        .output()
        .ends_with(0)
        .says("");
    with(
        &[
            "--env-clear",
            "--env",
            "B=1",
            "--env",
            "A=x=y",
            "--env",
            "C=",
        ],
        &["/usr/bin/env"],
    )
    .output()
    .says("B=1\nA=x=y\nC=\n");
    with(&["--env", "HERE=new"], &["sh", "-c", "echo $HERE $THERE"])
        .env("HERE", "old")
        .env("THERE", "kept")
        .output()
        .says("new kept\n");
    with(&["--env", "A=1", "--env", "A=2"], &["/usr/bin/env"])
        .env_clear()
        .output()
        .says("A=2\n");
}

#[test]
fn a_variable_without_a_name_or_a_value_is_an_error() {
    for variable in ["NOVALUE", "=value", ""] {
        with(&["--env", variable], &["true"])
            .output()
            .ends_with(125)
            .complains("--env");
    }
}

// ---- the directory ----

#[test]
fn the_directory_is_the_callers_unless_named() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("sub")).expect("mkdir");
    let here = format!("{}\n", dir.path().display());
    let sub = format!("{}\n", dir.file("sub"));
    permissive(["/bin/pwd"])
        .cwd(dir.path())
        .output()
        .says(&here);
    with(&["--cwd", "sub"], &["/bin/pwd"])
        .cwd(dir.path())
        .output()
        .says(&sub);
}

// ---- descriptors ----

#[test]
fn a_command_has_no_descriptor_but_the_first_three() {
    let inside = [JAIL, "--policy", "permissive", "--", probe(), "descriptors"];
    let leaking = [probe(), "leaking", "3,4,9,200"];
    plain(leaking.iter().chain(&[probe(), "descriptors"]))
        .output()
        .says("0 1 2 3 4 9 200\n");
    plain(leaking.iter().chain(&inside))
        .output()
        .ends_with(0)
        .says("0 1 2\n");
}

#[test]
fn a_command_runs_with_stdin_closed() {
    // Rust's runtime opens /dev/null in its place, in the probe as in jail; sh does not.
    let jail = format!("exec <&-; exec {} --policy permissive -- cat", JAIL);
    plain(["sh", "-c", &jail]).output().ends_with(0).says("");
}

#[test]
fn a_descriptor_passed_by_number_is_inherited() {
    let options = [
        "--pass-fd",
        "9",
        "--pass-fd",
        "4",
        "--pass-fd",
        "9",
        "--pass-fd",
        "1",
    ];
    let jail = [JAIL, "--policy", "permissive"];
    let command = ["--", probe(), "descriptors"];
    let leaking = [probe(), "leaking", "3,4,9,200"];
    plain(leaking.iter().chain(&jail).chain(&options).chain(&command))
        .output()
        .ends_with(0)
        .says("0 1 2 4 9\n");
}

#[test]
fn a_descriptor_to_pass_that_is_not_open_is_an_error() {
    for fd in ["3", "4", "77", "-1"] {
        with(&[&format!("--pass-fd={fd}")], &["true"])
            .output()
            .ends_with(125)
            .complains("--pass-fd");
    }
    with(&["--pass-fd", "x"], &["true"])
        .output()
        .ends_with(125)
        .complains("--pass-fd");
}

// ---- attributes ----

#[test]
fn a_command_has_no_capability_left() {
    let status = inside_status(permissive(["cat", "/proc/self/status"]));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    assert_eq!(field(&status, "Seccomp"), "2");
    if is_root() {
        assert_eq!(field(&status, "CapBnd"), "0000000000000000");
    }
}

#[test]
fn no_capability_comes_back_by_another_exec() {
    let status = inside_status(permissive(["sh", "-c", "sh -c 'cat /proc/self/status'"]));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
}

#[test]
fn roots_special_treatment_is_locked_away() {
    // NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE with their locks; KEEP_CAPS locked off.
    let expected = if is_root() { "0xef\n" } else { "0x0\n" };
    permissive([probe(), "securebits"])
        .output()
        .ends_with(0)
        .says(expected);
}

#[test]
fn signal_dispositions_are_the_callers() {
    let sh = |setup: &str, command: &str| format!("{setup}\nexec {command}");
    let fields = |status: &str| {
        ["SigIgn", "SigBlk", "SigCgt", "SigPnd", "ShdPnd"].map(|name| field(status, name))
    };
    let cat = "cat /proc/self/status";
    let jail = format!("{JAIL} --policy permissive -- {cat}");
    for setup in [
        "true",
        "trap '' PIPE",
        "trap '' INT HUP USR1 CHLD TSTP",
        "trap '' TERM PIPE WINCH CONT",
    ] {
        let outside = plain(["sh", "-c", &sh(setup, cat)])
            .output()
            .ends_with(0)
            .out;
        let inside = plain(["sh", "-c", &sh(setup, &jail)])
            .output()
            .ends_with(0)
            .out;
        assert_eq!(fields(&inside), fields(&outside), "after {setup}");
    }
}

#[test]
fn the_signal_mask_is_the_callers() {
    let blocking = [probe(), "blocking", "1,2,15,10,17,20,34,64"];
    let cat = ["cat", "/proc/self/status"];
    let jail = [JAIL, "--policy", "permissive", "--"];
    let outside = plain(blocking.iter().chain(&cat)).output().ends_with(0).out;
    let inside = plain(blocking.iter().chain(&jail).chain(&cat))
        .output()
        .ends_with(0)
        .out;
    assert_eq!(field(&inside, "SigBlk"), field(&outside, "SigBlk"));
    // It says something only if the probe has blocked anything at all.
    assert_ne!(field(&outside, "SigBlk"), "0000000000000000");
}

#[test]
fn limits_umask_and_priority_are_the_callers() {
    let report = "umask; ulimit -a; nice; cat /proc/self/limits; cat /proc/self/oom_score_adj";
    let setup = "umask 027; ulimit -n 321; ulimit -S -s 4096; ulimit -c 0; exec nice -n 3";
    let jail = format!("{JAIL} --policy permissive --");
    let outside = plain(["sh", "-c", &format!("{setup} sh -c '{report}'")])
        .output()
        .ends_with(0);
    let inside = plain(["sh", "-c", &format!("{setup} {jail} sh -c '{report}'")])
        .output()
        .ends_with(0);
    assert_eq!(inside.out, outside.out);
}

#[test]
fn user_and_groups_are_the_callers() {
    same_inside(&["id"]).ends_with(0);
}

#[test]
fn the_command_runs_in_jails_process_group_and_session() {
    let run = permissive([probe(), "ids"]).start();
    let jail = run.pid().to_string();
    let ran = run.finish().ends_with(0);
    let own = plain([probe(), "ids"]).output().ends_with(0);
    let ids: Vec<&str> = ran.out.split_whitespace().collect();
    let outside: Vec<&str> = own.out.split_whitespace().collect();
    // pid, parent, group, session, foreground group.
    assert_eq!(ids[1..3], [jail.as_str(), jail.as_str()]);
    assert_eq!(ids[3..], outside[3..]);
}

#[test]
fn stdin_reaches_the_command() {
    let dir = Dir::new();
    let input = dir.write("input", "line 1\nline 2\n");
    let file = std::fs::File::open(input).expect("open");
    permissive(["cat"])
        .stdin(file)
        .output()
        .ends_with(0)
        .says("line 1\nline 2\n");
}

/// Node's child_process hands EACCES to its callback and throws at EPERM, which a program's author does not
/// expect.
#[test]
fn under_compute_another_program_is_one_that_may_not_be_executed() {
    let jailed = |words: &[&str]| {
        let run = jail(["--policy", "compute", "--quiet", "--"]);
        run.args(words).output()
    };
    let python =
        "import os\ntry: os.execv('/bin/true', ['true'])\nexcept OSError as e: print(e.errno)";
    jailed(&["/usr/bin/env", "--version"]).ends_with(0);
    let python3 = Path::new("/usr/bin/python3");
    match python3.exists() {
        true => _ = jailed(&["/usr/bin/python3", "-c", python]).says("13\n"),
        false => println!("NOT TRIED HERE: no /usr/bin/python3"),
    }
    let node = "require('child_process').exec('true', error => console.log(error.code))";
    match Path::new("/usr/bin/node").exists() {
        true => _ = jailed(&["/usr/bin/node", "-e", node]).says("EACCES\n"),
        false => println!("NOT TRIED HERE: no /usr/bin/node"),
    }
}

#[test]
fn an_interpreter_that_the_policy_does_not_open_is_named() {
    // The supervisor judges the interpreters of what the command executes, not the command's own.
    if lacks(None) {
        return;
    }
    let dir = Dir::new();
    plain(["cp", "/bin/echo", &dir.file("python3")])
        .output()
        .ends_with(0);
    let interpreter = dir.file("python3");
    let script = dir.program("work/run.py", format!("#!{interpreter}\n"));
    let policy = dir.write(
        "p.toml",
        format!(
            "extends = [\"base\"]\n[fs]\nexec = [{:?}]\n",
            dir.file("work")
        ),
    );
    let said = format!(
        "{script}: permission denied: the policy does not let its interpreter {interpreter} be executed; add \"{interpreter}\" to exec in [fs]"
    );
    jail(["--policy", &policy, "--", &script])
        .output()
        .ends_with(126)
        .complains(&said);
}
