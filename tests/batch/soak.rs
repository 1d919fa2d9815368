//! A long batch leaves nothing behind, on the machine or in itself:
//! `cargo test --test batch soak -- --ignored --nocapture`.

use super::{Dir, JAIL, verdicts};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A third each of plain runs, of runs with all limits, and of runs with a temporary directory of their own.
const RUNS: usize = 30_000;

/// What a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Has {
    /// Resident memory in KiB.
    resident: u64,
    descriptors: usize,
    threads: usize,
    /// Children that are not waited for.
    children: usize,
    /// Cgroups of its own.
    cgroups: usize,
    /// What is in the directory for temporary files.
    temporary: usize,
}

impl fmt::Display for Has {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "resident {} KiB, descriptors {}, threads {}, children {}, cgroups {}, temporary files {}",
            self.resident,
            self.descriptors,
            self.threads,
            self.children,
            self.cgroups,
            self.temporary
        )
    }
}

fn entries(path: impl AsRef<Path>) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

/// The directories beneath this one whose names begin so.
fn named(path: &Path, prefix: &str, depth: u32) -> usize {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    let mut found = 0;
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found += usize::from(entry.file_name().to_string_lossy().starts_with(prefix));
            if depth > 0 {
                found += named(&entry.path(), prefix, depth - 1);
            }
        }
    }
    found
}

fn has(pid: u32, temporary: &Path) -> Has {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let children = tasks.into_iter().flatten().flatten().map(|task| {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split_whitespace().count()
    });
    Has {
        resident: resident.unwrap_or(0),
        descriptors: entries(format!("/proc/{pid}/fd")),
        threads: entries(format!("/proc/{pid}/task")),
        children: children.sum(),
        cgroups: named(Path::new("/sys/fs/cgroup"), &format!("jail-{pid}-"), 4),
        temporary: entries(temporary),
    }
}

#[test]
#[ignore = "takes minutes"]
fn thirty_thousand_runs_leave_nothing() {
    let dir = Dir::new();
    let temporary = Path::new(dir.path()).join("temporary");
    fs::create_dir(&temporary).expect("a directory");
    let fresh = dir.write(
        "fresh.toml",
        "extends = [\"base\"]\n[process]\ntmpdir = \"fresh\"\n",
    );
    let limits =
        r#"{"wall": "60s", "cpu": "60s", "memory": "64MiB", "processes": 8, "output": "1MiB"}"#;
    let case = |run: usize| match run * 3 / RUNS {
        0 => r#"{"command": ["/bin/true"]}"#.to_owned(),
        1 => format!(r#"{{"command": ["/bin/true"], "limits": {limits}}}"#),
        _ => format!(r#"{{"command": ["/bin/true"], "policy": "{fresh}"}}"#),
    };
    let cases: Vec<String> = (0..RUNS).map(case).collect();
    let cases = dir.write("cases.jsonl", cases.join("\n"));
    let mut child = Command::new(JAIL)
        .args([
            "batch", "--quiet", "--policy", "base", "--jobs", "2", &cases,
        ])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .spawn()
        .expect("jail");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = String::new();
    let mut looks = Vec::new();
    for (run, line) in stdout.lines().enumerate() {
        lines.push_str(&line.expect("a line"));
        lines.push('\n');
        if run % (RUNS / 30) == RUNS / 60 {
            let look = has(child.id(), &temporary);
            println!("after {run}: {look}");
            looks.push(look);
        }
    }
    let pid = child.id();
    assert!(child.wait().expect("a status").success());
    let after = has(pid, &temporary);
    println!("at the end: {after}");
    let found = verdicts(&lines);
    assert_eq!(found.len(), RUNS);
    for (id, verdict) in found {
        assert_eq!(
            (&verdict["ending"], &verdict["code"]),
            (&"exited".into(), &0.into()),
            "{id}"
        );
    }
    // Of the same kind of runs: the first look at it and the last.
    for kind in looks.chunks(looks.len() / 3) {
        let (first, last) = (kind[1], kind[kind.len() - 1]);
        assert!(last.resident < first.resident + 1024, "{first}; {last}");
        assert!(
            last.descriptors <= first.descriptors + 12,
            "{first}; {last}"
        );
        assert!(last.threads <= first.threads + 4, "{first}; {last}");
        assert!(
            last.children <= 4 && last.cgroups <= 2 && last.temporary <= 2,
            "{last}"
        );
    }
    // The directory in which all runs of a user have theirs stays; nothing is in it.
    let inside = fs::read_dir(&temporary).into_iter().flatten().flatten();
    let left: usize = inside.map(|entry| entries(entry.path())).sum();
    assert_eq!((after.cgroups, left), (0, 0), "{after}");
}
