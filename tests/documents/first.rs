//! "First five minutes" of README.md, as a new user would type it, with a home of its own.

use super::support::{Dir, installed, jail};

const README: &str = include_str!("../../README.md");

/// The lines of the block of commands after a mark.
fn block(mark: &str) -> Vec<&'static str> {
    let (_, after) = README.split_once(mark).expect("the mark");
    let (_, block) = after.split_once("```console\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    block.lines().collect()
}

/// What the block shows after a command.
fn shown(block: &[&str], command: &str) -> String {
    let lines = block
        .iter()
        .skip_while(|line| **line != format!("$ {command}"));
    let lines = lines.skip(1).take_while(|line| !line.starts_with("$ "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_first_five_minutes_go_as_the_readme_says() {
    let dir = Dir::new();
    dir.write("home/.ssh/id_ed25519", "secret\n");
    let first = block("<!-- first-minutes -->");
    dir.write("app/package.json", shown(&first, "cat package.json"));
    let home = dir.path().join("home").canonicalize().expect("a home");
    let app = dir.path().join("app");
    let run = |arguments: &[&str]| {
        let run = jail(arguments).cwd(&app).env("HOME", &home);
        run.output()
    };
    run(&["doctor"]).says_part("can run here.");
    if !installed("npm") {
        return;
    }
    // On a terminal denials by Landlock are reported without the option.
    let ran = run(&["--trace-denials", "--", "npm", "test"]).ends_with(0);
    let denied = shown(&first, "jail -- npm test");
    let denied = denied.replace("/home/you", home.to_str().expect("a path"));
    let ran = ran.complains(denied.trim_end());
    assert!(!ran.out.contains("secret"), "{}", ran.out);
    let result = std::fs::read_to_string(app.join("result")).expect("the result");
    assert_eq!(result, shown(&first, "cat result"));

    let second = block("<!-- first-policy -->");
    let words = |line: &'static str| line.strip_prefix("$ jail ").map(|line| line.split(' '));
    let commands = second.iter().filter_map(|line| words(line));
    let commands: Vec<Vec<&str>> = commands.map(Iterator::collect).collect();
    let [save, again] = commands.as_slice() else {
        panic!("{second:?}");
    };
    run(save).ends_with(0).says("");
    let saved = std::fs::read_to_string(app.join("app.toml")).expect("the policy");
    assert_eq!(saved, shown(&second, "cat app.toml"));
    run(again).ends_with(0);
    run(&["check", "app.toml"]).ends_with(0);
    run(&["explain", "app.toml", "read ~/.ssh"])
        .ends_with(0)
        .says_part("denied");
}
