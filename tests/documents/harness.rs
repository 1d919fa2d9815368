//! docs/harness.md: every command in it is run, in order.

use crate::scene::Scene;
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

#[test]
fn every_command_of_the_document_runs() {
    let scene = Scene::new(&["examples"]);
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/harness.md");
    let text = std::fs::read_to_string(document).expect("docs/harness.md");
    let blocks = blocks(&text);
    assert!(blocks.len() >= 6, "{blocks:?}");
    for &user in scene.users() {
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
            let ran = run.output();
            if ran.code() != Some(0) {
                ran.fail(&format!(
                    "{user:?}: the commands under \"{heading}\" should succeed"
                ));
            }
        }
    }
}
