//! Programs that install a seccomp filter of their own, which is asked about the calls that the supervisor
//! makes in their place, too.

use super::scene::{SUBTREES, Scene, files, run};
use crate::support::landlock::{abi, landlocks};
use libc::{SYS_mmap as MMAP, SYS_mseal as MSEAL, SYS_openat2 as OPENAT2};

/// Where the supervisor judges opens, and those of the loader are judged and pinned, or go on as they are.
fn policies(scene: &Scene) -> [String; 3] {
    let base = "extends = [\"base\"]\n[fs]\n";
    [
        scene.policy_file(
            "deny.toml",
            &format!("{base}{SUBTREES}deny = [\"@/w/**/secret\"]\n"),
        ),
        scene.policy_file(
            "hide.toml",
            &format!("{base}{SUBTREES}hide = [\"@/w/**/secret\"]\n"),
        ),
        scene.policy_file(
            "open.toml",
            "default = \"allow\"\n[fs]\ndeny = [\"@/**/secret\"]\n",
        ),
    ]
}

/// What is said of a program under this filter, outside and in each jail.
#[track_caller]
fn says(answer: &str, calls: &str, actions: &[&str], out: &str) {
    let made = |scene: &Scene| -> Vec<String> {
        let program = [files(), "filtered".into(), answer.into(), calls.into()];
        let actions = actions.iter().map(|action| scene.text(action));
        program.into_iter().chain(actions).collect()
    };
    let free = Scene::new();
    let command = made(&free);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    run(free.outside(&command)).ends_with(0).says(out);
    for landlock in landlocks() {
        let scene = Scene::new();
        let command = made(&scene);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        for policy in policies(&scene) {
            let ran = run(scene.within(landlock, &policy, &command));
            if ran.code() != Some(0) || ran.out != out || ran.err.contains("seccomp filter") {
                ran.fail(&format!("{landlock:?} {policy}, expected {out:?}"));
            }
        }
    }
}

#[test]
fn a_program_whose_filter_knows_no_mseal_opens_and_starts_threads() {
    let mseal = MSEAL.to_string();
    for answer in ["EPERM", "kill"] {
        says(answer, &mseal, &["thread:@/w/file"], "thread: ok\n");
        says(
            answer,
            &mseal,
            &["open:@/w/file", "thread:@/w/file", "open:@/r/file"],
            "open: ok\nthread: ok\nopen: ok\n",
        );
    }
}

/// Addresses are judged, and nothing else.
#[test]
fn a_program_whose_filter_knows_no_mseal_sends_from_a_thread() {
    let scene = Scene::new();
    let program = files();
    let mseal = MSEAL.to_string();
    let command = [
        program.as_str(),
        "filtered",
        "kill",
        &mseal,
        "send",
        "fork",
        "send",
    ];
    let sent = "send: Ok(Ok(1))\n".repeat(2);
    run(scene.outside(&command)).says(&sent);
    let text = "extends = [\"permissive\"]\n[net]\ndeny = [{ to = \"10.0.0.0/8\" }]\n";
    let policy = scene.policy_file("net.toml", text);
    for landlock in landlocks() {
        run(scene.within(landlock, &policy, &command)).says(&sent);
    }
}

/// The pages for paths are mapped before the filter stands, and children have a copy of them.
#[test]
fn a_program_whose_filter_refuses_mmap_opens_and_so_do_its_children() {
    for answer in ["EPERM", "kill"] {
        says(
            answer,
            &MMAP.to_string(),
            &["open:@/w/file", "fork", "open:@/r/file", "open:@/w/file"],
            "open: ok\nopen: ok\nopen: ok\n",
        );
    }
}

