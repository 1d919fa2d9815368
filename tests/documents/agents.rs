//! `docs/agents.md`: the loop, as it stands there.

use crate::scene::Scene;

const MANUAL: &str = include_str!("../../docs/agents.md");

/// The block that begins with this line.
fn block(start: &str) -> &'static str {
    let begin = MANUAL
        .find(start)
        .unwrap_or_else(|| panic!("no block {start}"));
    let rest = &MANUAL[begin..];
    &rest[..rest.find("```").expect("its end")]
}

#[test]
fn the_loop_ends_with_a_policy_under_which_the_command_runs() {
    let scene = Scene::new(&[]);
    let python = ["python3", "-c", "import tomllib"];
    if !scene.has(*scene.users().first().expect("a user"), &["python3"])
        || crate::support::plain(python).output().code() != Some(0)
    {
        println!("NOT TRIED HERE: python3 with tomllib is not installed");
        return;
    }
    for (name, start) in [
        ("task.toml", "# task.toml"),
        ("grant.py", "# grant.py"),
        ("run.sh", "# run.sh"),
    ] {
        scene.dir.write(name, block(start));
    }
    scene.dir.write("data/list", "one two\n");
    scene.dir.write("secret/key", "x\n");
    for &user in scene.users() {
        let ran = scene
            .run(user, &["sh", "run.sh", "cat", "data/list"])
            .output()
            .ends_with(0);
        assert_eq!(ran.out, "one two\n");
        let written = std::fs::read_to_string(scene.dir.file("run.toml")).expect("a policy");
        assert!(written.contains("data/list"), "{written}");
        let check = scene.run(user, &["jail", "check", "run.toml"]).output();
        let _ = check.ends_with(0);
        // Writing is not among the codes that are granted.
        let ran = scene
            .run(user, &["sh", "run.sh", "sh", "-c", "echo x > secret/key"])
            .output()
            .ends_with(1);
        assert!(ran.err.contains("ask: write "), "{}", ran.err);
        let key = std::fs::read_to_string(scene.dir.file("secret/key")).expect("a file");
        assert_eq!(key, "x\n");
    }
}
