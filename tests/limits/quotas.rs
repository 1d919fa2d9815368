//! What the kernel counts for each user: a command that uses it up makes no other jail of that user fail.

use super::policy;
use crate::support::{Dir, LATE, Running, is_root, no_process_survives, plain, slow, token};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// How many signals may be queued for the user, as this test sets it for all its programs.
const SIGNALS: usize = 64;

/// Python: queues signals for itself until no more can be.
const FLOOD: &str = r"
import ctypes, os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {40})
libc = ctypes.CDLL(None, use_errno=True)
count = 0
while libc.sigqueue(os.getpid(), 40, None) == 0: count += 1
print('full', count, ctypes.get_errno(), flush=True)
time.sleep(60)
";

/// A program of an ordinary user for whom so few signals can be queued.
fn limited(arguments: &[&str], dir: &Dir) -> Running {
    let script = format!("ulimit -i {SIGNALS}; exec \"$@\"");
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let shell = ["bash", "-c", &script, "bash", env!("CARGO_BIN_EXE_jail")];
    let as_user = if is_root() { &user[..] } else { &[] };
    let words = as_user.iter().chain(&shell).chain(arguments);
    plain(words).cwd(dir.path()).start()
}

#[test]
fn signals_that_a_command_queues_make_no_other_jail_of_the_user_fail() {
    let (dir, token) = (Dir::new(), token());
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).expect("chmod");
    let policy = policy(&dir, "wall = \"20s\"");
    let python = "/usr/bin/python3";
    let mut flood = limited(
        &["--policy", &policy, "--", python, "-c", FLOOD, &token],
        &dir,
    );
    let said = flood.line("full");
    assert!(said.ends_with(" 11"), "EAGAIN: {said}");

    let command = ["--policy", &policy, "--", "bash", "-c", "sleep 0.2; exit 3"];
    let jails: Vec<Running> = (0..8).map(|_| limited(&command, &dir)).collect();
    for jail in jails {
        jail.finish().ends_with(3);
    }
    is_ended_in_time(&dir, &flood_wall(&dir));
    is_passed_on(&dir, &policy);
    assert!(!flood.has_ended(), "it has held its signals until now");
    drop(flood);
    no_process_survives(&token, LATE);
}

fn flood_wall(dir: &Dir) -> String {
    let text = std::fs::read_to_string(dir.file("limits.toml")).expect("a policy");
    dir.write("short.toml", text.replace("\"20s\"", "\"300ms\""))
}

/// The clock of a jail that has no timer ticks.
fn is_ended_in_time(dir: &Dir, policy: &str) {
    let begin = Instant::now();
    let ran = limited(&["--policy", policy, "--", "sleep", "30"], dir).finish();
    ran.ends_with(124).complains("limits.wall");
    assert!(begin.elapsed() < Duration::from_millis(300) + slow(LATE));
}

/// A signal for jail alone reaches a command that says nothing, with a limit and without.
fn is_passed_on(dir: &Dir, policy: &str) {
    for policy in [policy, "permissive"] {
        let script = "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done";
        let mut running = limited(&["--policy", policy, "--", "bash", "-c", script], dir);
        running.line("ready");
        running.signal(Signal::SIGUSR1);
        let ran = running.finish();
        ran.ends_with(5);
    }
}
