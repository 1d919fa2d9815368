//! `examples/ci`: the shell part of each recipe, taken out of it and run.

use crate::scene::{Scene, User};
use crate::support::Ran;

/// The block scalars (`key: |`, `- |`) of a YAML file, without their indentation.
pub fn blocks(text: &str) -> Vec<String> {
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

const RECIPES: [&str; 3] = ["github-actions.yml", "gitlab-ci.yml", "kubernetes-job.yaml"];

/// The shell part of a recipe that runs the tests, with this command in their place; the places where
/// an image or a volume has jail's files are those of the scene.
fn shell(scene: &Scene, recipe: &str, command: &str) -> String {
    let blocks = blocks(&scene.read(&format!("examples/ci/{recipe}")));
    let text = blocks.last().expect("a shell part");
    let (before, after) = text.split_once("sh -c '").expect("a command");
    let (_, after) = after.split_once('\'').expect("its end");
    in_scene(scene, &format!("{before}{command}{after}"))
}

fn in_scene(scene: &Scene, shell: &str) -> String {
    shell
        .replace("/usr/local/share/jail", &scene.dir.file("examples"))
        .replace(" /evidence", &format!(" {}", scene.dir.file("evidence")))
}

/// Where a recipe leaves what it keeps.
fn evidence(recipe: &str) -> &'static str {
    match recipe {
        "github-actions.yml" => "runner/evidence/test",
        "gitlab-ci.yml" => "work/jail-evidence",
        _ => "evidence",
    }
}

fn scene() -> Scene {
    let scene = Scene::new(&["examples/ci"]);
    // What a runner of GitHub has.
    for file in ["jailed.sh", "ci.toml", "fetch.toml"] {
        let text = scene.read(&format!("examples/ci/{file}"));
        scene.write(&format!("runner/jail/ci/{file}"), &text);
    }
    scene
}

/// What a job brings: the files of its checkout.
type Files<'f> = &'f [(&'f str, &'f str)];

/// A shell part in the checkout.
fn lacking(scene: &Scene, lacking: &str, user: User, shell: &str, files: Files) -> Ran {
    for (name, text) in [&[("empty", "")], files].concat() {
        scene.write(&format!("work/{name}"), text);
    }
    let run = scene.lacking(lacking, user, &["sh", "-ec", shell]);
    let run = run.env("RUNNER_TEMP", scene.dir.file("runner"));
    run.cwd(scene.dir.path().join("work")).output()
}

fn clean(scene: &Scene) {
    for made in ["work", "evidence", "runner/evidence", "runner/jail-cache"] {
        let _ = std::fs::remove_dir_all(scene.dir.path().join(made));
    }
}

/// As in a container, and in a machine without namespaces.
fn run(scene: &Scene, user: User, shell: &str, check: impl Fn(Ran)) {
    for missing in ["namespaces", "container"] {
        check(lacking(scene, missing, user, shell, &[]));
        clean(scene);
    }
}

