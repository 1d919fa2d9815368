//! `examples/minimal`: a crate of its own that uses the library without the features of the binary.

use crate::support::{Dir, JAIL, plain};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The crate, copied to a directory in which cargo may write its lock file. The versions are those of this
/// package's lock file, which are there without a network.
fn copy() -> Dir {
    let dir = Dir::new();
    let from = Path::new(ROOT).join("examples/minimal");
    let manifest = fs::read_to_string(from.join("Cargo.toml")).expect("a manifest");
    assert!(manifest.contains("path = \"../..\""), "{manifest}");
    let manifest = manifest.replace("path = \"../..\"", &format!("path = {ROOT:?}"));
    dir.write("Cargo.toml", &manifest);
    let read = |path: PathBuf| fs::read_to_string(path).expect("a file of the package");
    dir.write("src/main.rs", read(from.join("src/main.rs")));
    dir.write("Cargo.lock", read(Path::new(ROOT).join("Cargo.lock")));
    dir
}

/// Runs cargo there, without a network; `None` where there is none that this user can run.
fn cargo(dir: &Dir, words: &[&str]) -> Option<Output> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(words).arg("--offline").current_dir(dir.path());
    // Beside the package's own, where what both use is built already.
    cargo.env("CARGO_TARGET_DIR", Path::new(JAIL).ancestors().nth(2)?);
    cargo.output().ok()
}

fn can_build() -> bool {
    let target = Path::new(JAIL).with_file_name(".cargo-lock");
    let writable = fs::OpenOptions::new().write(true).open(target).is_ok();
    let has_cargo = Command::new("cargo").arg("--version").output();
    let can = writable && has_cargo.is_ok_and(|output| output.status.success());
    if !can {
        println!(
            "NOT TRIED HERE: a build by cargo, which this user cannot run or whose target directory it cannot write to"
        );
    }
    can
}

#[test]
fn the_minimal_example_builds_without_default_features_and_prints_a_verdict() {
    if !can_build() {
        return;
    }
    let dir = copy();
    let built = cargo(&dir, &["build", "--quiet"]).expect("cargo");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let program = Path::new(JAIL).with_file_name("minimal");
    let run = |words: &[&str]| {
        let program = program.to_str().expect("UTF-8");
        plain([program]).args(words).output()
    };
    let ran = run(&["compute", "echo", "hello"]).ends_with(0);
    assert!(
        ran.out.starts_with("hello\nExited with exit code 0"),
        "{}",
        ran.out
    );
    run(&["compute", "sh", "-c", "exit 7"]).ends_with(7);
    run(&["no-such-policy", "true"]).ends_with(125);
}

#[test]
fn a_library_needs_no_crate_that_only_the_binary_uses() {
    if !can_build() {
        return;
    }
    let dir = copy();
    let tree = cargo(&dir, &["tree", "--prefix", "none", "--edges", "normal"]).expect("cargo");
    let said = String::from_utf8_lossy(&tree.stdout);
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    for name in ["clap", "toml_edit", "anstream"] {
        let mut lines = said.lines();
        assert!(
            !lines.any(|line| line.split(' ').next() == Some(name)),
            "{name}:\n{said}"
        );
    }
}
