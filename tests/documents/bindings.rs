//! `bindings/python`: its own tests, and the examples of its README.

use crate::scene::Scene;

const README: &str = include_str!("../../bindings/python/README.md");

/// The blocks of the README that are whole programs.
fn programs() -> Vec<&'static str> {
    let blocks = README.split("```python\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks
        .filter(|block| block.starts_with("import "))
        .collect()
}

#[test]
fn the_python_package_passes_its_tests() {
    let scene = Scene::new(&["bindings/python"]);
    for &user in scene.users() {
        if !scene.has(user, &["python3"]) {
            continue;
        }
        let tests = [
            "python3",
            "-m",
            "unittest",
            "discover",
            "-s",
            "bindings/python/tests",
        ];
        let ran = scene
            .run(user, &tests)
            .env("PYTHONPATH", "bindings/python/src")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .ends_with(0);
        let count = |text: &str| -> Option<u32> { text.split_whitespace().next()?.parse().ok() };
        let count = ran.err.split("\nRan ").nth(1).and_then(count);
        assert!(count.is_some_and(|count| count >= 17), "{}", ran.err);
        let untried = ran
            .out
            .lines()
            .filter(|line| line.starts_with("NOT TRIED HERE"));
        untried.for_each(|line| println!("{line}"));
    }
}

#[test]
fn the_examples_of_the_python_package_say_what_they_promise() {
    let scene = Scene::new(&["bindings/python"]);
    scene.dir.write(".env", "secret");
    let expected = ["7\n\nexited\n", " denied by ", "a line\n\nkilled\n"];
    assert_eq!(programs().len(), expected.len());
    for &user in scene.users() {
        if !scene.has(user, &["python3"]) {
            continue;
        }
        for (program, expected) in programs().into_iter().zip(expected) {
            let ran = scene
                .run(user, &["python3", "-c", program])
                .env("PYTHONPATH", "bindings/python/src")
                .output()
                .ends_with(0);
            assert!(ran.out.contains(expected), "{program}\n{}", ran.out);
        }
    }
}
