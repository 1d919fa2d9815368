//! Where the report goes, and who cannot reach it.

use crate::read;
use crate::support::schema::fitting;
use crate::support::{Dir, JAIL, jail, plain};
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn a_descriptor_may_be_a_pipe_and_is_not_the_commands() {
    // A command that has descriptor 3 says so on stderr, and forges.
    let command = r#"(echo forged >&3) 2>/dev/null && echo open >&2; exit 3"#;
    let script = r#""$0" --policy permissive --report fd:3 -- sh -c "$1" 3>&1 >/dev/null | cat"#;
    let ran = plain(["sh", "-c", script, JAIL, command]).output();
    assert_eq!(ran.err, "");
    assert_eq!(ran.out.find('\n'), Some(ran.out.len() - 1), "{}", ran.out);
    let report = fitting("report", &ran.out);
    assert_eq!(
        (&report["ending"], &report["code"]),
        (&"exited".into(), &3.into())
    );
}

#[test]
fn a_descriptor_that_the_command_has_is_refused() {
    let dir = Dir::new();
    let mark = dir.file("mark");
    for (redirect, options, words) in [
        (
            "3>&1",
            "--pass-fd 3 --report fd:3",
            "would give the report to the command",
        ),
        ("", "--report fd:1", "could forge"),
        ("", "--report fd:77", "no such open descriptor"),
        ("", "--report fd:x", "no such open descriptor"),
        ("3</dev/null", "--report fd:3", "for reading only"),
        ("3>&1", "--log fd:3 --report fd:3", "would replace the log"),
    ] {
        let script = format!(r#""$0" --policy permissive {options} -- touch "$1" {redirect}"#);
        let ran = plain(["sh", "-c", &script, JAIL, &mark]).output();
        ran.ends_with(125).complains(words);
        assert!(!Path::new(&mark).exists());
    }
}

#[test]
fn a_place_that_cannot_be_written_ends_jail_before_anything_runs() {
    let dir = Dir::new();
    let mark = dir.file("mark");
    symlink(dir.write("target", "kept"), dir.path().join("link")).expect("symlink");
    nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    let policy = dir.write("policy.toml", "extends = [\"permissive\"]\n");
    let here = dir.path().display().to_string();
    for (file, words) in [
        (
            "missing/report.json",
            "there is no directory missing; create it first",
        ),
        (".", "it is a directory"),
        (here.as_str(), "it is a directory"),
        ("", "it is a directory"),
        (
            "policy.toml/report.json",
            "cannot use the directory policy.toml",
        ),
        ("link", "a symbolic link"),
        ("fifo", "a pipe"),
        ("/dev/null", "a device"),
        (
            "/proc/self/report.json",
            "cannot create a file in /proc/self",
        ),
        ("policy.toml", "would replace the log or the policy"),
    ] {
        jail([
            "--policy",
            "policy.toml",
            "--report",
            file,
            "--",
            "touch",
            &mark,
        ])
        .cwd(dir.path())
        .output()
        .ends_with(125)
        .complains(&format!("--report {file}"))
        .complains(words);
        assert!(!Path::new(&mark).exists());
    }
    assert!(Path::new(&policy).exists());
    assert_eq!(
        std::fs::read_to_string(dir.path().join("target"))
            .ok()
            .as_deref(),
        Some("kept")
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("a directory").count(),
        4
    );
}

/// A command that may write all of the directory, and does what it can.
fn meddled(script: &str) -> (Dir, serde_json::Value) {
    let dir = Dir::new();
    let file = dir.write("report.json", "old");
    jail(["--policy", "permissive", "--report", "report.json", "--"])
        .args(["bash", "-c", script])
        .cwd(dir.path())
        .output()
        .ends_with(5);
    let report = read(file);
    assert_eq!(
        (&report["ending"], &report["code"]),
        (&"exited".into(), &5.into())
    );
    (dir, report)
}

#[test]
fn what_was_there_is_gone_before_the_command_runs() {
    meddled("test ! -e report.json && exit 5");
}

#[test]
fn a_command_that_writes_the_file_itself_is_overruled() {
    meddled(
        "echo '{\"ending\":\"exited\",\"exit_code\":0}' > report.json; chmod 0 report.json; exit 5",
    );
    meddled("mkfifo report.json; exit 5");
    let (dir, _) = meddled("echo kept > target; ln -s target report.json; exit 5");
    let target = std::fs::read_to_string(dir.path().join("target"));
    assert_eq!(target.ok().as_deref(), Some("kept\n"));
}

#[test]
fn a_directory_in_its_place_moves_aside() {
    let dir = Dir::new();
    let ran = jail(["--policy", "permissive", "--report", "report.json", "--"])
        .args([
            "sh",
            "-c",
            "mkdir report.json; echo x > report.json/x; exit 5",
        ])
        .cwd(dir.path())
        .output()
        .ends_with(5);
    assert_eq!(ran.err, "");
    let text = std::fs::read_to_string(dir.path().join("report.json")).expect("a report");
    assert!(text.contains("\"exit_code\":5"), "{text}");
}

#[test]
fn a_directory_that_is_moved_takes_the_report_with_it_and_no_other_file_is_replaced() {
    let dir = Dir::new();
    dir.write("out/x", "");
    let other = dir.write("other/report.json", "kept");
    jail([
        "--policy",
        "permissive",
        "--report",
        "out/report.json",
        "--",
    ])
    .args(["sh", "-c", "mv out moved; ln -s other out; exit 5"])
    .cwd(dir.path())
    .output()
    .ends_with(5);
    assert_eq!(read(dir.path().join("moved/report.json"))["code"], 5);
    assert_eq!(std::fs::read_to_string(other).ok().as_deref(), Some("kept"));
}

#[test]
fn a_directory_that_is_removed_is_told() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("out")).expect("mkdir");
    jail([
        "--policy",
        "permissive",
        "--report",
        "out/report.json",
        "--",
    ])
    .args(["sh", "-c", "rmdir out; exit 5"])
    .cwd(dir.path())
    .output()
    .ends_with(5)
    .complains("cannot write the report out/report.json");
}

#[test]
fn a_command_that_meddles_with_every_descriptor_changes_nothing() {
    let script = "
        for of in $$ $PPID; do
            for fd in /proc/$of/fd/*; do { echo forged >> $fd; : > $fd; } 2>&-; done
        done
        for fd in {3..99}; do eval \"echo forged >&$fd\" 2>&-; done
        for fd in {3..99}; do eval \"exec $fd>/dev/null\"; done
        for fd in {0..99}; do eval \"exec $fd>&-\"; done
        exit 5";
    meddled(script);
}

#[test]
fn a_jail_that_is_killed_leaves_no_report_and_no_half_of_one() {
    let dir = Dir::new();
    let file = dir.write("report.json", "old");
    let mut running = jail(["--policy", "permissive", "--report", &file, "--"])
        .args(["sh", "-c", "echo ready; exec sleep 30"])
        .start();
    running.line("ready");
    running.signal(Signal::SIGKILL);
    let ran = running.finish();
    assert_eq!(ran.code(), None);
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("a directory").count(),
        0
    );
}

#[test]
fn a_pipe_whose_reader_has_gone_is_reported() {
    // The reader has gone when the command ends: it was waited for.
    let script = r#"{ "$0" --policy permissive --report fd:3 -- sleep 0.5 3>&1 >/dev/null; echo "$?" >&2; } | true"#;
    plain(["bash", "-c", script, JAIL])
        .output()
        .complains("cannot write the report fd:3: ")
        .complains("\n0\n");
}
