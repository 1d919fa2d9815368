//! Processor time: of the whole tree, each process once, whoever waits for whom.

use super::{run, run_program};
use crate::support::{LATE, no_process_survives, probe, rounds, slow, token};
use std::time::Duration;

const CPU: &str = "cpu = \"500ms\"";

#[test]
fn a_command_that_uses_up_its_processor_time_is_killed_at_once() {
    let token = token();
    let spin = "while :; do :; done";
    for script in [
        format!(": {token}; trap '' TERM XCPU; {spin}"),
        // Each on its own is far from the limit.
        format!(": {token}; for n in 1 2 3 4 5; do (trap '' TERM; {spin}) & done; wait"),
        // They have ended and were waited for.
        format!(": {token}; while :; do (for ((n = 0; n < 9000; n++)); do :; done); done"),
        // Nobody waits for them, and they are nobody's children.
        format!(": {token}; (setsid bash -c '{spin}' {token} &) ; sleep 30"),
    ] {
        for _ in 0..rounds(1) {
            let (ran, took) = run(CPU, &script);
            assert_eq!(ran.code(), Some(124), "{script}: {}", ran.err);
            assert!(took < slow(LATE), "{script}: {took:?}");
            ran.complains("more than 500ms of processor time")
                .complains("limits.toml:7 limits.cpu");
            no_process_survives(&token, LATE);
        }
    }
}

/// So many milliseconds; more where a program takes as long to begin.
fn time(milliseconds: u64) -> String {
    let time = slow(Duration::from_millis(milliseconds));
    time.as_millis().to_string()
}

fn limit(milliseconds: u64) -> String {
    format!("cpu = \"{}ms\"", time(milliseconds))
}

#[test]
fn threads_are_added_up() {
    let (ran, _) = run_program(&limit(500), &[probe(), "spin", &time(400), "thread"]);
    assert_eq!(ran.code(), Some(124), "{}", ran.err);
    let (ran, _) = run_program(&limit(500), &[probe(), "spin", &time(100), "thread"]);
    ran.ends_with(0);
}

#[test]
fn what_a_child_used_counts_once() {
    // 300 ms each: together less than 900, and more if the child counted twice or thrice.
    for way in ["waits", "leaves", "ignores"] {
        let (ran, _) = run_program(&limit(900), &[probe(), "spin", &time(300), way]);
        ran.ends_with(0);
    }
}

#[test]
fn a_sleeper_uses_none() {
    let sleep = slow(Duration::from_millis(1200)).as_secs_f64();
    let (ran, _) = run(&limit(500), &format!("sleep {sleep}; echo awake"));
    ran.ends_with(0).says("awake\n");
}

#[test]
fn a_command_that_has_used_too_much_by_its_end_has_exceeded_the_limit() {
    // Over before the second tick.
    let (ran, _) = run_program("cpu = \"20ms\"", &[probe(), "spin", "30", "waits"]);
    assert_eq!(ran.code(), Some(124), "{}", ran.err);
    ran.complains("limits.cpu");
}
