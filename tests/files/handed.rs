//! Files that a command is started with, outside of what the policy opens: it opens them again with the
//! access of the descriptor, and gets nothing else by that.

use super::scene::{SUBTREES, Scene, files, open, run};
use crate::support::landlock::landlocks;
use crate::support::{JAIL, plain};
use libc::{AT_FDCWD, O_APPEND, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
use std::fs::File;

/// What Landlock holds alone, and what the supervisor holds.
const KINDS: [&str; 2] = ["", "deny = [\"@/w/secret\"]\n"];

/// The names that every program knows.
const NAMES: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

fn handed(scene: &Scene, name: &str, flags: i32) -> File {
    let mode = flags & libc::O_ACCMODE;
    let mut options = File::options();
    options.read(mode != O_WRONLY).write(mode != O_RDONLY);
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags & !libc::O_ACCMODE);
    options.open(scene.at(name)).expect("a file of the test")
}

/// What the steps answer in each kind of jail with this as stdin.
#[track_caller]
fn answers(name: &str, flags: i32, steps: &[String], outside: &[&str], within: &[&str]) {
    let made = |scene: &Scene| -> Vec<String> {
        let program = [files(), "steps".to_owned()];
        let steps = steps.iter().map(|step| scene.text(step));
        program.into_iter().chain(steps).collect()
    };
    let found = |scene: &Scene, run: crate::support::Run| -> Vec<String> {
        let ran = super::scene::run(run.stdin(handed(scene, name, flags)));
        ran.ends_with(0).out.lines().map(str::to_owned).collect()
    };
    let free = Scene::new();
    let command = made(&free);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_eq!(found(&free, free.outside(&command)), outside, "outside");
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let command = made(&scene);
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            assert_eq!(
                found(&scene, scene.within(landlock, &policy, &command)),
                within,
                "{name} {flags:#o}, Landlock {landlock:?} {kind:?} of {steps:#?}"
            );
        }
    }
}

#[test]
fn what_was_handed_over_is_opened_again_with_its_own_access() {
    for name in NAMES {
        let steps = [O_RDONLY, O_WRONLY, O_RDWR].map(|flags| open(name, flags));
        for (flags, within) in [
            (O_RDONLY, ["ok", "EACCES", "EACCES"]),
            (O_WRONLY, ["EACCES", "ok", "EACCES"]),
            (O_RDWR, ["ok", "ok", "ok"]),
            (O_WRONLY | O_APPEND, ["EACCES", "ok", "EACCES"]),
            (O_PATH, ["EACCES", "EACCES", "EACCES"]),
        ] {
            answers("none/file", flags, &steps, &["ok"; 3], &within);
        }
    }
}

#[test]
fn what_was_handed_over_is_read_and_written_through_the_new_descriptor() {
    let steps = [
        open("/dev/stdin", O_RDWR),
        "show {0}".to_owned(),
        open("/dev/stdin", O_WRONLY | O_CREAT | O_TRUNC),
        open("/dev/stdin", O_RDONLY),
        "show {3}".to_owned(),
    ];
    let all = ["ok", "= none", "ok", "ok", "= "];
    answers("none/file", O_RDWR, &steps, &all, &all);
}

#[test]
fn a_descriptor_for_reading_changes_nothing() {
    let here = AT_FDCWD;
    let steps = [
        open("/dev/stdin", O_RDONLY | O_TRUNC),
        open("/dev/stdin", libc::O_ACCMODE),
        open("/dev/stdin", O_WRONLY | O_APPEND),
        format!("{} :@/none/file 0", libc::SYS_truncate),
        format!("{} :/dev/stdin 511", crate::old::SYS_chmod),
        format!("{} :@/none/file :@/w/moved", crate::old::SYS_rename),
        format!(
            "{} {here} :/proc/self/fd/0 {here} :@/w/linked {}",
            libc::SYS_linkat,
            libc::AT_SYMLINK_FOLLOW
        ),
        format!("{} :@/none/file", crate::old::SYS_unlink),
    ];
    let mut answered: Vec<String> = Vec::new();
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let mut command = vec![files(), "steps".to_owned()];
            command.extend(steps.iter().map(|step| scene.text(step)));
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let stdin = handed(&scene, "none/file", O_RDONLY);
            let before = scene.state("none/file");
            let ran = run(scene.within(landlock, &policy, &command).stdin(stdin)).ends_with(0);
            answered.extend(ran.out.lines().map(str::to_owned));
            assert_eq!(scene.state("none/file"), before, "{landlock:?} {kind:?}");
        }
    }
    let refused = |answer: &String| matches!(answer.as_str(), "EACCES" | "EXDEV" | "EPERM");
    assert!(answered.iter().all(refused), "{answered:?}");
    // One after the other would change what the next meets.
    for step in steps {
        let free = Scene::new();
        let command = [files(), "steps".to_owned(), free.text(&step)];
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let stdin = handed(&free, "none/file", O_RDONLY);
        run(free.outside(&command).stdin(stdin)).says("ok\n");
    }
}

