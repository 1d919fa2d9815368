//! `deny` and `hide` within what is open, and the ways round them.

use super::scene::{Scene, answers_where, open, openat, run, start};
use crate::steps;
use crate::support::jail;
use crate::support::landlock::landlocks;
use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, RENAME_EXCHANGE};
use std::fs::File;
use std::io::Write;

/// Everything in the tree may be read, `w` changed, but for some.
const DENIED: &str = r#"
read  = ["@"]
write = ["@/w"]
exec  = ["@/bin"]
deny  = ["@/w/keep/**/secret-*", "@/r/locked"]
hide  = ["@/r/hidden"]
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    for name in [
        "w/keep/secret-a",
        "w/keep/d/secret-b",
        "w/keep/d/plain",
        "w/other/d/plain",
        "w/keep/plain",
        "r/locked/key",
        "r/hidden/key",
    ] {
        scene.write(name, name);
    }
    scene
}

/// See [`answers_where`].
#[track_caller]
fn answers(lists: &str, steps: &[&str], outside: &[&str], within: &[&str]) -> Vec<Scene> {
    answers_where(scene, &["deny", "hide"], lists, steps, outside, within)
}

#[test]
fn what_is_denied_is_not_read_by_any_name() {
    let by_name: Vec<String> = [
        "@/w/keep/secret-a",
        "@/w/keep/d/secret-b",
        "keep/secret-a",
        "./keep/../keep//secret-a",
        "/proc/self/root@/w/keep/secret-a",
        "/proc/self/cwd/keep/secret-a",
        "/proc/thread-self/root@/w/keep/secret-a",
        "/proc/{0}/root@/w/keep/secret-a",
        "/proc/{0}/cwd/keep/secret-a",
        "/proc/{0}/task/{0}/root@/w/keep/secret-a",
        "/proc/self/fd/{1}/secret-a",
        "/dev/fd/{1}/secret-a",
        "@/r/locked/key",
        "@/w/chain/secret-a",
        "@/w/to-secret",
        "@/w/above/secret-a",
    ]
    .iter()
    .map(|name| open(name, O_RDONLY))
    .collect();
    let links = [
        ":keep :@/w/hop",
        ":../w/hop/ :@/w/chain",
        ":chain/../keep/./secret-a :@/w/to-secret",
        ":hop/d/.. :@/w/above",
    ]
    .map(|link| format!("{} {link}", crate::old::SYS_symlink));
    let mut steps = vec!["child".to_owned(), open("@/w/keep", O_PATH | O_DIRECTORY)];
    steps.extend(links.iter().cloned());
    steps.extend(by_name.iter().cloned());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let mut within = vec!["ok"; 2 + links.len()];
    within.extend(vec!["EACCES"; by_name.len()]);
    answers(DENIED, &steps, &vec!["ok"; steps.len()], &within);
}

#[test]
fn what_lies_beside_is_read_by_every_name() {
    let names = [
        "@/w/keep/plain",
        "keep/plain",
        "/proc/self/root@/w/keep/plain",
        "/proc/self/cwd/keep/plain",
        "/proc/thread-self/root@/w/keep/plain",
        "/proc/{0}/root@/w/keep/plain",
        "/proc/{0}/cwd/keep/plain",
        "/proc/self/fd/{1}/plain",
        "/dev/fd/{1}/plain",
        "@/w/keep/d/../plain",
    ];
    let mut steps = vec!["child".to_owned(), open("@/w/keep", O_PATH | O_DIRECTORY)];
    steps.extend(names.map(|name| open(name, O_RDONLY)));
    steps.push(openat("{1}", "plain", O_RDONLY));
    steps.push(openat("{1}", "d/../plain", O_RDONLY));
    steps.push("show {13}".to_owned());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let mut all = vec!["ok"; steps.len() - 1];
    all.push("= w/keep/plain");
    answers(DENIED, &steps, &all, &all);
}

