//! `jail batch`: many commands, a verdict a line, none lost.

#[path = "../support/mod.rs"]
mod support;

mod changed;
mod directories;
mod ids;
mod memory;
mod resume;
mod secrets;
mod soak;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::schema::fitting;
use support::{Dir, JAIL, Ran, copy, no_process_survives, plain, rounds, token};

fn batch(dir: &Dir, cases: &str, options: &[&str]) -> Ran {
    let cases = dir.write("cases.jsonl", cases);
    let policy = dir.write(
        "batch.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/\"]\n",
    );
    plain([JAIL, "batch", "--policy", &policy])
        .args(options)
        .args([cases.as_str()])
        .cwd(dir.path())
        .output()
}

/// The verdicts by id.
fn verdicts(lines: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for line in lines.lines() {
        let verdict = fitting("batch", line);
        let before = found.insert(verdict["id"].to_string(), verdict);
        assert!(before.is_none(), "twice: {line}");
    }
    found
}

#[test]
fn every_case_has_its_verdict_and_its_own_settings() {
    let dir = Dir::new();
    dir.write("input", "from a file");
    dir.write("sub/here", "");
    let cases = r#"
{"id": "code", "command": ["sh", "-c", "exit 3"]}
{"command": ["sh", "-c", "kill -SEGV $$"]}
{"id": "time", "command": ["sleep", "60"], "limits": {"wall": "300ms", "grace": "100ms"}}
{"id": "flood", "command": ["yes"], "limits": {"output": "64KiB"}}
{"id": "text", "command": ["cat"], "stdin": "a text"}
{"id": "file", "command": ["cat"], "stdin-file": "input"}
{"id": "nothing", "command": ["cat"]}
{"id": "env", "command": ["sh", "-c", "echo $ONE"], "env": {"ONE": "1"}}
{"id": "cwd", "command": ["ls"], "cwd": "sub"}
{"id": "denied", "command": ["ls", "/"], "policy": "base"}
{"id": "out", "command": ["sh", "-c", "echo out; echo err >&2"], "stdout-file": "out"}
"#;
    let ran = batch(&dir, cases, &["--keep", "100", "--jobs", "3"]);
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    assert_eq!(found.len(), 11);
    let of = |id: &str| {
        found
            .get(id)
            .unwrap_or_else(|| panic!("no {id} in {found:?}"))
    };
    assert_eq!(of("\"code\"")["code"], 3);
    assert_eq!(of("3")["signal"]["name"], "SIGSEGV");
    assert_eq!(of("3")["line"], 3);
    assert_eq!(of("\"time\"")["ending"], "time");
    assert_eq!(of("\"flood\"")["ending"], "output");
    for (id, stdout) in [
        ("text", "a text"),
        ("file", "from a file"),
        ("nothing", ""),
        ("env", "1\n"),
        ("cwd", "here\n"),
    ] {
        assert_eq!(of(&format!("\"{id}\""))["stdout"], stdout, "{id}");
    }
    assert_ne!(of("\"denied\"")["code"], 0);
    assert_eq!(of("\"denied\"")["policy"]["name"], "base");
    let out = of("\"out\"");
    assert_eq!(
        std::fs::read_to_string(dir.file("out")).expect("a file"),
        "out\n"
    );
    assert!(
        out.get("stdout").is_none() && out["stderr"] == "err\n",
        "{out}"
    );
}

#[test]
fn a_case_opens_its_stdin_by_name_and_not_that_of_another() {
    let dir = Dir::new();
    let (one, other) = (dir.write("one", "one"), dir.write("other", "other"));
    let cases = format!(
        r#"{{"id": "own", "command": ["cat", "/dev/stdin"], "stdin-file": "{one}"}}
{{"id": "next", "command": ["cat", "/dev/stdin"], "stdin-file": "{other}"}}
{{"id": "before", "command": ["cat", "{one}"], "stdin-file": "{other}"}}
"#
    );
    let cases = dir.write("cases.jsonl", cases);
    let text = "extends = [\"base\"]\n[fs]\nread = [\"/usr\"]\nexec = [\"/usr/bin\"]\n";
    let policy = dir.write("batch.toml", text);
    let options = ["--keep", "100", "--jobs", "1", &cases];
    let words = [JAIL, "batch", "--policy", &policy];
    let ran = plain(words).args(options).cwd(dir.path()).output();
    let found = verdicts(&ran.out);
    assert_eq!(found["\"own\""]["stdout"], "one");
    assert_eq!(found["\"next\""]["stdout"], "other");
    assert_eq!(found["\"before\""]["stdout"], "");
    assert_eq!(found["\"before\""]["code"], 1);
}

