//! What is said of denied paths, on stderr and in the log.

use super::scene::{SUBTREES, Scene, run};
use crate::support::landlock::{lacks, landlocks};
use crate::support::schema::fitting_lines;
use crate::support::{JAIL, starting};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

/// Beneath `[fs]`, which is line 2 of the file.
const DENIED: &str = r#"read  = ["@/r"]
write = ["@/w"]
deny  = [{ path = "@/w/**/secret-*", why = "not yours" }]
"#;

const HINT: &str = "--trace-denials";

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("w/d/secret-x", "x");
    scene.link("d", "w/link");
    scene
}

#[test]
fn a_denial_names_both_paths_what_was_wanted_its_line_and_a_remedy() {
    let scene = scene();
    let policy = scene.policy(DENIED);
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &["/bin/cat", "link/secret-x"]));
        ran.ends_with(1)
            .complains(&scene.text("jail: denied read of @/w/d/secret-x "))
            .complains(&scene.text("/scene.toml:5 \"@/w/**/secret-*\"]"))
            .complains("by cat (pid ")
            .complains("openat(AT_FDCWD, \"link/secret-x\", O_RDONLY)")
            .complains("why: not yours")
            .complains("to allow: remove or narrow fs.deny at ");
    }
}

#[test]
fn each_access_is_named_for_what_it_wants() {
    let scene = scene();
    scene.program("none/program", "#!/bin/sh\n");
    let policy = scene.policy(DENIED);
    let cases = [
        ("echo > @/r/file", "write of @/r/file", "to write in [fs]"),
        ("mkdir @/r/new", "write of @/r/new", "to write in [fs]"),
        ("rm -f @/r/file", "write of @/r/file", "to write in [fs]"),
        (
            "chmod 600 @/r/file",
            "write of @/r/file",
            "to write in [fs]",
        ),
        ("cat @/none/file", "read of @/none/file", "to read in [fs]"),
        ("ls @/none", "read of @/none", "to read in [fs]"),
        (
            "@/none/program",
            "exec of @/none/program",
            "to exec in [fs]",
        ),
    ];
    for (script, message, remedy) in cases {
        let script = scene.text(script);
        let options = ["--trace-denials", "--policy", &policy, "--"];
        for landlock in landlocks() {
            let ran = run(scene.with(landlock, &options, &["/bin/sh", "-c", &script]));
            let ran = ran.complains(&scene.text(&format!("jail: denied {message} ")));
            // A name is removed from its directory.
            let at = match script.starts_with("rm ") {
                true => "@/r",
                false => message.split(' ').next_back().unwrap_or_default(),
            };
            let ran = ran.complains(&scene.text(&format!("add \"{at}\" {remedy} of ")));
            assert_ne!(ran.code(), Some(0), "{script}");
        }
    }
}

#[test]
fn the_log_has_the_path_as_an_object() {
    let scene = scene();
    let policy = scene.policy(DENIED);
    for landlock in landlocks() {
        let log = scene.at("log.jsonl");
        let options = ["--log", &log, "--policy", &policy, "--"];
        let command = ["/bin/cat", "link/secret-x", "d/secret-x"];
        run(scene.with(landlock, &options, &command)).ends_with(1);
        let text = fs::read_to_string(&log).expect("the log");
        let events = fitting_lines("log", &text);
        let denied: Vec<&Value> = events.iter().filter(|e| e["event"] == "denied").collect();
        let [first, second] = denied.as_slice() else {
            panic!("two denials are logged: {text}");
        };
        assert_eq!(first["path"]["access"], "read");
        assert_eq!(first["path"]["given"], "link/secret-x");
        assert_eq!(second["path"]["given"], "d/secret-x");
        for event in denied {
            assert_eq!(event["path"]["resolved"], scene.at("w/d/secret-x").as_str());
            assert_eq!(event["reason"]["kind"], "path");
            assert_eq!(event["reason"]["line"], 5);
            assert_eq!(event["reason"]["why"], "not yours");
            assert_eq!(event["errno"], "EACCES");
        }
        // A denial that is about no path has none.
        let socket = ["--log", &log, "--policy", "offline", "--"];
        let command = [
            "/usr/bin/perl",
            "-MSocket",
            "-e",
            "socket(S, PF_INET, SOCK_STREAM, 0)",
        ];
        run(scene.with(landlock, &socket, &command));
        let text = fs::read_to_string(&log).expect("the log");
        let denied = text
            .lines()
            .find(|line| line.contains("\"denied\",\"time\""));
        assert!(!denied.unwrap_or_default().contains("\"path\":{"), "{text}");
    }
}

