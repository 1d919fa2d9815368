//! `jail explain`, `jail check` and `jail test` on policies with paths.

use super::scene::{SUBTREES, Scene, run};
use crate::support::landlock::lacks;
use crate::support::{Ran, jail};

/// The cells of the first row of this place.
fn row(text: &str, place: &str) -> Vec<String> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split("  ").map(str::trim);
        let cells = cells.filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    let mut rows = text.lines().map(cells);
    let row = rows.find(|row| row.first().is_some_and(|cell| cell.ends_with(place)));
    row.unwrap_or_else(|| {
        panic!(
            "no row {place}:
{text}"
        )
    })
}

fn explain(policy: &str, landlock: Option<&str>) -> String {
    let run = jail(["explain", "--all", policy]).env("COLUMNS", "1000");
    let run = match landlock {
        Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
        None => run,
    };
    run.output().ends_with(0).out
}

#[test]
fn explain_names_the_enforcer_of_each_entry() {
    let scene = Scene::new();
    let subtrees = scene.policy_file("s.toml", &format!("extends = [\"base\"]\n[fs]{SUBTREES}"));
    let more = "deny = [\"@/w/**/secret-*\"]\nhide = [\"@/r/hidden\"]\n";
    let denied = scene.policy_file(
        "d.toml",
        &format!("extends = [\"base\"]\n[fs]{SUBTREES}{more}"),
    );
    let newest = explain(&subtrees, None);
    for (place, entry) in [
        ("s.toml:3", "fs.read, 2: \"@/r\", \"@/bin\""),
        ("s.toml:4", "fs.write \"@/w\""),
        ("s.toml:5", "fs.exec \"@/bin\""),
    ] {
        let cells = row(&newest, place);
        if !lacks(None) {
            assert_eq!(
                [&cells[1], &cells[2], mechanism(&cells[3])],
                [&scene.text(entry), "allow", "Landlock"],
                "{newest}"
            );
        }
        let none = explain(&subtrees, Some("0"));
        let cells = row(&none, place);
        assert_eq!(
            cells[1..4],
            [&scene.text(entry), "allow", "supervisor"],
            "{none}"
        );
    }
    for (landlock, enforcer) in [
        (None, "supervisor over Landlock"),
        (Some("0"), "supervisor"),
    ] {
        if lacks(landlock) {
            continue;
        }
        let text = explain(&denied, landlock);
        for (place, entry, action) in [
            ("d.toml:4", "fs.write \"@/w\"", "allow"),
            ("d.toml:6", "fs.deny \"@/w/**/secret-*\"", "deny"),
            ("d.toml:7", "fs.hide \"@/r/hidden\"", "ENOENT"),
        ] {
            let cells = row(&text, place);
            assert_eq!(
                [&cells[1], &cells[2], mechanism(&cells[3])],
                [&scene.text(entry), action, enforcer],
                "{landlock:?}\n{text}"
            );
        }
    }
}

/// An enforcer without the ABI that it uses on this host.
fn mechanism(enforcer: &str) -> &str {
    match enforcer.rsplit_once(' ') {
        Some((name, abi)) if name.ends_with("Landlock") && abi.parse::<u32>().is_ok() => name,
        _ => enforcer,
    }
}

/// What `jail check` says of a policy, which it takes.
#[track_caller]
fn checked(scene: &Scene, lists: &str) -> Ran {
    let policy = scene.policy(lists);
    jail(["check", &policy])
        .cwd(scene.at("w"))
        .output()
        .ends_with(0)
}

/// Whether `--strict` refuses it.
#[track_caller]
fn strict(scene: &Scene, lists: &str) -> Option<i32> {
    let policy = scene.policy(lists);
    jail(["check", "--strict", &policy])
        .cwd(scene.at("w"))
        .output()
        .code()
}