#[test]
fn a_wrong_line_has_a_verdict_that_says_what_is_wrong() {
    let dir = Dir::new();
    let cases = r#"{"command": ["true"]}
{"command": ["no-such-program"]}
{"comand": ["true"]}
no JSON
{"id": "one", "command": ["true"]}
{"id": "one", "command": ["true"]}
{"command": ["true"], "limits": {"wal": "1s"}}
{"command": ["true"], "policy": "no-such-policy"}
{"command": ["true"], "stdin-file": "/no/such/file"}
{"command": ["true"], "cwd": "/no/such/directory"}
"#;
    let ran = batch(&dir, cases, &[]);
    assert_eq!(ran.code(), Some(1), "{}", ran.err);
    let lines: BTreeMap<u64, Value> = ran
        .out
        .lines()
        .map(|line| fitting("batch", line))
        .map(|verdict| (verdict["line"].as_u64().expect("a line"), verdict))
        .collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[&1]["ending"], "exited");
    assert_eq!(lines[&2]["exit_code"], 127);
    for (line, what) in [
        (2, "no-such-program"),
        (3, "cases.jsonl:3: unknown field `comand`"),
        (4, "cases.jsonl:4: expected"),
        (6, "the id \"one\" is also the id of line 5"),
        (7, "did you mean `wall`?"),
        (8, "no-such-policy"),
        (9, "/no/such/file"),
        (10, "/no/such/directory"),
    ] {
        assert_eq!(lines[&line]["ending"], "not-started", "{line}");
        let error = lines[&line]["error"].as_str().expect("an error");
        assert!(error.contains(what), "{line}: {error}");
    }
}

#[test]
fn what_is_wrong_with_the_batch_itself_is_said_before_anything_runs() {
    let dir = Dir::new();
    let cases = dir.write("cases.jsonl", "{\"command\": [\"touch\", \"ran\"]}\n");
    let run = |options: &[&str]| {
        let ran = plain([JAIL, "batch"])
            .args(options)
            .cwd(dir.path())
            .output();
        assert_eq!(ran.code(), Some(125), "{options:?}: {}", ran.err);
        assert!(!dir.path().join("ran").exists(), "{options:?}");
        ran.err
    };
    let old = dir.write("old.jsonl", "{\"id\": 1}\n");
    let other = dir.write("other.txt", "no verdicts\n");
    for (options, what) in [
        (
            &["--policy", "bsae", cases.as_str()][..],
            "did you mean `base`?",
        ),
        (&["--policy", "base", "/no/such/file"], "/no/such/file"),
        (&["--policy", "base", "--resume", &cases], "--output FILE"),
        (&["--policy", "base", "--output", &old, &cases], "--resume"),
        (
            &["--policy", "base", "--resume", "--output", &other, &cases],
            "not a verdict",
        ),
        (&["--policy", "base", "--jobs", "0", &cases], "--jobs"),
    ] {
        let said = run(options);
        assert!(said.contains(what), "{options:?}: {said}");
    }
}