#[test]
fn a_command_that_failed_where_landlock_is_silent_gets_a_hint() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let failing = scene.at("none/file");
    for landlock in [None, Some("1")] {
        if lacks(landlock) {
            continue;
        }
        let ran = run(scene.within(landlock, &policy, &["/bin/cat", &failing]));
        let ran = ran.ends_with(1).complains(HINT);
        assert!(!ran.err.contains("jail: denied"), "{}", ran.err);
        // It names the command line, and is there beside another denial, too.
        let again = format!("jail --trace-denials --policy {policy} -- /bin/cat {failing}\n");
        let ran = ran.complains(&again);
        drop(ran);
        let script = format!("chmod 600 {failing}; cat {failing}");
        run(scene.within(landlock, &policy, &["/bin/sh", "-c", &script]))
            .ends_with(1)
            .complains("jail: denied write of ")
            .complains(&format!("-c '{script}'\n"));
        let good = scene.at("r/file");
        let ran = run(scene.within(landlock, &policy, &["/bin/cat", &good])).ends_with(0);
        assert_eq!(ran.err, "");
        let quiet = ["--quiet", "--policy", &policy, "--"];
        let ran = run(scene.with(landlock, &quiet, &["/bin/cat", &failing])).ends_with(1);
        assert!(!ran.err.contains("jail:"), "{}", ran.err);
    }
    // Without Landlock everything is seen: there is nothing to hint at.
    let ran = run(scene.within(Some("0"), &policy, &["/bin/cat", &failing])).ends_with(1);
    let ran = ran.complains("jail: denied read of ");
    assert!(!ran.err.contains(HINT), "{}", ran.err);
}

