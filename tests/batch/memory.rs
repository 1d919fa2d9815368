//! A limit of memory for each of many runs, one after the other: no run pays for the memory of another.

use super::{Dir, JAIL, plain, support, verdicts};

const MIB: u64 = 1 << 20;

#[test]
fn the_memory_of_a_run_is_its_own_and_a_killed_one_harms_no_later_one() {
    let dir = Dir::new();
    // A command that may write to /sys/fs/cgroup has no cgroup of its own.
    let files = format!(
        "read = [\"/\"]\nexec = [\"/\"]\nwrite = [\"{}\"]",
        dir.path().display()
    );
    let text = format!("extends = [\"base\"]\n[fs]\n{files}\n[limits]\nmemory = \"64MiB\"\n");
    let policy = dir.write("batch.toml", text);
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
