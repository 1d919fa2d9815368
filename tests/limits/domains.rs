//! Limits of a domain: the processes below one entry are ended, and the rest goes on.

use super::memory::{InMemory, MOST, Segments};
use crate::support::schema::{fitting, fitting_lines};
use crate::support::{Dir, LATE, Ran, copy, jail, no_process_survives, probe, token};
use std::path::Path;

/// A directory with a program of the domain `build`, a copy of the probe, and one that is in none.
fn directory(limits: &str) -> Dir {
    let dir = Dir::new();
    dir.write(
        "policy.toml",
        format!(
            "default = \"allow\"\n[domain.build]\non-exec = [\"inside*\"]\n[domain.build.limits]\n{limits}\n"
        ),
    );
    copy(probe(), dir.file("inside"));
    copy(probe(), dir.file("outside"));
    dir.program("inside.sh", "#!/bin/sh\nexec \"$@\"\n");
    dir
}

fn run_with(dir: &Dir, options: &[&str], script: &str) -> Ran {
    jail(["--policy", "policy.toml"])
        .args(options)
        .args(["--", "bash", "-c", script])
        .cwd(dir.path())
        .output()
}

fn run(dir: &Dir, script: &str) -> Ran {
    run_with(dir, &[], script)
}

/// Sleeps in so many children, and waits for them.
fn children(count: usize, word: &str) -> String {
    format!("bash -c ': {word}; for n in {{1..{count}}}; do sleep 1 & done; wait'")
}

#[test]
fn too_many_processes_of_a_domain_are_killed_and_the_rest_goes_on() {
    let dir = directory("processes = 8");
    let (token, script) = (token(), |inside: &str, outside: &str| {
        format!("./inside.sh {inside}; echo $?; {outside}; echo $?")
    });
    let inside = format!("bash -c ': {token}; while :; do sleep 30 & done'");
    run(&dir, &script(&inside, &children(12, "outside")))
        .ends_with(0)
        .says("137\n0\n")
        .complains("killed processes of a domain: more than 8 tasks at the same time")
        .complains("[domain build, policy.toml:5 limits.processes]")
        .complains("inside.sh");
    no_process_survives(&token, LATE);
    // Each entry is counted apart, and threads are tasks.
    let two = format!(
        "./inside.sh {0} & ./inside.sh {0}; wait",
        children(5, "two")
    );
    run(&dir, &format!("{two}; echo $?")).says("0\n");
    let threads = "import threading, time\n\
        for _ in range(12): threading.Thread(target=time.sleep, args=(1,)).start()";
    let python = |program: &str| format!("{program} python3 -c '{threads}'; echo $?");
    let script = format!("{}; {}", python("./inside.sh"), python("env"));
    run(&dir, &script).says("137\n0\n");
}

#[test]
fn a_domain_that_has_used_up_its_processor_time_is_killed_and_the_rest_goes_on() {
    let dir = directory("cpu = \"400ms\"");
    let spin = "while :; do :; done";
    let token = token();
    for inside in [
        format!(": {token}; trap \"\" TERM XCPU; {spin}"),
        // They have ended and were waited for.
        format!(": {token}; while :; do (for ((n = 0; n < 9000; n++)); do :; done); done"),
        // Nothing waits for it.
        format!(": {token}; (setsid bash -c \"{spin}\" {token} &); sleep 30"),
    ] {
        // The shell itself has used more before.
        let before = "for ((n = 0; n < 200000; n++)); do :; done";
        let script = format!("{before}; ./inside.sh bash -c '{inside}'; echo $?; {before}");
        run(&dir, &script)
            .ends_with(0)
            .says("137\n")
            .complains("[domain build, policy.toml:5 limits.cpu]");
        no_process_survives(&token, LATE);
    }
    run(
        &dir,
        "./outside spin 600 waits && ./inside spin 100 thread; echo $?",
    )
    .says("0\n");
}

#[test]
fn a_domain_that_has_too_much_memory_is_killed_and_the_rest_goes_on() {
    let dir = directory("memory = \"64MiB\"");
    let _left = Segments;
    for kind in ["private", "processes", "closed-memfd", "segments"] {
        let script = format!("./inside memory {kind} 256; echo $?; ./outside memory private 100");
        run(&dir, &script)
            .ends_with(0)
            .says("137\ndone\n")
            .complains("[domain build, policy.toml:5 limits.memory]");
    }
    for kind in ["private", "copies", "memfd"] {
        run(&dir, &format!("./inside memory {kind} {MOST}")).says("done\n");
    }
}

#[test]
fn files_in_memory_that_a_domain_has_filled_count_for_it() {
    let dir = directory("memory = \"64MiB\"");
    for kind in ["unlinked", "files"] {
        let Some(memory) = InMemory::new() else {
            return;
        };
        let path = memory.0.to_str().expect("UTF-8");
        // What others have filled does not count.
        std::fs::write(Path::new(path).join("others"), vec![1; 80 << 20]).expect("a file");
        run(&dir, &format!("./inside memory {kind} {MOST} {path}")).says("done\n");
        run(&dir, &format!("./inside memory {kind} 256 {path}; echo $?")).says("137\n");
    }
}

#[test]
fn a_domain_within_a_domain_has_its_own_limit_and_the_outer_one() {
    let dir = directory(
        "processes = 16\n[domain.deep]\non-exec = [\"deep*\"]\nlimits = { processes = 8 }",
    );
    dir.program("deep.sh", "#!/bin/sh\nexec \"$@\"\n");
    let deep = |count| format!("./deep.sh {}; echo $?", children(count, "deep"));
    run(
        &dir,
        &format!("./inside.sh bash -c '{}'", deep(10).replace('\'', "\"")),
    )
    .says("137\n")
    .complains("[domain deep, policy.toml:8 limits.processes]");
    let outer = format!(
        "./inside.sh bash -c '{} & {0} & {0} & wait'; echo $?",
        "./deep.sh sh -c \"sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait\""
    );
    run(&dir, &outer)
        .says("137\n")
        .complains("[domain build, policy.toml:5 limits.processes]");
}

#[test]
fn the_log_and_the_report_name_the_domain_the_limit_and_its_line() {
    let dir = directory("processes = 4");
    let options = ["--quiet", "--log", "log", "--report", "report"];
    let bomb = format!("./inside.sh {}; true", children(8, "x"));
    run_with(&dir, &options, &format!("{bomb}; {bomb}"))
        .ends_with(0)
        .complains("limits.processes");
    let read = |name: &str| std::fs::read_to_string(dir.file(name)).expect("a file");
    fitting_lines("log", &read("log"));
    fitting("report", &read("report"));
    let line = "\"domain\":\"build\",\"limit\":\"processes\",\"value\":\"4\"";
    assert_eq!(read("log").matches(line).count(), 2);
    assert_eq!(read("report").matches(line).count(), 2);
    let at = "policy.toml\",\"line\":5}";
    assert!(read("log").contains(at) && read("report").contains(at));
    assert!(read("report").contains("\"ending\":\"exited\""));
    jail(["report", "log"])
        .cwd(dir.path())
        .output()
        .says_part("past limits.processes = 4 of the domain build");
}