/// A command that reads what the policy denies, and ends with 0 all the same.
#[test]
fn a_denial_of_landlock_is_reported_at_a_terminal() {
    if lacks(Some("1")) {
        return;
    }
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let script = format!("cat {} 2>/dev/null; true", scene.at("none/file"));
    let told = |options: &[&str]| {
        let pty = nix::pty::openpty(None, None).expect("a terminal");
        let _starting = starting();
        let status = Command::new(JAIL)
            .args(options)
            .args(["--color=never", "--policy", &policy, "--"])
            .args(["/bin/sh", "-c", &script])
            .env("JAIL_LANDLOCK_ABI", "1")
            .current_dir(scene.at("w"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(pty.slave))
            .status();
        assert!(status.expect("jail").success());
        // What is left of a terminal that nothing has open any more, then EIO.
        let mut shown = Vec::new();
        let _ = fs::File::from(pty.master).read_to_end(&mut shown);
        String::from_utf8(shown).expect("UTF-8")
    };
    let shown = told(&[]);
    assert!(shown.contains("jail: denied read of "), "{shown}");
    assert_eq!(told(&["--trace-denials=never"]), "");
    assert_eq!(told(&["--quiet"]), "");
    let piped = scene.within(Some("1"), &policy, &["/bin/sh", "-c", &script]);
    assert_eq!(run(piped).ends_with(0).err, "");
}

/// What Landlock denies is reported as what the supervisor denies, each in its own words, and nothing is
/// reported that the kernel has refused for another reason.
#[test]
fn each_denial_of_landlock_is_reported_where_that_is_asked_for() {
    const SILENT: &str = "";
    let cases = [
        ("cat @/none/file", "read of @/none/file"),
        ("cat none-link", "read of @/none/file"),
        ("cat ../none/file", "read of @/none/file"),
        ("cd @/none && cat file", "read of @/none/file"),
        ("ls @/none", "read of @/none"),
        ("echo > @/r/file", "write of @/r/file"),
        ("echo > @/r/new", "write of @/r/new"),
        ("mkdir @/r/new", "write of @/r/new"),
        ("rm -f @/r/file", "write of @/r/file"),
        ("rmdir @/r/sub", "write of @/r/sub"),
        ("ln -s x @/r/new", "write of @/r/new"),
        ("mkfifo @/r/new", "write of @/r/new"),
        ("mv file @/r/new", "write of @/r/new"),
        ("ln file @/r/new", "write of @/r/new"),
        ("@/none/program", "exec of @/none/program"),
        ("./script", "exec of @/none/program"),
        (
            "perl -e 'truncate(\"@/r/file\", 0) or exit 1'",
            "write of @/r/file",
        ),
        (
            "@/bin/files bind absolute @/r new; false",
            "write of @/r/new",
        ),
        ("cat @/none/missing", SILENT),
        ("mkdir @/r/sub", SILENT),
        ("cat @/r/missing", SILENT),
        ("rm @/w/missing", SILENT),
        ("cat @/r/file > @/w/copy && rm @/w/copy && false", SILENT),
    ];
    for landlock in [None, Some("1")] {
        if lacks(landlock) {
            continue;
        }
        for (script, message) in cases {
            let scene = Scene::new();
            scene.program("none/program", "#!/bin/sh\n");
            scene.program("w/script", &scene.text("#!@/none/program\n"));
            scene.link("../none/file", "w/none-link");
            scene.write("w/file", "x");
            fs::create_dir(scene.at("r/sub")).expect("a directory");
            let policy = SUBTREES.replace(r#"exec  = ["@/bin"#, r#"exec  = ["@/w", "@/bin"#);
            let policy = scene.policy(&policy);
            let options = ["--trace-denials", "--policy", &policy, "--"];
            let script = scene.text(script);
            let ran = run(scene.with(landlock, &options, &["/bin/sh", "-c", &script]));
            let told = ran.err.matches("jail: denied ").count();
            assert!(ran.code() != Some(0), "{script}: {}", ran.err);
            match message {
                SILENT => assert_eq!(told, 0, "{script}: {}", ran.err),
                _ => {
                    let message = scene.text(&format!("jail: denied {message} "));
                    let ran = ran.complains(&message);
                    assert!(told <= 2, "{script}: {}", ran.err);
                }
            }
        }
    }
}

#[test]
fn traced_denials_name_the_default_or_the_line() {
    let scene = scene();
    let traced = |policy: &str, path: &str| {
        let options = ["--trace-denials", "--policy", policy, "--"];
        run(scene.with(None, &options, &["/bin/cat", &scene.at(path)])).ends_with(1)
    };
    let subtrees = scene.policy(SUBTREES);
    let ran = traced(&subtrees, "none/file");
    let ran = ran.complains(&scene.text("jail: denied read of @/none/file "));
    let ran = ran.complains("[default of base]");
    assert!(!ran.err.contains(HINT), "{}", ran.err);
    let denied = scene.policy(DENIED);
    traced(&denied, "w/d/secret-x").complains("/scene.toml:5 \"");
}

#[test]
fn a_command_that_the_policy_denies_is_found_but_not_runnable() {
    let scene = Scene::new();
    let program = scene.program("bin/denied", "#!/bin/sh\necho ran\n");
    let policy = scene.policy(&format!("{SUBTREES}deny = [\"@/bin/denied\"]\n"));
    run(scene.outside(&[&program])).ends_with(0).says("ran\n");
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &[&program]));
        let ran = ran.ends_with(126).says("");
        ran.complains(&program);
    }
    // What no entry names may be run, if it is the command.
    let policy = scene.policy("read = [\"@/r\"]\n");
    for landlock in landlocks() {
        run(scene.within(landlock, &policy, &[&program]))
            .ends_with(0)
            .says("ran\n");
    }
}
