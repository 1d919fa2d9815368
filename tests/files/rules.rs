//! `[[rule]]`s about a path and about arguments, and what `fs.deny` may answer.

use super::scene::{SUBTREES, Scene, open, run};
use crate::steps;
use crate::support::landlock::landlocks;
use libc::{O_RDONLY, O_RDWR};

#[test]
fn a_rule_denies_a_call_on_a_path_and_no_other() {
    let scene = Scene::new();
    let rule = |answer: &str| {
        format!(
            "{SUBTREES}[[rule]]\nsyscall = [\"open\", \"openat\", \"chmod\", \"fchmodat\"]\npath = \"@/w/file\"\naction = \"{answer}\"\n"
        )
    };
    scene.write("w/beside", "beside");
    scene.link("file", "w/link");
    let attack = steps![scene;
        open("@/w/file", O_RDONLY),
        open("link", O_RDWR),
        open("/proc/self/cwd/./file", O_RDONLY),
        format!("{} :@/w/link 384", crate::old::SYS_chmod),
        open("@/w/beside", O_RDWR),
        format!("{} :@/w/beside 384", crate::old::SYS_chmod),
    ];
    assert_eq!(scene.steps_outside(&attack), ["ok"; 6]);
    for (answer, errno) in [("deny", "EPERM"), ("ENOENT", "ENOENT")] {
        let policy = scene.policy(&rule(answer));
        for landlock in landlocks() {
            let found = scene.steps_within(landlock, &policy, &attack);
            assert_eq!(
                found,
                [errno, errno, errno, errno, "ok", "ok"],
                "{landlock:?}"
            );
        }
    }
}

#[test]
fn a_rule_kills_for_a_path() {
    let scene = Scene::new();
    let policy = scene.policy(&format!(
        "{SUBTREES}[[rule]]\nsyscall = [\"open\", \"openat\"]\npath = \"@/w/trap\"\naction = \"kill\"\nwhy = \"a trap\"\n"
    ));
    scene.write("w/trap", "trap");
    let script = "cat file; cat trap; echo survived";
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &["/bin/sh", "-c", script]));
        ran.ends_with(159).says("w").complains("a trap");
    }
    let outside = run(scene.outside(&["/bin/sh", "-c", script]));
    outside.ends_with(0).says("wtrapsurvived\n");
}

#[test]
fn a_rule_allows_on_a_path_what_is_denied_elsewhere() {
    let scene = Scene::new();
    let policy = scene.policy(&format!(
        "{SUBTREES}[syscalls]\nmkdir = \"deny\"\nmkdirat = \"deny\"\n[[rule]]\nsyscall = [\"mkdir\", \"mkdirat\"]\npath = \"@/w/sub\"\naction = \"allow\"\n"
    ));
    for landlock in landlocks() {
        let mkdir = |name: &str| format!("{} :{name} 448", crate::old::SYS_mkdir);
        let attack = steps![scene; mkdir("@/w/sub"), mkdir("sub/inner"), mkdir("@/w/other"), mkdir("@/r/sub")];
        let found = scene.steps_within(landlock, &policy, &attack);
        assert_eq!(found, ["ok", "ok", "EPERM", "EPERM"], "{landlock:?}");
        assert!(!scene.exists("w/other"));
        std::fs::remove_dir_all(scene.at("w/sub")).expect("what was allowed");
    }
    // Both must allow it: the call and its path.
    let wide = scene.policy(&format!(
        "{SUBTREES}[syscalls]\nmkdir = \"deny\"\n[[rule]]\nsyscall = \"mkdir\"\npath = \"@\"\naction = \"allow\"\n"
    ));
    for landlock in landlocks() {
        let attack = steps![scene; format!("{} :@/r/sub 448", crate::old::SYS_mkdir)];
        assert_eq!(
            scene.steps_within(landlock, &wide, &attack),
            ["EACCES"],
            "{landlock:?}"
        );
    }
}

/// A program named `git` that says what it was told.
fn with_git() -> Scene {
    let scene = Scene::new();
    scene.program("bin/git", "#!/bin/sh\necho \"git $*\"\n");
    scene
}

fn git(action: &str) -> String {
    format!(
        "{SUBTREES}[[rule]]\nsyscall = [\"execve\", \"execveat\"]\nargv = [\"git\", \"push\", \"**\"]\naction = \"{action}\"\nwhy = \"no publishing\"\n"
    )
}