#[test]
fn whatever_bytes_a_line_has_it_has_a_verdict_and_the_others_run() {
    let dir = Dir::new();
    let mut cases = b"\xef\xbb\xbf{\"id\": \"first\", \"command\": [\"true\"]}\r\n".to_vec();
    cases.extend(b"{\"id\": \"\xff\xfe\", \"command\": [\"true\"]}\n");
    cases.extend(b"{\"id\": \"a\\u0007\\n\\u001b[31m\", \"command\": [\"true\"]}\n");
    cases.extend(b"{\"id\": \"nul\", \"command\": [\"true\", \"a\\u0000b\"]}\n");
    cases.extend(b"{\"id\": \"env\", \"command\": [\"true\"], \"env\": {\"A\": \"a\\u0000b\"}}\n");
    let text = "x".repeat(10_000_000);
    cases.extend(
        format!("{{\"id\": \"much\", \"command\": [\"wc\", \"-c\"], \"stdin\": \"{text}\"}}\n")
            .bytes(),
    );
    // No end of the line.
    cases.extend(b"{\"id\": \"last\", \"command\": [\"sh\", \"-c\", \"exit 7\"]}");
    let path = dir.write("cases.jsonl", cases);
    let ran = plain([JAIL, "batch", "--policy", "base", "--keep", "100", &path]).output();
    assert_eq!(ran.code(), Some(1), "{}", ran.err);
    let lines: BTreeMap<u64, Value> = ran
        .out
        .lines()
        .map(|line| fitting("batch", line))
        .map(|verdict| (verdict["line"].as_u64().expect("a line"), verdict))
        .collect();
    assert_eq!(lines.len(), 7, "{}", ran.out);
    assert_eq!(
        (&lines[&1]["id"], &lines[&1]["code"]),
        (&"first".into(), &0.into())
    );
    assert_eq!(
        (&lines[&2]["id"], &lines[&2]["ending"]),
        (&Value::Null, &"not-started".into())
    );
    assert!(
        lines[&2]["error"]
            .as_str()
            .expect("an error")
            .contains("UTF-8"),
        "{}",
        lines[&2]
    );
    assert_eq!(
        (&lines[&3]["id"], &lines[&3]["code"]),
        (&"a\u{7}\n\u{1b}[31m".into(), &0.into())
    );
    for line in [4, 5] {
        assert_eq!(lines[&line]["ending"], "not-started", "{}", lines[&line]);
        assert!(
            lines[&line]["error"]
                .as_str()
                .expect("an error")
                .contains("NUL"),
            "{}",
            lines[&line]
        );
    }
    assert_eq!(lines[&6]["stdout"], "10000000\n");
    assert_eq!(lines[&7]["code"], 7);
}

#[test]
fn no_verdict_has_the_id_of_another_case() {
    let dir = Dir::new();
    // Line 2 has no id, and 2 is another's; line 4 is wrong, and its id is known.
    let cases = r#"{"id": 2, "command": ["sh", "-c", "exit 1"]}
{"command": ["sh", "-c", "exit 2"]}
{"id": "a", "command": ["sleep", "0.3"]}
{"id": "b", "comand": ["true"]}
{"id": "a", "command": ["true"]}
no JSON
{"id": 6, "command": ["sh", "-c", "exit 7"]}
"#;
    let output = dir.file("verdicts.jsonl");
    let options = ["--output", &output, "--jobs", "2", "--resume"];
    for _ in 0..2 {
        let ran = batch(&dir, cases, &options);
        assert!(ran.code() <= Some(1), "{}", ran.err);
        let text = std::fs::read_to_string(&output).expect("verdicts");
        let mut all: Vec<(u64, Value, Value)> = text
            .lines()
            .map(|line| fitting("batch", line))
            .map(|verdict| {
                let line = verdict["line"].as_u64().expect("a line");
                (line, verdict["id"].clone(), verdict["code"].clone())
            })
            .collect();
        all.sort_by_key(|(line, ..)| *line);
        let null = Value::Null;
        let expected = [
            (1, 2.into(), 1.into()),
            (2, null.clone(), 2.into()),
            (3, "a".into(), 0.into()),
            (4, "b".into(), null.clone()),
            (5, null.clone(), null.clone()),
            (6, null.clone(), null),
            (7, 6.into(), 7.into()),
        ];
        assert_eq!(all, expected);
    }
}

#[test]
fn where_a_verdict_cannot_be_written_it_says_so_and_nothing_runs_on() {
    let dir = Dir::new();
    let case = "{\"command\": [\"sh\", \"-c\", \"echo ran >> ran\"]}\n";
    let path = dir.write("cases.jsonl", case.repeat(40));
    let policy = dir.write(
        "p.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\".\"]\n",
    );
    for to in ["> /dev/full", "--output /dev/full"] {
        let script =
            format!("ulimit -v 4000000; {JAIL} batch --policy {policy} --jobs 2 {path} {to}");
        let ran = plain(["bash", "-c", &script]).cwd(dir.path()).output();
        ran.ends_with(125).complains("cannot write a verdict");
    }
    let runs = std::fs::read_to_string(dir.file("ran")).expect("a file");
    assert!(runs.lines().count() <= 4, "{runs}");
    // A disk that is full in the middle of a line.
    let output = dir.file("verdicts.jsonl");
    let script = format!(
        "trap '' XFSZ; ulimit -f 5; {JAIL} batch --policy {policy} --jobs 4 --output {output} {path}"
    );
    let ran = plain(["bash", "-c", &script]).cwd(dir.path()).output();
    ran.ends_with(125).complains("cannot write a verdict");
    let ran = plain([
        JAIL, "batch", "--policy", &policy, "--resume", "--output", &output, &path,
    ])
    .cwd(dir.path())
    .output();
    ran.ends_with(0);
    let found = verdicts(&std::fs::read_to_string(&output).expect("verdicts"));
    assert_eq!(found.len(), 40);
}

