//! `examples/pytest`: the fixture under pytest, and its module under plain Python.

use crate::scene::Scene;

const TESTS: &[&str] = &[
    "a_solution_reads_and_answers",
    "a_denied_call_is_told",
    "a_forbidden_program_ends_it",
    "what_never_ends_is_ended",
    "an_exit_code_is_the_commands_own",
    "a_wrong_policy_is_no_verdict",
];

#[test]
fn the_module_gives_verdicts_without_pytest() {
    let scene = Scene::new(&["examples/pytest"]);
    for &user in scene.users() {
        if !scene.has(user, &["python3"]) {
            continue;
        }
        let ran = scene
            .run(user, &["python3", "examples/pytest/test_example.py"])
            .output();
        let ran = ran.ends_with(0);
        for test in TESTS {
            assert!(
                ran.out.contains(&format!("ok test_{test}\n")),
                "{test}: {}",
                ran.out
            );
        }
    }
}

#[test]
fn the_fixture_gives_verdicts_under_pytest() {
    let scene = Scene::new(&["examples/pytest"]);
    for &user in scene.users() {
        let pytest = ["python3", "-m", "pytest"];
        if !scene.has(user, &pytest) {
            continue;
        }
        let arguments = ["-p", "no:cacheprovider", "-v", "examples/pytest"];
        let ran = scene
            .run(user, &[&pytest[..], &arguments].concat())
            .output()
            .ends_with(0);
        for test in TESTS {
            assert!(
                ran.out.contains(&format!("test_{test} PASSED")),
                "{test}: {}",
                ran.out
            );
        }
    }
}
