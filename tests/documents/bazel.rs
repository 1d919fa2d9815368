//! `examples/bazel`: what Bazel makes of `--run_under`, run without Bazel.

use crate::scene::{Scene, User};
use crate::support::Ran;

/// A test as Bazel starts it: a command without a slash is looked up by a shell, the words of
/// `--run_under` stand before the test and its arguments (TestPolicy and TestStrategy of Bazel).
fn bazel(scene: &Scene, user: User, test: &str) -> Ran {
    let settings = scene.read("examples/bazel/bazelrc");
    let under = settings
        .lines()
        .find_map(|line| line.strip_prefix("test:jail --run_under="));
    let under = under
        .expect("a line of bazelrc sets --run_under")
        .trim_matches('"');
    let under = under.replace(
        "/etc/jail/bazel.toml",
        &scene.dir.file("examples/bazel/jail.toml"),
    );
    scene.write("runfiles/outside", "");
    let script = scene
        .dir
        .program("runfiles/pkg/some_test", format!("#!/bin/sh\n{test}\n"));
    scene.write("scratch/empty", "");
    let mut command = vec!["/bin/sh", "-c", "\"$@\"", "/bin/sh"];
    command.extend(under.split(' '));
    command.extend([script.as_str(), "an argument"]);
    scene
        .run(user, &command)
        .cwd(scene.dir.path().join("runfiles"))
        .env("TEST_TMPDIR", scene.dir.file("scratch"))
        .env("TEST_SRCDIR", scene.dir.file("runfiles"))
        .output()
}

#[test]
fn a_test_runs_in_its_runfiles_with_its_arguments() {
    let scene = Scene::new(&["examples/bazel"]);
    for &user in scene.users() {
        bazel(
            &scene,
            user,
            "echo \"$1\" > $TEST_TMPDIR/x && cat $TEST_TMPDIR/x && exit 3",
        )
        .ends_with(3)
        .says("an argument\n");
    }
}

#[test]
fn a_test_writes_where_bazel_lets_it_and_nowhere_else() {
    let scene = Scene::new(&["examples/bazel"]);
    for &user in scene.users() {
        let ran = bazel(&scene, user, "echo x > outside");
        assert_ne!(ran.code(), Some(0), "{}", ran.out);
        ran.complains("ermission denied");
    }
}
