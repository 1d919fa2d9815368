//! A limit of time is the program's: what the start takes is not charged to it.
//!
//! execve(2) of a file waits while another process holds a lease on it (fcntl(2), F_SETLEASE), as it may
//! wait for a processor or a disk.

use super::{Dir, jail, plain};
use crate::support::schema::fitting;
use crate::support::{Running, copy, installed};
use serde_json::Value;

/// Holds a lease on this file for so long after somebody wants to open it.
fn hold(dir: &Dir, file: &str, seconds: f64) -> Running {
    let script = format!(
        "import fcntl, os, signal, sys, time\n\
         fd = os.open({file:?}, os.O_RDONLY)\n\
         signal.signal(signal.SIGIO, lambda *_: None)\n\
         fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
         print('held', flush=True)\n\
         signal.pause()\n\
         time.sleep({seconds})\n\
         fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)\n\
         print('released', flush=True)\n\
         os.close(fd)\n"
    );
    let path = dir.write("hold.py", script);
    let mut holder = plain(["python3", &path]).start();
    holder.line("held");
    holder
}

/// Runs a program whose file is held for so long, with a limit of 300 ms; its report.
fn run(seconds: f64) -> (Value, Dir) {
    let dir = Dir::new();
    copy("/bin/true", dir.file("true"));
    let mut holder = hold(&dir, &dir.file("true"), seconds);
    let policy = super::policy(&dir, "wall = \"300ms\"\ngrace = \"100ms\"");
    let report = dir.file("report.json");
    let ran = jail(["--policy", &policy, "--report", &report, "--"])
        .args([dir.file("true")])
        .output();
    let text = std::fs::read_to_string(&report).expect("a report");
    let report = fitting("report", &text);
    assert_eq!(i64::from(ran.code().unwrap_or(-1)), report["exit_code"]);
    if seconds < 5.0 {
        holder.line("released");
    }
    (report, dir)
}

#[test]
fn what_the_start_takes_is_not_charged_to_the_program() {
    if !installed("python3") {
        return;
    }
    let (report, _dir) = run(1.0);
    assert_eq!(report["ending"], "exited", "{report}");
    assert_eq!(report["code"], 0);
}

#[test]
fn a_program_that_was_never_reached_was_not_started_and_is_no_matter_of_its_time() {
    if !installed("python3") {
        return;
    }
    let (report, dir) = run(30.0);
    assert_eq!(report["ending"], "not-started", "{report}");
    assert_eq!(report["exit_code"], 125);
    let error = report["error"].as_str().expect("an error");
    assert!(error.contains("overloaded"), "{error}");
    drop(dir);
}
