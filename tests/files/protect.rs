//! `protect`: read and executed as granted, never changed, moved or replaced.

use super::scene::{Scene, answers_where, open, openat, run};
use crate::support::jail;
use crate::support::landlock::landlocks;
use libc::{
    AT_FDCWD, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY,
    RENAME_EXCHANGE, RENAME_WHITEOUT,
};

/// fchmodat2 of Linux 6.6 on each architecture.
const FCHMODAT2: i64 = 452;

/// Everything in the tree may be read, `w` changed, but for some.
const PROTECTED: &str = r#"
read    = ["@"]
write   = ["@/w"]
exec    = ["@/bin"]
protect = ["@/w/**/.git/hooks", "@/w/**/.git/config", "@/w/**/.envrc", "@/w/a/policy"]
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    for name in [
        "w/.git/config",
        "w/.git/HEAD",
        "w/.git/hooks/post-commit",
        "w/sub/deep/.envrc",
        "w/a/policy",
        "w/a/plain",
        "w/evil/config",
        "w/evil/hooks/post-commit",
        "w/plain/d/file",
        "w/empty/x",
        "w/new/x",
    ] {
        scene.write(name, name);
    }
    scene
}

const PLACES: [&str; 5] = [
    "w/.git/config",
    "w/.git/hooks/post-commit",
    "w/sub/deep/.envrc",
    "w/a/policy",
    "w/a/plain",
];

/// See [`answers_where`].
#[track_caller]
fn answers(steps: &[&str], outside: &[&str], within: &[&str]) -> Vec<Scene> {
    answers_where(scene, &["protect"], PROTECTED, steps, outside, within)
}

/// Steps that all work outside, and of which each is denied within, changing nothing.
#[track_caller]
fn each_denied(prepare: &[&str], steps: &[&str]) {
    for step in steps {
        let all: Vec<&str> = prepare.iter().chain([step]).copied().collect();
        let outside = vec!["ok"; all.len()];
        let mut within = outside.clone();
        within.pop();
        within.push("EACCES");
        for scene in answers(&all, &outside, &within) {
            for place in PLACES {
                assert_eq!(scene.content(place), place, "after {step}");
            }
        }
    }
}

