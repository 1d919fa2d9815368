//! `[limits]`: whoever is past one is ended, in time, whatever it does, and nobody is left.

#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod cpu;
mod domains;
mod hidden;
mod kernel;
mod memory;
mod peaks;
mod quotas;
mod start;
mod stopped;
mod stuck;

use std::time::{Duration, Instant};
use support::{Dir, JAIL, LATE, Ran, jail, no_process_survives, plain, probe, slow, token};

fn policy(dir: &Dir, limits: &str) -> String {
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [{:?}]\n[limits]\n{limits}\n",
        dir.path()
    );
    dir.write("limits.toml", text)
}

/// Runs a program under limits; how long it took.
fn run_program(limits: &str, program: &[&str]) -> (Ran, Duration) {
    let dir = Dir::new();
    let policy = policy(&dir, limits);
    let before = Instant::now();
    let jailed = ["--policy", policy.as_str(), "--"];
    let ran = jail(jailed.iter().chain(program)).cwd(dir.path()).output();
    (ran, before.elapsed())
}

fn run(limits: &str, script: &str) -> (Ran, Duration) {
    run_program(limits, &["bash", "-c", script])
}

const WALL: &str = "wall = \"700ms\"\ngrace = \"200ms\"";
const END: Duration = Duration::from_millis(700);
const GRACE: Duration = Duration::from_millis(200);

#[test]
fn a_sleeper_is_asked_to_end_when_its_time_is_up() {
    let token = token();
    let (ran, took) = run(WALL, &format!("exec -a {token} sleep 30"));
    assert_eq!(ran.code(), Some(124), "{}", ran.err);
    assert!(took >= END && took < END + slow(LATE), "{took:?}");
    ran.complains("it has run for 700ms")
        .complains("limits.toml:7 limits.wall");
    no_process_survives(&token, LATE);
}

