//! `jail attack`: no attack escapes from a preset, each one works where there is no jail, and an escape is
//! reported.

#[path = "../support/mod.rs"]
mod support;

use jail::internal::attack::{Rehearsed, rehearse};
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::schema::fitting;
use support::{Dir, JAIL, copy, is_root, jail, plain};

/// Where a test that root has started again as an ordinary user finds jail.
const AGAIN: &str = "JAIL_TEST_ATTACK";

/// The results as JSON, of a command that must end with this code.
#[track_caller]
fn results(arguments: &[&str], code: i32) -> Value {
    let words = ["attack", "--json", "--seconds", "0.03"];
    let ran = jail(words).args(arguments).output().ends_with(code);
    fitting("attack", &ran.out)
}

/// Each attack with its result and its detail.
fn rows(document: &Value) -> Vec<(&str, &str, &str)> {
    let attacks = document["attacks"].as_array().expect("attacks");
    let text = |value: &'_ Value| value.as_str().expect("a text").to_owned().leak() as &str;
    let row = |row: &Value| {
        (
            text(&row["name"]),
            text(&row["result"]),
            text(&row["detail"]),
        )
    };
    attacks.iter().map(row).collect()
}

/// The presets under which a program can start.
fn presets() -> Vec<String> {
    let listed = jail(["presets"]).output().ends_with(0).out;
    let names = listed.lines().filter(|line| !line.starts_with(' '));
    let names: Vec<String> = names
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn no_attack_escapes_from_a_preset() {
    for preset in presets() {
        // Those that only add entries need what they are added to.
        let part = ["deny-metadata", "protect-credentials", "protect-triggers"];
        let arguments = match part.contains(&preset.as_str()) {
            true => vec!["--policy", "base", "--policy", &preset],
            false => vec!["--policy", &preset],
        };
        let document = results(&arguments, 0);
        let rows = rows(&document);
        let count = |word| rows.iter().filter(|(_, result, _)| *result == word).count();
        assert!(
            rows.len() >= 50 && count("escaped") == 0,
            "{preset}: {rows:#?}"
        );
        // Whatever a policy allows, these stay closed.
        assert!(count("contained") >= 10, "{preset}: {rows:#?}");
        let started = |(_, _, detail): &(&str, &str, &str)| !detail.contains("cannot start");
        assert!(rows.iter().all(started), "{preset}: {rows:#?}");
    }
}

#[test]
fn limits_and_names_are_attacked_where_the_policy_has_them() {
    let set = [
        "--set",
        "limits.processes=100",
        "--set",
        "limits.output=1MiB",
        "--set",
        "limits.wall=1m",
    ];
    let name = ["--policy", "base", "--allow-net", "registry.example:44301"];
    let attacks = ["processes", "output", "time", "forged-answer"];
    let only: Vec<&str> = attacks.iter().flat_map(|name| ["--only", name]).collect();
    let document = results(&[&name[..], &set, &only].concat(), 0);
    for (name, result, detail) in rows(&document) {
        assert_eq!(result, "contained", "{name}: {detail}");
    }
}

/// The attacks run under a policy that allows what the judged one denies, as if the jail did not hold.
#[test]
fn an_escape_is_reported_with_what_was_reached() {
    let broken = || jail(["attack", "--policy", "base"]).env("JAIL_ATTACK_UNDER", "permissive");
    let expected = [
        ("open", "the secret outside was read"),
        ("write", "the file outside was"),
        ("execute", "the denied program was executed"),
        ("tcp", "the suite's TCP listener was reached"),
        (
            "abstract-socket",
            "an abstract unix socket outside was reached",
        ),
    ];
    let names = expected.iter().map(|(name, _)| *name).chain(["signal"]);
    let only: Vec<&str> = names.flat_map(|name| ["--only", name]).collect();
    let ran = broken().args(["--json"]).args(only).output().ends_with(1);
    let document = fitting("attack", &ran.out);
    let rows = rows(&document);
    for (name, reached) in expected {
        let row = rows.iter().find(|(found, ..)| *found == name).expect(name);
        assert!(row.1 == "escaped" && row.2.starts_with(reached), "{row:?}");
    }
    // What the jail holds under every policy is not said to have escaped.
    let signal = rows
        .iter()
        .find(|(name, ..)| *name == "signal")
        .expect("signal");
    assert_eq!(signal.1, "contained", "{signal:?}");
    let ran = broken().args(["--only", "open"]).output().ends_with(1);
    assert!(
        ran.out
            .contains("open  escaped  the secret outside was read: "),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .ends_with("0 contained, 1 escaped, 0 not applicable\n"),
        "{}",
        ran.out
    );
}

#[test]
fn what_the_policy_allows_openly_is_not_applicable() {
    let document = results(
        &[
            "--policy",
            "permissive",
            "--only",
            "open",
            "--only",
            "signal",
        ],
        0,
    );
    let rows = rows(&document);
    let expected = (
        "open",
        "not-applicable",
        "the policy lets the command read the file outside",
    );
    assert_eq!(rows.first(), Some(&expected));
    assert_eq!(rows.get(1).map(|row| row.1), Some("contained"), "{rows:?}");
}

/// Each attack has its scene removed, and no process of it is left.
#[test]
fn the_table_fits_80_columns_and_nothing_is_left_behind() {
    let dir = Dir::new();
    let attack = jail(["attack", "--policy", "workspace", "--seconds", "0.05"]);
    let ran = attack.env("TMPDIR", dir.path()).output().ends_with(0);
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("\nraces\n") && ran.out.contains("x32-call"),
        "{}",
        ran.out
    );
    // One directory for the temporary directories of this user may stay, and is empty.
    for entry in std::fs::read_dir(dir.path())
        .expect("the directory")
        .flatten()
    {
        let left = std::fs::read_dir(entry.path()).expect("a directory");
        let left: Vec<_> = left.flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let directory = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
        let place = directory.display();
        assert!(
            !directory.starts_with(dir.path()),
            "{:?} in {place}",
            process.path()
        );
    }
}

