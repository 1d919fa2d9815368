//! What Landlock alone does not hold, in a place that may be read only.

use super::scene::{SUBTREES, Scene, files, open, run};
use crate::steps;
use crate::support::landlock::landlocks;
use libc::{AT_FDCWD, AT_SYMLINK_FOLLOW, O_RDONLY, O_RDWR, O_TMPFILE};
use std::fs::File;

/// A row of `files calls` on `PLACE/file`: what it does outside, it does not do within.
#[track_caller]
fn closed(call: &str, place: &str, changes: bool) {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let directory = scene.at(place);
    let probe = files();
    let command = [probe.as_str(), call, "absolute", &directory, "file"];
    if lacks(call, place) {
        return;
    }
    for landlock in landlocks() {
        let before = scene.state(&format!("{place}/file"));
        let ran = run(scene.within(landlock, &policy, &command));
        if ran.out != "EACCES\n" {
            ran.fail(&format!("{call} should be denied, Landlock {landlock:?}"));
        }
        assert_eq!(
            before,
            scene.state(&format!("{place}/file")),
            "{landlock:?}"
        );
    }
    let before = scene.state(&format!("{place}/file"));
    run(scene.outside(&command)).ends_with(0).says("ok\n");
    let after = scene.state(&format!("{place}/file"));
    assert_eq!(before != after, changes, "the attack outside");
}

/// Whether this file system lacks what the call changes, such as flags; says so.
fn lacks(call: &str, place: &str) -> bool {
    let scene = Scene::new();
    let directory = scene.at(place);
    let ran = run(scene.outside(&[&files(), call, "absolute", &directory, "file"]));
    let lacks = ["ENOTTY\n", "EOPNOTSUPP\n"].contains(&ran.out.as_str());
    if lacks {
        let why = ran.out.trim();
        println!("NOT TRIED HERE: {call}: {why} without a jail, too, by this file system");
    }
    lacks
}

#[test]
fn chmod_is_held() {
    closed("chmod", "r", true);
    closed("fchmod", "r", true);
}

#[test]
fn chown_even_to_the_owner_is_held() {
    closed("chown", "r", true);
    closed("fchown", "r", true);
}

#[test]
fn utimensat_is_held() {
    closed("utimensat", "r", true);
    closed("futimens", "r", true);
}

#[test]
fn setxattr_is_held() {
    closed("setxattr", "r", true);
    closed("fsetxattr", "r", true);
}

#[test]
fn fs_ioc_setflags_is_held() {
    closed("setflags", "r", true);
    closed("setflags-access-3", "r", true);
}

#[test]
fn truncate_is_held() {
    closed("truncate", "r", true);
    closed("open-truncate", "r", true);
    closed("open-access-3-truncate", "r", true);
}

#[test]
fn an_inotify_watch_is_held() {
    closed("inotify_add_watch", "none", false);
}

#[test]
fn open_with_access_mode_3_is_held() {
    closed("open-access-3", "r", false);
}

#[test]
fn a_file_that_alone_may_be_written_keeps_its_name_and_its_place() {
    let steps = |scene: &Scene| {
        steps![scene;
            open("@/w/file", O_RDWR | libc::O_TRUNC),
            format!("{} :@/w/file 384", crate::old::SYS_chmod),
            format!("{} :@/w/file :@/w/linked", crate::old::SYS_link),
            format!("{} :@/w/file :@/w/other", crate::old::SYS_rename),
        ]
    };
    let free = Scene::new();
    assert_eq!(free.steps_outside(&steps(&free)), ["ok"; 4]);
    for landlock in landlocks() {
        let scene = Scene::new();
        let policy = scene.policy("read = [\"@\"]\nwrite = [\"@/w/file\"]\n");
        let found = scene.steps_within(landlock, &policy, &steps(&scene));
        assert_eq!(found, ["ok", "ok", "EACCES", "EACCES"], "{landlock:?}");
    }
}

