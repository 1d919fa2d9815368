//! `--denials`: a line for each denial, for a program that reads why, and nothing that holds the command up.

use crate::support::schema::{fitting, fitting_lines};
use crate::support::{Dir, JAIL, jail, plain};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A policy that lets a shell run, with more.
fn policy(dir: &Dir, more: &str) -> String {
    dir.write("net.toml", format!("extends = [\"base\"]\n{more}"))
}

fn lines(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("denials");
    fitting_lines("denials", &text)
}

#[test]
fn each_denial_is_a_line_with_the_change_that_allows_it() {
    let dir = Dir::new();
    let secret = dir.write("tree/secret", "x");
    let data = dir.write("tree/data", "x");
    let policy = policy(
        &dir,
        &format!("[fs]\ndeny = [{{ path = {secret:?}, why = \"secrets\" }}]\n"),
    );
    let file = dir.file("denials.jsonl");
    let script = "cat \"$1\"; cat \"$2\"; exit 3";
    let ran = jail(["--policy", &policy, "--quiet", "--denials", &file, "--"])
        .args(["sh", "-c", script, "sh", &secret, &data])
        .output()
        .ends_with(3);
    assert!(!ran.err.contains("jail:"), "{}", ran.err);
    let [first, second] = <[Value; 2]>::try_from(lines(&file)).expect("two denials");
    assert_eq!(first["code"], "fs.read.deny");
    assert_eq!(first["standing"], "askable");
    assert_eq!(first["what"], format!("read {secret}"));
    assert_eq!(first["program"], "cat");
    assert_eq!(first["why"], "secrets");
    assert_eq!(first["line"], 3);
    assert_eq!(first["remedy"], Value::Null);
    assert_eq!(first["remove"]["line"], 3);
    assert_eq!(second["code"], "fs.read.default");
    assert_eq!(second["errno"], "EACCES");
    assert_eq!(second["remedy"], format!("[fs]\nread = [{data:?}]\n"));
    assert_eq!(second["remove"], Value::Null);
    // The request is one that `explain` knows.
    for denial in [first, second] {
        let what = denial["what"].as_str().expect("a request");
        let explained = jail(["explain", &policy, what]).output();
        assert!(explained.out.contains("denied"), "{}", explained.out);
    }
}

/// The example of the manual, with its own names.
#[test]
fn the_line_of_the_manual_has_the_fields_that_are_written() {
    let dir = Dir::new();
    let data = dir.write("data", "x");
    let policy = policy(&dir, "");
    let file = dir.file("denials.jsonl");
    let run = ["--policy", &policy, "--denials", &file, "--", "cat", &data];
    let _ = jail(run).output().ends_with(1);
    let manual = include_str!("../../docs/agents.md");
    let example = manual.lines().find(|line| line.starts_with('{'));
    let text = std::fs::read_to_string(&file).expect("denials");
    let keys = |text: &str| -> Vec<String> {
        // In their order.
        let fields = text.split(",\"").map(|field| field.split("\":").next());
        fields
            .map(|key| key.unwrap_or_default().to_owned())
            .collect()
    };
    let names = |text: &str| -> Vec<String> { keys(text).into_iter().take(14).collect() };
    assert_eq!(names(example.expect("an example")), names(text.trim_end()));
    let written = fitting("denials", &text);
    for key in written.as_object().expect("an object").keys() {
        assert!(manual.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn what_kills_and_what_is_final_are_listed() {
    let dir = Dir::new();
    let policy = policy(&dir, "[syscalls]\nmkdir = \"kill\"\nmkdirat = \"kill\"\n");
    let file = dir.file("denials.jsonl");
    let script = "chroot / true; mkdir x";
    let run = [
        "--policy",
        &policy,
        "--denials",
        &file,
        "--",
        "sh",
        "-c",
        script,
    ];
    let _ = jail(run).cwd(dir.path()).output().ends_with(159);
    let denials = lines(&file);
    let killed = denials.last().expect("a denial");
    assert_eq!(killed["action"], "kill");
    assert_eq!(killed["code"], "syscall.entry");
    let closed = denials.iter().find(|line| line["standing"] == "final");
    assert!(
        closed.is_some_and(|line| line["remedy"].is_null()),
        "{denials:#?}"
    );
}

#[test]
fn a_reader_that_does_not_read_or_has_gone_holds_nothing_up() {
    let dir = Dir::new();
    let policy = policy(&dir, "");
    let many = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); read x < /etc/shadow; done 2>/dev/null; echo done";
    for (reader, complaint) in [
        // Reads nothing until the command has ended.
        (
            "sleep 20 >/dev/null 2>&1",
            "are missing in fd:3: it was not read in time",
        ),
        ("true", "cannot write the denials to fd:3: Broken pipe"),
    ] {
        let begin = Instant::now();
        let script = format!(
            "exec 3> >({reader}); sleep 0.3; '{JAIL}' --policy '{policy}' --quiet --denials fd:3 -- sh -c '{many}'"
        );
        let ran = plain(["bash", "-c", &script]).output();
        assert!(ran.out.contains("done"), "{}", ran.err);
        assert!(ran.err.contains(complaint), "{}", ran.err);
        assert!(begin.elapsed() < Duration::from_secs(18), "{reader}");
    }
}

#[test]
fn a_file_that_cannot_be_written_or_forged_is_a_message_and_nothing_runs() {
    let dir = Dir::new();
    let policy = policy(&dir, "");
    let link = dir.file("link");
    std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
    let missing = dir.file("no/denials.jsonl");
    for (options, message) in [
        (
            vec!["--denials", "fd:77"],
            "--denials fd:77: no such open descriptor; open it first",
        ),
        (
            vec!["--denials", "fd:x"],
            "--denials fd:x: no such open descriptor",
        ),
        (
            vec!["--denials", "fd:2"],
            "the command also has this descriptor",
        ),
        (
            vec!["--denials", &missing],
            "cannot write it: No such file or directory",
        ),
        (vec!["--denials", &link], "it is a symbolic link"),
        (
            vec!["--denials", &policy],
            "would replace the log, the report or the policy",
        ),
    ] {
        let ran = jail(["--policy", &policy])
            .args(options)
            .args(["--", "echo", "ran"])
            .output()
            .ends_with(125);
        assert_eq!(ran.out, "", "{message}");
        let _ = ran.complains(message);
    }
    let script = format!(
        "'{JAIL}' --policy '{policy}' --pass-fd 3 --denials fd:3 -- echo ran 3>'{}'",
        dir.file("denials.jsonl")
    );
    plain(["bash", "-c", &script])
        .output()
        .ends_with(125)
        .complains("--pass-fd 3 would give the denials to the command");
}
