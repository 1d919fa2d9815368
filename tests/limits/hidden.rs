//! Memory that is in no process's page tables: files in memory, and what the kernel keeps for a process.

use super::memory::{InMemory, MOST, is_ended, modes, run_in};
use super::policy;
use crate::support::{Dir, jail, plain, probe};
use std::os::unix::process::ExitStatusExt;

/// What the probe hides memory in, each of which counts.
const COUNTED: &[&str] = &[
    "dropped-shared",
    "dropped-memfd",
    "dropped-segment",
    "touched-by-children",
    "shrunk-shared",
    "page-of-memfd",
    "in-flight",
    "own-descriptors",
    "page-tables",
    "without-leader",
];

#[test]
fn memory_that_is_in_no_page_table_counts() {
    for mode in modes() {
        for kind in COUNTED {
            is_ended(mode, &[probe(), "memory", kind, "256"]);
        }
    }
}

#[test]
fn a_file_in_memory_counts_of_which_nothing_but_a_page_is_mapped() {
    for mode in modes() {
        let Some(directory) = InMemory::new() else {
            return;
        };
        let path = directory.0.to_str().expect("UTF-8");
        is_ended(mode, &[probe(), "memory", "page-of-unlinked", "256", path]);
    }
}

#[test]
fn shared_mappings_of_dev_zero_count() {
    for mode in modes() {
        let command = [probe(), "memory", "shrunk-zero", "256", "/dev/zero"];
        is_ended(mode, &command);
    }
}

#[test]
fn what_the_supervisor_could_not_see_is_not_there_for_it() {
    let outside = plain([probe(), "memory", "secret", "256"]).output();
    let touchable = outside.status.signal() != Some(libc::SIGBUS);
    if !touchable {
        println!("NOT TRIED HERE: memfd_secret: touching its memory is SIGBUS without a jail, too");
    }
    for mode in modes() {
        for kind in ["secret", "spliced"] {
            if kind == "secret" && !touchable && mode != "none" {
                continue;
            }
            let ran = run_in(mode, &[probe(), "memory", kind, "256"]);
            let refused = ran.code() == Some(1) && ran.err.contains("code: 38");
            // A kernel may have none of its own (memfd_secret(2)).
            if refused && (mode == "none" || kind == "secret") {
                continue;
            }
            if mode == "none" || ran.code() != Some(124) {
                ran.fail(&format!(
                    "{kind} should have been refused or counted under {mode}"
                ));
            }
        }
    }
}

#[test]
fn memory_that_is_in_no_page_table_is_let_be_within_the_limit() {
    let most = MOST.to_string();
    for mode in modes() {
        for kind in COUNTED.iter().chain(&["many-memfds"]) {
            let ran = run_in(mode, &[probe(), "memory", kind, &most]);
            if ran.code() != Some(0) {
                ran.fail(&format!("should have been let be under {mode}"));
            }
        }
    }
}

/// Each takes most of the limit, and is given back before the next one is made.
#[test]
fn files_in_memory_count_no_more_once_they_are_gone() {
    let most = MOST.to_string();
    for mode in modes() {
        let Some(directory) = InMemory::new() else {
            return;
        };
        let path = directory.0.to_str().expect("UTF-8");
        for kind in [
            "shared-in-turn",
            "memfds-in-turn",
            "unlinked-in-turn",
            "many-files",
        ] {
            let ran = run_in(mode, &[probe(), "memory", kind, &most, path]);
            if ran.code() != Some(0) {
                ran.fail(&format!("should have been let be under {mode}"));
            }
        }
    }
}

/// The supervisor reads of the segments of its own namespace.
#[test]
fn no_segment_is_made_in_an_ipc_namespace_whose_segments_cannot_be_counted() {
    let dir = Dir::new();
    let own = "memory = \"64MiB\"\n[process]\nisolate = [\"ipc\"]";
    let policy = policy(&dir, own);
    let ran = jail([
        "--policy",
        &policy,
        "--",
        probe(),
        "memory",
        "segments",
        "40",
    ])
    .cwd(dir.path())
    .env("JAIL_CGROUP", "none")
    .output();
    if ran.code() == Some(125) {
        println!(
            "NOT TRIED HERE: segments of an IPC namespace: none can be made: {}",
            ran.err
        );
        return;
    }
    ran.ends_with(1).complains("code: 38");
}

/// What the probe has made stays when it is killed: it is known by its permissions, and removed.
struct Left;

impl Drop for Left {
    fn drop(&mut self) {
        for (file, option) in [("sem", "-s"), ("msg", "-q")] {
            let text = std::fs::read_to_string(format!("/proc/sysvipc/{file}"));
            let text = text.unwrap_or_default();
            let mut ids = text.lines().skip(1).filter_map(|line| {
                let fields: Vec<&str> = line.split_ascii_whitespace().collect();
                let found = fields.get(2).is_some_and(|found| *found == "641");
                Some([option, fields.get(1)?]).filter(|_| found)
            });
            // As many at a time as arguments may be.
            loop {
                let some: Vec<&str> = ids.by_ref().take(500).flatten().collect();
                if some.is_empty() {
                    break;
                }
                let _ = plain(std::iter::once("ipcrm").chain(some)).output();
            }
        }
    }
}

#[test]
fn system_v_semaphores_and_messages_count() {
    for mode in modes() {
        for kind in ["semaphores", "messages"] {
            let _left = Left;
            run_in(mode, &[probe(), "memory", kind, "16"]).ends_with(0);
            is_ended(mode, &[probe(), "memory", kind, "90"]);
        }
    }
}
