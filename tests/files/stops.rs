//! What costs a stop, and what must not.

use super::scene::{SUBTREES, Scene, run};
use super::support::plain;

/// The row of `--stats`.
#[track_caller]
fn stops(scene: &Scene, policy: &str, script: &str, row: &str) -> u64 {
    let options = ["--stats", "--policy", policy, "--"];
    let script = scene.text(script);
    let ran = run(scene.with(None, &options, &["/bin/sh", "-c", &script])).ends_with(0);
    let line = ran
        .err
        .lines()
        .find_map(|line| line.trim().strip_prefix(row));
    let number = line.and_then(|rest| {
        rest.trim()
            .trim_start_matches(':')
            .trim()
            .replace(',', "")
            .parse()
            .ok()
    });
    number.unwrap_or_else(|| ran.fail(&format!("no row {row:?}")))
}

const PATHS: &str = "of them for paths";
const OTHERS: &str = "jail: stops other than fork, exec, exit and signals";

#[test]
fn a_policy_of_subtrees_stops_no_ordinary_program() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    scene.write("w/tree/a/b/c", "c");
    let mut scripts = vec![
        "find @/w @/r > /dev/null",
        "cat @/r/file file > /dev/null",
        "cp @/r/file copied && cp -r tree tree2",
        "mkdir -p x/y/z",
        "mv copied moved && mv tree2 x/tree2",
        "ln -s moved link && ln moved hard",
        "rm -r x moved link hard",
    ];
    let git = plain(["git", "init", "-q", &scene.at("w/repo")]);
    let repo = std::process::Command::new("git")
        .arg("--version")
        .output()
        .is_ok();
    if repo {
        run(git.env("HOME", scene.at("w"))).ends_with(0);
        scene.write("w/repo/new", "new");
        scripts.push("cd repo && HOME=@/w /usr/bin/env git status --short > /dev/null");
    } else {
        eprintln!("no git here: `git status` was not tried");
    }
    let policy_with_git = scene.policy_file(
        "git.toml",
        &format!("extends = [\"base\"]\n[fs]{SUBTREES}")
            .replace("write = [\"@/w\"]", "write = [\"@/w\", \"/tmp\"]"),
    );
    for script in scripts {
        let policy = if script.contains("git") {
            &policy_with_git
        } else {
            &policy
        };
        assert_eq!(stops(&scene, policy, script, PATHS), 0, "{script}");
        assert_eq!(stops_again(&scene, policy, script), 0, "{script}");
    }
}

/// All stops but those of processes; what the script made is made again elsewhere.
fn stops_again(scene: &Scene, policy: &str, script: &str) -> u64 {
    let undo = "rm -rf x copied moved link hard tree2; cp -r tree tree2; echo > copied; echo > moved; mkdir x; ln -s moved link; ln moved hard";
    let before = match script.split(' ').next() {
        Some("cp" | "mkdir") => "rm -rf x copied tree2",
        Some("mv") => "rm -rf x/tree2; mkdir -p x; echo > copied; cp -r tree tree2",
        Some("ln") => "rm -f link hard; echo > moved",
        Some("rm") => undo,
        _ => ":",
    };
    let counted = stops(scene, policy, &format!("{before}; {script}"), OTHERS);
    // What comes after finds its files.
    let _ = stops(scene, policy, &format!("{undo}; rm -rf x/tree2"), OTHERS);
    counted
}

#[test]
fn one_denied_pattern_stops_each_open() {
    let scene = Scene::new();
    let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret-*\"]"));
    let names: Vec<String> = (0..50)
        .map(|n| scene.write(&format!("w/f{n}"), "x"))
        .collect();
    let few = stops(
        &scene,
        &denied,
        &format!("cat {} > /dev/null", names[0]),
        PATHS,
    );
    let many = stops(
        &scene,
        &denied,
        &format!("cat {} > /dev/null", names.join(" ")),
        PATHS,
    );
    assert_eq!(many - few, 49);
}

#[test]
fn a_denial_of_what_is_closed_anyway_costs_nothing() {
    let scene = Scene::new();
    let policy = scene.policy(&format!("{SUBTREES}deny = [\"@/none\", \"/root/.ssh\"]"));
    assert_eq!(
        stops(&scene, &policy, "cat file @/r/file > /dev/null", PATHS),
        0
    );
}
