//! No run sees what an earlier run of the same plan has left, whether it confines itself or starts in a thread that is
//! confined already.

use super::{Dir, JAIL, plain, support, verdicts};

/// The first confines itself, as a plan is not known to come again; the second one does not.
const RUNS: [&str; 5] = ["look", "look", "plant", "look", "look"];

/// What each run has printed.
fn runs(policy: &str, jobs: &str) -> Vec<String> {
    let dir = Dir::new();
    let policy = dir.write("secrets.toml", policy);
    let case = |action: &&str| {
        let command = [support::probe(), "secrets", *action];
        serde_json::json!({ "command": command, "env": { "GIVEN": action } }).to_string()
    };
    let cases: Vec<String> = RUNS.iter().map(case).collect();
    let cases = dir.write("cases.jsonl", cases.join("\n"));
    let options = ["--jobs", jobs, "--keep", "65536", "--policy", &policy];
    // The user's temporary directory is shared, with other tests, too: only one of the run's own is looked at.
    let ran = plain(["env", "-u", "TMPDIR", JAIL, "batch"])
        .args(options)
        .args([cases.as_str()])
        .output();
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    let printed = |id: usize| {
        let verdict = &found[&id.to_string()];
        assert_eq!(verdict["ending"], "exited", "{verdict}");
        assert_eq!(verdict["code"], 0, "{verdict}");
        verdict["stdout"].as_str().map(str::to_owned)
    };
    let ids = 1..=RUNS.len();
    ids.map(|id| printed(id).expect("an output")).collect()
}

fn assert_nothing_is_left(policy: &str, least: usize) {
    let printed = runs(policy, "1");
    assert!(printed[0].contains("a signal or a look reaches: [0, 0]\n"));
    let lines = printed[0].lines().count();
    assert!(lines > 40, "{}", printed[0]);
    for (run, _) in RUNS
        .iter()
        .enumerate()
        .filter(|(_, action)| **action == "look")
    {
        let both = printed[0].lines().zip(printed[run].lines());
        let other: Vec<_> = both.filter(|(first, here)| first != here).collect();
        assert!(other.is_empty(), "run {run}: {other:#?}");
        assert_eq!(printed[run].lines().count(), lines);
    }
    // What was left, not only tried.
    let left = printed[2].lines().filter(|line| line.ends_with(" left"));
    assert!(left.count() >= least, "{}", printed[2]);
}

/// System V objects belong to the machine, or to a namespace of the run's own: no run may make one here.
const CLOSED: &str = "[syscalls]\nshmget = \"deny\"\nmsgget = \"deny\"\nsemget = \"deny\"\n";
const FILES: &str = "[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/proc\", \"/dev\"]\n";

#[test]
fn a_run_sees_nothing_of_the_one_before_under_base() {
    assert_nothing_is_left(&format!("extends = [\"base\"]\n{FILES}{CLOSED}"), 15);
}

#[test]
fn a_run_sees_nothing_of_the_one_before_under_permissive() {
    assert_nothing_is_left(&format!("extends = [\"permissive\"]\n{CLOSED}"), 15);
}

#[test]
fn a_run_sees_nothing_in_its_own_temporary_directory() {
    assert_nothing_is_left(
        &format!("extends = [\"base\"]\n{FILES}{CLOSED}[process]\ntmpdir = \"fresh\"\n"),
        16,
    );
}

#[test]
fn a_run_that_inherits_what_confines_it_is_confined_as_others() {
    let printed = runs(&format!("extends = [\"base\"]\n{FILES}{CLOSED}"), "1");
    let has = |run: usize, line: &str| printed[run].lines().any(|known| known == line);
    for run in [0, 1] {
        for line in [
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "Seccomp_filters:\t1",
            "CapEff:\t0000000000000000",
        ] {
            assert!(has(run, line), "run {run}: {line}: {}", printed[run]);
        }
    }
}
