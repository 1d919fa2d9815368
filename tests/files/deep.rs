//! Directories and programs at paths that readlink(2) does not give: more than 4,095 bytes.

use super::scene::{Scene, open, openat as open_at, run};
use crate::support::landlock::landlocks;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, mkdirat};
use std::os::fd::OwnedFd;

/// Everything, but for programs of one name.
const BY_NAME: &str = r#"
read  = ["/"]
exec  = ["/"]
deny  = ["@/**/forbidden"]
"#;

/// The name of each directory of a deep tree.
const NAME: usize = 200;

/// Directories in one another beneath `bin`, so many; the last of them.
fn deep(scene: &Scene, count: usize) -> OwnedFd {
    let name = "d".repeat(NAME);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let top = std::fs::File::open(scene.at("bin")).expect("a directory");
    let mut here = OwnedFd::from(top);
    for _ in 0..count {
        match mkdirat(&here, name.as_str(), Mode::S_IRWXU) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(errno) => panic!("mkdirat: {errno}"),
        }
        here = openat(&here, name.as_str(), flags, Mode::empty()).expect("a directory");
    }
    here
}

/// The steps into such a tree.
fn into(scene: &Scene, count: usize) -> Vec<String> {
    let chdir = |to: &str| format!("{} :{to}", libc::SYS_chdir);
    let mut steps = vec![chdir(&scene.at("bin"))];
    steps.extend(vec![chdir(&"d".repeat(NAME)); count]);
    steps
}

fn last(answers: Vec<String>) -> String {
    answers.into_iter().next_back().unwrap_or_default()
}

/// `#!./forbidden` is relative to a working directory whose path the supervisor cannot read: what
/// runs is /proc/PID/exe, and that path is too long as well.
#[test]
fn an_interpreter_at_a_path_that_is_too_long_is_denied_by_its_name() {
    let scene = Scene::new();
    let policy = scene.policy(BY_NAME);
    let place = deep(&scene, 24);
    scene.copy_into("/bin/true", &place, "forbidden");
    scene.program("bin/script", "#!./forbidden\n");
    scene.program("bin/first", "#!@/bin/script\n");
    for script in ["script", "first"] {
        let mut steps = into(&scene, 24);
        steps.push(format!("exec :{}", scene.at(&format!("bin/{script}"))));
        assert_eq!(last(scene.steps_outside(&steps)), "ok");
        for landlock in landlocks() {
            let found = last(scene.steps_within(landlock, &policy, &steps));
            assert_ne!(found, "ok", "{script}, {landlock:?}");
        }
    }
}

/// The path of the working directory is short enough, that of the program is not.
#[test]
fn a_program_at_a_path_that_is_too_long_is_judged_by_its_name() {
    let scene = Scene::new();
    let policy = scene.policy(BY_NAME);
    let place = deep(&scene, 24);
    for name in ["forbidden", "allowed"] {
        scene.copy_into("/bin/true", &place, name);
    }
    let beneath = vec!["d".repeat(NAME); 8].join("/");
    for (name, expected) in [("allowed", "ok"), ("forbidden", "EACCES")] {
        let mut steps = into(&scene, 16);
        steps.push(format!("exec :{beneath}/{name}"));
        assert_eq!(last(scene.steps_outside(&steps)), "ok");
        for landlock in landlocks() {
            let found = last(scene.steps_within(landlock, &policy, &steps));
            assert_eq!(found, expected, "{name}, {landlock:?}");
        }
    }
}

/// Where Landlock alone holds programs, the look after the call reads the whole path.
#[test]
fn a_program_at_a_path_that_is_too_long_runs_where_a_subtree_allows_it() {
    let scene = Scene::new();
    let policy = scene.policy("read = [\"@\"]\nexec = [\"@/bin\"]\n");
    let place = deep(&scene, 24);
    scene.copy_into("/bin/true", &place, "program");
    let mut steps = into(&scene, 16);
    let beneath = vec!["d".repeat(NAME); 8].join("/");
    steps.push(format!("exec :{beneath}/program"));
    for landlock in landlocks() {
        let found = last(scene.steps_within(landlock, &policy, &steps));
        assert_eq!(found, "ok", "{landlock:?}");
    }
}

