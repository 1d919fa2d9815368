//! docs/harness.md, the tutorial and the recipes: every command in them is run, in order.

use crate::scene::{Scene, User};
use crate::support::Run;

/// The blocks of shell commands, each with the heading that it stands under.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut heading = String::new();
    let mut block: Option<String> = None;
    let mut blocks = vec![];
    for line in text.lines() {
        match &mut block {
            Some(lines) if line == "```" => {
                blocks.push((heading.clone(), std::mem::take(lines)));
                block = None;
            }
            Some(lines) => *lines += &format!("{line}\n"),
            None if line == "```sh" => block = Some(String::new()),
            None => {
                if let Some(title) = line.strip_prefix("## ") {
                    heading = title.to_owned();
                }
            }
        }
    }
    blocks
}

/// `# needs: gcc, node` in a block's first line: what it cannot do without.
fn needs(block: &str) -> Vec<Vec<&str>> {
    let first = block.lines().next().unwrap_or_default();
    let needed = first.strip_prefix("# needs: ").unwrap_or_default();
    let programs = needed.split(", ").filter(|program| !program.is_empty());
    programs
        .map(|program| program.split(' ').collect())
        .collect()
}

/// Runs the commands of a document in a directory of its own, with a home there.
fn commands_run(document: &str, trees: &[&str], least: usize, user: User) {
    let path = format!("{}/docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a document");
    let blocks = blocks(&text);
    assert!(blocks.len() >= least, "{blocks:?}");
    let scene = Scene::new(trees);
    scene.dir.write("home/.ssh/id_ed25519", "secret\n");
    for (heading, block) in &blocks {
        if !needs(block).iter().all(|program| scene.has(user, program)) {
            continue;
        }
        // The judge is built already.
        let block = block.replace(
            "cargo run --release --example judge --",
            "judge --policies examples/judge/policies",
        );
        let run: Run = scene.run(user, &["sh", "-e", "-c", &block]);
        let run = run.env("JAIL_HOME", scene.dir.path());
        let run = match document {
            "harness.md" => run,
            "tutorial.md" => run.env("HOME", scene.dir.file("home")),
            _ => run.env("CARGO_TARGET_DIR", "target"),
        };
        let ran = run.output();
        if ran.code() != Some(0) {
            ran.fail(&format!(
                "{document}, {user:?}: the commands under \"{heading}\" should succeed"
            ));
        }
    }
}

/// Users who run a page; each takes its time.
fn users() -> &'static [User] {
    match crate::support::is_root() {
        true => &[User::Own, User::Nobody],
        false => &[User::Own],
    }
}

#[test]
fn every_command_of_the_harness_page_runs() {
    for &user in users() {
        commands_run("harness.md", &["examples"], 6, user);
    }
}

#[test]
fn every_command_of_the_tutorial_runs() {
    let user = users().last().expect("a user");
    commands_run("tutorial.md", &["bindings/ci"], 9, *user);
}

/// By the user who has the toolchains.
#[test]
fn every_command_of_the_recipes_runs() {
    commands_run("recipes.md", &["bindings"], 8, User::Own);
}