#[test]
fn a_batch_that_is_asked_to_end_leaves_no_process_and_whole_lines() {
    let dir = Dir::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let token = token();
        let mut cases = "{\"command\": [\"true\"]}\n".repeat(3);
        for _ in 0..64 {
            let _ = writeln!(
                cases,
                "{{\"command\": [\"bash\", \"-c\", \"trap '' INT TERM; (setsid bash -c 'sleep 60; : {token}') & while :; do sleep 1; done; : {token}\"]}}"
            );
        }
        let path = dir.write("cases.jsonl", cases);
        let mut running = plain([JAIL, "batch", "--policy", "base", "--jobs", "64", &path]).start();
        running.until("three verdicts", |running| {
            running.out().lines().count() == 3
        });
        // Each has the word twice: in its own command line and in that of what it started.
        running.until("all run", |_| support::survivors(&token).len() >= 128);
        // One that forks has it once more for a moment.
        std::thread::sleep(Duration::from_millis(300));
        running.signal(signal);
        let ran = running.finish();
        assert_eq!(ran.code(), None);
        let found = verdicts(&ran.out);
        let killed = |verdict: &&Value| verdict["ending"] == "killed";
        assert_eq!(found.len(), 67);
        assert_eq!(found.values().filter(killed).count(), 64);
        assert!(ran.out.ends_with('\n'));
        no_process_survives(&token, Duration::from_secs(5));
    }
}

#[test]
fn without_a_policy_a_case_says_so() {
    let dir = Dir::new();
    let cases = dir.write("cases.jsonl", "{\"command\": [\"true\"]}\n");
    let ran = plain([JAIL, "batch", &cases]).output();
    assert_eq!(ran.code(), Some(1));
    assert!(ran.out.contains("give --policy"), "{}", ran.out);
}

