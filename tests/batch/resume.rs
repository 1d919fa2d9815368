//! `--resume` tries again what could not be run; SIGTERM ends what runs and writes its verdict.

use super::{Dir, JAIL, batch, fitting, no_process_survives, plain, token, verdicts};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

const ENDINGS: &str = r#"{"id": "cwd", "command": ["true"], "cwd": "./later"}
{"id": "program", "command": ["./later/program"]}
{"id": "input", "command": ["cat"], "stdin-file": "later/program"}
{"id": "ran", "command": ["sh", "-c", "echo ran >> ran; exit 3"]}
{"command": ["true"], "limits": {"processes": 0}}
"#;

#[test]
fn what_could_not_be_run_is_tried_again_and_has_one_verdict() {
    let dir = Dir::new();
    let output = dir.file("verdicts.jsonl");
    let options = ["--output", output.as_str(), "--resume"];
    let read = || std::fs::read_to_string(&output).expect("verdicts");
    for _ in 0..2 {
        assert_eq!(batch(&dir, ENDINGS, &options).code(), Some(1));
        let found = verdicts(&read());
        assert_eq!(found.len(), 5, "{}", read());
        for id in ["\"cwd\"", "\"program\"", "\"input\"", "5"] {
            assert_eq!(found[id]["ending"], "not-started", "{id}");
        }
    }
    dir.program("later/program", "#!/bin/sh\nexit 4\n");
    // A verdict of a case that is in this file no more stays.
    let fewer: String = ENDINGS
        .lines()
        .take(4)
        .fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        });
    batch(&dir, &fewer, &options).ends_with(0);
    let found = verdicts(&read());
    assert_eq!(found.len(), 5, "{}", read());
    for (id, code) in [
        ("\"cwd\"", 0),
        ("\"program\"", 4),
        ("\"input\"", 0),
        ("\"ran\"", 3),
    ] {
        assert_eq!(found[id]["code"], code, "{id}");
    }
    assert_eq!(found["5"]["ending"], "not-started");
    let runs = std::fs::read_to_string(dir.file("ran")).expect("a file");
    assert_eq!(runs, "ran\n");
    // Nothing is left beside it.
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .expect("a directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("verdicts"))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_file_that_cannot_be_replaced_keeps_both_verdicts_and_it_is_said() {
    let dir = Dir::new();
    let cases = "{\"id\": 1, \"command\": [\"./here\"]}\n";
    dir.write("out/verdicts.jsonl", "");
    let output = dir.file("out/verdicts.jsonl");
    let options = ["--output", output.as_str(), "--resume"];
    assert_eq!(batch(&dir, cases, &options).code(), Some(1));
    dir.program("here", "#!/bin/sh\n");
    // The name of the new file is the old one's with the process's id: a directory in its place.
    if crate::support::is_root() {
        println!("NOT TRIED HERE: root writes in whatever directory; run it as an ordinary user");
        return;
    }
    let closed = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(dir.file("out"), mode).expect("permissions");
    };
    closed(0o555);
    let ran = batch(&dir, cases, &options);
    closed(0o755);
    ran.ends_with(0)
        .complains("the last verdict of each case counts");
    let text = std::fs::read_to_string(&output).expect("verdicts");
    let endings: Vec<Value> = text
        .lines()
        .map(|line| fitting("batch", line)["ending"].clone())
        .collect();
    assert_eq!(endings, ["not-started", "exited"]);
    batch(&dir, cases, &options).ends_with(0);
    assert_eq!(
        verdicts(&std::fs::read_to_string(&output).expect("verdicts")).len(),
        1
    );
}

/// A terminal and timeout(1) send the signal to all of a process group, kill(1) to the batch alone.
#[test]
fn a_signal_ends_what_runs_and_writes_its_verdicts_and_they_are_run_again() {
    for (signal, group) in [
        (Signal::SIGTERM, false),
        (Signal::SIGINT, true),
        (Signal::SIGHUP, false),
    ] {
        let dir = Dir::new();
        let token = token();
        let cases = format!(
            "{}{}",
            "{\"command\": [\"true\"]}\n".repeat(3),
            format!(
                "{{\"command\": [\"bash\", \"-c\", \"echo >> begun; [ -e go ] || sleep 60; : {token}\"]}}\n"
            )
            .repeat(8)
        );
        let output = dir.file("verdicts.jsonl");
        let path = dir.write("cases.jsonl", cases);
        let policy = dir.write(
            "p.toml",
            "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\".\"]\n",
        );
        let words = [
            JAIL, "batch", "--policy", &policy, "--jobs", "4", "--output", &output, "--resume",
            &path,
        ];
        let begun = || std::fs::read(dir.file("begun")).unwrap_or_default().len();
        let mut running = plain(words).cwd(dir.path()).start();
        running.until("four run", |_| begun() == 4);
        match group {
            true => running.signal_group(signal),
            false => running.signal(signal),
        }
        let ran = running.finish();
        // As if it had done nothing about the signal.
        let died_of = std::os::unix::process::ExitStatusExt::signal(&ran.status);
        assert_eq!(died_of, Some(signal as i32), "{}", ran.err);
        let text = std::fs::read_to_string(&output).expect("verdicts");
        let found = verdicts(&text);
        let of = |ending: &str| {
            let all = found.values().filter(|verdict| verdict["ending"] == ending);
            all.count()
        };
        // A command in the group may die of the signal before the batch is told of it, which then begins another.
        let killed = of("killed");
        assert!(killed == 4 || group && killed > 4, "{signal}: {text}");
        assert_eq!(of("exited"), 3, "{signal}: {text}");
        assert!(found.len() == 3 + killed && text.ends_with('\n'));
        no_process_survives(&token, Duration::from_secs(5));
        dir.write("go", "");
        plain(words).cwd(dir.path()).output().ends_with(0);
        let found = verdicts(&std::fs::read_to_string(&output).expect("verdicts"));
        assert_eq!(found.len(), 11);
        assert!(found.values().all(|verdict| verdict["code"] == 0));
        assert_eq!(begun(), 12);
    }
}

/// The batch may be waiting for its next case.
#[test]
fn a_signal_ends_a_batch_that_waits_for_cases() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut running = plain([JAIL, "batch", "--policy", "base", "--jobs", "2"])
        .stdin(reader)
        .start();
    use std::io::Write as _;
    (&writer)
        .write_all(b"{\"command\": [\"true\"]}\n")
        .expect("a reader");
    running.until("a verdict", |it| it.out().ends_with('\n'));
    running.signal(Signal::SIGTERM);
    let ran = running.finish();
    assert_eq!(ran.code(), None);
    drop(writer);
}

#[test]
fn what_was_ignored_stays_ignored() {
    let dir = Dir::new();
    let cases = "{\"command\": [\"sleep\", \"0.5\"]}\n";
    let path = dir.write("cases.jsonl", cases);
    let script = format!("trap '' HUP; exec {JAIL} batch --policy base {path}");
    let mut running = plain(["bash", "-c", &script]).start();
    let children = |pid| std::fs::read_to_string(format!("/proc/{pid}/status"));
    running.until("jail", |it| {
        children(it.pid()).is_ok_and(|status| status.starts_with("Name:\tjail"))
    });
    std::thread::sleep(Duration::from_millis(100));
    running.signal(Signal::SIGHUP);
    let ran = running.finish();
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    assert_eq!(found["1"]["ending"], "exited");
}
