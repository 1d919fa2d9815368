//! `jail replay`: real runs, recorded and decided under other policies.

use crate::support::schema::{fitting, fitting_lines};
use crate::support::{Dir, jail};
use serde_json::Value;

/// A recorded run of a shell that reads, writes, executes and connects; its log.
fn recorded(dir: &Dir) -> String {
    let policy = dir.write(
        "wide.toml",
        format!(
            "extends = [\"base\"]\n[fs]\nwrite = [{:?}]\n[net]\nconnect = [\"127.0.0.1\"]\n",
            dir.path()
        ),
    );
    let log = dir.file("run.jsonl");
    for name in ["in", "secret", "out"] {
        dir.write(name, "x");
    }
    let script = "cat in secret > out; mv out moved; cat /etc/shadow; : < missing; exec 3<>/dev/tcp/127.0.0.1/9";
    let _ = jail([
        "--policy",
        &policy,
        "--log",
        &log,
        "--log-accesses",
        "--",
        "bash",
        "-c",
        script,
    ])
    .cwd(dir.path())
    .output();
    fitting_lines("log", &std::fs::read_to_string(&log).expect("a log"));
    log
}

fn replayed(log: &str, policy: &str, code: i32) -> Value {
    let ran = jail(["replay", log, "--policy", policy, "--json"])
        .output()
        .ends_with(code);
    fitting("replay", &ran.out)
}

/// The examples of a list.
fn examples(found: &Value, list: &str) -> Vec<String> {
    let list = found[list].as_array().expect("a list").iter();
    list.map(|it| it["example"].as_str().expect("a request").to_owned())
        .collect()
}

