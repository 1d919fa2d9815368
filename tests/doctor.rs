//! `jail doctor` on this host, and on hosts that lack something: in a user namespace, without system calls,
//! under a tracer, in a jail, as an ordinary user. What it says of hosts that are not here is tested beside
//! its source.

mod support;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use serde_json::Value;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use support::schema::fitting;
use support::{Dir, JAIL, Ran, is_root, jail, plain, probe};

const MANUAL: &str = include_str!("../docs/doctor.md");

/// A copy of jail and of the probe that every user may execute.
fn copies() -> Dir {
    let dir = Dir::new();
    let copy = plain(["cp", "-t"]).args([dir.path()]).args([JAIL, probe()]);
    copy.output().ends_with(0);
    plain(["chmod", "-R", "a+rX"])
        .args([dir.path()])
        .output()
        .ends_with(0);
    dir
}

fn answers(ran: Ran, code: i32, first: &str) -> Ran {
    let ran = ran.ends_with(code);
    let version = env!("CARGO_PKG_VERSION");
    let first = format!("jail {version} {first}");
    // The first line may be wrapped.
    let text = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    if !text.starts_with(&first) {
        ran.fail(&format!("should have begun with {first:?}"));
    }
    ran
}

fn document(ran: &Ran) -> Value {
    fitting("doctor", &ran.out)
}

/// What the manual's example and a document differ in: their fields, and the types of these.
fn differences(manual: &Value, found: &Value, at: &str, all: &mut Vec<String>) {
    match (manual, found) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(manual), Value::Object(found)) => {
            for key in manual.keys().chain(found.keys()) {
                match (manual.get(key), found.get(key)) {
                    (Some(manual), Some(found)) => {
                        differences(manual, found, &format!("{at}.{key}"), all);
                    }
                    _ => all.push(format!("{at}.{key}")),
                }
            }
        }
        (Value::Array(manual), Value::Array(found)) => {
            for found in found {
                if let Some(manual) = manual.first() {
                    differences(manual, found, &format!("{at}[]"), all);
                }
            }
        }
        (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => {}
        _ => all.push(format!("{at}: {manual} and {found}")),
    }
}

#[test]
fn this_host_can_run_jail_and_the_document_is_as_the_manual_says() {
    let ran = answers(jail(["doctor"]).output(), 0, "can run here.");
    assert_eq!(ran.err, "");
    // A path is not broken.
    let lines = ran.out.lines().filter(|line| line.trim().contains(' '));
    let longest = lines.map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{longest:?}\n{}", ran.out);
    let ran = jail(["doctor", "--json"]).output().ends_with(0);
    let example = MANUAL.split("```json\n").nth(1).expect("an example");
    let example = example.split("\n```").next().unwrap_or_default();
    let example: Value = serde_json::from_str(example).expect("JSON");
    let document = document(&ran);
    let mut found = Vec::new();
    differences(&example, &document, "", &mut found);
    assert!(found.is_empty(), "{found:?}\n{document:#}");
    assert_eq!(document["runs"], true);
    assert_eq!(document["user"], u32::from(nix::unistd::geteuid()));
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    assert_eq!(document["kernel"]["release"], release.trim());
}

#[test]
fn an_ability_that_the_environment_takes_away_is_told() {
    let run = || jail(["doctor"]).env("JAIL_LANDLOCK_ABI", "0");
    let document = document(&run().args(["--json"]).output().ends_with(0));
    assert_eq!(document["landlock"]["used"], 0);
    let ran = run().output().ends_with(0);
    if document["landlock"]["abi"] == 0 {
        println!("NOT TRIED HERE: there is no Landlock that could be taken away");
        return;
    }
    ran.says_part("used as ABI 0 (JAIL_LANDLOCK_ABI)")
        .says_part("jail does without a part of this host: JAIL_LANDLOCK_ABI=0");
    let ran = jail(["doctor"]).env("JAIL_NAMESPACES", "none").output();
    ran.ends_with(0).says_part("JAIL_NAMESPACES=none turns");
}

#[test]
fn without_a_call_that_jail_needs_the_answer_is_1_and_names_it() {
    // Without ptrace a policy runs that needs no supervisor, if Landlock restricts signals.
    let old = ["env", "JAIL_LANDLOCK_ABI=5"];
    let dir = copies();
    let (jail, probe) = (dir.file("jail"), dir.file("probe"));
    for (lacking, reason) in [
        (
            "ptrace",
            "cannot run here: cannot trace the command: PTRACE_SEIZE",
        ),
        (
            "seccomp",
            "cannot run here: cannot confine the command: seccomp",
        ),
    ] {
        let without = [probe.as_str(), "without", lacking, &jail, "doctor"];
        let ran = plain(old).args(without).output();
        let ran = answers(ran, 1, reason);
        ran.says_part("under a filter itself")
            .says_part("not tried");
        let ran = plain(old).args(without).args(["--json"]).output();
        let document = document(&ran.ends_with(1));
        assert_eq!(document["runs"], false, "{lacking}");
        assert!(document["namespaces"].is_null(), "{lacking}");
        assert_eq!(
            document["seccomp"]["actions"].is_null(),
            lacking == "seccomp"
        );
    }
}