#[test]
fn what_is_hidden_is_not_there() {
    let steps = [
        format!("{} :@/r/hidden buf", crate::old::SYS_stat),
        format!("{} :@/r/hidden/key buf", crate::old::SYS_lstat),
        format!("{} :@/r/hidden 0", crate::old::SYS_access),
        format!("{} :@/r/hidden", libc::SYS_chdir),
        format!("{} :@/r/hidden/key buf 100", crate::old::SYS_readlink),
        open("@/r/hidden/key", O_RDONLY),
        open("@/r/hidden/key", O_PATH),
        format!("{} :@/r/locked buf", crate::old::SYS_stat),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let outside = ["ok", "ok", "ok", "ok", "EINVAL", "ok", "ok", "ok"];
    let mut within = ["ENOENT"; 8];
    within[7] = "ok";
    answers(DENIED, &steps, &outside, &within);
}

#[test]
fn no_hard_link_is_made_of_what_is_denied() {
    let link = format!("{} :@/w/keep/secret-a :@/w/plain", crate::old::SYS_link);
    let linkat = format!(
        "{} {AT_FDCWD} :keep/secret-a {AT_FDCWD} :@/w/plain2 0",
        libc::SYS_linkat
    );
    let steps = [link.as_str(), &linkat];
    for scene in answers(DENIED, &steps, &["ok"; 2], &["EACCES"; 2]) {
        assert!(!scene.exists("w/plain") && !scene.exists("w/plain2"));
    }
}

#[test]
fn nothing_is_made_under_a_denied_name() {
    let make = [
        open("@/w/keep/secret-new", O_RDWR | O_CREAT),
        format!("{} :@/w/keep/secret-d 448", crate::old::SYS_mkdir),
        format!(
            "{} :@/w/keep/plain :@/w/keep/secret-m",
            crate::old::SYS_rename
        ),
        format!(
            "{} :@/w/keep/plain :@/w/keep/secret-l",
            crate::old::SYS_link
        ),
        format!("{} :plain :@/w/keep/secret-s", crate::old::SYS_symlink),
        format!("{} :@/w/other/d :@/w/keep/secret-o", crate::old::SYS_rename),
    ];
    for step in &make {
        let name = step
            .split_whitespace()
            .find(|word| word.contains("secret-"));
        let name = name
            .and_then(|word| word.rsplit('/').next())
            .unwrap_or_default();
        for scene in answers(DENIED, &[step], &["ok"], &["EACCES"]) {
            assert!(!scene.exists(&format!("w/keep/{name}")), "{step}");
        }
    }
}

#[test]
fn a_hard_link_that_is_there_already_is_a_hole_that_check_names() {
    let scene = Scene::new();
    let key = scene.write("w/key", "the key");
    std::fs::hard_link(&key, scene.at("w/old")).expect("a hard link");
    let policy = scene.policy("read = [\"@\"]\ndeny = [\"@/w/key\"]");
    let read = |name: &str| steps![scene; open(name, O_RDONLY), "show {0}"];
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &read("@/w/key"));
        assert_eq!(found[0], "EACCES", "{landlock:?}");
        let found = scene.steps_within(landlock, &policy, &read("@/w/old"));
        assert_eq!(found, ["ok", "= the key"], "{landlock:?}");
    }
    let checked = jail(["check", &policy]).output().ends_with(0);
    let checked = checked.complains("W304").complains(&key);
    checked.complains("has other names");
    jail(["check", "--strict", &policy]).output().ends_with(1);
    std::fs::remove_file(scene.at("w/old")).expect("the hard link");
    let checked = jail(["check", "--strict", &policy]).output().ends_with(0);
    assert!(!checked.err.contains("W304"), "{}", checked.err);
}

#[test]
fn a_directory_is_not_moved_from_under_a_denial() {
    let rename = |from: &str, to: &str| format!("{} :{from} :{to}", crate::old::SYS_rename);
    let out = [
        rename("@/w/keep/d", "@/w/out"),
        rename("@/w/keep", "@/w/out2"),
        rename("keep/d", "d"),
        rename("/proc/self/cwd/keep/d", "@/w/out3"),
    ];
    for step in &out {
        for scene in answers(DENIED, &[step], &["ok"], &["EACCES"]) {
            assert!(scene.exists("w/keep/d/secret-b"), "{step}");
        }
    }
    let within = [
        rename("@/w/keep/d", "@/w/keep/e"),
        rename("@/w/other/d", "@/w/other/e"),
        rename("@/w/other", "@/w/keep/other"),
        rename("@/w/keep/plain", "@/w/plain"),
    ];
    let within: Vec<&str> = within.iter().map(String::as_str).collect();
    for scene in answers(DENIED, &within, &["ok"; 4], &["ok"; 4]) {
        let again = scene.policy(DENIED);
        let read = steps![scene; open("@/w/keep/e/secret-b", O_RDONLY)];
        assert_eq!(scene.steps_within(None, &again, &read), ["EACCES"]);
    }
}