#[test]
fn the_shell_part_of_each_recipe_runs_without_privileges() {
    let scene = scene();
    for &user in scene.users() {
        for recipe in RECIPES {
            run(&scene, user, &shell(&scene, recipe, "echo tests"), |ran| {
                let ran = ran.ends_with(0);
                for part in ["tests\n", "jailed.sh: ending exited, exit code 0"] {
                    assert!(ran.out.contains(part), "{recipe}: {}", ran.out);
                }
                let kept = |name| scene.read(&format!("{}/{name}", evidence(recipe)));
                let report = kept("report.json");
                assert!(
                    report.contains("\"ending\":\"exited\""),
                    "{recipe}: {report}"
                );
                assert!(kept("log.jsonl").contains("\"event\""));
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
            let script = format!(
                "exec sh ../examples/ci/jailed.sh ../{policy} ../evidence sh -c '{command}'"
            );
            run(&scene, user, &script, |ran| {
                let told = format!("jailed.sh: ending {ending}, exit code {code}\n");
                ran.ends_with(code).says_part(&told);
            });
        }
        let wrong = "exec sh ../examples/ci/jailed.sh no-such-policy ../evidence true";
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
        "CI_JOB_TOKEN=secret sh ../examples/ci/jailed.sh ../examples/ci/ci.toml ../evidence env";
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
    // It is built in a clone, without what cargo and git have made there.
    assert!(text.contains("cargo install --locked --path ."), "{text}");
    let ignored = std::fs::read_to_string(tree.join(".dockerignore")).expect("a file");
    for directory in [".git", "target"] {
        assert!(ignored.lines().any(|line| line == directory), "{directory}");
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

/// What a hostile job tries with jail's files: `@E` is the evidence, `@T` the tools. Says what it could do.
const HOSTILE: &str = r#"
for file in @E/log.jsonl @E/report.json; do { true > $file; } 2> /dev/null && echo emptied $file; done
ln -s /etc/passwd @E/leak 2> /dev/null && echo planted
mv @E @E.moved 2> /dev/null && echo moved && mv @E.moved @E
for file in @T/jailed.sh @T/ci.toml; do { echo evil >> $file; } 2> /dev/null && echo rewrote $file; done
rm -f @T/jailed.sh 2> /dev/null && test ! -e @T/jailed.sh && echo removed
# Where GitLab takes its artifacts from.
ln -s /etc jail-evidence 2> /dev/null || true
echo "::add-mask::x"
echo done
"#;

fn hostile(evidence: &str, tools: &str) -> String {
    HOSTILE.replace("@E", evidence).replace("@T", tools)
}

#[test]
fn a_hostile_job_reaches_neither_evidence_nor_tools() {
    let scene = scene();
    for &user in scene.users() {
        // In the checkout, all of it succeeds: the attack is one.
        let script = scene.read("examples/ci/jailed.sh");
        let policy = scene.read("examples/ci/ci.toml");
        let job = hostile("reports", "tools");
        let files = [
            ("tools/jailed.sh", script.as_str()),
            ("tools/ci.toml", &policy),
            ("job", &job),
        ];
        let naive = "mkdir reports; jail --policy tools/ci.toml --report reports/report.json \
            --log reports/log.jsonl -- sh job";
        let ran = lacking(&scene, "namespaces", user, naive, &files).ends_with(0);
        for done in ["emptied", "planted", "moved", "rewrote", "removed"] {
            assert!(ran.out.contains(done), "{user:?} {done}: {}", ran.out);
        }
        clean(&scene);
        // The script refuses to be used so.
        for (tools, evidence) in [("tools", "../evidence"), ("../examples/ci", "reports")] {
            let shell = format!("exec sh {tools}/jailed.sh {tools}/ci.toml {evidence} sh job");
            let ran = lacking(&scene, "namespaces", user, &shell, &files).ends_with(2);
            ran.complains("jailed.sh: the command could change");
            clean(&scene);
        }
        for recipe in RECIPES {
            let (kept, tools) = match recipe {
                "github-actions.yml" => ("runner/evidence/test", "runner/jail/ci"),
                _ => ("evidence", "examples/ci"),
            };
            let job = hostile(&scene.dir.file(kept), &scene.dir.file(tools));
            // A name that the job knows.
            let known = format!("{0}; mkdir {0}", scene.dir.file("evidence"));
            let shell = shell(&scene, recipe, "sh job").replace("$(mktemp -d)", &known);
            let ran = lacking(&scene, "namespaces", user, &shell, &[("job", &job)]).ends_with(0);
            let said: Vec<&str> = ran.out.lines().collect();
            let could = |line: &&&str| {
                let done = ["emptied", "planted", "moved", "rewrote", "removed"];
                done.iter().any(|done| line.starts_with(done))
            };
            let could: Vec<_> = said.iter().filter(could).collect();
            assert!(could.is_empty(), "{recipe}: {could:?}");
            assert!(said.contains(&"done"), "{recipe}: {said:?}");
            let kept = scene.dir.path().join(evidence(recipe));
            let names = std::fs::read_dir(&kept).expect("the evidence").flatten();
            let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
            names.sort();
            assert_eq!(names, ["log.jsonl", "report.json"], "{recipe}");
            assert!(!kept.is_symlink(), "{recipe}");
            for file in ["jailed.sh", "ci.toml"] {
                let text = scene.read(&format!("{tools}/{file}"));
                assert!(!text.contains("evil"), "{recipe}: {file}");
            }
            clean(&scene);
        }
    }
}

/// What a job prints is no command to the runner.
#[test]
fn the_output_of_a_job_is_not_taken_for_commands_to_githubs_runner() {
    let scene = scene();
    let job = [("job", "echo ::add-mask::x\n")];
    let shell = format!(
        "export GITHUB_ACTIONS=true\n{}",
        shell(&scene, RECIPES[0], "sh job")
    );
    let ran = lacking(&scene, "namespaces", User::Own, &shell, &job).ends_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    let at = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted));
    let (stop, evil) = (at("::stop-commands::"), at("::add-mask::x"));
    let token = stop.and_then(|at| lines[at].strip_prefix("::stop-commands::"));
    let token = token.expect("commands are stopped");
    assert!(token.len() >= 32, "{token}");
    assert!(
        stop < evil && evil < at(&format!("::{token}::")),
        "{lines:?}"
    );
}

/// `cargo fetch` obeys the checkout's .cargo/config.toml: it runs code of the checkout.
#[test]
fn what_fetches_runs_code_of_the_checkout_in_a_jail() {
    let scene = scene();
    let wrapper = format!(
        "#!/bin/sh\n{{ echo > {}; }} 2> /dev/null\nexec \"$@\"\n",
        scene.dir.file("pwned")
    );
    let files = [
        (
            "Cargo.toml",
            "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
        ),
        (
            "Cargo.lock",
            "version = 3\n\n[[package]]\nname = \"x\"\nversion = \"0.1.0\"\n",
        ),
        ("src/lib.rs", ""),
        (
            ".cargo/config.toml",
            "[build]\nrustc-wrapper = \"./wrapper\"\n",
        ),
        ("wrapper", &wrapper),
    ];
    let pwned = scene.dir.path().join("pwned");
    let recipe = blocks(&scene.read("examples/ci/github-actions.yml"));
    let [_, fetch, _] = recipe.as_slice() else {
        panic!("the recipe installs, fetches and tests: {recipe:?}");
    };
    for &user in scene.users() {
        if !scene.has(user, &["cargo"]) {
            continue;
        }
        // Outside it succeeds: as the recipe was without the jail.
        let naive = "chmod +x wrapper; cargo fetch --locked";
        lacking(&scene, "namespaces", user, naive, &files).ends_with(0);
        assert!(pwned.exists(), "cargo fetch runs the checkout's wrapper");
        std::fs::remove_file(&pwned).expect("rm");
        clean(&scene);
        let fetch = format!("chmod +x wrapper; {fetch}");
        let ran = lacking(&scene, "namespaces", user, &fetch, &files).ends_with(0);
        assert!(!pwned.exists(), "{}{}", ran.out, ran.err);
        assert!(
            ran.out.contains("jailed.sh: ending exited, exit code 0"),
            "{}",
            ran.out
        );
        clean(&scene);
    }
}

/// Nothing of the pull request's runs outside: jail is there before the checkout, and each step after
/// it begins with jailed.sh.
#[test]
fn after_the_checkout_everything_runs_in_a_jail() {
    let scene = scene();
    let text = scene.read("examples/ci/github-actions.yml");
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("there is no {part}"))
    };
    let (install, checkout) = (at("cargo install"), at("actions/checkout"));
    assert!(install < checkout);
    assert!(!text.contains("--path"), "nothing is built from a checkout");
    assert!(text.contains("on: pull_request_target"));
    let install = &text[at("install jail")..at("cargo install")];
    assert!(install.contains("working-directory: ${{ runner.temp }}"));
    let after = &text[checkout..];
    assert_eq!(blocks(after).len(), after.matches("run:").count());
    for block in blocks(after) {
        let words: Vec<&str> = block.split_whitespace().collect();
        let begin = [
            "JAIL_CACHE=$RUNNER_TEMP/jail-cache",
            "\\",
            "sh",
            "\"$RUNNER_TEMP/jail/ci/jailed.sh\"",
        ];
        assert!(words.starts_with(&begin), "{block}");
    }
    assert!(after.contains("path: ${{ runner.temp }}/evidence"));
    assert!(!text.contains("secrets."));
}