#[test]
fn cases_come_from_stdin_one_by_one() {
    let mut child = Command::new(JAIL)
        .args(["batch", "--policy", "base", "--jobs", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("jail");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    for n in 0..3 {
        // The next is asked for when the answer to the last is there.
        writeln!(
            stdin,
            "{{\"id\": {n}, \"command\": [\"sh\", \"-c\", \"exit {n}\"]}}"
        )
        .expect("a reader");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let verdict = fitting("batch", &line);
        assert_eq!((&verdict["id"], &verdict["code"]), (&n.into(), &n.into()));
    }
    drop(stdin);
    assert!(child.wait().expect("a status").success());
}

#[test]
fn a_batch_that_was_killed_is_gone_on_with() {
    let dir = Dir::new();
    let token = token();
    let mut cases = String::new();
    for n in 0..60 {
        let _ = writeln!(
            cases,
            "{{\"id\": \"case {n}\", \"command\": [\"sh\", \"-c\", \"echo {n} >> ran; exec -a {token} sleep 0.05\"]}}"
        );
    }
    let cases = cases.replace("\"sh\"", "\"bash\"");
    let output = dir.file("verdicts.jsonl");
    let path = dir.write("cases.jsonl", &cases);
    let policy = dir.write(
        "p.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\".\"]\n",
    );
    let mut child = Command::new(JAIL)
        .args([
            "batch", "--policy", &policy, "--jobs", "2", "--output", &output, &path,
        ])
        .current_dir(dir.path())
        .spawn()
        .expect("jail");
    let lines = || {
        std::fs::read_to_string(&output)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while lines() < 10 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("a child");
    let _ = child.wait();
    no_process_survives(&token, Duration::from_secs(5));
    let first = lines();
    assert!((10..60).contains(&first), "{first}");
    // As if it had been killed in the middle of a line.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&output)
        .expect("a file");
    file.write_all(b"{\"id\":\"case 59\",\"line\":60,\"ver")
        .expect("written");
    let ran = plain([
        JAIL, "batch", "--policy", &policy, "--resume", "--output", &output, &path,
    ])
    .cwd(dir.path())
    .output();
    ran.ends_with(0);
    let found = verdicts(&std::fs::read_to_string(&output).expect("verdicts"));
    assert_eq!(found.len(), 60);
    assert!(found.values().all(|verdict| verdict["code"] == 0));
    // None that had its verdict ran again; those that were killed did.
    let runs = std::fs::read_to_string(dir.file("ran"))
        .expect("a file")
        .lines()
        .count();
    assert!((60..=62).contains(&runs), "{runs}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let dir = Dir::new();
    let cases = dir.write(
        "cases.jsonl",
        "{\"command\": [\"sleep\", \"0.05\"]}\n".repeat(2000),
    );
    let script =
        format!("{JAIL} batch --policy base {cases} | head -n 1 | wc -l; echo ${{PIPESTATUS[0]}}");
    let before = Instant::now();
    plain(["bash", "-c", &script]).output().says("1\n0\n");
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn two_thousand_runs_lose_none_and_the_memory_stays_flat() {
    let dir = Dir::new();
    let count = rounds(2000);
    let mut cases = String::new();
    for n in 0..count {
        let script = match n % 10 {
            9 => "kill -9 $$".to_owned(),
            code => format!("exit {code}"),
        };
        let _ = writeln!(
            cases,
            "{{\"id\": {n}, \"command\": [\"sh\", \"-c\", \"{script}\"]}}"
        );
    }
    let path = dir.write("cases.jsonl", cases);
    let mut child = Command::new(JAIL)
        .args(["batch", "--policy", "base", "--jobs", "2", &path])
        .stdout(Stdio::piped())
        .spawn()
        .expect("jail");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse::<u64>().ok())
    };
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", child.id())).map(Iterator::count);
    let mut lines = String::new();
    let (mut early, mut late) = (None, None);
    for (n, line) in stdout.lines().enumerate() {
        lines.push_str(&line.expect("a line"));
        lines.push('\n');
        // While the others still run.
        if n == count / 10 {
            early = resident().zip(descriptors().ok());
        } else if n == count - count / 20 {
            late = resident().zip(descriptors().ok());
        }
    }
    assert!(child.wait().expect("a status").success());
    let found = verdicts(&lines);
    assert_eq!(found.len(), count);
    for (id, verdict) in found {
        let n: usize = id.parse().expect("a number");
        match n % 10 {
            9 => assert_eq!(verdict["signal"]["number"], 9, "{n}"),
            code => assert_eq!(verdict["code"], code as u64, "{n}"),
        }
    }
    let (early, late) = early.zip(late).expect("two looks");
    assert!(
        late.0 < early.0 + 1024,
        "resident, in KiB: {early:?}, {late:?}"
    );
    assert!(late.1 <= early.1 + 12, "descriptors: {early:?}, {late:?}");
}

#[test]
fn an_ordinary_user_can_run_one() {
    let dir = Dir::new();
    let cases = dir.write("cases.jsonl", "{\"command\": [\"true\"]}\n".repeat(20));
    let jail = dir.file("jail");
    copy(JAIL, &jail);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("permissions");
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let mut words: Vec<&str> = match support::is_root() {
        true => user.to_vec(),
        false => vec![],
    };
    words.extend([jail.as_str(), "batch", "--policy", "base", &cases]);
    let ran = plain(words).output();
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    assert_eq!(found.len(), 20);
}

#[test]
fn a_policy_under_which_nothing_starts_is_said_once_or_in_the_verdict() {
    const SAID: &str =
        "it allows no system calls, so that no program can start: add extends = [\\\"base\\\"] to ";
    let dir = Dir::new();
    let policy = dir.write("net.toml", "[net]\nconnect = [\"127.0.0.1:80\"]\n");
    let cases = dir.write(
        "cases.jsonl",
        "{\"command\":[\"true\"]}\n{\"command\":[\"true\"]}\n",
    );
    let ran = plain([JAIL, "batch", "--policy", &policy, &cases]).output();
    let ran = ran.ends_with(125).complains(&SAID.replace('\\', ""));
    assert_eq!(ran.out, "", "nothing was run");
    // A policy that the case itself names.
    let case =
        format!("{{\"command\":[\"true\"],\"policy\":{policy:?}}}\n{{\"command\":[\"true\"]}}\n");
    let ran = batch(&dir, &case, &[]).ends_with(1);
    let verdicts = verdicts(&ran.out);
    assert_eq!(verdicts["1"]["ending"], "not-started", "{}", ran.out);
    assert!(ran.out.contains(SAID), "{}", ran.out);
    assert_eq!(verdicts["2"]["ending"], "exited", "{}", ran.out);
}