#[test]
fn the_same_policy_decides_as_it_did_and_a_narrower_one_says_what_it_would_deny() {
    let dir = Dir::new();
    let log = recorded(&dir);
    let text = std::fs::read_to_string(&log).expect("a log");
    for part in [
        "\"access\":\"read\"",
        "\"access\":\"write\"",
        "\"access\":\"exec\"",
        "127.0.0.1:9",
    ] {
        let has = |line: &str| line.contains("\"event\":\"access\"") && line.contains(part);
        assert!(text.lines().any(has), "{part}: {text}");
    }
    assert!(!text.contains("/missing\""), "{text}");
    let same = replayed(&log, &dir.file("wide.toml"), 0);
    for list in ["denied", "allowed", "answers", "undecidable"] {
        assert_eq!(examples(&same, list), [""; 0], "{list}: {same:#}");
    }
    assert!(
        same["calls"].as_u64() > Some(5) && same["calls"] == same["same"],
        "{same:#}"
    );
    assert_eq!(same["accesses"], true);
    let narrow = dir.write(
        "narrow.toml",
        format!(
            "extends = [\"base\"]\n[fs]\nread = [{:?}]\ndeny = [{:?}]\n",
            dir.path(),
            dir.file("secret")
        ),
    );
    let found = replayed(&log, &narrow, 1);
    let denied = examples(&found, "denied");
    assert!(
        denied.contains(&format!("read {}", dir.file("secret"))),
        "{denied:?}"
    );
    assert!(
        denied.iter().any(|it| it.starts_with("write ")),
        "{denied:?}"
    );
    assert!(
        denied
            .iter()
            .any(|it| it.starts_with("connect 127.0.0.1:9")),
        "{denied:?}"
    );
    assert!(
        !denied.contains(&format!("read {}", dir.file("in"))),
        "{denied:?}"
    );
    let wider = dir.write(
        "wider.toml",
        "extends = [\"permissive\"]\n[fs]\nlift = [{ path = \"/etc/shadow\", why = \"a test\", optional = true }]\n",
    );
    let found = replayed(&log, &wider, 0);
    assert_eq!(examples(&found, "denied"), [""; 0]);
    let ran = jail(["replay", &log, "-p", &narrow]).output().ends_with(1);
    for part in [
        "was allowed, would be denied",
        "by cat",
        "denied with EACCES",
        "line ",
        "are not in a log",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    // Further policies and entries for one run are joined to it.
    let path = dir.path().to_str().expect("text");
    let ran = jail([
        "replay",
        &log,
        "-p",
        &narrow,
        "--json",
        "--allow-write",
        path,
    ]);
    let joined = fitting("replay", &ran.output().ends_with(1).out);
    let still = examples(&joined, "denied");
    assert!(
        still.contains(&format!("read {}", dir.file("secret"))),
        "{still:?}"
    );
    assert!(
        !still.iter().any(|it| it.starts_with("write ")),
        "{still:?}"
    );
    let ran = jail(["replay", &log, "-p", "base", "-p", &dir.file("wide.toml")]);
    ran.output().ends_with(0);
    let manual = include_str!("../../docs/compare.md");
    for key in found.as_object().expect("an object").keys() {
        assert!(manual.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn what_is_no_log_is_a_message_and_broken_lines_have_their_numbers() {
    let dir = Dir::new();
    let good = "{\"event\":\"spawn\",\"time\":1.5,\"pid\":1,\"child\":2,\"thread\":false}\n";
    let broken = dir.write("broken.jsonl", format!("{good}garbage\n{good}{{\"event\":"));
    for command in [
        ["replay", &broken, "-p", "base"].as_slice(),
        &["report", &broken, "--format", "text"],
    ] {
        let ran = jail(command).output().ends_with(0);
        let _ = ran
            .complains("broken.jsonl: line 2: it is no event of a log")
            .complains("broken.jsonl: line 4: it is cut off");
    }
    let (empty, binary) = (
        dir.write("empty", ""),
        dir.write("binary", b"\xff\x00\x1b[2J\n"),
    );
    for (log, message) in [
        (empty.as_str(), "is no log: it is empty"),
        (&binary, "is no log: no line of it is an event"),
        ("/nowhere", "cannot read the log /nowhere: No such file"),
        ("/", "cannot read the log /: Is a directory"),
    ] {
        for command in [
            ["replay", log, "-p", "base"].as_slice(),
            &["report", log, "--format", "text"],
        ] {
            let ran = jail(command).output().ends_with(125);
            assert_eq!(ran.out, "", "{log}");
            assert!(!ran.err.contains('\x1b'), "{:?}", ran.err);
            let _ = ran.complains(message);
        }
    }
    let _ = jail(["replay", &broken, "-p", "nowhere.toml"])
        .output()
        .ends_with(125)
        .complains("nothing was decided");
}

/// A copy of cat in the domain `inside`, and one outside; both read a file that only the domain may not.
#[test]
fn a_log_tells_which_programs_were_in_a_domain() {
    let dir = Dir::new();
    for name in ["inside", "outside"] {
        crate::support::copy("/bin/cat", dir.file(name));
    }
    dir.write("secret", "x");
    let policy = |name: &str, domain: &str| {
        let closed = dir.file(name);
        let text = format!(
            "default = \"allow\"\n[domain.{domain}]\non-exec = [\"inside\"]\nfs = {{ deny = [{closed:?}] }}\n"
        );
        dir.write(&format!("{domain}-{name}.toml"), text)
    };
    let (open, closed) = (policy("nothing", "build"), policy("secret", "build"));
    let log = dir.file("run.jsonl");
    let script = "./outside secret; ./inside secret; sh -c './inside secret; true'";
    let arguments = [
        "--policy",
        &open,
        "--log",
        &log,
        "--log-accesses",
        "--",
        "sh",
        "-c",
        script,
    ];
    jail(arguments).cwd(dir.path()).output().ends_with(0);
    let text = std::fs::read_to_string(&log).expect("a log");
    fitting_lines("log", &text);
    assert!(
        text.contains("\"policy\":\"") && text.contains("\"domains\":[\"build\"]}"),
        "{text}"
    );
    let found = replayed(&log, &open, 0);
    assert_eq!(
        (found["calls"].clone(), &found["untold"]),
        (found["same"].clone(), &serde_json::json!([]))
    );
    let found = replayed(&log, &closed, 1);
    assert_eq!(found["denied"][0]["count"], 2, "{found}");
    assert_eq!(found["denied"][0]["program"], "inside");
    // A domain of another name is not in the log.
    let other = policy("secret", "other");
    let ran = jail(["replay", &log, "--policy", &other])
        .output()
        .ends_with(0);
    let ran = ran.complains("does not tell which programs were in [domain.other]");
    assert!(ran.out.contains("undecidable: 3\n"), "{}", ran.out);
}