#[test]
fn what_the_command_puts_in_the_place_of_a_stream_is_not_handed_over() {
    let steps = [
        open("@/none/other", O_PATH),
        format!("{} {{0}} 0 0", libc::SYS_dup3),
        open("/proc/self/fd/0", O_RDONLY),
        open("/dev/stdin", O_RDONLY),
        open("@/none/other", O_RDONLY),
    ];
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            scene.write("none/other", "other");
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let mut command = vec![files(), "steps".to_owned()];
            command.extend(steps.iter().map(|step| scene.text(step)));
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let stdin = handed(&scene, "none/file", O_RDONLY);
            let ran = run(scene.within(landlock, &policy, &command).stdin(stdin));
            let expected = "ok\nok\nEACCES\nEACCES\nEACCES\n";
            if ran.out != expected {
                ran.fail(&format!("{landlock:?} {kind:?}, expected {expected:?}"));
            }
            let stdin = handed(&scene, "none/file", O_RDONLY);
            run(scene.outside(&command).stdin(stdin)).says("ok\nok\nok\nok\nok\n");
        }
    }
}

#[test]
fn another_file_in_the_place_of_the_one_handed_over_is_not_opened() {
    // By its path, too, it is the file and not the name: the caller replaces it meanwhile.
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let script = scene.text(&format!(
                ": >@/w/started; until test -e @/w/go; do :; done; @/bin/files steps '{}' '{}'",
                open("@/none/file", O_RDONLY),
                open("/dev/stdin", O_RDONLY)
            ));
            let stdin = handed(&scene, "none/file", O_RDONLY);
            let command = ["/bin/sh", "-c", &script];
            let mut running =
                super::scene::start(scene.within(landlock, &policy, &command).stdin(stdin));
            running.until("its start", |_| scene.exists("w/started"));
            std::fs::rename(scene.at("none/file"), scene.at("none/old")).expect("a rename");
            scene.write("none/file", "another");
            scene.write("w/go", "");
            running.finish().ends_with(0).says("EACCES\nok\n");
        }
    }
}

#[test]
fn a_directory_that_was_handed_over_opens_nothing() {
    let steps = [
        open("/dev/stdin", O_RDONLY | O_DIRECTORY),
        open("/proc/self/fd/0/file", O_RDONLY),
        open("@/none", O_RDONLY),
    ];
    answers("none", O_RDONLY, &steps, &["ok"; 3], &["EACCES"; 3]);
}

#[test]
fn what_is_denied_hidden_or_protected_stays_so_if_it_was_handed_over() {
    for (entry, flags, expected) in [
        ("deny = [\"@/none\"]", O_RDWR, "EACCES\nEACCES\n"),
        ("deny = [\"@/**/file\"]", O_RDWR, "EACCES\nEACCES\n"),
        ("hide = [\"@/none\"]", O_RDWR, "ENOENT\nENOENT\n"),
        ("protect = [\"@/none/file\"]", O_RDWR, "ok\nEACCES\n"),
    ] {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{entry}\n"));
            let steps = [open("/dev/stdin", O_RDONLY), open("/dev/stdin", O_WRONLY)];
            let command = [&files(), "steps", &steps[0], &steps[1]];
            let stdin = handed(&scene, "none/file", flags);
            let ran = run(scene.within(landlock, &policy, &command).stdin(stdin));
            if ran.out != expected {
                ran.fail(&format!("{entry} {landlock:?}, expected {expected:?}"));
            }
        }
    }
}

#[test]
fn the_policy_itself_cannot_be_changed_through_stdin() {
    for landlock in landlocks() {
        let scene = Scene::new();
        let policy = scene.policy(SUBTREES);
        let stdin = File::options().read(true).write(true).open(&policy);
        let write = open("/dev/stdin", O_WRONLY);
        let command = [&files(), "steps", &write];
        let ran = run(scene
            .within(landlock, &policy, &command)
            .stdin(stdin.expect("a policy")));
        assert_eq!(ran.out, "EACCES\n", "{landlock:?}");
    }
}

#[test]
fn a_program_with_threads_reads_its_stdin_by_name() {
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let program = files();
            let command = [program.as_str(), "busy", "in-thread", "/dev/stdin"];
            let stdin = handed(&scene, "none/file", O_RDONLY);
            run(scene.within(landlock, &policy, &command).stdin(stdin)).says("ok none\n");
        }
    }
}

#[test]
fn what_is_written_to_dev_stderr_reaches_the_file_that_it_is() {
    for kind in KINDS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let script = "exec \"$@\" 2>>\"$TO\"";
            let inner = "echo one >/dev/stderr; echo two >>/dev/stderr";
            let words = [
                "/bin/sh", "-c", script, "sh", JAIL, "--policy", &policy, "--", "/bin/sh", "-c",
                inner,
            ];
            let mut command = plain(words)
                .cwd(scene.at("w"))
                .env("TO", scene.at("none/file"));
            if let Some(abi) = landlock {
                command = command.env("JAIL_LANDLOCK_ABI", abi);
            }
            run(command).ends_with(0);
            assert_eq!(
                scene.content("none/file"),
                "one\ntwo\n",
                "{landlock:?} {kind:?}"
            );
        }
    }
}

/// Pipes and memfds: no path leads to them.
#[test]
fn a_program_with_threads_opens_its_own_descriptors_again() {
    let program = files();
    let command = [program.as_str(), "busy", "reopen"];
    let free = Scene::new();
    run(free.outside(&command)).says("ok all\n");
    for kind in [
        "",
        "deny = [\"@/w/secret\"]\n",
        "protect = [\"@/w/kept\"]\n",
    ] {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{kind}"));
            let ran = run(scene.within(landlock, &policy, &command)).says("ok all\n");
            assert_eq!(ran.err, "", "{landlock:?} {kind:?}");
        }
    }
}