#[test]
fn a_core_dump_is_not_written_where_nothing_may_be() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['/', '|']) {
        eprintln!("NOT TRIED HERE: cores are written elsewhere: {pattern}");
        return;
    }
    let cores = |scene: &Scene, place: &str| {
        let entries = std::fs::read_dir(scene.at(place)).expect("a directory");
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().contains("core"))
            .count()
    };
    let mut faults = Vec::new();
    for (lists, place) in [
        (SUBTREES, "r"),
        (
            "write = [\"@/w\"]\nread = [\"@\"]\ndeny = [\"@/w/**/*core*\"]",
            "w",
        ),
        (
            "write = [\"/\"]\nexec = [\"/\"]\ndeny = [\"@/none\"]",
            "none",
        ),
    ] {
        let scene = Scene::new();
        let script = scene.text(&format!(
            "ulimit -c unlimited || exit 99; cd @/{place}; sh -c 'kill -SEGV $$'"
        ));
        for landlock in landlocks() {
            let policy = scene.policy(lists);
            let command = ["/bin/sh", "-c", &script];
            // Where Landlock does not hold it, the limit is 0 and cannot be raised.
            let code = run(scene.within(landlock, &policy, &command)).code();
            assert!(matches!(code, Some(139 | 99)), "{code:?}");
            if cores(&scene, place) > 0 {
                faults.push(format!("in {place}, Landlock {landlock:?}:{lists}"));
            }
            for entry in std::fs::read_dir(scene.at(place))
                .expect("a directory")
                .flatten()
            {
                if entry.file_name().to_string_lossy().contains("core") {
                    std::fs::remove_file(entry.path()).expect("a core");
                }
            }
        }
        run(scene.outside(&["/bin/sh", "-c", &script])).ends_with(139);
        assert_eq!(cores(&scene, place), 1, "the attack outside");
    }
    assert!(
        faults.is_empty(),
        "a core was written\n{}",
        faults.join("\n")
    );
}

#[test]
fn an_unnamed_file_gets_no_name_where_none_may_be_made() {
    let attack = |scene: &Scene| {
        let name = |to: &str| {
            let here = AT_FDCWD;
            let linkat = libc::SYS_linkat;
            format!("{linkat} {here} :/proc/self/fd/{{0}} {here} :{to} {AT_SYMLINK_FOLLOW}")
        };
        steps![scene;
            open("@/w", O_TMPFILE | O_RDWR),
            name("@/r/new"),
            name("@/w/secret-new"),
            name("@/w/new"),
            open("@/r", O_TMPFILE | O_RDWR),
        ]
    };
    let free = Scene::new();
    assert_eq!(free.steps_outside(&attack(&free)), ["ok"; 5]);
    assert!(free.exists("r/new"));
    for deny in ["", "deny = [\"@/w/**/secret-*\"]"] {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("{SUBTREES}{deny}"));
            let found = scene.steps_within(landlock, &policy, &attack(&scene));
            let case = format!("{landlock:?} {deny} {found:?}");
            assert_eq!(found[0], "ok", "{case}");
            assert_ne!(found[1], "ok", "{case}");
            assert_eq!(found[2] == "ok", deny.is_empty(), "{case}");
            assert_eq!(found[3], "ok", "{case}");
            assert_eq!(found[4], "EACCES", "{case}");
            assert!(!scene.exists("r/new") && scene.exists("w/new"), "{case}");
        }
    }
}

#[test]
fn an_unlinked_file_is_reopened_for_no_more_than_it_was_opened_for_or_its_place_allows() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let probe = files();
    let again = |flags: i32| open("/proc/self/fd/0", flags);
    let attack = [again(O_RDONLY), again(O_RDWR)];
    let attack = [probe.as_str(), "steps", &attack[0], &attack[1]];
    for (place, expected) in [
        ("r", "ok\nEACCES\n"),
        ("w", "ok\nok\n"),
        // The descriptor is for reading.
        ("none", "ok\nEACCES\n"),
    ] {
        for landlock in landlocks() {
            let stdin = unlinked(&scene, place);
            let ran = run(scene.within(landlock, &policy, &attack).stdin(stdin));
            if ran.out != expected {
                ran.fail(&format!(
                    "in {place}, Landlock {landlock:?}, expected {expected:?}"
                ));
            }
        }
        let stdin = unlinked(&scene, place);
        run(scene.outside(&attack).stdin(stdin)).says("ok\nok\n");
    }
    // What the command has itself unlinked.
    let own = steps![scene;
        open("@/w/own", O_RDWR | libc::O_CREAT),
        format!("{} :@/w/own", crate::old::SYS_unlink),
        open("/proc/self/fd/{0}", O_RDWR),
        open("/proc/self/fd/{0}", O_RDONLY),
    ];
    for landlock in landlocks() {
        assert_eq!(
            scene.steps_within(landlock, &policy, &own),
            ["ok"; 4],
            "{landlock:?}"
        );
    }
}

/// A file that no longer has a name.
fn unlinked(scene: &Scene, place: &str) -> File {
    let path = scene.write(&format!("{place}/gone"), "gone");
    let file = File::open(&path).expect("a file of the test");
    std::fs::remove_file(path).expect("a file of the test");
    file
}
