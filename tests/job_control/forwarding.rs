//! Signals from outside, to jail alone or to its process group: the command has each exactly once,
//! from its true sender.

use crate::support::{JAIL, Run, Running, no_process_survives, permissive, plain, probe, token};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// What a user or a service manager sends to steer a command.
const STEERING: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGWINCH,
];

/// A command that says when it runs. It forks nothing: a shell that stops in its vfork never does.
const NAP: &str = "echo ready; exec sleep 0.3";

/// Longer than jail needs to find out whom a signal was for.
const SETTLED: Duration = Duration::from_millis(60);

/// A probe that prints the signals it gets, inside; with its pid.
fn listening(how: &str) -> (Running, i32) {
    let signals = STEERING.map(|signal| (signal as i32).to_string());
    let command = [probe(), how]
        .into_iter()
        .chain(signals.iter().map(String::as_str));
    listener(permissive(command))
}

fn listener(run: Run) -> (Running, i32) {
    let mut run = run.start();
    let pid = run.line("ready ").parse().expect("a pid");
    (run, pid)
}

/// Ends the probe by the signal that nobody passes on; returns what it has printed.
#[track_caller]
fn end(run: Running, pid: i32) -> String {
    // Not one of nix's signals: a real-time one.
    let status = std::process::Command::new("kill")
        .args(["-38", &pid.to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the probe is gone: {}",
        run.out()
    );
    let out = run.finish().ends_with(0).out;
    out.split_once('\n')
        .map(|(_, signals)| signals.to_owned())
        .unwrap_or_default()
}

/// The line for one signal sent by this process.
fn from_here(signal: Signal) -> String {
    format!(
        "signal {} code 0 sender {}\n",
        signal as i32,
        std::process::id()
    )
}

#[test]
fn a_signal_to_jail_alone_reaches_the_command_once() {
    let (mut run, pid) = listening("listen");
    let mut expected = String::new();
    for signal in STEERING {
        run.signal(signal);
        expected.push_str(&from_here(signal));
        run.until("the signal", |run| run.out().ends_with(&expected));
        std::thread::sleep(SETTLED);
    }
    assert_eq!(end(run, pid), expected);
}

#[test]
fn a_signal_to_the_process_group_reaches_the_command_once() {
    let (mut run, pid) = listening("listen");
    let mut expected = String::new();
    for signal in STEERING {
        run.signal_group(signal);
        expected.push_str(&from_here(signal));
        run.until("the signal", |run| run.out().ends_with(&expected));
        std::thread::sleep(SETTLED);
    }
    assert_eq!(end(run, pid), expected);
}

#[test]
fn signals_to_jail_and_to_its_group_by_turns_are_all_told_once() {
    let (mut run, pid) = listening("listen");
    for turn in 1..=40 {
        match turn % 2 {
            0 => run.signal(Signal::SIGUSR1),
            _ => run.signal_group(Signal::SIGUSR1),
        }
        run.until("the signal", |run| {
            run.out().matches("signal 10").count() >= turn
        });
        if turn % 4 == 0 {
            std::thread::sleep(SETTLED);
        }
    }
    std::thread::sleep(SETTLED);
    assert_eq!(end(run, pid), from_here(Signal::SIGUSR1).repeat(40));
}

#[test]
fn signals_are_told_once_while_many_processes_keep_jail_busy() {
    let token = token();
    let script = format!("{0} storm fork {token} >&2 & exec {0} listen 10", probe());
    let (mut run, _) = listener(permissive(["sh", "-c", &script]));
    run.until("the storm", |run| run.err().contains("ready"));
    for turn in 1..=30 {
        match turn % 3 {
            0 => run.signal(Signal::SIGUSR1),
            _ => run.signal_group(Signal::SIGUSR1),
        }
        run.until("the signal", |run| {
            run.out().matches("signal 10").count() >= turn
        });
        // What is told at the wrong time is told by then.
        std::thread::sleep(SETTLED);
    }
    let out = run.out();
    let told = out.split_once('\n').map(|(_, told)| told);
    assert_eq!(told, Some(from_here(Signal::SIGUSR1).repeat(30).as_str()));
    drop(run);
    no_process_survives(&token, Duration::from_secs(2));
}

#[test]
fn a_signal_to_jail_alone_reaches_a_command_that_waits_for_it_by_sigwait() {
    let (mut run, pid) = listening("sigwait");
    let mut expected = String::new();
    for signal in STEERING {
        run.signal(signal);
        run.until("the signal", |run| {
            run.out()
                .lines()
                .last()
                .is_some_and(|line| line.starts_with(&format!("signal {} ", signal as i32)))
        });
        std::thread::sleep(SETTLED);
        expected.push_str(&format!("signal {}\n", signal as i32));
    }
    let told = end(run, pid);
    // Who sent it cannot be kept: there is no stop in which to change it.
    let signals: String = told
        .lines()
        .map(|line| format!("{}\n", line.split(" code").next().unwrap_or("")))
        .collect();
    assert_eq!(signals, expected);
}

#[test]
fn a_signal_to_the_process_group_reaches_a_command_that_waits_for_it_by_sigwait() {
    // A signal that is blocked and taken by sigwait is in no signal-delivery-stop, so jail cannot
    // know that the command has had it: it is told twice. That is the one known flaw here, and
    // better than not passing on what was for jail alone.
    let (mut run, pid) = listening("sigwait");
    let mut told = String::new();
    for signal in STEERING {
        run.signal_group(signal);
        std::thread::sleep(SETTLED);
        run.until("the signal", |run| run.out().contains(&from_here(signal)));
        told.push_str(&format!("{}", signal as i32));
    }
    let out = end(run, pid);
    let mut signals: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    signals.dedup();
    assert_eq!(signals.concat(), told);
}

#[test]
fn a_signal_that_the_command_sends_to_its_group_stays_in_the_jail() {
    // The group holds jail itself, and here a process outside of the jail.
    let script = format!(
        "trap 'echo outsider hit' USR1
         {JAIL} --policy permissive -- {} group-signal
         echo ended $?",
        probe()
    );
    plain(["sh", "-c", &script])
        .output()
        .ends_with(0)
        .says("ended 0\n");
    // And where the kernel cannot hold it back.
    plain(["sh", "-c", &script])
        .env("JAIL_LANDLOCK_ABI", "0")
        .output()
        .ends_with(0)
        .says("ended 0\n");
}

#[test]
fn a_signal_ends_a_command_that_does_not_handle_it() {
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGALRM,
        Signal::SIGQUIT,
    ] {
        for to_group in [false, true] {
            let mut run =
                permissive(["sh", "-c", "ulimit -c 0; echo ready; exec sleep 100"]).start();
            run.line("ready");
            match to_group {
                true => run.signal_group(signal),
                false => run.signal(signal),
            }
            let ran = run.finish();
            let code = ran
                .code()
                .or(ran.status.signal().map(|signal| 128 + signal));
            assert_eq!(
                code,
                Some(128 + signal as i32),
                "{signal}, to the group: {to_group}"
            );
        }
    }
}

