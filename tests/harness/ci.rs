//! `examples/ci`: the shell part of each recipe, taken out of it and run.

use crate::scene::{Scene, User};
use crate::support::Ran;

/// The block scalars (`key: |`, `- |`) of a YAML file, without their indentation.
fn blocks(text: &str) -> Vec<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = vec![];
    for (place, line) in lines.iter().enumerate() {
        if line.trim_end().ends_with(": |") || line.trim() == "- |" {
            let inner = lines[place + 1..].iter();
            let inner: Vec<&str> = inner
                .take_while(|inner| inner.trim().is_empty() || depth(inner) > depth(line))
                .copied()
                .collect();
            let margin = depth(inner.first().expect("a block has a line"));
            let dedented = inner
                .iter()
                .map(|line| line.get(margin..).unwrap_or_default());
            blocks.push(dedented.collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

/// The one shell part of a recipe, with the places where an image or a checkout has jail's files.
fn shell(scene: &Scene, recipe: &str) -> String {
    let mut blocks = blocks(&scene.read(&format!("examples/ci/{recipe}")));
    assert_eq!(blocks.len(), 1, "{recipe} has one shell part");
    let installed = scene.dir.file("examples");
    blocks
        .remove(0)
        .replace("/usr/local/share/jail", &installed)
        .replace(".jail/examples", &installed)
}

fn scene() -> Scene {
    Scene::new(&["examples/ci"])
}

/// By each user, and as in a container.
fn run(scene: &Scene, user: User, shell: &str, check: impl Fn(Ran)) {
    for lacking in ["namespaces", "container"] {
        scene.write("work/empty", "");
        let run = scene.lacking(lacking, user, &["sh", "-ec", shell]);
        check(run.cwd(scene.dir.path().join("work")).output());
        std::fs::remove_dir_all(scene.dir.path().join("work")).expect("rm");
    }
}

#[test]
fn the_shell_part_of_each_recipe_runs_without_privileges() {
    let scene = scene();
    for &user in scene.users() {
        for recipe in ["github-actions.yml", "gitlab-ci.yml", "kubernetes-job.yaml"] {
            run(&scene, user, &shell(&scene, recipe), |ran| {
                let ran = ran.ends_with(0);
                for part in ["replace this by", "jailed.sh: ending exited, exit code 0"] {
                    assert!(ran.out.contains(part), "{recipe}: {}", ran.out);
                }
                let report = scene.read("work/reports/report.json");
                assert!(
                    report.contains("\"ending\":\"exited\""),
                    "{recipe}: {report}"
                );
                assert!(scene.read("work/reports/log.jsonl").contains("\"event\""));
            });
        }
    }
}

#[test]
fn the_script_tells_apart_how_a_job_has_ended() {
    let scene = scene();
    let limits = "extends = [\"./examples/ci/ci.toml\"]\n[limits]\nwall = \"300ms\"\n";
    scene.write("limits.toml", limits);
    for &user in scene.users() {
        for (policy, command, ending, code) in [
            ("examples/ci/ci.toml", "exit 3", "exited", 3),
            (
                "examples/ci/ci.toml",
                "cat $HOME/.ssh/id_ed25519",
                "exited",
                1,
            ),
            ("examples/ci/ci.toml", "kill -KILL $$", "signalled", 137),
            ("limits.toml", "sleep 30", "time", 124),
        ] {
            let script =
                format!("exec sh ../examples/ci/jailed.sh ../{policy} reports sh -c '{command}'");
            run(&scene, user, &script, |ran| {
                let told = format!("jailed.sh: ending {ending}, exit code {code}\n");
                ran.ends_with(code).says_part(&told);
            });
        }
        let wrong = "exec sh ../examples/ci/jailed.sh no-such-policy reports true";
        run(&scene, user, wrong, |ran| {
            assert_ne!(ran.code(), Some(0));
            ran.complains("no-such-policy");
        });
    }
}

/// A job's secrets are in its environment; the policy passes on what a build needs.
#[test]
fn the_job_does_not_see_the_tokens_of_the_ci_system() {
    let scene = scene();
    let script =
        "CI_JOB_TOKEN=secret sh ../examples/ci/jailed.sh ../examples/ci/ci.toml reports env";
    run(&scene, User::Own, script, |ran| {
        let ran = ran.ends_with(0);
        assert!(ran.out.contains("\nCI=true\n"), "{}", ran.out);
        assert!(!ran.out.contains("secret"), "{}", ran.out);
    });
}

/// Its RUN lines need a network and are not run here.
#[test]
fn the_images_command_runs_and_its_user_is_not_root() {
    let scene = scene();
    let text = scene.read("examples/ci/Dockerfile");
    let line = |key: &str| {
        let mut lines = text.lines().rev().filter_map(|line| line.strip_prefix(key));
        let line = lines.next();
        line.unwrap_or_else(|| panic!("the Dockerfile has no {key}"))
            .to_owned()
    };
    assert_eq!(line("USER "), "10001:10001");
    let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for copied in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let mut words = copied.split(' ').filter(|word| !word.starts_with("--"));
        let from = words.next().expect("a source");
        let is_built = from.starts_with("/out/");
        assert!(is_built || tree.join(from).exists(), "there is no {from}");
    }
    let command: Vec<String> = serde_json::from_str(&line("CMD ")).expect("CMD in its JSON form");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    for &user in scene.users() {
        let ran = scene.lacking("container", user, &command).output();
        ran.ends_with(0).says("hello from the jail\n");
    }
}

#[test]
fn no_recipe_asks_for_privileges() {
    let scene = scene();
    let job = scene.read("examples/ci/kubernetes-job.yaml");
    for line in [
        "runAsNonRoot: true",
        "type: RuntimeDefault",
        "allowPrivilegeEscalation: false",
        "drop: [\"ALL\"]",
    ] {
        assert!(job.contains(line), "{line}");
    }
    for recipe in [
        "github-actions.yml",
        "gitlab-ci.yml",
        "kubernetes-job.yaml",
        "Dockerfile",
    ] {
        let text = scene.read(&format!("examples/ci/{recipe}"));
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        for line in lines {
            for asked in [
                "privileged: true",
                "--privileged",
                "cap-add",
                "sudo",
                "Unconfined",
            ] {
                assert!(!line.contains(asked), "{recipe}: {line}");
            }
        }
    }
}