#[test]
fn a_literal_denial_keeps_the_directories_above_it_in_their_place() {
    let lists = DENIED.replace("@/w/keep/**/secret-*", "@/w/keep/d/secret-b");
    let rename = |from: &str, to: &str| format!("{} :{from} :{to}", crate::old::SYS_rename);
    let out = [
        rename("@/w/keep/d", "@/w/keep/e"),
        rename("@/w/keep", "@/w/kept"),
        rename("@/w/keep/d/secret-b", "@/w/plain"),
        rename("@/w/keep/plain", "@/w/keep/d/secret-b"),
    ];
    for step in &out {
        for scene in answers(&lists, &[step], &["ok"], &["EACCES"]) {
            assert_eq!(
                scene.content("w/keep/d/secret-b"),
                "w/keep/d/secret-b",
                "{step}"
            );
        }
    }
}

#[test]
fn directories_are_not_exchanged_across_a_denial() {
    let exchange = |one: &str, other: &str| {
        format!(
            "{} {AT_FDCWD} :{one} {AT_FDCWD} :{other} {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        )
    };
    for (one, other) in [
        ("keep/d", "other/d"),
        ("other/d", "keep/d"),
        ("keep", "other"),
    ] {
        let step = exchange(&format!("@/w/{one}"), &format!("@/w/{other}"));
        for scene in answers(DENIED, &[&step], &["ok"], &["EACCES"]) {
            assert!(scene.exists("w/keep/d/secret-b"), "{step}");
        }
    }
    let inner = [
        format!("{} :@/w/keep/e 448", crate::old::SYS_mkdir),
        exchange("@/w/keep/d", "@/w/keep/e"),
    ];
    let inner: Vec<&str> = inner.iter().map(String::as_str).collect();
    for scene in answers(DENIED, &inner, &["ok"; 2], &["ok"; 2]) {
        assert!(scene.exists("w/keep/e/secret-b"));
    }
}

/// `cat PATH` with this on stdin.
#[track_caller]
fn cat(scene: &Scene, landlock: Option<&str>, path: &str, stdin: File) -> (Option<i32>, String) {
    let policy = scene.policy(DENIED);
    let ran = run(scene
        .within(landlock, &policy, &["/bin/cat", path])
        .stdin(stdin));
    (ran.code(), ran.out)
}

#[test]
fn stdin_is_opened_again_for_what_it_is() {
    let scene = scene();
    let outsider = crate::support::Dir::new();
    let outsider = outsider.write("file", "somewhere else");
    let file = |path: &str| File::open(path).expect("a file of the test");
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        for landlock in landlocks() {
            let case = format!("{path} {landlock:?}");
            let good = cat(&scene, landlock, path, file(&scene.at("r/file")));
            assert_eq!(good, (Some(0), "r".to_owned()), "{case}");
            let other = cat(&scene, landlock, path, file(&outsider));
            assert_eq!(other, (Some(0), "somewhere else".to_owned()), "{case}");
            for bad in [&scene.at("w/keep/secret-a"), &scene.at("r/locked/key")] {
                let found = cat(&scene, landlock, path, file(bad));
                assert_eq!(found, (Some(1), String::new()), "{bad} by {case}");
            }
            let (from, mut to) = std::io::pipe().expect("a pipe");
            let policy = scene.policy(DENIED);
            let command = scene.within(landlock, &policy, &["/bin/cat", path]);
            let running = start(command.stdin(from));
            to.write_all(b"through a pipe").expect("a pipe");
            drop(to);
            running.finish().ends_with(0).says("through a pipe");
            let script = format!("echo inner | cat {path}");
            let policy = scene.policy(DENIED);
            let ran = run(scene.within(landlock, &policy, &["/bin/sh", "-c", &script]));
            ran.ends_with(0).says("inner\n");
        }
    }
    // As outside, where a descriptor is as good as its file.
    let command = ["/bin/cat", "/dev/stdin"];
    let outside = run(scene
        .outside(&command)
        .stdin(file(&scene.at("r/locked/key"))));
    outside.ends_with(0).says("r/locked/key");
}

#[test]
fn a_denied_descriptor_that_was_given_is_read_as_it_is() {
    let scene = scene();
    let policy = scene.policy(DENIED);
    for landlock in landlocks() {
        let stdin = File::open(scene.at("r/locked/key")).expect("a file of the test");
        let ran = run(scene.within(landlock, &policy, &["/bin/cat"]).stdin(stdin));
        ran.ends_with(0).says("r/locked/key");
    }
}
