//! `jail learn --domains`: what a package manager runs for packages becomes a domain.

use crate::scene::Scene;

/// A package manager that writes and starts the build script of a package; both are scripts of the shell.
fn cargo(build_script: &str) -> Scene {
    let scene = Scene::new();
    let out = "target/debug/build/a-0123456789abcdef/out";
    scene.write("src/lib.rs", "x");
    let start = format!(
        "#!/bin/sh\nmkdir -p {out} target/debug/deps\necho x > target/debug/deps/x\n./build-script-build\n"
    );
    scene.dir.program("project/cargo", start);
    let script = format!("#!/bin/sh\nOUT={out}\ncat src/lib.rs > $OUT/y\n{build_script}\n");
    scene.dir.program("project/build-script-build", script);
    scene
}

#[test]
fn a_build_script_becomes_a_domain_that_does_what_it_did_and_no_more() {
    let scene = cargo("echo z > \"$TMPDIR/z\"");
    let policy = scene.goes_through(&["--domains"], &["./cargo"], "rm -rf target");
    for part in [
        "[domain.build-script]\non-exec = [\"/**/build-script-*\", \"/**/build_script_*\"]\nextends = [\"protect-credentials\"]\n",
        "\"$TMPDIR\"",
        "connect = []\nlisten = []\n",
    ] {
        assert!(policy.contains(part), "{part}\n{policy}");
    }
    // Only what cargo starts, and nothing of other kinds.
    assert_eq!(policy.matches("[domain.").count(), 3, "{policy}");
    // The build script of a later version changes what the compiler has made; cargo still may.
    scene.dir.program(
        "project/build-script-build",
        "#!/bin/sh\necho evil > target/debug/deps/x\ncat target/debug/deps/x\n",
    );
    scene
        .jail(&["--policy", "app.toml", "--", "./cargo"])
        .says("x\n")
        .complains("[domain build-script, app.toml:");
}

/// A second run finds the domain, and adds what its programs need now.
#[test]
fn a_proposed_domain_is_continued() {
    let scene = cargo("");
    scene
        .learn(&["--domains", "--", "./cargo"])
        .ends_with(0)
        .complains("      [domain.build-script] for build-script-bu, cat\n");
    let policy = scene.policy();
    scene.dir.program(
        "project/build-script-build",
        "#!/bin/sh\necho new > target/debug/deps/x\n",
    );
    scene
        .learn(&["--domains", "--", "./cargo"])
        .ends_with(0)
        .complains("Added to [domain.build-script]:\n        write ./target/debug/deps/x\n")
        .complains("no domain was added");
    let main = |text: &str| text[..text.find("[domain").expect("a domain")].to_owned();
    assert_eq!(main(&scene.policy()), main(&policy));
    scene
        .jail(&["--policy", "app.toml", "--", "./cargo"])
        .ends_with(0);
}

#[test]
fn programs_that_no_package_manager_starts_become_none() {
    let scene = Scene::new();
    scene
        .learn(&["--domains", "--", "sh", "-c", "sh -c 'echo x > out'"])
        .ends_with(0)
        .complains("no domain was added");
    assert!(!scene.policy().contains("[domain"), "{}", scene.policy());
    let ran = scene.learn(&["--domains", "--audit", "--", "true"]);
    ran.complains("'--domains' cannot be used with '--audit'");
}
