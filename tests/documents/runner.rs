//! `examples/cargo-runner`: what Cargo and nextest build is run in a jail, by Cargo's own setting.

use crate::scene::{Scene, User};
use crate::support::{Ran, Run};

const CRATE: &str = "examples/cargo-runner";

fn scene() -> Scene {
    Scene::new(&[CRATE])
}

/// A command in the crate; what Cargo says to the tests that it runs is not for the inner one.
fn run(scene: &Scene, user: User, command: &[&str]) -> Run {
    let mut words = vec!["env", "RUST_BACKTRACE=0", "NEXTEST_HIDE_PROGRESS_BAR=1"];
    let set: Vec<String> = std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("CARGO_") && name.ends_with("_RUNNER") || name == "NEXTEST")
        .map(|name| format!("--unset={name}"))
        .collect();
    words.splice(1..1, set.iter().map(String::as_str));
    words.extend(command);
    scene.run(user, &words).cwd(scene.dir.path().join(CRATE))
}

/// The test that tries something forbidden is denied it, and says so; the rest passes.
#[track_caller]
fn one_is_denied(ran: &Ran, code: i32, passing: &[&str]) {
    let all = format!("{}{}", ran.out, ran.err);
    let told = ["jail: denied socket(AF_INET", "extend \"net\""];
    for part in told.iter().chain(passing) {
        if !all.contains(part) {
            ran.fail(&format!("should have said {part:?}"));
        }
    }
    if ran.code() != Some(code) {
        ran.fail(&format!("should have ended with {code}"));
    }
}

#[test]
fn cargo_test_runs_its_tests_in_the_jail() {
    let scene = scene();
    for &user in scene.users() {
        if !scene.has(user, &["cargo"]) {
            continue;
        }
        let ran = run(
            &scene,
            user,
            &["cargo", "test", "--offline", "--test", "jailed"],
        )
        .output();
        // Cargo's exit code where tests have failed.
        one_is_denied(
            &ran,
            101,
            &[
                "test computes ... ok",
                "test reads_the_crate_and_writes_a_temporary_file ... ok",
                "test phones_home ... FAILED",
            ],
        );
    }
}

#[test]
fn the_runner_can_be_set_by_a_variable() {
    let scene = scene();
    let variable = format!(
        "CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER",
        std::env::consts::ARCH.to_uppercase()
    );
    if !scene.has(User::Own, &["cargo"]) {
        return;
    }
    std::fs::remove_dir_all(scene.dir.path().join(CRATE).join(".cargo")).expect("rm");
    let test = ["cargo", "test", "--offline", "--test", "jailed"];
    // Without it nothing is denied: the tests are no witness of their own.
    run(&scene, User::Own, &test).output().ends_with(0);
    let ran = run(&scene, User::Own, &test);
    let ran = ran.env(&variable, "jail --policy jail.toml --").output();
    one_is_denied(&ran, 101, &["test computes ... ok"]);
}

#[test]
fn nextest_runs_each_test_in_a_jail_of_its_own() {
    let scene = scene();
    for &user in scene.users() {
        if !scene.has(user, &["cargo"]) || !scene.has(user, &["cargo", "nextest"]) {
            continue;
        }
        let ran = run(&scene, user, &["cargo", "nextest", "run", "--offline"]).output();
        // Nextest's exit code where tests have failed.
        one_is_denied(
            &ran,
            100,
            &["3 tests run: 2 passed, 1 failed", "phones_home"],
        );
    }
}
