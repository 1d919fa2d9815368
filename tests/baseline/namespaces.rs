//! No new namespaces, by clone or unshare, one flag each.
//!
//! An ordinary user may make a user namespace alone, so there the other flags fail without a jail
//! too, and the table says so; that the jail denies them by itself is seen in its report.

use crate::arena::*;

/// linux/sched.h; the name in /proc/PID/ns. UNSHARE_EMPTY_MNTNS (Linux 7.1) is of unshare alone.
const FLAGS: [(&str, u64, &str); 9] = [
    ("UNSHARE_EMPTY_MNTNS", 0x0010_0000, "mnt"),
    ("CLONE_NEWTIME", 0x80, "time"),
    ("CLONE_NEWNS", 0x0002_0000, "mnt"),
    ("CLONE_NEWCGROUP", 0x0200_0000, "cgroup"),
    ("CLONE_NEWUTS", 0x0400_0000, "uts"),
    ("CLONE_NEWIPC", 0x0800_0000, "ipc"),
    ("CLONE_NEWUSER", 0x1000_0000, "user"),
    ("CLONE_NEWPID", 0x2000_0000, "pid"),
    ("CLONE_NEWNET", 0x4000_0000, "net"),
];

fn hold(call: &str, rule: &str, flags: &[(&str, u64, &str)]) {
    for &(name, flag, kind) in flags {
        let words = attack(call, &[&flag, &kind]);
        let bare = How::default().run(&words);
        let expected = root() || name == "CLONE_NEWUSER";
        let cell = match bare.result() {
            Ok(loot) => loot.to_owned(),
            Err(errno) if !expected => format!("{errno} (an ordinary user may not)"),
            Err(errno) => {
                println!("NOT TRIED HERE: {name} without a jail: {errno}");
                format!("{errno} (forbidden on this host)")
            }
        };
        let within = How {
            policy: Some(ANYTHING),
            ..How::default()
        }
        .run(&words);
        row(
            &format!("{call} {name}"),
            &cell,
            &format!("{} by {rule}", within.cell()),
        );
        assert_eq!(within.result(), Err("EPERM"), "{name}: {within:?}");
        assert!(within.err.contains(rule), "{name}: who did it? {within:?}");
    }
}

#[test]
fn clone_makes_no_namespaces() {
    // clone takes CLONE_NEWTIME for a part of the exit signal: it has nothing to hold there.
    hold("clone", "no-namespaces", &FLAGS[2..]);
}

#[test]
fn unshare_makes_no_namespaces() {
    hold("unshare", "no-unshare", &FLAGS);
}

/// An attack without a jail and within, where `rule` answers.
fn is_denied(line: &str, words: &[String], policy: &str, rule: &str) {
    let bare = How::default().run(words);
    if bare.result().is_err() {
        println!("NOT TRIED HERE: {line} without a jail: {}", bare.cell());
    }
    let within = How {
        policy: Some(policy),
        ..How::default()
    }
    .run(words);
    row(line, &bare.cell(), &format!("{} by {rule}", within.cell()));
    assert_eq!(within.result(), Err("EPERM"), "{line}: {within:?}");
    assert!(within.err.contains(rule), "{line}: who did it? {within:?}");
}

#[test]
fn calls_for_mounts_make_no_namespaces() {
    for (name, number) in [("open_tree", libc::SYS_open_tree), ("open_tree_attr", 467)] {
        let words = attack("open_tree", &[&number]);
        let line = format!("{name} OPEN_TREE_NAMESPACE");
        is_denied(&line, &words, ANYTHING, "no-tree-namespace");
    }
    let words = attack("fsmount", &[]);
    is_denied(
        "fsmount FSMOUNT_NAMESPACE",
        &words,
        ANYTHING,
        "no-fsmount-namespace",
    );
}

/// Where paths are governed: the supervisor looks them up from the root that it knows.
#[test]
fn fchroot_changes_no_root() {
    let policy = "extends = [\"permissive\"]\n[fs]\ndeny = [\"**/.denied\"]\n";
    let words = attack("fchroot", &[]);
    is_denied("fchroot FD_FAILFS_ROOT", &words, policy, "no-other-paths");
}

/// The kernel itself refuses flags in the upper half: nothing may slip by there.
#[test]
fn unshare_with_a_dirty_upper_half_makes_no_namespaces() {
    let words = attack("unshare", &[&"0xdeadbeef10000000", &"user"]);
    let bare = How::default().run(&words);
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&words);
    row(
        "unshare CLONE_NEWUSER, upper half dirty",
        &bare.cell(),
        &within.cell(),
    );
    assert!(within.result().is_err(), "{within:?}");
}