/// What is granted and denied in each kind of jail; the tree is beneath `w`.
const LISTS: [&str; 4] = [
    "write = [\"@/w\"]\n",
    "write = [\"@/w\"]\ndeny = [\"@/**/secret\"]\n",
    "write = [\"@/w\"]\nhide = [\"@/**/secret\"]\n",
    "write = [\"@/w/**\"]\n",
];

/// Steps at the end of a tree that they make, one name after the other.
fn at_the_end(count: usize, steps: &[String]) -> Vec<String> {
    let name = "d".repeat(NAME);
    let mkdir = format!("{} :{name} 493", crate::old::SYS_mkdir);
    let chdir = format!("{} :{name}", libc::SYS_chdir);
    let mut all = vec![[mkdir, chdir]; count].concat();
    all.extend(steps.iter().cloned());
    all
}

fn ends(answers: &[String], count: usize) -> Vec<&str> {
    let from = answers.len().saturating_sub(count);
    answers.iter().skip(from).map(String::as_str).collect()
}

/// What a program does in a directory whose path is longer than PATH_MAX.
#[test]
fn a_directory_beyond_path_max_is_used_as_outside() {
    let here = libc::AT_FDCWD;
    let steps = [
        open("f", libc::O_CREAT | libc::O_RDWR),
        open("f", libc::O_RDONLY),
        open("./f", libc::O_RDWR),
        open(".", libc::O_RDONLY | libc::O_DIRECTORY),
        open("..", libc::O_RDONLY | libc::O_DIRECTORY),
        open_at("{fourth}", "..", libc::O_RDONLY | libc::O_DIRECTORY),
        format!("{} :f buf", crate::old::SYS_stat),
        format!("{} :f 0", crate::old::SYS_access),
        format!("{} :f 384", crate::old::SYS_chmod),
        format!("{} :f :g", crate::old::SYS_rename),
        format!("{} {here} :g {here} :h 0", libc::SYS_linkat),
        format!("{} :g", crate::old::SYS_unlink),
        format!("{} :h 0", libc::SYS_truncate),
        format!("{} :nowhere :l", crate::old::SYS_symlink),
        format!("{} :l", crate::old::SYS_unlink),
        format!("{} :e 493", crate::old::SYS_mkdir),
        format!("{} :e/f :h", crate::old::SYS_rename),
        format!("{} :e", libc::SYS_chdir),
        format!("{} :..", libc::SYS_chdir),
        format!("{} :e", crate::old::SYS_rmdir),
        format!("{} :h", crate::old::SYS_unlink),
        format!("{} :..", libc::SYS_chdir),
        format!("{} :{}", crate::old::SYS_rmdir, "d".repeat(NAME)),
    ];
    let count = steps.len();
    // The directory that the fourth step has opened.
    let fourth = (2 * 24 + 3).to_string();
    let steps = steps.map(|step| step.replace("fourth", &fourth));
    let steps = at_the_end(24, &steps);
    let free = Scene::new();
    let outside = free.steps_outside(&steps);
    let mut expected = vec!["ok"; count];
    expected[16] = "ENOENT";
    assert_eq!(ends(&outside, count), expected, "outside");
    for lists in LISTS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!("read = [\"@\"]\n{lists}"));
            let within = scene.steps_within(landlock, &policy, &steps);
            assert_eq!(within, outside, "{landlock:?} {lists}");
        }
    }
}

