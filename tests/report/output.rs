//! `[limits] output`, and what `--report` counts: stdout and stderr through jail, as if it were not there.

use crate::support::schema::fitting;
use crate::support::{Dir, JAIL, LATE, no_process_survives, plain, token};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A policy under which everything may be read and run.
fn policy(dir: &Dir, more: &str) -> String {
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [{:?}]\n[limits]\n{more}\n",
        dir.path()
    );
    dir.write("output.toml", text)
}

/// What a shell prints that runs jail as `$jail`, with a report.
fn shell(limits: &str, script: &str) -> (String, Value) {
    let dir = Dir::new();
    let policy = policy(&dir, limits);
    let report = dir.file("report.json");
    let script = format!("jail='{JAIL} --policy {policy} --report {report} --'; {script}");
    let ran = plain(["bash", "-c", &script]).cwd(dir.path()).output();
    let report = std::fs::read_to_string(&report).expect("a report");
    (ran.out, fitting("report", &report))
}

#[test]
fn past_the_limit_it_ends_and_nothing_more_comes_out() {
    for (to, flood) in [
        ("| wc -c", "yes"),
        (
            "2>&1 >/dev/null | grep -v jail: | head -c 4096 | wc -c",
            "sh -c 'yes >&2'",
        ),
        ("> file; wc -c < file", "yes"),
    ] {
        let before = Instant::now();
        let (out, report) = shell("output = \"4KiB\"", &format!("$jail {flood} {to}"));
        assert_eq!(out.trim(), "4096", "{flood} {to}");
        assert_eq!(report["ending"], "output", "{flood} {to}");
        assert_eq!(report["exit_code"], 124);
        assert!(before.elapsed() < LATE, "{flood}");
    }
}

#[test]
fn the_message_names_the_limit_and_its_line() {
    let dir = Dir::new();
    let policy = policy(&dir, "output = \"4KiB\"");
    let ran = plain([JAIL, "--policy", &policy, "--", "yes"]).output();
    assert_eq!(ran.code(), Some(124));
    ran.complains("more than 4KiB to stdout and stderr")
        .complains("output.toml:7 limits.output");
}

#[test]
fn within_the_limit_all_of_it_arrives_in_order_and_is_counted() {
    let write = "sh -c 'for n in 1 2 3; do echo out $n; echo err $n >&2; done'";
    let expected = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n";
    for limits in ["", "output = \"1MiB\""] {
        let (out, report) = shell(limits, &format!("$jail {write} 2>&1 | cat"));
        assert_eq!(out, expected);
        // One pipe for both.
        assert_eq!(report["output"]["stdout"], expected.len());
        assert!(report["output"]["stderr"].is_null());
        let (out, report) = shell(limits, &format!("$jail {write} 2> >(cat >/dev/null) | cat"));
        assert_eq!(out, "out 1\nout 2\nout 3\n");
        assert_eq!(report["output"]["stdout"], 18);
        assert_eq!(report["output"]["stderr"], 18);
    }
    let many = "head -c 3000000 /dev/zero";
    let (out, report) = shell("output = \"8MiB\"", &format!("$jail {many} | wc -c"));
    assert_eq!(
        (out.trim(), &report["output"]["stdout"]),
        ("3000000", &3_000_000.into())
    );
}

#[test]
fn without_a_limit_a_file_stays_a_file_and_is_not_counted() {
    let kinds = "sh -c 'stat -Lc %F /proc/self/fd/1; stat -Lc %F /proc/self/fd/2 >&2'";
    let (out, report) = shell(
        "",
        &format!("$jail {kinds} > file 2> other; cat file other"),
    );
    assert_eq!(out, "regular empty file\nregular empty file\n");
    assert!(report["output"].is_null(), "{report}");
    let (out, report) = shell(
        "output = \"1MiB\"",
        &format!("$jail {kinds} > file; cat file"),
    );
    assert_eq!(out, "fifo\n");
    assert_eq!(report["output"]["stdout"], 5);
}

#[test]
fn a_writer_whose_reader_has_gone_gets_epipe() {
    // 128 + SIGPIPE, as without jail.
    for limits in ["", "output = \"100MiB\""] {
        let (out, report) = shell(limits, "$jail yes | head -n 1; echo ${PIPESTATUS[0]}");
        assert_eq!(out, "y\n141\n", "{limits}");
        assert_eq!(report["signal"]["name"], "SIGPIPE");
    }
}