#[test]
fn what_cannot_be_tried_is_an_error() {
    let fails = |arguments: &[&str], message: &str| {
        let ran = jail(["attack"]).args(arguments).output().ends_with(125);
        assert!(ran.err.contains(message), "{}", ran.err);
        assert_eq!(ran.out, "");
    };
    fails(
        &["--only", "opne"],
        "there is no attack `opne`; did you mean `open`?",
    );
    fails(&["--policy", "deny-metadata"], "it allows no system calls");
    fails(&["--policy", "none"], "unknown preset `none`");
    fails(&["--seconds", "x"], "give a number of seconds");
    // The suite's own program lies where the policy lets nothing be executed.
    let above = Path::new(JAIL)
        .parent()
        .and_then(Path::to_str)
        .expect("a directory");
    fails(
        &["--policy", "base", "--deny", above, "--only", "open"],
        "no attack can start: under base",
    );
    let listed = jail(["attack", "--list"]).output().ends_with(0).out;
    assert!(listed.lines().count() >= 50, "{listed}");
}

#[test]
fn an_attack_does_not_run_outside_of_a_jail() {
    let ran = jail(["attack-inside", "open", "{}"]).output();
    // A container may have a filter of its own, which this cannot be told from.
    match std::fs::read_to_string("/proc/self/status").unwrap_or_default() {
        status if status.contains("Seccomp:\t0") => {
            ran.ends_with(125)
                .complains("attack-inside only runs in a jail");
        }
        _ => println!("NOT TRIED HERE: this process is under a filter already"),
    }
}

/// The same as an ordinary user, with copies that this user can read.
fn again_as_an_ordinary_user(test: &str) {
    let dir = Dir::new();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).expect("chmod");
    let own = std::env::current_exe().expect("a path");
    let (tests, binary) = (dir.file("tests"), dir.file("jail"));
    copy(own, &tests);
    copy(JAIL, &binary);
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
    ];
    let ran = plain(user)
        .args([&tests, test, "--exact", "--nocapture"])
        .env(AGAIN, &binary)
        .env("HOME", dir.path())
        .env("TMPDIR", dir.path())
        .cwd(dir.path())
        .output();
    print!("{}", ran.out);
    ran.ends_with(0);
}

/// Attacks run here without a jail, as an ordinary user, and aim at what the suite has made.
#[test]
fn each_attack_works_without_a_jail() {
    if is_root() {
        return again_as_an_ordinary_user("each_attack_works_without_a_jail");
    }
    let program = std::env::var_os(AGAIN).map_or_else(|| PathBuf::from(JAIL), PathBuf::from);
    let dir = Dir::new();
    let start = |words: &[OsString], work: &Path, _: &[String]| {
        let (program, arguments) = words.split_first().expect("a program");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(work)
            .env("JAIL_ATTACK_UNJAILED", "1");
        command
    };
    let rehearsed = rehearse(&program, dir.path(), 1.0, &start).expect("a scene");
    let mut stopped = Vec::new();
    for (name, result) in rehearsed {
        match result {
            Rehearsed::Reached(what) => println!("{name}: {what}"),
            Rehearsed::Impossible(why) => println!("NOT TRIED HERE: {name}: {why}"),
            // There is no supervisor that could be held up; but the wait is one.
            Rehearsed::Stopped(why) if why.starts_with("the others went on while") => {}
            Rehearsed::Stopped(why) => stopped.push(format!("{name}: {why}")),
        }
    }
    assert!(stopped.is_empty(), "{stopped:#?}");
}
