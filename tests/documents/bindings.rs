//! `bindings/python` and `bindings/node`: their own tests, the examples of their manuals, and that they install.

use crate::scene::Scene;

const MANUAL: &str = include_str!("../../docs/python.md");
const README: &str = include_str!("../../bindings/python/README.md");
const NODE_MANUAL: &str = include_str!("../../docs/node.md");
const NODE_PACKAGE: &str = include_str!("../../bindings/node/package.json");
const BACKEND: &str = include_str!("../../bindings/python/build_backend/backend.py");

/// The blocks of a page that are whole programs.
fn programs(page: &'static str) -> impl Iterator<Item = &'static str> {
    let blocks = page.split("```python\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with("import "))
}

#[test]
fn the_python_package_passes_its_tests() {
    let scene = Scene::new(&["bindings/python", "docs"]);
    for &user in scene.users() {
        if !scene.has(user, &["python3"]) {
            continue;
        }
        let tests = "python3 -m unittest discover -s bindings/python/tests";
        let words: Vec<&str> = tests.split(' ').collect();
        let ran = scene
            .run(user, &words)
            .env("PYTHONPATH", "bindings/python/src")
            .output()
            .ends_with(0);
        let count = |text: &str| -> Option<u32> { text.split_whitespace().next()?.parse().ok() };
        let count = ran.err.split("\nRan ").nth(1).and_then(count);
        assert!(count.is_some_and(|count| count >= 25), "{}", ran.err);
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
    let expected = [
        "7\n\nexited\n",
        " denied by ",
        "a line\n\nkilled\n",
        " denied by ",
    ];
    let programs: Vec<&str> = programs(MANUAL).chain(programs(README)).collect();
    assert_eq!(programs.len(), expected.len());
    for &user in scene.users() {
        if !scene.has(user, &["python3"]) {
            continue;
        }
        for (program, expected) in programs.iter().zip(expected) {
            let ran = scene
                .run(user, &["python3", "-c", program])
                .env("PYTHONPATH", "bindings/python/src")
                .output()
                .ends_with(0);
            assert!(ran.out.contains(expected), "{program}\n{}", ran.out);
        }
    }
}

/// Without a network, and without a package that builds packages.
#[test]
fn pip_installs_the_python_package() {
    let scene = Scene::new(&["bindings/python"]);
    let user = *scene.users().last().expect("a user");
    if !scene.has(user, &["python3", "-m", "pip"]) {
        return;
    }
    let python = |words: &[&str]| {
        let run = scene.run(user, &[&["python3"], words].concat());
        run.env("PYTHONPATH", "installed").env("PIP_NO_INDEX", "1")
    };
    let install = ["-m", "pip", "install", "--quiet", "--target", "installed"];
    let package = ["./bindings/python"];
    let _ = python(&[&install[..], &package].concat())
        .output()
        .ends_with(0);
    let program = "import tracejail; tracejail.run(['echo', 'works'], policy='base')";
    let ran = python(&["-c", program]).output();
    ran.ends_with(0).says("works\n");
    let installed = scene.dir.path().join("installed");
    assert!(installed.join("tracejail/py.typed").exists());
    let info = format!("tracejail-{}.dist-info", env!("CARGO_PKG_VERSION"));
    let points = std::fs::read_to_string(installed.join(info).join("entry_points.txt"));
    assert!(
        points
            .expect("entry points")
            .contains("tracejail.pytest_plugin")
    );
}

#[test]
fn the_packages_have_the_version_of_the_crate() {
    let version = concat!("\nVERSION = \"", env!("CARGO_PKG_VERSION"), "\"\n");
    assert!(BACKEND.contains(version), "{version}");
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(NODE_PACKAGE.contains(version), "{version}");
}

#[test]
fn the_node_package_passes_its_tests_and_its_example_works() {
    let scene = Scene::new(&["bindings/node", "docs"]);
    scene.dir.write(".env", "secret");
    let example = NODE_MANUAL.split("```js\n").nth(1);
    let example = example.and_then(|rest| rest.split("```").next());
    let example = example.expect("an example");
    // Where a program finds the package that npm has linked.
    let modules = scene.dir.path().join("node_modules");
    std::fs::create_dir(&modules).expect("mkdir");
    std::os::unix::fs::symlink("../bindings/node", modules.join("tracejail")).expect("a link");
    scene.dir.write("example.mjs", example);
    for &user in scene.users() {
        if !scene.has(user, &["node"]) {
            continue;
        }
        let run = |words: &[&str]| scene.run(user, words).output().ends_with(0);
        let ran = run(&["node", "--test", "bindings/node/"]);
        assert!(ran.out.contains("# pass 7\n"), "{}", ran.out);
        let ran = run(&["node", "example.mjs"]);
        assert!(ran.out.starts_with("7\n exited\n"), "{}", ran.out);
        assert!(ran.out.contains(".env denied by "), "{}", ran.out);
    }
}