#[test]
fn what_is_denied_stays_so_beyond_path_max() {
    let up = "../".repeat(3);
    let steps = [
        open("secret", libc::O_RDONLY),
        open("./secret", libc::O_WRONLY | libc::O_CREAT),
        open("../secret", libc::O_RDONLY),
        open(&format!("{up}secret"), libc::O_RDONLY),
        format!("{} :secret", crate::old::SYS_unlink),
        format!("{} :secret :other", crate::old::SYS_rename),
        format!("{} :secret :other", crate::old::SYS_link),
        format!("{} :secret 511", crate::old::SYS_chmod),
        format!("{} :secret 0", libc::SYS_truncate),
        format!("{} :../secret", crate::old::SYS_unlink),
    ];
    let count = steps.len();
    let into = |scene: &Scene| {
        let chdir = format!("{} :{}", libc::SYS_chdir, "d".repeat(NAME));
        let mut all = vec![format!("{} :{}", libc::SYS_chdir, scene.at("w"))];
        all.extend(vec![chdir; 24]);
        all.extend(steps.iter().cloned());
        all
    };
    let scene_with_secrets = || {
        let scene = Scene::new();
        let mut here = OwnedFd::from(std::fs::File::open(scene.at("w")).expect("a directory"));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let name = "d".repeat(NAME);
        for level in 0..24 {
            mkdirat(&here, name.as_str(), Mode::S_IRWXU).expect("a directory");
            here = openat(&here, name.as_str(), flags, Mode::empty()).expect("a directory");
            if level >= 20 {
                scene.copy_into("/etc/passwd", &here, "secret");
            }
        }
        scene
    };
    for (list, answer) in [("deny", "EACCES"), ("hide", "ENOENT")] {
        for landlock in landlocks() {
            let scene = scene_with_secrets();
            let lists = format!("read = [\"@\"]\nwrite = [\"@/w\"]\n{list} = [\"@/**/secret\"]\n");
            let policy = scene.policy(&lists);
            let within = scene.steps_within(landlock, &policy, &into(&scene));
            let case = format!("{list} {landlock:?}");
            assert_eq!(ends(&within, count), vec![answer; count], "{case}");
        }
    }
    // Alone, each would do what it says.
    for (at, step) in steps.iter().enumerate() {
        let scene = scene_with_secrets();
        let mut all = into(&scene);
        all.truncate(25);
        all.push(step.clone());
        assert_eq!(last(scene.steps_outside(&all)), "ok", "{at}");
    }
}

/// As rm, find and others do it, which go down and up by descriptors.
#[test]
fn a_tree_beyond_path_max_is_removed() {
    for lists in LISTS {
        for landlock in landlocks() {
            let scene = Scene::new();
            let policy = scene.policy(&format!(
                "read = [\"@\", \"/usr\"]\n{lists}exec = [\"/usr\"]\n"
            ));
            let name = "d".repeat(NAME);
            let top = std::fs::File::open(scene.at("w")).expect("a directory");
            let mut here = OwnedFd::from(top);
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            for _ in 0..24 {
                mkdirat(&here, name.as_str(), Mode::S_IRWXU).expect("a directory");
                here = openat(&here, name.as_str(), flags, Mode::empty()).expect("a directory");
                scene.copy_into("/etc/passwd", &here, "file");
            }
            let command = ["/usr/bin/rm", "-r", &name];
            let ran = run(scene.within(landlock, &policy, &command)).ends_with(0);
            assert!(
                !scene.exists(&format!("w/{name}")),
                "{landlock:?} {lists} {}",
                ran.err
            );
        }
    }
}

/// The supervisor looks for names no further than this.
#[test]
fn beyond_a_crowd_of_names_a_directory_is_too_deep() {
    let scene = Scene::new();
    let policy = scene.policy("read = [\"@\"]\nwrite = [\"@/w\"]\ndeny = [\"@/**/secret\"]\n");
    let steps = at_the_end(24, &[]);
    scene.steps_outside(&steps);
    let name = "d".repeat(NAME);
    let mut here = OwnedFd::from(std::fs::File::open(scene.at("w")).expect("a directory"));
    for _ in 0..23 {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        here = openat(&here, name.as_str(), flags, Mode::empty()).expect("a directory");
    }
    for number in 0..9000 {
        nix::sys::stat::mknodat(
            &here,
            number.to_string().as_str(),
            SFlag::S_IFREG,
            Mode::S_IRWXU,
            0,
        )
        .expect("a file");
    }
    let mut into = vec![format!("{} :{name}", libc::SYS_chdir); 24];
    into.push(open("f", libc::O_CREAT | libc::O_RDWR));
    assert_eq!(last(scene.steps_outside(&into)), "ok");
    for landlock in landlocks() {
        let found = last(scene.steps_within(landlock, &policy, &into));
        assert!(
            matches!(found.as_str(), "ENAMETOOLONG" | "ok"),
            "{found} {landlock:?}"
        );
    }
}
