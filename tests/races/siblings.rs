//! Races between jails of one policy that share a tree: the only process of one opens, makes or executes
//! something by a path, and that of another turns the way to it into a denied one (`tests/programs/races flip`
//! and `act`). No task of the first jail could.
//!
//! `files.rs` shows that each of these attacks wins against a supervisor that checks and then lets the call go
//! on.

use crate::support::landlock::lacks;
use crate::support::races::{alone, copy_races, longer, races, score, seconds, timeout};
use crate::support::{Dir, Ran, Run, jail, plain};

/// Attacks whose flipping is done by one process, with what they are aimed at.
#[rustfmt::skip]
const ATTACKS: [(&str, [&str; 2]); 13] = [
    ("directory-swapped",           FILE),
    ("relative-directory-swapped",  FILE),
    ("dot-dot-swapped",             ["ok/file", "vault/ok/file"]),
    ("symlink-dance",               FILE),
    ("file-page-flips-path",        FILE),
    ("exec-symlink-dance",          ["bin/pad/prog", "bin/bad/prog"]),
    ("create-directory-swapped",    FILE),
    ("rename-to-directory-swapped", FILE),
    ("unlink-directory-swapped",    FILE),
    ("chmod-directory-swapped",     FILE),
    ("truncate-symlink-dance",      FILE),
    ("bind-directory-swapped",      FILE),
    ("bind-symlink-dance",          FILE),
];
const FILE: [&str; 2] = ["w/pad/file", "w/bad/file"];

/// Attacks that only Landlock holds.
const NEED_LANDLOCK: [&str; 2] = ["bind-directory-swapped", "bind-symlink-dance"];

/// More tries than these are a race.
const ENOUGH: u64 = 200;

/// One round; on a busy machine a second and longer one.
fn race(landlock: Option<&str>, name: &str, list: &str, targets: [&str; 2]) -> Ran {
    let ran = race_for(seconds(), landlock, name, list, targets);
    let lacks = ran.code() == Some(0)
        && score(&ran, "wins") == 0
        && (score(&ran, "tries") <= ENOUGH || score(&ran, "passed") == 0);
    match lacks {
        true => race_for(longer(), landlock, name, list, targets),
        false => ran,
    }
}

fn race_for(
    seconds: f64,
    landlock: Option<&str>,
    name: &str,
    list: &str,
    targets: [&str; 2],
) -> Ran {
    let (root, policies) = (Dir::new(), Dir::new());
    let at = root.path().display().to_string();
    let setup = ["setup", &at];
    plain([races().as_str()]).args(setup).output().ends_with(0);
    copy_races(&root.file("bin/races"));
    let policy = format!(
        r#"extends = ["base"]

[fs]
read  = ["{at}"]
write = ["{at}/w"]
exec  = ["{at}/bin"]
{list}  = ["{at}/w/bad", "{at}/bin/bad*", "{at}/vault"]
"#
    );
    let policy = policies.write("siblings.toml", policy);
    let jailed = |word: &str| -> Run {
        let options = ["--quiet", "--kill-on-exit", "--policy", &policy, "--"];
        let run = jail(options)
            .args([root.file("bin/races").as_str(), word, name])
            .args(targets.map(|target| root.file(target)))
            .cwd(root.file("w/pad"))
            .timeout(2 * timeout(seconds));
        match landlock {
            Some(version) => run.env("JAIL_LANDLOCK_ABI", version),
            None => run,
        }
    };
    let mut flips = jailed("flip").start();
    flips.line("flipping");
    jailed("act").args([seconds.to_string()]).output()
}

fn nothing_is_won(mode: &str, landlock: Option<&str>) {
    if lacks(landlock) {
        return;
    }
    let _alone = alone();
    let mut faults = Vec::new();
    for (name, targets) in ATTACKS {
        if landlock.is_some() && NEED_LANDLOCK.contains(&name) {
            println!("NOT TRIED HERE: {name}, {mode}: not held without Landlock");
            continue;
        }
        let ran = race(landlock, name, "deny", targets);
        println!("{mode:7} {}", ran.out.trim_end());
        if ran.code() != Some(0) {
            faults.push(format!("{name} ended with {:?}: {}", ran.code(), ran.err));
        } else if score(&ran, "wins") > 0 {
            faults.push(ran.out.trim_end().to_owned());
        } else if score(&ran, "tries") <= ENOUGH || score(&ran, "passed") == 0 {
            faults.push(format!("no race: {}", ran.out.trim_end()));
        }
    }
    assert!(faults.is_empty(), "{mode}: {}", faults.join("\n"));
}

#[test]
fn no_race_is_won_by_two_jails_of_one_policy() {
    nothing_is_won("newest", None);
}

#[test]
fn no_race_is_won_by_two_jails_of_one_policy_without_landlock() {
    nothing_is_won("none", Some("0"));
}

#[test]
fn a_program_that_was_led_into_a_hidden_directory_does_not_run_on() {
    let _alone = alone();
    let targets = ["w/pad/empty", "w/bad/empty"];
    for (mode, landlock) in [("newest", None), ("none", Some("0"))] {
        if lacks(landlock) {
            continue;
        }
        let ran = race(landlock, "visit-directory-swapped", "hide", targets);
        match ran.code() {
            Some(0) => {
                println!("{mode:7} {}", ran.out.trim_end());
                assert_eq!(score(&ran, "wins"), 0, "{mode}");
                assert!(score(&ran, "tries") > ENOUGH && score(&ran, "passed") > 0);
            }
            code => {
                println!("{mode:7} killed");
                assert_eq!(code, Some(137), "{mode}: {}", ran.err);
            }
        }
    }
}