/// Its end is no exit of its own, also where the rest is then killed.
#[test]
fn who_ends_when_asked_was_past_the_limit_with_kill_on_exit_too() {
    let dir = Dir::new();
    let policy = policy(&dir, WALL);
    let arguments = ["--kill-on-exit", "--policy", &policy, "--", "sleep", "30"];
    jail(arguments)
        .cwd(dir.path())
        .output()
        .ends_with(124)
        .complains("limits.toml:7 limits.wall");
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_after_the_grace() {
    for script in [
        "trap '' TERM; while :; do :; done",
        "trap 'echo no' TERM; while :; do sleep 0.05; done",
        "trap '' TERM HUP INT; setsid sleep 30 & sleep 30",
        // Stopped: it hears nothing until it is continued.
        "trap '' TERM; kill -STOP $$; sleep 30",
        // The command has ended, what it left has not.
        "(trap '' TERM; exec setsid sleep 30) & exit 0",
    ] {
        let (ran, took) = run(WALL, script);
        assert_eq!(ran.code(), Some(124), "{script}: {}", ran.err);
        assert!(took >= END, "{script}: {took:?}");
        assert!(took < END + GRACE + slow(LATE), "{script}: {took:?}");
    }
}

#[test]
fn a_command_within_its_time_ends_normally_and_at_once() {
    let (ran, took) = run("wall = \"30s\"", "exit 3");
    assert_eq!(ran.code(), Some(3));
    assert!(took < slow(LATE), "{took:?}");
    let (ran, _) = run("wall = \"30s\"", "exit 124");
    assert_eq!(ran.code(), Some(124));
    assert!(!ran.err.contains("limits.wall"), "{}", ran.err);
    let (ran, _) = run("wall = \"30s\"", "kill -SEGV $$");
    assert_eq!(ran.code(), Some(139));
}

#[test]
fn a_command_that_ends_at_sigterm_has_still_exceeded_its_time() {
    let (ran, _) = run(WALL, "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    assert_eq!(ran.code(), Some(124));
}

#[test]
fn the_clock_holds_no_pipe_open() {
    let dir = Dir::new();
    let policy = policy(&dir, "wall = \"30s\"");
    // The reader ends when the last writer has closed: jail itself and what is in it.
    let before = Instant::now();
    let whole = format!("{JAIL} --policy {policy} -- echo done | cat");
    plain(["bash", "-c", &whole]).output().says("done\n");
    assert!(before.elapsed() < slow(LATE));
}

#[test]
fn a_bomb_of_processes_ends_at_the_limit() {
    let token = token();
    let script = format!(": {token}; bomb() {{ bomb | bomb & }}; bomb; sleep 30");
    for _ in 0..5 {
        let (ran, took) = run("processes = 32", &script);
        assert_eq!(ran.code(), Some(124), "{}", ran.err);
        assert!(took < slow(LATE), "{took:?}");
        ran.complains("more than 32 tasks at the same time")
            .complains("limits.processes");
    }
    no_process_survives(&token, LATE);
}

#[test]
fn a_bomb_of_threads_ends_at_the_limit() {
    let script = "import threading, time\n\
        for _ in range(200): threading.Thread(target=time.sleep, args=(30,)).start()\n";
    let (ran, _) = run_program("processes = 16", &["/usr/bin/python3", "-c", script]);
    assert_eq!(ran.code(), Some(124), "{}", ran.err);
    ran.complains("more than 16 tasks");
}

#[test]
fn as_many_tasks_as_the_limit_says_are_allowed() {
    let (ran, _) = run(
        "processes = 4",
        "sleep 0.2 & sleep 0.2 & sleep 0.2 & wait; echo all",
    );
    ran.ends_with(0).says("all\n");
}

#[test]
fn threads_that_were_waited_for_are_not_counted() {
    // The kernel tells their end by a futex, and the supervisor afterwards.
    let (ran, _) = run_program("processes = 2", &[probe(), "joins", "2000"]);
    ran.ends_with(0);
}

#[test]
fn what_is_of_one_process_the_kernel_keeps() {
    let limits = "open-files = 16\nfile-size = \"64KiB\"\nstack = \"2MiB\"";
    let (ran, _) = run(limits, "ulimit -Hn; ulimit -n; ulimit -Hf; ulimit -s");
    ran.says("16\n16\n64\n2048\n");
    let write = "dd if=/dev/zero of=file bs=1024 count=100 2>/dev/null; echo $?; stat -c %s file";
    // 128 + SIGXFSZ.
    run(limits, write).0.says("153\n65536\n");
    let script = "import os\n\
        try:\n\
        \x20 for n in range(100): os.open('/dev/null', os.O_RDONLY)\n\
        except OSError as error: print(error.errno)\n";
    // EMFILE.
    let (ran, _) = run_program(limits, &["/usr/bin/python3", "-c", script]);
    ran.says("24\n");
}

#[test]
fn a_limit_cannot_be_raised_from_within() {
    let (ran, _) = run(
        "open-files = 16",
        "ulimit -n 17 2>/dev/null; echo $?; ulimit -Hn",
    );
    ran.says("1\n16\n");
}

#[test]
fn the_file_that_extends_says_more_than_what_it_extends() {
    let dir = Dir::new();
    dir.write(
        "strict.toml",
        "extends = [\"base\"]\n[limits]\nwall = \"1ms\"\nopen-files = 16\n",
    );
    let policy = dir.write(
        "own.toml",
        "extends = [\"./strict.toml\"]\n[limits]\nwall = \"30s\"\n",
    );
    let ran = jail([
        "--policy",
        &policy,
        "--",
        "sh",
        "-c",
        "ulimit -n; sleep 0.1",
    ])
    .output();
    ran.ends_with(0).says("16\n");
}

#[test]
fn who_ends_when_asked_was_past_its_time_with_kill_on_exit_too() {
    let dir = Dir::new();
    let policy = policy(&dir, WALL);
    let ran = jail(["--kill-on-exit", "--policy", &policy, "--", "sleep", "30"]).output();
    assert_eq!(ran.code(), Some(124), "{}", ran.err);
}
