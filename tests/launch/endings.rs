//! Who lives on when somebody ends: orphans, storms without their supervisor, a policy's kill.

use crate::support::{
    Dir, LATE, Running, is_watchdog, jail, no_process_survives, permissive, probe, rounds, slow,
    survivors, token,
};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

#[test]
fn jail_waits_for_a_daemon_and_keeps_the_commands_code() {
    let dir = Dir::new();
    let done = dir.file("done");
    permissive([probe(), "daemon", &done, "300"])
        .output()
        .ends_with(3);
    assert_eq!(std::fs::read_to_string(done).ok().as_deref(), Some("done"));
}

#[test]
fn kill_on_exit_ends_a_daemon_with_the_command() {
    let dir = Dir::new();
    let done = dir.file("done");
    let start = Instant::now();
    jail([
        "--policy",
        "permissive",
        "--kill-on-exit",
        "--",
        probe(),
        "daemon",
        &done,
        "60000",
    ])
    .output()
    .ends_with(3);
    assert!(start.elapsed() < LATE);
    no_process_survives(&done, Duration::from_secs(2));
    assert!(!std::path::Path::new(&done).exists());
}

#[test]
fn asked_twice_jail_ends_what_the_command_left_behind() {
    let dir = Dir::new();
    let done = dir.file("done");
    // The daemon ignores SIGINT, so the first request changes nothing.
    let script = format!("trap '' INT; {} daemon {done} 20000; exit 3", probe());
    let mut run = permissive(["sh", "-c", &script]).start();
    wait_for_daemon(&run, &done);
    run.signal(Signal::SIGINT);
    // Two that are pending at the same time would be one.
    run.until("what it waits for", |run| run.err().contains("probe"));
    assert_eq!(without_watchdog(&done).len(), 2, "jail and the daemon");
    run.signal(Signal::SIGINT);
    let ran = run.finish();
    no_process_survives(&done, Duration::from_secs(2));
    assert!(!std::path::Path::new(&done).exists());
    // Dead of the user's request, or with the command's own code.
    assert!(
        ran.code() == Some(3) || ran.status.signal() == Some(2),
        "{:?}: {}",
        ran.status,
        ran.err
    );
}

#[test]
fn a_first_request_reaches_what_the_command_left_behind() {
    let dir = Dir::new();
    let done = dir.file("done");
    let run = permissive([probe(), "daemon", &done, "20000"]).start();
    wait_for_daemon(&run, &done);
    run.signal(Signal::SIGTERM);
    run.finish().ends_with(3);
    no_process_survives(&done, Duration::from_secs(2));
}

/// The processes with this token, without the one that keeps the limits.
fn without_watchdog(token: &str) -> Vec<i32> {
    let mut all = survivors(token);
    all.retain(|pid| !is_watchdog(*pid));
    all
}

/// Until the command itself is gone: jail and the daemon are left.
fn wait_for_daemon(run: &Running, token: &str) {
    let end = Instant::now() + slow(Duration::from_secs(20));
    loop {
        let left = without_watchdog(token);
        // The command is a child of jail's, the daemon is none. In this order: two may be jail and
        // what it has just forked.
        let children = format!("/proc/{0}/task/{0}/children", run.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let mut children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        if children.all(is_watchdog) && left.len() == 2 {
            return;
        }
        assert!(
            Instant::now() < end,
            "the daemon never came: {left:?}, {}",
            run.err()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_process_survives_the_death_of_the_supervisor() {
    for round in 0..rounds(3) {
        for (index, kind) in ["fork", "vfork", "threads", "daemons"]
            .into_iter()
            .enumerate()
        {
            let token = token();
            let mut run = permissive([probe(), "storm", kind, &token]).start();
            run.line("ready");
            let after = 20 + (round * 37 + index * 13) % 80;
            std::thread::sleep(slow(Duration::from_millis(after as u64)));
            assert!(survivors(&token).len() > 2, "{kind}: no storm");
            run.signal(Signal::SIGKILL);
            run.until("its end", Running::has_ended);
            no_process_survives(&token, Duration::from_secs(2));
        }
    }
}

#[test]
fn no_process_survives_if_the_supervisor_dies_as_it_starts() {
    for round in 0..rounds(3) * 10 {
        let token = token();
        let run = permissive([probe(), "storm", "fork", &token]).start();
        std::thread::sleep(Duration::from_micros(round as u64 * 331 % 9_000));
        run.signal(Signal::SIGKILL);
        drop(run);
        no_process_survives(&token, Duration::from_secs(2));
    }
}

#[test]
fn a_rule_that_kills_ends_a_fork_bomb() {
    let dir = Dir::new();
    let policy = dir.write(
        "p.toml",
        "default = \"allow\"\n[syscalls]\ngetppid = \"kill\"\n",
    );
    for _ in 0..rounds(2) {
        let token = token();
        jail(["--policy", &policy, "--", probe(), "bomb", "5", &token])
            .output()
            .ends_with(159)
            .complains("getppid");
        no_process_survives(&token, Duration::from_millis(100));
    }
}

#[test]
fn a_rule_that_kills_ends_a_storm_of_threads() {
    let dir = Dir::new();
    let policy = dir.write("p.toml", "default = \"allow\"\n[[rule]]\nsyscall = \"umask\"\nwhen = \"mask == 0o123\"\naction = \"kill\"\n");
    let token = token();
    let script = format!(
        "{} storm threads {token} & sleep 0.2; umask 123; echo not killed",
        probe()
    );
    jail(["--policy", &policy, "--", "sh", "-c", &script])
        .output()
        .ends_with(159)
        .says("ready\n");
    no_process_survives(&token, Duration::from_millis(100));
}