#[test]
fn without_ptrace_it_says_what_runs_without_a_supervisor() {
    let dir = copies();
    let (jail, probe) = (dir.file("jail"), dir.file("probe"));
    if landlock_abi() < 6 {
        println!("NOT TRIED HERE: without a supervisor; Landlock does not restrict signals");
        return;
    }
    let without = [probe.as_str(), "without", "ptrace", &jail, "doctor"];
    let first = "can run here only without a supervisor: cannot trace the command: PTRACE_SEIZE";
    let ran = answers(plain(without).output(), 0, first);
    ran.says_part("[fs] deny, patterns  not available here")
        .says_part("chmod, chown, utimes are denied")
        .says_part("under a filter itself")
        .says_part("not tried");
    let ran = plain(without).args(["--json"]).output().ends_with(0);
    let document = document(&ran);
    assert_eq!(document["runs"], true);
    assert!(document["unsupervised"].is_string(), "{document}");
    assert_eq!(document["gaps"][0]["id"], "no-tracer");
}

/// The Landlock ABI of this host.
fn landlock_abi() -> u64 {
    let ran = jail(["doctor", "--json"]).output();
    document(&ran)["landlock"]["abi"]
        .as_u64()
        .expect("a number")
}

#[test]
fn in_a_container_its_missing_calls_are_gaps() {
    let dir = copies();
    let (jail, probe) = (dir.file("jail"), dir.file("probe"));
    let gaps = |lacking: &str| -> Vec<String> {
        let ran = plain([
            probe.as_str(),
            "without",
            lacking,
            &jail,
            "doctor",
            "--json",
        ])
        .output();
        let document = document(&ran.ends_with(0));
        let gaps = document["gaps"].as_array().expect("gaps").iter();
        gaps.map(|gap| gap["id"].as_str().expect("a name").to_owned())
            .collect()
    };
    let has = |gaps: &[String], id: &str| gaps.iter().any(|gap| gap == id);
    let found = gaps("landlock");
    assert!(has(&found, "no-landlock"), "{found:?}");
    let found = gaps("container");
    assert!(
        has(&found, "pidfd_getfd") && has(&found, "kcmp"),
        "{found:?}"
    );
    assert!(has(&found, "namespaces"), "{found:?}");
    let found = gaps("old-container");
    assert!(has(&found, "process_vm_readv"), "{found:?}");
    assert!(has(&found, "no-landlock"), "{found:?}");
    let ran = plain([probe.as_str(), "without", "container", &jail, "doctor"]).output();
    ran.ends_with(0).says_part("--cap-add=SYS_PTRACE");
}

#[test]
fn in_a_user_namespace_it_answers_too() {
    let dir = copies();
    let mapped = ["unshare", "--user", "--map-root-user"];
    if plain(mapped).args(["true"]).output().code() != Some(0) {
        println!("NOT TRIED HERE: no user namespace can be made");
        return;
    }
    let ran = plain(mapped)
        .args([dir.file("jail").as_str(), "doctor"])
        .output();
    answers(ran, 0, "can run here.").says_part("0 (root)");
}

#[test]
fn an_ordinary_user_gets_an_answer_of_its_own() {
    if !is_root() {
        println!("NOT TRIED HERE: another user; only root can become one");
        return;
    }
    let dir = copies();
    let ordinary = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let ran = plain(ordinary)
        .args([dir.file("jail").as_str(), "doctor", "--json"])
        .cwd("/")
        .output();
    let document = document(&ran.ends_with(0));
    assert_eq!(document["user"], 65534);
    assert_eq!(document["runs"], true);
}

#[test]
fn under_a_tracer_it_names_the_tracer() {
    let (code, answer) = match landlock_abi() {
        ..6 => (1, "cannot run here"),
        _ => (0, "can run here only without a supervisor"),
    };
    let reason = |tracer: &str| {
        format!("{answer}: cannot trace the command: it is already traced by {tracer} (pid ")
    };
    let inside = jail(["--policy", "permissive", "--", JAIL, "doctor"]).output();
    answers(inside, code, &reason("jail")).says_part("traced by jail");
    let strace = ["strace", "-f", "-o", "/dev/null"];
    if plain(strace).args(["true"]).output().code() != Some(0) {
        println!("NOT TRIED HERE: strace is missing, or cannot trace");
        return;
    }
    let ran = plain(strace).args([JAIL, "doctor"]).output();
    answers(ran, code, &reason("strace"));
}

/// The output on a terminal of its own.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let mut master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).expect("a terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let name = ptsname_r(&master).expect("its name");
    let slave = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(name)
        .expect("the terminal");
    let mut command = Command::new(JAIL);
    command.arg("doctor").stdin(Stdio::null());
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command.envs(variables.iter().copied());
    command.stdout(slave).stderr(Stdio::null());
    let mut child = command.spawn().expect("jail");
    drop(command);
    let mut bytes = Vec::new();
    // EIO: the last writer has gone.
    let _ = master.read_to_end(&mut bytes);
    child.wait().expect("its end");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn colours_are_for_terminals_that_show_them() {
    assert!(on_a_terminal(&[]).contains("\u{1b}["));
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = on_a_terminal(&[variable]);
        assert!(
            text.contains("can run here") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
    assert!(!jail(["doctor"]).output().out.contains('\u{1b}'));
    let ran = jail(["doctor", "--color", "always"]).output();
    ran.says_part("\u{1b}[");
}
