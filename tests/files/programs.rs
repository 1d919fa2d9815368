//! Programs that are none of those that may be executed, by every way to run one.

use super::scene::{SUBTREES, Scene, run};
use crate::steps;
use crate::support::landlock::landlocks;
use std::path::Path;

/// A dynamic loader, as programs name it.
const LOADER: &str = match cfg!(target_arch = "x86_64") {
    true => "/lib64/ld-linux-x86-64.so.2",
    false => "/lib/ld-linux-aarch64.so.1",
};

/// What a shell says of a program that cannot be executed, and of one that was killed as it began:
/// what Landlock alone judges before the call is judged again after it.
const DENIED: &[i32] = &[126, 137];
const RUNS: &[i32] = &[0];

/// `sh -c SCRIPT` ends outside with 0, within with one of these codes; if it is 0, it says there
/// what it says outside.
#[track_caller]
fn ends(scene: &Scene, lists: &str, script: &str, codes: &[i32]) {
    let policy = scene.policy(lists);
    let script = scene.text(script);
    let command = ["/bin/sh", "-c", &script];
    let outside = run(scene.outside(&command)).ends_with(0);
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &command));
        if !ran.code().is_some_and(|code| codes.contains(&code)) {
            ran.fail(&format!("should end with {codes:?}, Landlock {landlock:?}"));
        }
        if codes == RUNS && ran.out != outside.out {
            ran.fail(&format!(
                "should say {:?}, Landlock {landlock:?}",
                outside.out
            ));
        }
    }
}

#[test]
fn a_memfd_is_no_program() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let attack = steps![scene; "memfd /bin/true", "exec-fd {0}", "exec :/proc/self/fd/{0}"];
    assert_eq!(scene.steps_outside(&attack), ["ok"; 3]);
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &attack);
        assert_eq!(found[..2], ["ok", "EACCES"], "{landlock:?}");
        // Judged after the call, it dies before its first instruction.
        assert!(
            matches!(found[2].as_str(), "EACCES" | "ENOEXEC"),
            "{landlock:?} {found:?}"
        );
    }
    // Where everything may be executed, so may this.
    let open = scene.policy(&SUBTREES.replace("exec  = [\"@/bin\"]", "exec = [\"/\"]"));
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &open, &attack);
        assert_eq!(found, ["ok"; 3], "exec = [\"/\"], {landlock:?}");
    }
}

#[test]
fn a_copy_in_a_writable_directory_is_not_executed() {
    let scene = Scene::new();
    ends(
        &scene,
        SUBTREES,
        "cp /bin/true @/w/copy && chmod +x @/w/copy && @/w/copy",
        DENIED,
    );
    // A rename does not make it a program either.
    let mine = "read = [\"@\"]\nwrite = [\"@/w\", \"@/bin\"]\nexec = [\"@/bin\"]";
    let scene = Scene::new();
    ends(
        &scene,
        mine,
        "cp /bin/true @/bin/t && chmod +x @/bin/t && @/bin/t",
        RUNS,
    );
}

#[test]
fn a_loader_runs_no_program_that_is_not_one() {
    let scene = Scene::new();
    scene.copy("/bin/true", "w/forbidden");
    ends(&scene, SUBTREES, &format!("{LOADER} @/w/forbidden"), DENIED);
    // The program itself may be executed, and still not in this way: the loader is told a path.
    ends(&scene, SUBTREES, &format!("{LOADER} /bin/true"), DENIED);
}

#[test]
fn a_loader_by_another_name_is_one() {
    let scene = Scene::new();
    scene.copy("/bin/true", "w/forbidden");
    scene.link(LOADER, "w/by-link");
    ends(&scene, SUBTREES, "@/w/by-link @/w/forbidden", DENIED);
    scene.copy(LOADER, "w/copy");
    ends(&scene, SUBTREES, "@/w/copy @/w/forbidden", DENIED);
    scene.copy(LOADER, "bin/innocent");
    ends(&scene, SUBTREES, "@/bin/innocent @/w/forbidden", DENIED);
}

#[test]
fn a_loader_that_exec_names_runs_what_it_is_told() {
    let scene = Scene::new();
    scene.copy("/bin/true", "w/forbidden");
    let file = Path::new(LOADER).canonicalize().expect("the loader");
    let file = file.display();
    let named = SUBTREES.replace("exec  = [\"@/bin\"", &format!("exec = [\"{file}\""));
    ends(&scene, &named, &format!("{LOADER} @/w/forbidden"), RUNS);
    ends(&scene, &named, &format!("{file} @/w/forbidden"), RUNS);
}

#[test]
fn a_script_needs_an_interpreter_that_may_be_executed() {
    let scene = Scene::new();
    scene.copy("/bin/sh", "w/interpreter");
    scene.program("bin/forbidden", "#!@/w/interpreter\necho ran\n");
    scene.program("bin/allowed", "#!/bin/sh\necho ran\n");
    ends(&scene, SUBTREES, "@/bin/forbidden", DENIED);
    ends(&scene, SUBTREES, "@/bin/allowed", RUNS);
    let denied = format!("{SUBTREES}deny = [\"@/bin/evil*\"]\n");
    scene.copy("/bin/sh", "bin/evil-sh");
    scene.program("bin/of-evil", "#!@/bin/evil-sh\necho ran\n");
    ends(&scene, &denied, "@/bin/of-evil", DENIED);
    ends(&scene, &denied, "@/bin/allowed", RUNS);
}

#[test]
fn a_chain_of_scripts_is_as_good_as_its_last_interpreter() {
    let scene = Scene::new();
    scene.copy("/bin/sh", "w/interpreter");
    scene.program("bin/last-bad", "#!@/w/interpreter\n");
    scene.program("bin/middle-bad", "#!@/bin/last-bad\n");
    scene.program("bin/first-bad", "#!@/bin/middle-bad\necho ran\n");
    scene.program("bin/last", "#!/bin/echo\n");
    scene.program("bin/middle", "#!@/bin/last\n");
    scene.program("bin/first", "#!@/bin/middle\n");
    ends(&scene, SUBTREES, "@/bin/first-bad", DENIED);
    ends(&scene, SUBTREES, "@/bin/first x", RUNS);
}

#[test]
fn a_script_is_text_to_an_interpreter_that_may_be_executed() {
    let scene = Scene::new();
    scene.program("w/script", "#!/bin/sh\necho ran\n");
    ends(&scene, SUBTREES, "/bin/sh @/w/script", RUNS);
    ends(&scene, SUBTREES, "@/w/script", DENIED);
    scene.program("none/script", "echo ran\n");
    ends(&scene, SUBTREES, "/bin/sh @/none/script", &[2]);
}