#[test]
fn a_slow_reader_gets_all_of_it_and_one_that_never_reads_holds_nothing_up() {
    let (out, _) = shell(
        "output = \"1MiB\"",
        "$jail head -c 300000 /dev/zero | (sleep 0.5; wc -c)",
    );
    assert_eq!(out.trim(), "300000");
    // Ended by its limit, jail waits a second for who does not read; unlimited, as any writer.
    let dir = Dir::new();
    let policy = policy(
        &dir,
        "output = \"1MiB\"\nwall = \"500ms\"\ngrace = \"100ms\"",
    );
    let before = Instant::now();
    let mut child = Command::new(JAIL)
        .args(["--policy", &policy, "--", "yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("jail");
    let stdout = child.stdout.take().expect("a pipe");
    assert_eq!(child.wait().expect("a status").code(), Some(124));
    assert!(before.elapsed() < LATE, "{:?}", before.elapsed());
    drop(stdout);
}

#[test]
fn what_a_background_process_writes_later_arrives() {
    let (out, report) = shell(
        "output = \"1KiB\"",
        "$jail sh -c '(sleep 0.3; echo late) & echo early' | cat",
    );
    assert_eq!(out, "early\nlate\n");
    assert_eq!(report["output"]["stdout"], 11);
}

#[test]
fn a_line_comes_out_while_the_command_runs() {
    let dir = Dir::new();
    let policy = policy(&dir, "output = \"1KiB\"");
    let token = token();
    let script = format!("echo first; exec -a {token} sleep 60");
    let mut child = Command::new(JAIL)
        .args(["--policy", &policy, "--", "bash", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("jail");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "first\n");
    child.kill().expect("a child");
    let _ = child.wait();
    no_process_survives(&token, LATE);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("an end");
    assert_eq!(rest, "");
}

/// `2> >(tee log)` and the like make bash's helper a child of jail, which it replaces itself by.
#[test]
fn children_that_jail_was_born_with_are_not_waited_for() {
    let before = Instant::now();
    let (out, report) = shell("", "(sleep 0.2; echo outsider) & exec $jail sh -c 'exit 3'");
    assert_eq!((out.as_str(), &report["code"]), ("outsider\n", &3.into()));
    let (out, report) = shell(
        "",
        "sleep 60 >/dev/null 2>&1 & echo $!; exec $jail sh -c 'exit 3'",
    );
    assert_eq!(report["code"], 3);
    assert!(before.elapsed() < LATE);
    let sleeper = out.trim().parse().expect("a pid");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(sleeper),
        nix::sys::signal::SIGKILL,
    )
    .expect("it lives on");
}

#[test]
fn a_terminal_that_shows_nothing_holds_nothing_up() {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let screen = posix_openpt(flags).expect("posix_openpt");
    grantpt(&screen).expect("grantpt");
    unlockpt(&screen).expect("unlockpt");
    let line = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(ptsname_r(&screen).expect("ptsname"))
        .expect("the terminal");
    let dir = Dir::new();
    let policy = policy(
        &dir,
        "output = \"1MiB\"\nwall = \"500ms\"\ngrace = \"100ms\"",
    );
    let before = Instant::now();
    let mut child = Command::new(JAIL)
        .args(["--policy", &policy, "--", "yes"])
        .stdin(Stdio::null())
        .stdout(line)
        .stderr(Stdio::null())
        .spawn()
        .expect("jail");
    let status = loop {
        match child.try_wait().expect("a status") {
            Some(status) => break Some(status),
            None if before.elapsed() > LATE => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let _ = child.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(124));
    drop(screen);
}

#[test]
fn who_waits_for_a_reader_can_be_asked_to_end() {
    let dir = Dir::new();
    let policy = policy(&dir, "output = \"1MiB\"");
    // With the second the command itself waits, whatever the size of its pipe.
    let sizes = ["100000", "10000000"];
    let cases = [Signal::SIGTERM, Signal::SIGINT].map(|signal| sizes.map(|size| (signal, size)));
    for (signal, size) in cases.into_iter().flatten() {
        let mut child = Command::new(JAIL)
            .args(["--policy", &policy, "--", "head", "-c", size, "/dev/zero"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("jail");
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        std::thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().expect("a status").is_none(), "it waits");
        nix::sys::signal::kill(pid, signal).expect("a child");
        let until = Instant::now() + LATE;
        while child.try_wait().expect("a status").is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let ended = child.try_wait().expect("a status").is_some();
        let _ = child.kill();
        assert!(ended, "{signal} {size}");
    }
}
