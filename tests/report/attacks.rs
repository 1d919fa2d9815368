//! What a command does to change the report, or to delay it.

use crate::read;
use crate::support::schema::fitting;
use crate::support::{Dir, JAIL, Run, copy, is_root, jail, plain, probe};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// How long after its time limit a jail may end, on a slow machine.
const SLACK: Duration = Duration::from_secs(15);

/// Everything may be done for a second; what is asked about its parent is denied.
const POLICY: &str = "extends = [\"permissive\"]\n[syscalls]\ngetppid = \"EPERM\"\n\
    [limits]\nwall = \"1s\"\ngrace = \"100ms\"\n";

/// `jail` with a report, under a policy with a limit of time.
fn limited(dir: &Dir, options: &[&str], command: &[&str]) -> Run {
    dir.write("policy.toml", POLICY);
    let fixed = ["--policy", "policy.toml", "--report", "report.json"];
    jail(fixed.iter().chain(options).chain(&["--"]).chain(command)).cwd(dir.path())
}

#[test]
fn whatever_a_command_does_the_report_says_how_it_ended_and_in_time() {
    // The exit code, and the ending: by itself, or by the limit of time.
    for (way, code, ending) in [
        ("closes", 5, "exited"),
        ("fills", 5, "exited"),
        ("truncates", 5, "exited"),
        ("replaces", 5, "exited"),
        ("of-its-parent", 5, "exited"),
        ("renames-itself", 5, "exited"),
        ("daemonizes", 124, "time"),
        ("stops", 124, "time"),
        ("stops-threads", 124, "time"),
        ("exits-stopping", 5, "exited"),
        ("leader-gone", 124, "time"),
        ("zombie-leaders", 124, "time"),
        ("exits-in-thread", 5, "exited"),
        ("ignores-all", 124, "time"),
    ] {
        let dir = Dir::new();
        let begin = Instant::now();
        let ran = limited(&dir, &[], &[probe(), "meddles", way]).output();
        let took = begin.elapsed();
        let report = read(dir.file("report.json"));
        let found = (ran.code(), &report["exit_code"], &report["ending"]);
        if found != (Some(code), &code.into(), &ending.into()) {
            ran.fail(&format!("{way}: {found:?}"));
        }
        assert!(took < SLACK, "{way}: {took:?}");
    }
}

#[test]
fn what_lives_on_in_the_background_ends_with_the_command_where_that_is_asked() {
    for way in ["daemonizes", "zombie-leaders"] {
        let dir = Dir::new();
        let meddle = r#"exec "$0" meddles daemonizes"#;
        let command: &[&str] = match way {
            "daemonizes" => &["sh", "-c", meddle, probe()],
            _ => &[
                "sh",
                "-c",
                r#""$0" meddles zombie-leaders & exit 5"#,
                probe(),
            ],
        };
        let ran = limited(&dir, &["--kill-on-exit"], command).output();
        ran.ends_with(5);
        let report = read(dir.file("report.json"));
        assert_eq!(
            (&report["ending"], &report["code"]),
            (&"exited".into(), &5.into()),
            "{way}"
        );
    }
}

/// Where the supervisor makes calls on sockets, on the same open file.
#[test]
fn a_socket_that_is_closed_by_the_supervisor_last_is_not_lingered_for() {
    for policy in [
        "[net]\ndeny = [\"10.9.9.9:9\"]\n",
        "[fs]\ndeny = [\"**/.env\"]\n",
    ] {
        let dir = Dir::new();
        dir.write("policy.toml", format!("default = \"allow\"\n{policy}"));
        let begin = Instant::now();
        jail([
            "--policy",
            "policy.toml",
            "--",
            probe(),
            "meddles",
            "lingers",
        ])
        .cwd(dir.path())
        .output()
        .ends_with(5);
        let took = begin.elapsed();
        assert!(took < SLACK, "{policy}: {took:?}");
    }
}

/// What it is called by is a text in the document, and nothing else.
#[test]
fn a_name_is_no_part_of_the_document() {
    let dir = Dir::new();
    let name = "x\",\"exit_code\":0,\"\u{1b}]0;\n{}\\";
    copy(probe(), dir.path().join(name));
    let command = format!("./{name}");
    let ran = limited(&dir, &["--quiet"], &[&command, "meddles", "renames-itself"]).output();
    ran.ends_with(5);
    let text = std::fs::read_to_string(dir.path().join("report.json")).expect("a report");
    let control = text.trim_end().chars().find(|char| char.is_control());
    assert_eq!(control, None, "{text}");
    let report = read(dir.file("report.json"));
    assert_eq!(report["exit_code"], 5);
    assert_eq!(report["command"][0], command.as_str());
    assert_eq!(report["denied"]["first"]["syscall"], "getppid");
}

