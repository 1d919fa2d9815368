//! Terminals of the same user that the command was not started with, and those that it was.

use crate::support::landlock::tried;
use crate::support::{JAIL, Run, jail, plain, probe};
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The policies that open no terminal but the command's own.
const POLICIES: [&str; 4] = ["base", "compute", "workspace", "build"];

/// A terminal on which somebody types, with a program there that reads.
struct Other {
    keyboard: PtyMaster,
    line: File,
    name: String,
}

impl Other {
    fn new() -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let keyboard = posix_openpt(flags).expect("posix_openpt");
        grantpt(&keyboard).expect("grantpt");
        unlockpt(&keyboard).expect("unlockpt");
        let name = ptsname_r(&keyboard).expect("ptsname");
        let line = open(&name, true, true);
        Self {
            keyboard,
            line,
            name,
        }
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("typing");
    }

    /// What has appeared.
    fn shows(&mut self) -> String {
        let (mut screen, mut part) = (Vec::new(), [0; 200]);
        while let Ok(length @ 1..) = self.keyboard.read(&mut part) {
            screen.extend_from_slice(&part[..length]);
        }
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// What the program reads that is there.
    fn reads(&mut self) -> String {
        let mut line = [0; 100];
        let length = self.line.read(&mut line).expect("a line");
        String::from_utf8_lossy(&line[..length]).into_owned()
    }
}

fn open(name: &str, read: bool, write: bool) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(read).write(write);
    let file = options.custom_flags(libc::O_NOCTTY).open(name);
    file.expect("the terminal")
}

fn under(policy: &str, landlock: &str) -> Run {
    jail(["--policy", policy, "--"])
        .env("JAIL_LANDLOCK_ABI", landlock)
        .cwd(std::env::temp_dir())
        .timeout(Duration::from_secs(20))
}

#[test]
fn what_is_typed_into_another_terminal_cannot_be_read() {
    let mut other = Other::new();
    other.types("password\n");
    let name = other.name.clone();
    plain(["head", "-n1", &name])
        .output()
        .ends_with(0)
        .says("password\n");
    for policy in POLICIES {
        for landlock in tried(["99", "1", "0"]) {
            other.types("password\n");
            let ran = under(policy, landlock)
                .args(["head", "-n1", &name])
                .output();
            assert_eq!(
                (ran.code(), ran.out.as_str()),
                (Some(1), ""),
                "{policy} {landlock}"
            );
            assert_eq!(other.reads(), "password\n", "{policy} {landlock}");
        }
    }
}

#[test]
fn another_terminal_cannot_be_drawn_on() {
    let other = Other::new();
    for policy in POLICIES {
        for landlock in tried(["99", "1", "0"]) {
            let to = format!("of={}", other.name);
            let run = under(policy, landlock).args(["dd", "status=none", "conv=notrunc", &to]);
            let ran = run.stdin(Stdio::null()).output();
            assert_eq!(ran.code(), Some(1), "{policy} {landlock}: {}", ran.err);
            // Not by way of the program that has it open either.
            let held = format!("/proc/{}/fd/{}", std::process::id(), {
                use std::os::fd::AsRawFd;
                other.line.as_raw_fd()
            });
            let ran = under(policy, landlock).args(["dd", "status=none", &format!("of={held}")]);
            let ran = ran.stdin(Stdio::null()).output();
            assert_eq!(ran.code(), Some(1), "{policy} {landlock}: {}", ran.err);
        }
    }
}

#[test]
fn the_commands_own_terminal_can_be_opened_by_its_name() {
    for policy in ["base", "workspace"] {
        for landlock in tried(["99", "1", "0"]) {
            let mut own = Other::new();
            own.types("typed\n");
            let script = "t=$(tty) && echo \"on $t\" && head -n1 $t >$t";
            let side = || Stdio::from(own.line.try_clone().expect("dup"));
            let status = Command::new(JAIL)
                .args(["--policy", policy, "--", "sh", "-c", script])
                .env("JAIL_LANDLOCK_ABI", landlock)
                .current_dir(std::env::temp_dir())
                .stdin(side())
                .stdout(side())
                .stderr(side())
                .status()
                .expect("jail");
            let screen = own.shows();
            assert!(status.success(), "{policy} {landlock}: {screen}");
            assert!(screen.contains(&format!("on {}", own.name)), "{screen}");
        }
    }
}

