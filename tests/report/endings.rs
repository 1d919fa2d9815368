//! Each way to end.

use crate::support::{Dir, Ran, jail, permissive, probe, token};
use crate::{read, report};
use serde_json::{Value, json};

/// The exit code of jail, and what the report says of the end.
#[track_caller]
fn ending(ran: &Ran, report: &Value, code: i32, ending: &str) {
    let found = (
        ran.code(),
        report["ending"].as_str(),
        report["exit_code"].as_i64(),
    );
    let expected = (Some(code), Some(ending), Some(i64::from(code)));
    if found != expected {
        ran.fail(&format!("{found:?} is not {expected:?}: {report:#}"));
    }
}

#[test]
fn a_command_that_exits_is_reported_with_its_own_code() {
    for own in [0, 3, 124, 125, 126, 127, 159] {
        let (ran, report) = report("permissive", &[], &["sh", "-c", &format!("exit {own}")]);
        ending(&ran, &report, own, "exited");
        assert_eq!(report["code"], own);
        assert!(report["signal"].is_null() && report["error"].is_null());
        assert_eq!(
            report["command"],
            json!(["sh", "-c", format!("exit {own}")])
        );
        assert_eq!(report["policy"]["name"], "permissive");
        let digest = report["policy"]["digest"].as_str().unwrap_or_default();
        assert!(
            digest.starts_with("fnv1a128:") && digest.len() == 41,
            "{digest}"
        );
        assert!(
            report["program"]
                .as_str()
                .is_some_and(|path| path.ends_with("/sh"))
        );
        assert_eq!(report["version"], 1);
        assert_eq!(report["jail"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            report["denied"],
            json!({"total": 0, "first": null, "counts": []})
        );
    }
}

#[test]
fn a_command_that_a_signal_ended_is_reported_with_the_signal() {
    for (name, number) in [("SIGSEGV", 11), ("SIGKILL", 9), ("SIGRTMIN+3", 37)] {
        let script = format!("echo $$; kill -{number} $$");
        let (ran, report) = report("permissive", &[], &["sh", "-c", &script]);
        ending(&ran, &report, 128 + number, "signalled");
        assert_eq!(report["signal"], json!({"name": name, "number": number}));
        assert!(report["code"].is_null());
        assert_eq!(report["pid"].to_string(), ran.out.trim());
    }
}

#[test]
fn what_killed_the_jail_is_reported_with_its_line_and_why() {
    let dir = Dir::new();
    let policy = dir.write(
        "kill.toml",
        "extends = [\"permissive\"]\n[syscalls]\ngetppid = { action = \"kill\", why = \"no\" }\n",
    );
    let (ran, report) = report(&policy, &[], &[probe(), "ids"]);
    ending(&ran, &report, 159, "policy");
    assert_eq!(ran.out, "");
    let killed = &report["killed_by"];
    assert_eq!(killed["call"], "getppid()");
    assert_eq!(killed["action"], "kill");
    let reason =
        json!({"kind": "entry", "source": policy, "line": 3, "entry": "getppid", "why": "no"});
    assert_eq!(killed["reason"], reason);
    assert_eq!(killed["ancestry"], json!(["probe"]));
    assert!(report["denied"]["first"].is_null());
}

#[test]
fn a_command_that_is_not_found_or_not_executable_is_not_started() {
    let dir = Dir::new();
    let data = dir.write("data", "#!/bin/sh\n");
    let script = dir.program("script", "#!/nonexistent/interpreter\n");
    for (command, code, words) in [
        ("nosuchcmd", 127, "nosuchcmd"),
        (data.as_str(), 126, "not executable"),
        (script.as_str(), 127, "interpreter"),
    ] {
        let (ran, report) = report("permissive", &[], &[command]);
        ending(&ran, &report, code, "not-started");
        let error = report["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{error}");
        for field in [
            "code",
            "signal",
            "wall",
            "cpu",
            "memory",
            "tasks",
            "processes",
            "killed_by",
        ] {
            assert!(report[field].is_null(), "{field} of {report:#}");
        }
    }
}

#[test]
fn whatever_is_wrong_with_the_policy_or_the_command_line_is_reported() {
    let dir = Dir::new();
    let bad = dir.write(
        "bad.toml",
        "default = \"maybe\"\n[syscalls]\nsokcet = \"deny\"\n",
    );
    let cases: [(&str, &[&str], &str); 5] = [
        (&bad, &[], "sokcet"),
        ("nosuchpreset", &[], "nosuchpreset"),
        ("permissive", &["--pass-fd", "77"], "--pass-fd 77"),
        ("permissive", &["--env", "=x"], "NAME=VALUE"),
        ("permissive", &["--log", "/nonexistent/log"], "--log"),
    ];
    for (policy, options, words) in cases {
        let (ran, report) = report(policy, options, &["true"]);
        ending(&ran, &report, 125, "not-started");
        let error = report["error"].as_str().unwrap_or_default();
        assert!(error.contains(words) && !error.contains('\x1b'), "{error}");
        assert_eq!(report["command"], json!(["true"]));
        assert_eq!(report["policy"], json!({"name": policy, "digest": null}));
        assert!(report["program"].is_null() && report["pid"].is_null());
    }
}

#[test]
fn a_time_limit_is_told_from_a_commands_own_124() {
    let dir = Dir::new();
    let limits = "extends = [\"permissive\"]\n[limits]\nwall = \"300ms\"\ngrace = \"100ms\"\n";
    let policy = dir.write("limits.toml", limits);
    let (ran, report) = report(&policy, &[], &["sleep", "30"]);
    ending(&ran, &report, 124, "time");
    // The clock that watches it is none of the command's.
    assert_eq!(report["processes"], 1);
    assert_eq!(report["tasks"], json!({"most": 1, "total": 1}));
}

#[test]
fn a_daemon_is_waited_for_and_counted() {
    let dir = Dir::new();
    let done = dir.file("done");
    let (ran, report) = report("permissive", &[], &[probe(), "daemon", &done, "300"]);
    ending(&ran, &report, 3, "exited");
    assert_eq!(std::fs::read_to_string(done).ok().as_deref(), Some("done"));
    assert_eq!(report["processes"], 3);
    assert!(report["wall"].as_f64() >= Some(0.3), "{report:#}");
}

#[test]
fn a_daemon_that_is_killed_with_the_command_is_counted_too() {
    let done = format!("/nonexistent/{}", token());
    let (ran, report) = report(
        "permissive",
        &["--kill-on-exit"],
        &[probe(), "daemon", &done, "20000"],
    );
    ending(&ran, &report, 3, "exited");
    assert_eq!(report["code"], 3);
    assert_eq!(report["processes"], 3);
    assert!(report["wall"].as_f64() < Some(10.0), "{report:#}");
}

#[test]
fn the_first_denial_is_reported_with_its_line_and_all_are_counted() {
    let dir = Dir::new();
    let secret = dir.write("secret", "x");
    let policy = dir.write(
        "deny.toml",
        format!(
            "extends = [\"permissive\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\ndeny = [{{ path = {secret:?}, why = \"hush\" }}]\n\
             [net]\nconnect = [\"*:*\"]\ndeny = [\"127.0.0.9:9\"]\n"
        ),
    );
    let read = format!("cat {secret} 2>&-");
    let connect = "(: <>/dev/tcp/127.0.0.9/9) 2>&-";
    for quiet in [&["--quiet"] as &[&str], &[]] {
        let script = format!("{read}; {connect}; {read}; exit 4");
        let (ran, report) = report(&policy, quiet, &["bash", "-c", &script]);
        ending(&ran, &report, 4, "exited");
        let denied = &report["denied"];
        assert_eq!(denied["total"], 3, "{denied:#}");
        let first = &denied["first"];
        let path = json!({"access": "read", "given": secret, "resolved": secret});
        assert_eq!(first["path"], path, "{first:#}");
        let reason =
            json!({"kind": "path", "source": policy, "line": 5, "entry": secret, "why": "hush"});
        assert_eq!(first["reason"], reason);
        assert_eq!(first["ancestry"], json!(["bash", "cat"]));
        assert_eq!(denied["counts"][0]["times"], 2);
        assert_eq!(denied["counts"][0]["reason"], reason);
        assert_eq!(denied["counts"][1]["reason"]["line"], 8);

        let script = format!("{connect}; {read}; exit 4");
        let (_, report) = report_of_peer(&policy, quiet, &script);
        let first = &report["denied"]["first"];
        let peer = json!({"way": "connect", "endpoint": "127.0.0.9:9", "names": []});
        assert_eq!(first["peer"], peer, "{first:#}");
        assert_eq!(first["reason"]["line"], 8);
        assert!(
            first["advice"]
                .as_str()
                .is_some_and(|text| text.contains("net.deny"))
        );
    }
}

fn report_of_peer(policy: &str, options: &[&str], script: &str) -> (Ran, Value) {
    report(policy, options, &["bash", "-c", script])
}

#[test]
fn a_command_whose_jail_was_interrupted_is_signalled() {
    let dir = Dir::new();
    let file = dir.file("report.json");
    let mut running = jail(["--policy", "permissive", "--report", &file, "--"])
        .args(["sh", "-c", "echo ready; exec sleep 30"])
        .start();
    running.line("ready");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let ran = running.finish();
    ending(&ran, &read(&file), 143, "signalled");
}

#[test]
fn without_the_option_there_is_no_report() {
    let dir = Dir::new();
    permissive(["true"]).cwd(dir.path()).output().ends_with(0);
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("a directory").count(),
        0
    );
}