#[test]
fn check_names_what_is_wrong_or_in_vain() {
    let scene = Scene::new();
    std::fs::create_dir(scene.at("w/real")).expect("a directory");
    scene.link("real", "w/link");
    scene.write("w/key", "key");
    std::fs::hard_link(scene.at("w/key"), scene.at("w/key2")).expect("a hard link");
    let cases = [
        ("W303", "read = [\"@/nowhere\"]", "@/nowhere does not exist"),
        (
            "W305",
            "read = [\"@\"]\ndeny = [\"@/**/*.none\"]",
            "matches no existing file",
        ),
        (
            "W302",
            "write = [\"@/w\"]\ndeny = [\"@/w/link\"]",
            "@/w/link is a symbolic link",
        ),
        (
            "W201",
            "read = [\"@/r/file\"]\ndeny = [\"@/r\"]",
            "allows nothing",
        ),
        (
            "W304",
            "write = [\"@/w\"]\ndeny = [\"@/w/key\"]",
            "@/w/key has other names",
        ),
    ];
    for (code, lists, message) in cases {
        let ran = checked(&scene, lists).complains(code);
        let ran = ran.complains(&scene.text(message));
        ran.complains("scene.toml:");
        assert_eq!(strict(&scene, lists), Some(1), "{code}");
    }
    let good = "read = [\"@/r\"]\nwrite = [\"@/w\"]\ndeny = [\"@/w/real\"]\n";
    let ran = checked(&scene, good);
    assert_eq!(ran.err, "");
    assert_eq!(strict(&scene, good), Some(0));
    let optional = "read = [\"@/r\", { path = \"@/nowhere\", optional = true }]";
    assert_eq!(strict(&scene, optional), Some(0));
}

#[test]
fn an_unset_variable_is_an_error_everywhere() {
    let scene = Scene::new();
    let policy = scene.policy("read = [\"$JAIL_TEST_UNSET/x\"]\n");
    let message = "the variable `JAIL_TEST_UNSET` is not set";
    for command in [
        ["check"].as_slice(),
        &["check", "--strict"],
        &["test"],
        &["explain"],
    ] {
        let ran = jail(command.iter().chain(&[policy.as_str()])).output();
        ran.ends_with(1)
            .complains(message)
            .complains("scene.toml:3:");
    }
    let ran = run(scene.within(None, &policy, &["/bin/true"]));
    ran.ends_with(125).complains(message);
    let set = jail(["check", &policy]).env("JAIL_TEST_UNSET", scene.at("r"));
    set.output().ends_with(0);
}

#[test]
fn test_decides_sentences_about_paths_and_names_those_that_differ() {
    let scene = Scene::new();
    let lists = r#"read = ["@/r"]
write = ["@/w"]
exec = ["@/bin"]
deny = ["@/w/**/secret-*", { path = "@/r/trap", action = "kill" }]
hide = ["@/r/hidden"]
"#;
    let right = r#"
[[test]]
allow = ["read @/r/x", "read @/w/x", "write @/w/x", "exec @/bin/x", "stat @/none/x", "stat @/w/secret-x"]
deny = ["write @/r/x", "read @/none/x", "exec @/w/x", "read @/w/d/secret-x", "exec @/r/x", "stat @/r/hidden/x"]
kill = ["read @/r/trap"]
"#;
    let policy = scene.policy(&format!("{lists}{right}"));
    let ran = jail(["test", &policy]).output().ends_with(0);
    assert!(ran.out.contains("all 13 tests pass"), "{}", ran.out);
    let wrong = r#"
[[test]]
allow = ["read @/none/x", "write @/w/secret-x", "exec @/bin/x", "stat @/r/hidden"]
deny = ["read @/r/x"]
"#;
    let policy = scene.policy(&format!("{lists}{wrong}"));
    let ran = jail(["test", &policy]).output().ends_with(1);
    assert!(ran.out.contains("4 of 5 tests differ"), "{}", ran.out);
    let says = |text: &str| assert!(ran.err.contains(&scene.text(text)), "{text}\n{}", ran.err);
    says("read @/none/x is denied with EACCES, expected: allowed");
    says("write @/w/secret-x is denied with EACCES, expected: allowed");
    says("stat @/r/hidden is denied with ENOENT, expected: allowed");
    says("read @/r/x is allowed, expected: denied");
    says("fs.deny \"@/w/**/secret-*\"");
    says("fs.read \"@/r\"");
    assert!(
        !ran.err.contains(&scene.text("exec @/bin/x is")),
        "{}",
        ran.err
    );
}