/// Redirected to a terminal, a command has not been given what is typed there.
#[test]
fn a_terminal_that_is_open_for_writing_alone_cannot_be_read() {
    for landlock in tried(["99", "1", "0"]) {
        let mut other = Other::new();
        other.types("password\n");
        let to = open(&other.name, false, true);
        let status = Command::new(JAIL)
            .args(["--policy", "base", "--", "head", "-n1", &other.name])
            .env("JAIL_LANDLOCK_ABI", landlock)
            .stdin(Stdio::null())
            .stdout(to)
            .stderr(Stdio::null())
            .status()
            .expect("jail");
        assert_eq!(status.code(), Some(1), "{landlock}");
        assert_eq!(other.reads(), "password\n");
    }
}

/// Terminals that the jail makes itself are its own, by the master and by the name that openpty(3) of
/// other C libraries takes.
#[test]
fn a_terminal_of_the_commands_own_making_can_be_opened_and_no_other() {
    let other = Other::new();
    let outside = plain([probe(), "ptys", &other.name]).output().ends_with(0);
    outside.says("by master: opened\nby name: opened\nother: opened\n");
    for policy in ["base", "compute"] {
        for landlock in tried(["99", "1", "0"]) {
            let run = under(policy, landlock).args([probe(), "ptys", &other.name]);
            let ran = run.output().ends_with(0);
            let denied = format!("other: {}: Permission denied (os error 13)\n", other.name);
            let ran = ran.says_part("by master: opened\nby name: opened\n");
            ran.says_part(&denied);
        }
    }
}

/// That a terminal is the command's own outweighs the default, and neither an entry nor a rule.
#[test]
fn a_denial_of_terminals_holds_for_those_of_the_commands_own_making() {
    let rule =
        "[[rule]]\nsyscall = [\"open\", \"openat\"]\npath = \"/dev/pts/**\"\naction = \"deny\"";
    for (closes, by_master) in [
        ("[fs]\ndeny = [\"/dev/pts\"]", false),
        ("[fs]\nhide = [\"/dev/pts\"]", false),
        (rule, true),
    ] {
        let dir = crate::support::Dir::new();
        let policy = dir.write("closed.toml", format!("extends = [\"base\"]\n{closes}\n"));
        for landlock in tried(["99", "1", "0"]) {
            let ran = under(&policy, landlock).args([probe(), "ptys", "/dev/pts/none"]);
            let ran = ran.output();
            let opened =
                ["by master: opened", "by name: opened"].map(|line| ran.out.contains(line));
            assert_eq!(
                opened,
                [by_master, false],
                "{closes}, {landlock}: {} {}",
                ran.out,
                ran.err
            );
        }
    }
}

#[test]
fn threads_and_signals_lose_no_terminal_and_no_descriptor() {
    for landlock in tried(["99", "0"]) {
        let run = under("base", landlock).args([probe(), "pty-storm", "25"]);
        let ran = run.output().ends_with(0);
        ran.says("3 left open\n");
    }
}

/// What holds no master of a terminal does not get it, be it made by another jail of the same policy.
#[test]
fn a_terminal_of_another_jail_stays_closed() {
    let script = "exec script -qc 'tty; sleep 5' /dev/null";
    let mut one = under("base", "99")
        .args(["sh", "-c", script])
        .stdin(Stdio::null())
        .start();
    let name = format!("/dev/pts/{}", one.line("/dev/pts/"));
    let ran = under("base", "99").args([probe(), "ptys", &name]).output();
    ran.says_part(&format!("other: {name}: Permission denied"));
    one.signal(nix::sys::signal::Signal::SIGKILL);
}