/// Where the supervisor makes what the command asks for, it takes over its umask.
#[test]
fn the_umask_of_a_command_is_not_the_reports() {
    for mask in ["000", "777"] {
        let dir = Dir::new();
        let policy = "default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n";
        dir.write("deny.toml", policy);
        let own = r#"umask 027 && exec "$@""#;
        let script = format!("umask {mask}; mkdir d; exit 5");
        plain(["sh", "-c", own, "sh", JAIL, "--policy", "deny.toml"])
            .args(["--report", "report.json", "--", "sh", "-c", &script])
            .cwd(dir.path())
            .output()
            .ends_with(5);
        let is = std::fs::metadata(dir.path().join("report.json")).expect("a report");
        assert_eq!(is.permissions().mode() & 0o777, 0o640, "umask {mask}");
        let made = std::fs::metadata(dir.path().join("d"))
            .expect("d")
            .permissions();
        let expected = 0o777 & !u32::from_str_radix(mask, 8).expect("octal");
        assert_eq!(made.mode() & 0o777, expected, "umask {mask}");
        let _ = std::fs::set_permissions(dir.path().join("d"), PermissionsExt::from_mode(0o700));
    }
}

#[test]
fn a_command_that_is_killed_from_outside_is_reported_so() {
    let dir = Dir::new();
    let command = ["sh", "-c", "echo pid $$; exec sleep 30"];
    let mut running = limited(&dir, &[], &command).start();
    let pid = running.line("pid ").parse().expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill");
    running.finish().ends_with(137);
    let report = read(dir.file("report.json"));
    assert_eq!(
        (&report["ending"], &report["pid"]),
        (&"signalled".into(), &pid.into())
    );
}

/// A pipe that is full: nobody reads it, and its reader is there.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("F_SETFL");
    let mut file = std::fs::File::from(writer);
    while file.write(&[b'x'; 512]).is_ok() {}
    let writer = OwnedFd::from(file);
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("F_SETFL");
    (reader, writer)
}

/// Its stderr is the command's, too, which fills it and then is told of.
#[test]
fn a_stderr_without_a_reader_delays_no_report() {
    let dir = Dir::new();
    let (_reader, writer) = full_pipe();
    // As stdin it is passed on to be stderr.
    let script = r#"exec "$@" 2>&0 0</dev/null"#;
    let command = r#""$0" meddles renames-itself; exec "$0" meddles exits-in-thread"#;
    dir.write("policy.toml", POLICY);
    let begin = Instant::now();
    plain([
        "sh",
        "-c",
        script,
        "sh",
        JAIL,
        "--policy",
        "policy.toml",
        "--stats",
    ])
    .args([
        "--report",
        "report.json",
        "--",
        "sh",
        "-c",
        command,
        probe(),
    ])
    .cwd(dir.path())
    .stdin(writer)
    .output()
    .ends_with(5);
    assert!(begin.elapsed() < SLACK);
    let report = read(dir.file("report.json"));
    assert_eq!(report["ending"], "exited");
    assert!(report["denied"]["total"].as_u64() > Some(1));
}

#[test]
fn a_descriptor_without_a_reader_delays_jail_for_a_limited_time() {
    let dir = Dir::new();
    let (_reader, writer) = full_pipe();
    dir.write("policy.toml", POLICY);
    let script = r#"exec "$@" 3>&0 0</dev/null"#;
    let begin = Instant::now();
    plain(["sh", "-c", script, "sh", JAIL, "--policy", "policy.toml"])
        .args(["--report", "fd:3", "--", "sh", "-c", "exit 5"])
        .cwd(dir.path())
        .stdin(writer)
        .output()
        .ends_with(5)
        .complains("cannot write the report fd:3: it has not been read for 10 s");
    let took = begin.elapsed();
    assert!(
        took > Duration::from_secs(9) && took < Duration::from_secs(40),
        "{took:?}"
    );
}

