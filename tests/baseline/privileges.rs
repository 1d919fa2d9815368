//! No privileges: root's capabilities are gone within, and a setuid program gives none.

use crate::arena::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// An ordinary user can do none of these without a jail either: the table says so.
#[test]
fn capabilities_are_gone() {
    let scratch = Scratch::new();
    let empty = scratch.path("empty");
    fs::create_dir(&empty).expect("a directory");
    let file = scratch.write("file", "");
    let device = scratch.path("device");
    // To become somebody else, whoever this is.
    let other = if root() { 65534 } else { 0 };
    let attacks: [(&str, &dyn ToString); 6] = [
        ("chroot", &empty),
        ("mknod", &device),
        ("mount", &empty),
        ("sethostname", &""),
        ("setuid", &other),
        ("chown", &file),
    ];
    for (name, argument) in attacks {
        let words = attack(name, &[argument]);
        let bare = How::default().run(&words);
        let cell = match bare.result() {
            Ok(_) => bare.cell(),
            Err(errno) if !root() => {
                println!("NOT TRIED HERE: {name} without a jail: {errno}");
                format!("{errno} (an ordinary user may not)")
            }
            Err(errno) => panic!("{name} as root: {errno}"),
        };
        let _ = fs::remove_file(&device);
        let within = How {
            policy: Some(ANYTHING),
            ..How::default()
        }
        .run(&words);
        row(name, &cell, &within.cell());
        assert_eq!(within.result(), Err("EPERM"), "{name}: {within:?}");
    }
}

/// A copy made by another process: what is open for writing here may be inherited by a child that
/// another test has just forked, and to start it would be ETXTBSY.
fn copy_program(from: &str, to: &str) {
    let copied = std::process::Command::new("cp").args([from, to]).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "cp {from} {to}"
    );
}

/// As root: a setuid copy of the probe, run by another user. An ordinary user cannot make one of
/// root's, so there only the flag itself is seen.
#[test]
fn a_setuid_program_gains_nothing() {
    let status = ["grep", "NoNewPrivs", "/proc/self/status"].map(str::to_owned);
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&status);
    assert!(within.out.contains("NoNewPrivs:\t1"), "{within:?}");
    if !root() {
        println!("NOT TRIED HERE: a setuid program: only root can make one");
        return row(
            "a setuid program",
            "not run (only root can make one)",
            "NoNewPrivs 1",
        );
    }
    let scratch = Scratch::new();
    let open = |path: &str, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod")
    };
    open(&scratch.path(""), 0o755);
    let (copy, jail) = (scratch.path("probe"), scratch.path("jail"));
    copy_program(&probe(), &copy);
    copy_program(env!("CARGO_BIN_EXE_jail"), &jail);
    open(&copy, 0o4755);
    open(&jail, 0o755);
    // The copy of jail and of the policy are where that user can read them.
    let policy = scratch.write("anything.toml", ANYTHING);
    let words = [copy, "attack".into(), "euid".into()];
    let user = || stage("user", &["65534"]);
    let bare = How {
        before: user(),
        ..How::default()
    }
    .run(&words);
    if bare.result() != Ok("euid 0") {
        println!("NOT TRIED HERE: a setuid program has no effect without a jail (a nosuid mount?)");
    }
    let mut before = user();
    before.extend([jail, "--policy".into(), policy, "--".into()]);
    let within = How {
        before,
        ..How::default()
    }
    .run(&words);
    row("a setuid program", &bare.cell(), &within.cell());
    assert_eq!(within.result(), Ok("euid 65534"), "{within:?}");
}