/// A child has a copy of the pages for paths.
#[test]
fn children_of_a_program_whose_filter_knows_no_mseal_open_and_start_threads() {
    for answer in ["EPERM", "kill"] {
        says(
            answer,
            &MSEAL.to_string(),
            &[
                "fork",
                "thread:@/w/file",
                "fork",
                "open:@/w/file",
                "thread:@/r/file",
                "fork",
                "open:@/w/file",
            ],
            "thread: ok\nopen: ok\nthread: ok\nopen: ok\n",
        );
    }
}

#[test]
fn what_is_denied_is_denied_under_a_filter_of_the_programs_own() {
    let mseal = MSEAL.to_string();
    for landlock in landlocks() {
        let scene = Scene::new();
        scene.write("w/secret", "secret");
        let open = format!("open:{}", scene.at("w/secret"));
        let thread = format!("thread:{}", scene.at("w/secret"));
        let program = files();
        let command = [
            &program, "filtered", "EPERM", &mseal, &open, &thread, "fork", &open, &thread,
        ];
        let denied = "Permission denied (os error 13)";
        let hidden = "No such file or directory (os error 2)";
        for (policy, error) in policies(&scene).iter().zip([denied, hidden, denied]) {
            let expected = format!("open: {error}\nthread: {error}\n").repeat(2);
            run(scene.within(landlock, policy, &command)).says(&expected);
        }
        run(scene.outside(&command)).says(&"open: ok\nthread: ok\n".repeat(2));
    }
}

/// Nothing but a message can be done: the calls that jail would make instead are as unknown to the filter.
#[test]
fn a_filter_that_refuses_openat2_is_named() {
    let calls = OPENAT2.to_string();
    for landlock in landlocks() {
        for (answer, code) in [("EPERM", 0), ("kill", 159), ("trap", 159)] {
            let scene = Scene::new();
            let open = format!("open:{}", scene.at("w/file"));
            let program = files();
            let command = [&program, "filtered", answer, &calls, &open, &open];
            run(scene.outside(&command))
                .ends_with(0)
                .says("open: ok\nopen: ok\n");
            for policy in policies(&scene) {
                let ran = run(scene.within(landlock, &policy, &command)).ends_with(code);
                let named = ran
                    .err
                    .matches("[the command's own seccomp filter]")
                    .count();
                assert_eq!(named, 1, "{answer} {landlock:?} {policy}: {}", ran.err);
            }
            // Where Landlock holds all, openat is openat.
            if landlock.is_none() && abi() > 0 {
                let policy = scene.policy(SUBTREES);
                let ran = run(scene.within(landlock, &policy, &command));
                assert_eq!(ran.says("open: ok\nopen: ok\n").err, "");
            }
        }
    }
}

/// Of such a call no tracer sees the end.
#[test]
fn a_filter_that_kills_a_thread_for_openat2_is_named() {
    let calls = OPENAT2.to_string();
    for landlock in landlocks() {
        let scene = Scene::new();
        let open = format!("killed:{}", scene.at("w/file"));
        let program = files();
        let command = [&program, "filtered", "kill-thread", &calls, &open];
        run(scene.outside(&command)).says("thread: ok\n");
        for policy in policies(&scene) {
            let ran = run(scene.within(landlock, &policy, &command)).says("thread: killed\n");
            let named = ran.err.matches("[the command's own seccomp filter]");
            assert_eq!(named.count(), 1, "{landlock:?} {policy}: {}", ran.err);
        }
    }
}

/// A program that is executed under the filter has no pages for paths yet. They need no call but mmap.
#[test]
fn a_program_that_is_executed_under_a_filter_without_mseal_opens() {
    let calls = MSEAL.to_string();
    for answer in ["EPERM", "kill"] {
        let scene = Scene::new();
        let exec = format!("exec:{}", scene.at("w/file"));
        let program = files();
        let command = [&program, "filtered", answer, &calls, &exec];
        run(scene.outside(&command)).ends_with(0).says("w");
        for policy in policies(&scene) {
            let ran = run(scene.within(None, &policy, &command));
            assert_eq!(ran.ends_with(0).says("w").err, "");
        }
    }
}