#[test]
fn a_descriptor_with_a_slow_reader_gets_all_of_it() {
    let dir = Dir::new();
    dir.write("policy.toml", POLICY);
    // More than a pipe holds.
    let long = "x".repeat(100_000);
    let script = r#"{ "$0" --policy policy.toml --report fd:3 -- true "$1" 3>&1 >/dev/null; } | { sleep 1; cat; }"#;
    let ran = plain(["sh", "-c", script, JAIL, &long])
        .cwd(dir.path())
        .output();
    let report = fitting("report", &ran.out);
    assert_eq!(report["command"][1], long.as_str());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let dir = Dir::new();
    dir.write("policy.toml", POLICY);
    let run = |launcher: &[&str], report: &str, command: &str, redirect: &str| {
        let script =
            format!(r#""$0" --policy policy.toml --report {report} -- sh -c "$1" {redirect}"#);
        let words = launcher
            .iter()
            .copied()
            .chain(["sh", "-c", &script, JAIL, command]);
        plain(words).cwd(dir.path()).output()
    };
    run(&[], "fd:3", "exit 5", "3>/dev/full")
        .ends_with(5)
        .complains("cannot write the report fd:3: No space left on device");
    if !is_root() {
        return println!("NOT TRIED HERE: a full tmpfs, which takes root");
    }
    let small = dir.path().join("small");
    std::fs::create_dir(&small).expect("mkdir");
    // In a mount namespace of its own, which ends with the jail.
    let mount = "mount -t tmpfs -o size=64k none small && \"$@\"; code=$?; ls -A small; exit $code";
    let launcher = ["unshare", "--mount", "sh", "-c", mount, "sh"];
    let fill = "cat /dev/zero > small/zeros 2>/dev/null; exit 5";
    run(&launcher, "small/report.json", fill, "")
        .ends_with(5)
        .says("zeros\n")
        .complains("cannot write the report small/report.json: No space left on device");
    // It is tried before anything is run.
    let full = "mount -t tmpfs -o size=64k,nr_inodes=1 none small && \"$@\"";
    let launcher = ["unshare", "--mount", "sh", "-c", full, "sh"];
    run(&launcher, "small/report.json", "echo ran", "")
        .ends_with(125)
        .says("")
        .complains("cannot create a file in small: No space left on device");
}

/// A command plants a link where jail writes in a later run; what it leads to is another program's.
#[test]
fn a_link_that_a_command_has_planted_is_not_written_through() {
    let dir = Dir::new();
    let target = dir.write("home/profile", "PATH=/usr/bin\n");
    dir.write("work/file", "");
    let work = dir.path().join("work");
    let plant = ["ln", "-s", "../home/profile", "planted"];
    // The policy lets it change its directory, and nothing of the home.
    let text = "extends = [\"base\"]\n[fs]\nwrite = [\".\"]\n";
    let policy = dir.write("policy.toml", text);
    let planted = jail(["--policy", &policy, "--"]).args(plant).cwd(&work);
    planted.output().ends_with(0);
    let cases = r#"{"command": ["echo", "evil"], "stdout-file": "planted"}"#;
    let cases = dir.write("cases", format!("{cases}\n"));
    let words: [&[&str]; 4] = [
        &["--policy", &policy, "--log", "planted", "--", "true"],
        &["--policy", &policy, "--report", "planted", "--", "true"],
        &["batch", "--policy", &policy, "--output", "planted", &cases],
        &["batch", "--policy", &policy, &cases],
    ];
    for words in words {
        let ran = jail(words).cwd(&work).output();
        assert_ne!(ran.code(), Some(0), "{words:?}: {}{}", ran.out, ran.err);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains("symbolic link"), "{words:?}: {told}");
        let left = std::fs::read_to_string(&target).expect("the profile");
        assert_eq!(left, "PATH=/usr/bin\n", "{words:?}");
    }
}

/// Where the log lies in what the command may write, no option helps but another place.
#[test]
fn a_log_that_is_cut_off_goes_on_at_its_end() {
    let dir = Dir::new();
    let options = ["--policy", "permissive", "--log", "log", "--"];
    let script = ["sh", "-c", ": > log; /bin/true; /bin/true"];
    let ran = jail(options).args(script).cwd(dir.path()).output();
    ran.ends_with(0);
    let log = std::fs::read(dir.file("log")).expect("the log");
    assert!(
        !log.contains(&0),
        "no hole: {}",
        String::from_utf8_lossy(&log)
    );
    assert!(log.starts_with(b"{"), "{}", String::from_utf8_lossy(&log));
}