#[test]
fn what_is_protected_is_read_and_listed() {
    let steps = [
        open("@/w/.git/config", O_RDONLY),
        open("@/w/.git/hooks", O_RDONLY | O_DIRECTORY),
        open("@/w/.git/hooks/post-commit", O_PATH),
        format!("{} :@/w/sub/deep/.envrc buf", crate::old::SYS_stat),
        format!("{} :@/w/.git/hooks/post-commit 4", crate::old::SYS_access),
        format!("{} :@/w/.git/hooks", libc::SYS_chdir),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    answers(&steps, &vec!["ok"; steps.len()], &vec!["ok"; steps.len()]);
}

#[test]
fn what_is_protected_is_not_opened_for_writing() {
    let steps = [
        open("@/w/.git/config", O_WRONLY),
        open("@/w/.git/config", O_RDWR),
        open("@/w/.git/config", O_RDONLY | O_TRUNC),
        open("@/w/.git/config", 3),
        open("@/w/.git/hooks/new", O_WRONLY | O_CREAT),
        open("@/w/.git/hooks/new", O_RDONLY | O_CREAT),
        open("@/w/sub/.envrc", O_WRONLY | O_CREAT),
        open("@/w/.git/hooks", O_TMPFILE | O_WRONLY),
        open("@/w/a/policy", O_WRONLY),
        open("@/w/a/../a/./policy", O_WRONLY),
        open("/proc/self/cwd/sub/deep/.envrc", O_WRONLY),
        openat(&AT_FDCWD.to_string(), ".git/config", O_RDWR),
        format!("{} :@/w/.git/config 0", libc::SYS_truncate),
        format!("{} :@/w/.git/hooks/x 384", crate::old::SYS_creat),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&[], &steps);
    // By a descriptor that was had for reading.
    let read = open("@/w/.git/config", O_RDONLY);
    let handle = open("@/w/.git/config", O_PATH);
    let hooks = open("@/w/.git/hooks", O_RDONLY | O_DIRECTORY);
    let prepare = [read.as_str(), &handle, &hooks];
    let steps = [
        open("/proc/self/fd/{0}", O_WRONLY),
        open("/proc/self/fd/{1}", O_RDWR),
        open("/dev/fd/{0}", O_TRUNC | O_WRONLY),
        openat("{2}", "new", O_WRONLY | O_CREAT),
        openat("{2}", "post-commit", O_RDWR),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&prepare, &steps);
}

#[test]
fn what_is_protected_keeps_its_metadata() {
    let read = open("@/w/.git/config", O_RDONLY);
    let handle = open("@/w/.git/config", O_PATH);
    let mut steps = vec![
        format!("{} :@/w/.git/config 448", crate::old::SYS_chmod),
        format!("{} :@/w/.git/hooks 448", crate::old::SYS_chmod),
        format!("{} {{0}} 448", libc::SYS_fchmod),
        format!("{} :@/w/.git/config null", crate::old::SYS_utime),
        format!("{} {{0}} null null 0", libc::SYS_utimensat),
        format!("{} {{0}} -1 -1", libc::SYS_fchown),
    ];
    if !Scene::new().lacks_call("fchmodat2", FCHMODAT2) {
        steps.push(format!("{FCHMODAT2} {{1}} : 448 {}", libc::AT_EMPTY_PATH));
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&[&read, &handle], &steps);
}

/// Requests of btrfs, and whether each is refused where something within what is open is excepted: they
/// make, copy and remove trees in a directory. Elsewhere than on btrfs the kernel knows none of them.
#[test]
fn no_request_copies_a_tree_out_of_an_exception() {
    const REQUESTS: [u32; 6] = [
        0x5000_9401,
        0x5000_940e,
        0x5000_940f,
        0x5000_9417,
        0x5000_9418,
        0x5000_943f,
    ];
    let whole = "read = [\"@\"]\nwrite = [\"@/w\"]\nexec = [\"@/bin\"]\n";
    let excepts = [
        "protect = [\"@/w/a/policy\"]",
        "deny = [\"@/w/a/policy\"]",
        "hide = [\"@/w/a/policy\"]",
    ];
    for landlock in landlocks() {
        for except in excepts {
            let scene = scene();
            let mut steps = vec![scene.text(&open("@/w", O_RDONLY | O_DIRECTORY))];
            steps
                .extend(REQUESTS.map(|request| format!("{} {{0}} {request} buf", libc::SYS_ioctl)));
            let free = scene.policy(whole);
            let found = scene.steps_within(landlock, &free, &steps);
            assert!(!found.contains(&"EACCES".to_owned()), "{found:?}");
            let policy = scene.policy(&format!("{whole}{except}"));
            let found = scene.steps_within(landlock, &policy, &steps);
            let (opened, requests) = found.split_first().expect("answers");
            assert_eq!(opened, "ok");
            assert!(
                requests.iter().all(|answer| answer == "EACCES"),
                "{except}, {landlock:?}: {found:?}"
            );
        }
    }
}

#[test]
fn what_is_protected_keeps_its_name() {
    let handle = open("@/w/.git/config", O_PATH);
    let steps = [
        format!("{} :@/w/.git/config", crate::old::SYS_unlink),
        format!("{} :@/w/.git/config :@/w/x", crate::old::SYS_rename),
        format!(
            "{} :@/w/evil/config :@/w/.git/config",
            crate::old::SYS_rename
        ),
        format!("{} :@/w/.git/config :@/w/x", crate::old::SYS_link),
        format!(
            "{} {{0}} : {AT_FDCWD} :@/w/x {}",
            libc::SYS_linkat,
            libc::AT_EMPTY_PATH
        ),
        format!(
            "{} {AT_FDCWD} :/proc/self/fd/{{0}} {AT_FDCWD} :@/w/x {}",
            libc::SYS_linkat,
            libc::AT_SYMLINK_FOLLOW
        ),
        format!("{} :@/w/evil/config :@/w/sub/.envrc", crate::old::SYS_link),
        format!(
            "{} :@/w/evil/config :@/w/sub/.envrc",
            crate::old::SYS_symlink
        ),
        format!("{} :@/w/.git/hooks/d 448", crate::old::SYS_mkdir),
        format!("{} :@/w/evil/.envrc 448", crate::old::SYS_mkdir),
        format!("{} :@/w/sub/.envrc 4480 0", crate::old::SYS_mknod),
        format!(
            "{} {AT_FDCWD} :@/w/evil/config {AT_FDCWD} :@/w/.git/config {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
        format!(
            "{} {AT_FDCWD} :@/w/.git/config {AT_FDCWD} :@/w/evil/config {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    // linkat by an empty path takes CAP_DAC_READ_SEARCH outside (before Linux 6.10).
    let steps: Vec<&str> = match run_outside(&handle, steps[4]) {
        true => steps,
        false => steps
            .into_iter()
            .enumerate()
            .filter(|(at, _)| *at != 4)
            .map(|(_, step)| step)
            .collect(),
    };
    each_denied(&[&handle], &steps);
}

fn run_outside(first: &str, second: &str) -> bool {
    let free = scene();
    let steps = [free.text(first), free.text(second)];
    free.steps_outside(&steps) == ["ok", "ok"]
}

#[test]
fn no_directory_above_what_is_protected_is_moved() {
    let steps = [
        format!("{} :@/w/.git :@/w/x", crate::old::SYS_rename),
        format!("{} :@/w/sub :@/w/x", crate::old::SYS_rename),
        format!("{} :@/w/sub/deep :@/w/x", crate::old::SYS_rename),
        format!("{} :@/w/sub/ :@/w/plain/x", crate::old::SYS_rename),
        format!("{} :@/w/a :@/w/x", crate::old::SYS_rename),
        format!(
            "{} {AT_FDCWD} :@/w/evil {AT_FDCWD} :@/w/.git {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
        format!(
            "{} {AT_FDCWD} :@/w/.git {AT_FDCWD} :@/w/plain {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
        format!(
            "{} {AT_FDCWD} :@/w/plain {AT_FDCWD} :@/w/sub {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&[], &steps);
}

#[test]
fn no_directory_or_link_comes_to_be_above_what_is_protected() {
    let steps = [
        // A directory with prepared content.
        format!("{} :@/w/evil :@/w/sub/.git", crate::old::SYS_rename),
        format!(
            "{} :@/w/evil/hooks :@/w/plain/.envrc",
            crate::old::SYS_rename
        ),
        format!(
            "{} {AT_FDCWD} :@/w/evil {AT_FDCWD} :@/w/plain/.git 0",
            libc::SYS_renameat2
        ),
        // A link to prepared content.
        format!("{} :../evil :@/w/sub/.git", crate::old::SYS_symlink),
        format!("{} :evil {AT_FDCWD} :@/w/plain/.git", libc::SYS_symlinkat),
        format!(
            "{} :../evil/config :@/w/plain/.envrc",
            crate::old::SYS_symlink
        ),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&[], &steps);
    let link = format!("{} :../evil :@/w/plain/link", crate::old::SYS_symlink);
    let steps = [
        format!("{} :@/w/plain/link :@/w/sub/.git", crate::old::SYS_rename),
        format!("{} :@/w/plain/link :@/w/sub/.git", crate::old::SYS_link),
    ];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    each_denied(&[&link], &steps);
}

/// A file `.git` names another repository, and so other hooks.
#[test]
fn no_file_takes_the_place_of_a_directory_that_an_entry_names() {
    const LISTS: &str = "read = [\"@\"]\nwrite = [\"@/w\"]\n\
        protect = [\"@/w/one/.git/config\", \"@/w/**/.git/hooks\", \"@/w/**/.git/objects\"]\n";
    let steps = [
        open("@/w/one/.git", O_WRONLY | O_CREAT),
        open("@/w/a/.git", O_RDONLY | O_CREAT),
        format!("{} :@/w/a/.git 33188 0", crate::old::SYS_mknod),
        format!("{} :@/w/a/plain :@/w/a/.git", crate::old::SYS_link),
        format!("{} :@/w/a/plain :@/w/a/.git", crate::old::SYS_rename),
        open("@/w/tree/.git", O_WRONLY),
        open("@/w/tree/.git", O_RDONLY | O_TRUNC),
        format!("{} :@/w/tree/.git 0", libc::SYS_truncate),
        format!("{} :@/w/tree/.git", crate::old::SYS_unlink),
        format!("{} :@/w/tree/.git :@/w/tree/x", crate::old::SYS_rename),
        format!("{} :@/w/a/plain :@/w/tree/.git", crate::old::SYS_rename),
        format!(
            "{} {AT_FDCWD} :@/w/a/plain {AT_FDCWD} :@/w/tree/.git {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
        format!(
            "{} {AT_FDCWD} :@/w/empty/.git {AT_FDCWD} :@/w/empty/x2 {RENAME_WHITEOUT}",
            libc::SYS_renameat2
        ),
    ];
    let free = [
        format!("{} :@/w/b/.git 448", crate::old::SYS_mkdir),
        open("@/w/b/.git/HEAD", O_WRONLY | O_CREAT),
        open("@/w/b/git", O_WRONLY | O_CREAT),
        open("@/w/tree/.git", O_RDONLY),
    ];
    let made = || {
        let scene = scene();
        for name in ["w/tree/.git", "w/one/x", "w/b/x"] {
            scene.write(name, name);
        }
        std::fs::create_dir(scene.at("w/empty/.git")).expect("a directory");
        scene
    };
    for step in &steps {
        let scene = made();
        assert_eq!(scene.steps_outside(&[scene.text(step)]), ["ok"], "{step}");
        for landlock in landlocks() {
            let scene = made();
            let found = scene.steps_within(landlock, &scene.policy(LISTS), &[scene.text(step)]);
            assert_eq!(found, ["EACCES"], "{landlock:?}: {step}");
            assert_eq!(scene.content("w/tree/.git"), "w/tree/.git", "after {step}");
        }
    }
    let scene = made();
    let steps = free.map(|step| scene.text(&step));
    let found = scene.steps_within(None, &scene.policy(LISTS), &steps);
    assert_eq!(found, ["ok"; 4]);
    // struct sockaddr_un in one word.
    let address = u64::from_le_bytes(*b"\x01\0a/.git");
    let steps = [
        format!("{} 1 1 0", libc::SYS_socket),
        format!("{} {{0}} words:{address} 8", libc::SYS_bind),
    ];
    assert_eq!(made().steps_outside(&steps), ["ok", "ok"]);
    for landlock in landlocks() {
        let scene = made();
        let found = scene.steps_within(landlock, &scene.policy(LISTS), &steps);
        assert_eq!(found, ["ok", "EACCES"], "{landlock:?}");
        assert!(!scene.exists("w/a/.git"));
    }
}

#[test]
fn what_is_not_protected_is_changed_as_ever() {
    let steps = [
        open("@/w/.git/HEAD", O_WRONLY | O_TRUNC),
        open("@/w/.git/config.lock", O_WRONLY | O_CREAT),
        format!(
            "{} :@/w/.git/config.lock :@/w/.git/index",
            crate::old::SYS_rename
        ),
        format!("{} :@/w/.git/objects 448", crate::old::SYS_mkdir),
        format!("{} :@/w/plain :@/w/plain2", crate::old::SYS_rename),
        format!("{} :@/w/plain2/d :@/w/sub/d", crate::old::SYS_rename),
        format!("{} :@/w/evil :@/w/sub/evil", crate::old::SYS_rename),
        format!("{} :@/w/sub/evil/config :@/w/sub/c", crate::old::SYS_link),
        format!("{} :c :@/w/sub/link", crate::old::SYS_symlink),
        format!("{} :@/w/sub/link :@/w/sub/link2", crate::old::SYS_rename),
        format!("{} :@/w/sub/evil/config", crate::old::SYS_unlink),
        format!("{} :@/w/plain/.git 448", crate::old::SYS_mkdir),
        format!("{} :@/w/plain2", crate::old::SYS_rmdir),
        format!("{} :@/w/a/plain 448", crate::old::SYS_chmod),
        format!("{} :@/w/a/plain :@/w/a/plain3", crate::old::SYS_rename),
        format!(
            "{} {AT_FDCWD} :@/w/empty {AT_FDCWD} :@/w/new {RENAME_EXCHANGE}",
            libc::SYS_renameat2
        ),
    ];
    let mut expected = vec!["ok"; steps.len()];
    // It was moved away.
    expected[11] = "ENOENT";
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    answers(&steps, &expected, &expected);
}

#[test]
fn a_directory_that_cannot_be_looked_through_stays() {
    let scene = scene();
    let policy = scene.policy(PROTECTED);
    let steps = [
        format!("{} :@/w/sub 0", crate::old::SYS_chmod),
        format!("{} :@/w/sub :@/w/x", crate::old::SYS_rename),
        format!("{} :@/w/sub 448", crate::old::SYS_chmod),
    ];
    let steps: Vec<String> = steps.iter().map(|step| scene.text(step)).collect();
    let found = scene.steps_within(None, &policy, &steps);
    assert_eq!(found, ["ok", "EACCES", "ok"]);
    let ran = run(scene.within(
        None,
        &policy,
        &["sh", "-c", "chmod 0 sub; mv sub x; chmod 700 sub"],
    ));
    ran.complains("a part of it cannot be read");
}

#[test]
fn a_large_directory_is_looked_through_and_a_huge_one_stays() {
    let scene = scene();
    let policy = scene.policy(PROTECTED);
    let make = |directory: &str, number: usize| {
        std::fs::create_dir(scene.at(directory)).expect("a directory");
        for index in 0..number {
            let name = scene.at(&format!("{directory}/{index}"));
            std::os::unix::fs::symlink("x", name).expect("a link");
        }
    };
    make("w/large", 20_000);
    run(scene.within(None, &policy, &["mv", "large", "moved"])).ends_with(0);
    make("w/huge", 70_000);
    let ran = run(scene.within(None, &policy, &["mv", "huge", "moved2"]));
    ran.complains("too large to look for what this entry covers")
        .complains("copy the directory");
    assert!(scene.exists("w/huge") && !scene.exists("w/moved2"));
}

#[test]
fn what_comes_from_outside_the_tree_of_a_pattern_is_copied() {
    let scene = scene();
    scene.write("other/d/x", "x");
    scene.write("other/evil/.envrc", "evil");
    let policy = scene
        .policy("read = [\"@\"]\nwrite = [\"@/w\", \"@/other\"]\nprotect = [\"@/w/**/.envrc\"]\n");
    // mv copies where rename(2) says EXDEV.
    let other = [scene.at("other/d"), scene.at("other/evil")];
    let ran = run(scene.within(None, &policy, &["mv", &other[0], "d"])).ends_with(0);
    assert_eq!(ran.err, "");
    assert_eq!(scene.content("w/d/x"), "x");
    let ran = run(scene.within(None, &policy, &["mv", &other[1], "evil2"]));
    ran.complains("evil2/.envrc");
    assert!(!scene.exists("w/evil2/.envrc"));
}

#[test]
fn a_link_on_the_way_to_what_is_protected_stays() {
    let scene = scene();
    scene.link("evil", "w/hooked");
    let policy =
        scene.policy("read = [\"@\"]\nwrite = [\"@/w\"]\nprotect = [\"@/w/hooked/hooks\"]\n");
    let steps = [
        open("@/w/evil/hooks/post-commit", O_WRONLY),
        format!("{} :@/w/hooked", crate::old::SYS_unlink),
        format!("{} :@/w/hooked :@/w/x", crate::old::SYS_rename),
        format!("{} :@/w/plain :@/w/hooked", crate::old::SYS_rename),
        open("@/w/evil/config", O_WRONLY),
    ];
    let steps: Vec<String> = steps.iter().map(|step| scene.text(step)).collect();
    let found = scene.steps_within(None, &policy, &steps);
    let rename = if found[3] == "ENOTDIR" {
        "ENOTDIR"
    } else {
        "EACCES"
    };
    assert_eq!(found, ["EACCES", "EACCES", "EACCES", rename, "ok"]);
}

#[test]
fn a_denial_names_its_line_and_its_reason() {
    let scene = scene();
    let policy = scene.policy(
        "read = [\"@\"]\nwrite = [\"@/w\"]\nprotect = [{ path = \"@/w/.git/hooks\", why = \"git runs them\" }]\n",
    );
    run(scene.within(None, &policy, &["sh", "-c", "echo x > .git/hooks/x"]))
        .complains("denied write of")
        .complains("scene.toml:5")
        .complains("git runs them")
        .complains("to allow: remove or narrow fs.protect at");
    run(scene.within(None, &policy, &["mv", ".git", "x"]))
        .complains("w/.git/hooks")
        .complains("git runs them");
}

#[test]
fn an_action_is_an_errno_or_kills() {
    let scene = scene();
    let policy = scene.policy(
        "read = [\"@\"]\nwrite = [\"@/w\"]\nprotect = [{ path = \"@/w/.git/config\", action = \"EROFS\" }, { path = \"@/w/.git/hooks\", action = \"kill\" }]\n",
    );
    let steps = [scene.text(&open("@/w/.git/config", O_WRONLY))];
    assert_eq!(scene.steps_within(None, &policy, &steps), ["EROFS"]);
    let command = [
        "sh",
        "-c",
        "cat .git/hooks/post-commit; echo x > .git/hooks/x; echo alive",
    ];
    run(scene.within(None, &policy, &command))
        .ends_with(159)
        .says("w/.git/hooks/post-commit");
}

#[test]
fn the_policy_itself_is_protected() {
    for extended in [false, true] {
        let scene = scene();
        let team = scene.write("w/conf/team.toml", "extends = [\"base\"]\n");
        let text = match extended {
            true => "extends = [\"./conf/team.toml\"]\n[fs]\nread = [\".\"]\nwrite = [\".\"]\n",
            false => "extends = [\"base\"]\n[fs]\nread = [\".\"]\nwrite = [\".\"]\n",
        };
        let policy = scene.write("w/jail.toml", text);
        let command = [
            "sh",
            "-c",
            "echo >> jail.toml; rm jail.toml; mv conf x; echo > conf/team.toml; echo ok > other",
        ];
        let run_within = |policy: &str| {
            run(jail(["--policy", policy, "--"].iter().chain(&command)).cwd(scene.at("w")))
                .complains("a file of the policy that this jail was started with")
                .complains("policy file")
        };
        run_within("./jail.toml");
        assert_eq!(scene.content("w/jail.toml"), text);
        assert_eq!(scene.content("w/other"), "ok\n");
        assert_eq!(scene.exists("w/conf"), extended, "{team} {policy}");
    }
}

#[test]
fn a_link_to_the_policy_is_protected() {
    let scene = scene();
    scene.policy_file(
        "real.toml",
        "extends = [\"base\"]\n[fs]\nread = [\".\"]\nwrite = [\".\"]\n",
    );
    let real = scene.policy("");
    let real = real.replace("scene.toml", "real.toml");
    std::os::unix::fs::symlink(&real, scene.at("w/jail.toml")).expect("a link");
    run(jail(["--policy", "./jail.toml", "--", "rm", "jail.toml"]).cwd(scene.at("w")))
        .complains("policy file");
    assert!(scene.exists("w/jail.toml"));
}
