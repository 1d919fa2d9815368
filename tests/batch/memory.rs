//! A limit of memory for each of many runs, one after the other: no run pays for the memory of another.

use super::{Dir, JAIL, plain, support, verdicts};
use nix::sys::signal::Signal;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// A policy with this limit. A command that may write to /sys/fs/cgroup has no cgroup of its own.
fn limited(dir: &Dir, memory: &str) -> String {
    let files = format!(
        "read = [\"/\"]\nexec = [\"/\"]\nwrite = [\"{}\"]",
        dir.path().display()
    );
    let text = format!("extends = [\"base\"]\n[fs]\n{files}\n[limits]\nmemory = \"{memory}\"\n");
    dir.write("batch.toml", text)
}

/// The cgroups of this jail, beneath a directory.
fn groups(at: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    let mut found = Vec::new();
    for entry in directories {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
        found.append(&mut groups(&entry.path(), prefix));
    }
    found
}

#[test]
fn the_memory_of_a_run_is_its_own_and_a_killed_one_harms_no_later_one() {
    let dir = Dir::new();
    let policy = limited(&dir, "64MiB");
    let file = dir.file("file");
    let (small, large) = (vec!["true"], vec![support::probe(), "fill", "40"]);
    let (past, cached) = (
        vec![support::probe(), "fill", "200"],
        vec!["dd", "if=/dev/zero", "bs=1M", "count=20", "status=none"],
    );
    let write = format!("of={file}");
    let cached: Vec<&str> = cached.into_iter().chain([write.as_str()]).collect();
    let runs = [
        &small, &small, &large, &small, &cached, &small, &past, &small, &large, &small,
    ];
    let case = |command: &&Vec<&str>| serde_json::json!({ "command": command }).to_string();
    let cases: Vec<String> = runs.iter().map(case).collect();
    let cases = dir.write("cases.jsonl", cases.join("\n"));
    let words = [JAIL, "batch", "--jobs", "1", "--policy", &policy, &cases];
    let ran = plain(words).output();
    let found = verdicts(&ran.out);
    for (run, command) in runs.iter().enumerate() {
        let verdict = &found[&(run + 1).to_string()];
        let (ending, within) = match command {
            command if **command == past => ("memory", 32 * MIB..=96 * MIB),
            command if **command == large => ("exited", 40 * MIB..=60 * MIB),
            command if **command == small => ("exited", 0..=8 * MIB),
            _ => ("exited", 0..=64 * MIB),
        };
        assert_eq!(verdict["ending"], ending, "run {run}: {verdict}");
        let Some(peak) = verdict["memory"]["tree"].as_u64() else {
            // No kernel before Linux 5.19 tells that of a v2 cgroup.
            println!("NOT TRIED HERE: the peak of a cgroup: this kernel does not tell");
            continue;
        };
        assert!(within.contains(&peak), "run {run}: {peak}: {verdict}");
    }
}

#[test]
fn a_batch_that_a_signal_ends_leaves_no_cgroup() {
    let dir = Dir::new();
    let policy = limited(&dir, "64MiB");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let words = [JAIL, "batch", "--policy", &policy, "--jobs", "2"];
        let mut running = plain(words).stdin(reader).start();
        let cases = "{\"command\": [\"true\"]}\n".repeat(3);
        (&writer).write_all(cases.as_bytes()).expect("a reader");
        running.until("verdicts", |it| it.out().lines().count() == 3);
        let prefix = format!("jail-{}-", running.pid());
        let left = || groups(Path::new("/sys/fs/cgroup"), &prefix);
        if left().is_empty() {
            println!("NOT TRIED HERE: no cgroup is kept for later runs");
        }
        running.signal(signal);
        running.finish();
        assert_eq!(left(), Vec::<PathBuf>::new(), "{signal}");
    }
}
