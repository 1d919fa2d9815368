//! What costs a stop, and what must not.

use super::scene::{SUBTREES, Scene, run};
use crate::support::landlock::lacks;
use crate::support::starting;
use std::process::Command;

/// What `--stats` says of stops for paths, and of all but those of processes.
#[track_caller]
fn stops(scene: &Scene, policy: &str, script: &str) -> (u64, u64) {
    let options = ["--stats", "--policy", policy, "--"];
    let script = scene.text(script);
    let ran = run(scene.with(None, &options, &["/bin/sh", "-c", &script])).ends_with(0);
    let row = |start: &str| {
        let line = ran
            .err
            .lines()
            .find_map(|line| line.trim().strip_prefix(start));
        let number = line.and_then(|rest| {
            let digits = rest.trim_start_matches(':').trim().replace(',', "");
            digits.parse().ok()
        });
        number.unwrap_or_else(|| ran.fail(&format!("no row {start:?}")))
    };
    (
        row("of them for paths"),
        row("jail: stops other than fork, exec, exit and signals"),
    )
}

#[test]
fn a_policy_of_subtrees_stops_no_ordinary_program() {
    if lacks(None) {
        return;
    }
    let scene = Scene::new();
    scene.write("w/tree/a/b/c", "c");
    let policy = scene.policy(SUBTREES);
    for script in [
        "find @/w @/r > /dev/null",
        "cat @/r/file file > /dev/null",
        "cp @/r/file copied && cp -r tree tree2",
        "mkdir -p x/y/z",
        "mv copied moved && mv tree2 x/tree2",
        "ln -s moved link && ln moved hard",
        "rm -r x moved link hard",
    ] {
        assert_eq!(stops(&scene, &policy, script), (0, 0), "{script}");
    }
    // The same under a denial does stop.
    let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret-*\"]"));
    assert_ne!(stops(&scene, &denied, "cat file > /dev/null"), (0, 0));
}

#[test]
fn what_is_protected_stops_no_reading() {
    if lacks(None) {
        return;
    }
    let scene = Scene::new();
    scene.write("w/tree/a/b/c", "c");
    let policy = scene.policy(&format!(
        "{SUBTREES}protect = [\"@/w/**/.envrc\", \"@/w/file\"]"
    ));
    let nothing = stops(&scene, &policy, "/bin/true; /bin/true").0;
    assert_eq!(nothing, 0, "neither clone nor vfork stops");
    for script in [
        "find @/w @/r; cat @/r/file file",
        "/bin/ls -l tree @/r; cd tree; /usr/bin/test -e a/b/c",
    ] {
        assert_eq!(stops(&scene, &policy, script).0, nothing, "{script}");
    }
    assert_ne!(stops(&scene, &policy, "echo x > new; mv new x").0, 0);
    // Where it could not be changed anyway, it costs nothing.
    let policy = scene.policy(&format!(
        "{SUBTREES}protect = [\"@/r/file\", \"@/none/**/x\"]"
    ));
    assert_eq!(stops(&scene, &policy, "echo x > new; mv new x"), (0, 0));
}

#[test]
fn a_policy_of_subtrees_does_not_stop_git() {
    if lacks(None) {
        return;
    }
    let scene = Scene::new();
    let repo = scene.at("w/repo");
    let made = {
        let _starting = starting();
        Command::new("git").args(["init", "-q", &repo]).status()
    };
    let Ok(made) = made else {
        eprintln!("NOT TRIED HERE: there is no git");
        return;
    };
    assert!(made.success(), "git init");
    scene.write("w/repo/new", "new");
    let policy = scene.policy(SUBTREES);
    let script = "cd repo && HOME=@/w git status --short | grep -q new";
    assert_eq!(stops(&scene, &policy, script), (0, 0));
}

#[test]
fn one_denied_pattern_stops_each_open() {
    let scene = Scene::new();
    let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret-*\"]"));
    let names: Vec<String> = (0..50)
        .map(|n| scene.write(&format!("w/f{n}"), "x"))
        .collect();
    let few = stops(&scene, &denied, &format!("cat {} > /dev/null", names[0]));
    let many = stops(
        &scene,
        &denied,
        &format!("cat {} > /dev/null", names.join(" ")),
    );
    assert_eq!(many.0 - few.0, 49);
}

#[test]
fn a_denial_of_what_is_closed_anyway_costs_nothing() {
    if lacks(None) {
        return;
    }
    let scene = Scene::new();
    let policy = scene.policy(&format!("{SUBTREES}deny = [\"@/none\", \"/root/.ssh\"]"));
    assert_eq!(stops(&scene, &policy, "cat file @/r/file > /dev/null").0, 0);
}
