//! `examples/judge`: each sample submission gets the verdict that its name promises.

use crate::scene::{Scene, User};
use crate::support::Ran;
use serde_json::Value;
use std::time::Duration;

/// The languages: the ending of a submission, and what it takes.
const LANGUAGES: &[(&str, &str)] = &[
    ("c", "gcc"),
    ("js", "node"),
    ("py", "python3"),
    ("rs", "rustc"),
    ("sh", "bash"),
];

/// A scene whose submissions are those that this user's host has languages for.
///
/// The wall time is longer than the examples': on a busy machine a submission would reach it before the limit
/// of memory or of processor time that it is there for.
fn scene(user: User) -> Scene {
    let scene = Scene::new(&["examples/judge"]);
    for file in ["policies/solution.toml", "problems/sum/judge.toml"] {
        let path = scene.dir.path().join("examples/judge").join(file);
        let text = std::fs::read_to_string(&path).expect("limits");
        let (before, after) = text.split_once("\nwall ").expect("a limit of wall time");
        let (_, rest) = after.split_once('\n').unwrap_or_default();
        std::fs::write(&path, format!("{before}\nwall = \"120s\"\n{rest}")).expect("write");
    }
    for (ending, program) in LANGUAGES {
        if !scene.has(user, &[program]) {
            let problems = scene.dir.path().join("examples/judge/problems");
            for problem in std::fs::read_dir(problems).expect("problems") {
                let submissions = problem.expect("a problem").path().join("submissions");
                for submission in std::fs::read_dir(submissions).expect("submissions") {
                    let path = submission.expect("a submission").path();
                    if path.extension().is_some_and(|found| found == *ending) {
                        std::fs::remove_file(path).expect("rm");
                    }
                }
            }
        }
    }
    scene
}

fn judge(scene: &Scene, user: User, arguments: &[&str]) -> Ran {
    let policies = scene.dir.file("examples/judge/policies");
    let fixed = ["judge", "--policies", &policies];
    let run = scene.run(user, &[&fixed, arguments].concat());
    run.timeout(Duration::from_secs(600)).output()
}

#[test]
fn each_submission_gets_the_verdict_that_its_name_promises() {
    for &user in Scene::new(&[]).users() {
        let scene = scene(user);

        let ran = judge(&scene, user, &["--json", "examples/judge/problems"]).ends_with(0);
        let rows: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
        assert!(rows.len() >= 8, "{}", ran.out);
        let mut wrong = vec![];
        for row in &rows {
            let name = row["submission"].as_str().expect("a name");
            let promised = name.split(['.', '-']).next().unwrap_or_default();
            if row["verdict"] != promised.to_uppercase() {
                wrong.push(format!("{name}: {row:#}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{user:?}: {}\n{}",
            wrong.join("\n"),
            ran.err
        );
    }
}

#[test]
fn the_table_says_what_was_used_and_why() {
    let scene = Scene::new(&["examples/judge"]);
    let sum = "examples/judge/problems/sum";
    let submission = |name| format!("{sum}/submissions/{name}");
    let named = [
        submission("ac.sh"),
        submission("wa.sh"),
        submission("fc.sh"),
    ];
    let arguments = [
        &["--jobs", "1", sum],
        &named.each_ref().map(String::as_str)[..],
    ]
    .concat();
    let ran = judge(&scene, User::Own, &arguments).ends_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    for (line, parts) in lines.iter().zip([
        &["problem", "verdict", "memory"][..],
        &["sum", "ac.sh", "shell", "AC", "MiB"],
        &["wa.sh", "WA", "1-small: line 1 differs"],
        &["fc.sh", "FC", "1-small: socket(AF_INET"],
    ]) {
        for part in parts {
            assert!(line.contains(part), "{part}: {}", ran.out);
        }
    }
}

#[test]
fn what_cannot_be_judged_is_no_verdict_on_the_submission() {
    let scene = Scene::new(&["examples/judge"]);
    let sum = "examples/judge/problems/sum";
    scene.write("examples/judge/policies/shell.toml", "no_such_key = 1\n");
    judge(
        &scene,
        User::Own,
        &[sum, &format!("{sum}/submissions/ac.sh")],
    )
    .ends_with(1)
    .says_part("IE");
    let unknown = scene.write("solution.pas", "begin end.");
    judge(&scene, User::Own, &[sum, &unknown])
        .ends_with(2)
        .complains("no language");
    judge(&scene, User::Own, &["examples"])
        .ends_with(2)
        .complains("holds no problem");
    for (settings, complaint) in [
        ("[limits]\nwal = \"1s\"\n", "wall"),
        ("default = \"allow\"\n", "is not [limits]"),
    ] {
        scene.write(&format!("{sum}/judge.toml"), settings);
        judge(&scene, User::Own, &[sum])
            .ends_with(2)
            .complains(complaint);
    }
}