#[test]
fn a_signal_that_the_command_ignores_ends_no_process() {
    let mut run = permissive([
        "sh",
        "-c",
        "trap '' TERM HUP INT; echo ready; sleep 0.5; exit 4",
    ])
    .start();
    run.line("ready");
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        run.signal(signal);
        run.signal_group(signal);
    }
    run.finish().ends_with(4);
}

#[test]
fn a_signal_ignored_from_the_start_stays_ignored() {
    let script = format!(
        "trap '' HUP; exec {JAIL} --policy permissive -- sh -c 'echo ready; sleep 0.3; exit 4'"
    );
    let mut run = plain(["sh", "-c", &script]).start();
    run.line("ready");
    run.signal(Signal::SIGHUP);
    run.signal_group(Signal::SIGHUP);
    run.finish().ends_with(4);
}

#[test]
fn a_signal_as_jail_starts_ends_it_and_leaves_no_process() {
    a_signal_leaves_no_process(|token| permissive([probe(), "listen", "10", token]));
}

/// Under a filter, as in a container, jail first tries in a child whether it can trace.
#[test]
fn a_signal_as_jail_starts_in_a_container_leaves_no_process() {
    a_signal_leaves_no_process(|token| {
        let jail = [JAIL, "--policy", "permissive", "--"];
        plain([probe(), "without", "namespaces"])
            .args(jail)
            .args([probe(), "listen", "10", token])
    });
}

fn a_signal_leaves_no_process(run: impl Fn(&str) -> Run) {
    for round in 0..30 {
        let token = token();
        let run = run(&token).start();
        std::thread::sleep(Duration::from_micros(round * 223));
        run.signal(Signal::SIGTERM);
        let ran = run.finish();
        let code = ran
            .code()
            .or(ran.status.signal().map(|signal| 128 + signal));
        assert_eq!(code, Some(143), "{}", ran.err);
        no_process_survives(&token, Duration::from_secs(1));
    }
}

#[test]
fn a_stopping_signal_to_jail_alone_stops_the_command_and_sigcont_continues_both() {
    for signal in [Signal::SIGTSTP, Signal::SIGTTIN] {
        let mut run = permissive(["sh", "-c", NAP]).start();
        run.line("ready");
        run.signal(signal);
        let jail = run.pid();
        run.until("jail stops", |_| state(jail) == Some('T'));
        for pid in children(jail) {
            assert!(
                matches!(state(pid), Some('T' | 't')),
                "{signal}: {pid} runs"
            );
        }
        run.signal(Signal::SIGCONT);
        run.finish().ends_with(0).says("ready\n");
    }
}

