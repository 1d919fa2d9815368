//! Programs at paths that readlink(2) does not give: more than 4,095 bytes.

use super::scene::{LANDLOCK, Scene};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
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
        for landlock in LANDLOCK {
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
        for landlock in LANDLOCK {
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
    for landlock in LANDLOCK {
        let found = last(scene.steps_within(landlock, &policy, &steps));
        assert_eq!(found, "ok", "{landlock:?}");
    }
}
