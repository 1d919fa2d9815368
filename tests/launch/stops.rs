//! Signals, group-stops, and SIGKILL in whatever stop a process is.

use crate::support::{Dir, jail, permissive, probe, rounds};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

#[test]
fn ten_thousand_signals_arrive_in_order_with_their_values() {
    let count = "10000";
    for _ in 0..rounds(1) {
        permissive([probe(), "signals", count])
            .output()
            .ends_with(0);
    }
}

#[test]
fn sigstop_stops_every_thread_and_the_parent_sees_it() {
    for threads in ["0", "1", "12"] {
        permissive([probe(), "stop-threads", threads, "4"])
            .output()
            .ends_with(0);
    }
    for _ in 1..rounds(1) {
        permissive([probe(), "stop-threads", "30", "10"])
            .output()
            .ends_with(0);
    }
}

#[test]
fn a_stop_shortens_no_call_and_fails_none() {
    for _ in 0..rounds(1) {
        permissive([probe(), "stop-in-calls"]).output().ends_with(0);
    }
}

#[test]
fn sigkill_takes_a_process_out_of_any_stop() {
    let dir = Dir::new();
    // The "call" victim is in a seccomp-stop nearly always.
    let policy = dir.write(
        "p.toml",
        "default = \"allow\"\n[syscalls]\ngetppid = \"deny\"\n",
    );
    let times = (5 * rounds(1)).to_string();
    jail([
        "--quiet",
        "--policy",
        &policy,
        "--",
        probe(),
        "killed-in-stops",
        &times,
    ])
    .output()
    .ends_with(0);
}

#[test]
fn a_stopped_command_stops_jail_and_sigcont_to_it_continues_both() {
    // To jail alone, as a shell without job control would; or to the command first.
    for to_jail in [true, false] {
        let mut run = permissive([probe(), "stop-itself", "19"]).start();
        run.line("before");
        let jail = run.pid();
        run.until("jail stops", |_| state(jail) == Some('T'));
        let command = child_of(jail).expect("the command");
        assert!(matches!(state(command), Some('t' | 'T')));
        if !to_jail {
            kill(Pid::from_raw(command), Signal::SIGCONT).expect("SIGCONT");
            // Its tracer is stopped, so the command's own continuation waits for jail's.
            std::thread::sleep(Duration::from_millis(50));
        }
        run.signal(Signal::SIGCONT);
        run.finish().ends_with(4).says("before\nafter\n");
    }
}

#[test]
fn a_command_killed_while_stopped_ends_jail_once_it_is_continued() {
    let mut run = permissive([probe(), "stop-itself", "19"]).start();
    run.line("before");
    let jail = run.pid();
    run.until("jail stops", |_| state(jail) == Some('T'));
    let command = child_of(jail).expect("the command");
    kill(Pid::from_raw(command), Signal::SIGKILL).expect("SIGKILL");
    run.signal(Signal::SIGCONT);
    run.finish().ends_with(137).says("before\n");
}

/// The state letter in /proc.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The first child.
fn child_of(pid: i32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