#[test]
fn a_stopping_signal_to_the_process_group_stops_all_and_sigcont_continues_all() {
    for signal in [Signal::SIGTSTP, Signal::SIGSTOP] {
        let (mut run, pid) = listener(permissive([probe(), "listen", "10"]));
        for round in 1..=3 {
            run.signal_group(signal);
            let jail = run.pid();
            run.until("jail stops", |_| state(jail) == Some('T'));
            // Longer than jail remembers which signals the command has had.
            std::thread::sleep(Duration::from_millis(150));
            run.signal_group(Signal::SIGCONT);
            // Then it runs, and is not stopped again by what was meant before.
            run.signal_group(Signal::SIGUSR1);
            run.until("the command runs", |run| {
                run.out().matches("signal 10").count() >= round
            });
            std::thread::sleep(SETTLED);
        }
        assert_eq!(end(run, pid), from_here(Signal::SIGUSR1).repeat(3));
    }
}

#[test]
fn sigstop_and_sigcont_to_jail_alone_only_delay_the_command() {
    let mut run = permissive([
        "sh",
        "-c",
        "echo ready; for i in 1 2 3 4 5; do sleep 0.02; done; exit 4",
    ])
    .start();
    run.line("ready");
    for _ in 0..5 {
        run.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(10));
        run.signal(Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(10));
    }
    run.finish().ends_with(4);
}

#[test]
fn a_command_that_a_stop_does_not_stop_keeps_jail_running() {
    let mut run = permissive(["sh", "-c", "trap '' TSTP; echo ready; sleep 0.2; exit 4"]).start();
    run.line("ready");
    run.signal(Signal::SIGTSTP);
    run.finish().ends_with(4);
}

#[test]
fn a_handler_of_sigcont_runs_once() {
    let (mut run, pid) = listener(permissive([probe(), "listen", "18"]));
    for turn in 1..=3 {
        run.signal(Signal::SIGTSTP);
        let jail = run.pid();
        run.until("jail stops", |_| state(jail) == Some('T'));
        run.signal(Signal::SIGCONT);
        run.until("SIGCONT", |run| {
            run.out().matches("signal 18").count() >= turn
        });
        std::thread::sleep(SETTLED);
    }
    assert_eq!(end(run, pid), from_here(Signal::SIGCONT).repeat(3));
}

#[test]
fn timeout_ends_jail_and_everything_in_it() {
    let token = token();
    let script = format!("sleep 100 & sleep 100; : {token}");
    plain([
        "timeout",
        "0.3",
        JAIL,
        "--policy",
        "permissive",
        "--",
        "sh",
        "-c",
        &script,
    ])
    .output()
    .ends_with(124);
    no_process_survives(&token, Duration::from_secs(1));
}

#[test]
fn sigkill_of_jail_ends_the_command() {
    let token = token();
    let mut run = permissive(["sh", "-c", &format!("echo ready; sleep 100; : {token}")]).start();
    run.line("ready");
    run.signal(Signal::SIGKILL);
    run.until("its end", Running::has_ended);
    no_process_survives(&token, Duration::from_secs(1));
}

#[test]
fn a_jail_in_a_jail_says_why_not_or_works() {
    let ran = permissive([JAIL, "--policy", "permissive", "--", "true"]).output();
    match ran.code() {
        Some(0) => {}
        Some(125) => assert!(ran.err.contains("jail"), "{}", ran.err),
        _ => ran.fail("should work or say why not"),
    }
}

#[test]
fn a_background_job_of_a_script_ends_by_its_signal() {
    let script = format!(
        "{JAIL} --policy permissive -- sleep 100 & pid=$!; sleep 0.2; kill $pid; wait $pid; echo $?"
    );
    plain(["sh", "-c", &script])
        .output()
        .ends_with(0)
        .says("143\n");
}

#[test]
fn an_alarm_set_before_jail_was_started_reaches_the_command() {
    // alarm(2) survives execve, and jail takes it for the command.
    let perl = [
        "perl",
        "-e",
        "alarm 1; exec @ARGV",
        JAIL,
        "--policy",
        "permissive",
        "--",
    ];
    if std::process::Command::new("perl")
        .arg("-v")
        .output()
        .is_err()
    {
        eprintln!("NOT TRIED HERE: no perl");
        return;
    }
    let ran = plain(perl.iter().chain(&["sleep", "100"])).output();
    let code = ran
        .code()
        .or(ran.status.signal().map(|signal| 128 + signal));
    assert_eq!(code, Some(142), "{}", ran.err);
}

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn children(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter(|child| is_traced_by(*child, pid))
        .collect()
}

/// What is not is a watchdog, which has no name of its own at first.
fn is_traced_by(child: i32, tracer: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
    let line = format!("TracerPid:\t{tracer}");
    status.lines().any(|found| found == line)
}
