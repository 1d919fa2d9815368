//! `lift`: a part of what another file denies or protects may be used, and no name change brings anything
//! else there.

use super::scene::{Scene, open};
use crate::support::landlock::landlocks;
use libc::{O_CREAT, O_RDONLY, O_WRONLY};

const TEAM: &str = r#"
[fs]
deny    = ["@/w/secret", "@/w/**/.env"]
protect = ["@/w/**/.envrc"]
"#;

const LIFT: &str = r#"
lift = [
  { path = "@/w/secret/public", why = "a part" },
  { path = ["@/w/tests/.env", "@/w/tests/.envrc"], why = "made for tests" },
  { path = ["@/w/later/.env", "@/w/later/.envrc"], why = "made for tests" },
]
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    for name in [
        "w/secret/a",
        "w/secret/public/b",
        "w/app/.env",
        "w/tests/.env",
        "w/own/.envrc",
        "w/plain/x",
    ] {
        scene.write(name, name);
    }
    scene
}

/// Steps that all work outside, with what they answer under each policy.
#[track_caller]
fn answers(steps: &[(String, &str)]) {
    let made =
        |scene: &Scene| -> Vec<String> { steps.iter().map(|(step, _)| scene.text(step)).collect() };
    let expected: Vec<&str> = steps.iter().map(|(_, answer)| *answer).collect();
    let free = scene();
    let outside = free.steps_outside(&made(&free));
    assert!(outside.iter().all(|answer| answer == "ok"), "{outside:?}");
    let closed = "extends = [\"base\", \"./team.toml\"]\n[fs]\nread = [\"@\"]\nwrite = [\"@/w\"]\n";
    let open = "extends = [\"./team.toml\"]\ndefault = \"allow\"\n[fs]\n";
    for text in [closed, open] {
        for landlock in landlocks() {
            let scene = scene();
            scene.policy_file("team.toml", TEAM);
            let policy = scene.policy_file("scene.toml", &format!("{text}{LIFT}"));
            let found = scene.steps_within(landlock, &policy, &made(&scene));
            assert_eq!(
                found, expected,
                "Landlock {landlock:?}, {text} of {steps:#?}"
            );
        }
    }
}

#[test]
fn a_lifted_place_is_used_and_the_rest_stays_closed() {
    answers(&[
        (open("@/w/secret/public/b", O_RDONLY), "ok"),
        (open("@/w/secret/public/new", O_WRONLY | O_CREAT), "ok"),
        (open("@/w/secret/a", O_RDONLY), "EACCES"),
        (open("@/w/secret/public/../a", O_RDONLY), "EACCES"),
        (open("@/w/secret/new", O_WRONLY | O_CREAT), "EACCES"),
        (open("@/w/tests/.env", O_RDONLY), "ok"),
        (open("@/w/app/.env", O_RDONLY), "EACCES"),
        (open("@/w/tests/.envrc", O_WRONLY | O_CREAT), "ok"),
        (open("@/w/app/.envrc", O_WRONLY | O_CREAT), "EACCES"),
    ]);
}

#[test]
fn nothing_that_is_denied_gets_a_name_in_a_lifted_place() {
    let rename = |from: &str, to: &str| format!("{} :@/w/{from} :@/w/{to}", crate::old::SYS_rename);
    let link = |from: &str, to: &str| format!("{} :@/w/{from} :@/w/{to}", crate::old::SYS_link);
    for step in [
        rename("app/.env", "tests/.env"),
        rename("secret/a", "secret/public/a"),
        link("secret/a", "secret/public/a"),
        link("app/.env", "tests/other"),
        // The directory above: what was denied in it would be lifted.
        rename("app", "later"),
        rename("secret", "tests/secret"),
    ] {
        answers(&[(step, "EACCES")]);
    }
    // By a symbolic link it is the same file, under its own name.
    answers(&[
        (
            format!(
                "{} :@/w/app/.env :@/w/secret/public/link",
                crate::old::SYS_symlink
            ),
            "ok",
        ),
        (open("@/w/secret/public/link", O_RDONLY), "EACCES"),
    ]);
}

#[test]
fn nothing_that_was_lifted_is_brought_to_where_it_is_protected() {
    let rename = |from: &str, to: &str| format!("{} :@/w/{from} :@/w/{to}", crate::old::SYS_rename);
    let make = || (open("@/w/tests/.envrc", O_WRONLY | O_CREAT), "ok");
    answers(&[make(), (rename("tests/.envrc", "plain/.envrc"), "EACCES")]);
    // As for any directory in which something may come to be protected: mv copies.
    answers(&[make(), (rename("tests", "elsewhere"), "EXDEV")]);
}