#[test]
fn a_rule_denies_a_program_its_arguments() {
    let scene = with_git();
    let script = scene.text("PATH=@/bin:$PATH; git status; git push origin; git push; git pushed");
    let command = ["/bin/sh", "-c", &script];
    let all = "git status\ngit push origin\ngit push\ngit pushed\n";
    run(scene.outside(&command)).ends_with(0).says(all);
    let policy = scene.policy(&git("deny"));
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &command));
        ran.ends_with(0)
            .says("git status\ngit pushed\n")
            .complains("no publishing");
    }
    // Without the rule all of it runs.
    let policy = scene.policy(SUBTREES);
    run(scene.within(None, &policy, &command))
        .ends_with(0)
        .says(all);
}

#[test]
fn a_rule_about_arguments_leaves_the_kernel_its_errors() {
    let scene = Scene::new();
    let policy = scene.policy(&git("deny"));
    let exec = |rest: &str| format!("{} {rest}", libc::SYS_execve);
    let steps = [
        exec(":/bin/true bad null"),
        exec(":/bin/true words:4096,0 null"),
        exec(":/bin/true sealed null"),
        exec(":/bin/true null bad"),
        exec(":missing null null"),
        exec(":/etc null null"),
        exec("bad null null"),
        exec(": null null"),
    ];
    let outside = scene.steps_outside(&steps);
    assert!(outside.iter().all(|answer| answer.starts_with('E')));
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &steps);
        assert_eq!(found, outside, "{landlock:?}");
    }
}

#[test]
fn a_rule_kills_for_arguments() {
    let scene = with_git();
    let script = scene.text("PATH=@/bin:$PATH; git status; git push origin; echo survived");
    let policy = scene.policy(&git("kill"));
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &["/bin/sh", "-c", &script]));
        ran.ends_with(159)
            .says("git status\n")
            .complains("no publishing");
    }
}

#[test]
fn a_rule_allows_only_these_arguments() {
    let scene = with_git();
    let policy = scene.policy(&format!(
        "{SUBTREES}[syscalls]\nexecve = \"deny\"\n\
         [[rule]]\nsyscall = \"execve\"\nargv = [\"/bin/sh\", \"-c\", \"*\"]\naction = \"allow\"\n\
         [[rule]]\nsyscall = \"execve\"\nargv = [\"git\", \"status\"]\naction = \"allow\"\n"
    ));
    let script = scene.text("PATH=@/bin:$PATH; git status; git status -s; git push; echo done");
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &["/bin/sh", "-c", &script]));
        ran.ends_with(0).says("git status\ndone\n");
    }
}

#[test]
fn a_denial_answers_with_the_errno_that_it_names() {
    let scene = Scene::new();
    for name in ["plain", "gone", "perm", "loop"] {
        scene.write(&format!("r/{name}"), name);
    }
    let policy = scene.policy(
        r#"read = ["@/r"]
write = ["@/w"]
deny = [
  "@/r/plain",
  { path = "@/r/gone", action = "ENOENT" },
  { path = "@/r/perm", action = "EPERM" },
  { path = "@/none/file", action = "ELOOP" },
]
"#,
    );
    let attack = [
        "@/r/plain",
        "@/r/gone",
        "@/r/perm",
        "@/none/file",
        "@/r/loop",
    ]
    .map(|name| scene.text(&open(name, O_RDONLY)));
    assert_eq!(scene.steps_outside(&attack), ["ok"; 5]);
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &attack);
        assert_eq!(
            found,
            ["EACCES", "ENOENT", "EPERM", "ELOOP", "ok"],
            "{landlock:?}"
        );
        let stat = [scene.text(&format!("{} :@/r/gone buf", crate::old::SYS_stat))];
        assert_eq!(
            scene.steps_within(landlock, &policy, &stat),
            ["ok"],
            "{landlock:?}"
        );
    }
}

#[test]
fn a_denial_that_kills_names_its_entry() {
    let scene = Scene::new();
    let policy = scene.policy(
        "read = [\"@/r\"]\ndeny = [{ path = \"@/r/trap\", action = \"kill\", why = \"a trap\" }]\n",
    );
    scene.write("r/trap", "trap");
    let script = scene.text("cat @/r/file; (cat @/r/trap; echo survived); echo survived");
    let command = ["/bin/sh", "-c", &script];
    run(scene.outside(&command))
        .ends_with(0)
        .says("rtrapsurvived\nsurvived\n");
    for landlock in landlocks() {
        let ran = run(scene.within(landlock, &policy, &command));
        ran.ends_with(159)
            .says("r")
            .complains(&scene.text("killed for read of @/r/trap"))
            .complains("/scene.toml:4 \"")
            .complains("a trap");
    }
}
