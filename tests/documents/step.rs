//! `action.yml` and `bindings/ci`: their shell parts, taken out of them and run as a runner does.

use crate::ci::blocks;
use crate::scene::{NO_NAMESPACES, Scene, User};
use crate::support::Ran;

/// What a job does: it is denied a key, and prints a line that would be a command to the runner.
const JOB: &str = "cat ~/.ssh/id_ed25519 || true; echo '::error::forged'; echo built > out; exit 3";

fn scene() -> Scene {
    let scene = Scene::new(&["bindings/ci", "action.yml"]);
    scene.write(".ssh/id_ed25519", "s3cr3t\n");
    scene.write("checkout/file", "");
    scene.write("runner/empty", "");
    scene
}

/// The `run:` lines of the action: that of the command, and that of the end.
fn steps(scene: &Scene) -> [String; 2] {
    let action = scene.read("action.yml");
    let lines = action.lines();
    let runs = lines.filter_map(|line| line.trim().strip_prefix("run: "));
    let runs: Vec<String> = runs.map(str::to_owned).collect();
    runs.try_into().expect("two steps")
}

/// A step of the action, as GitHub runs it.
fn step(scene: &Scene, user: User, shell: &str, inputs: &[(&str, &str)]) -> Ran {
    let words = [
        "bash",
        "--noprofile",
        "--norc",
        "-eo",
        "pipefail",
        "-c",
        shell,
    ];
    let mut run = scene.lacking(NO_NAMESPACES, user, &words);
    for (name, value) in inputs {
        run = run.env(name, value);
    }
    let run = run.env("GITHUB_ACTION_PATH", scene.dir.path());
    let run = run.env("GITHUB_ACTIONS", "true");
    let run = run.env("GITHUB_STEP_SUMMARY", scene.dir.file("runner/summary"));
    let run = run.env("GITHUB_OUTPUT", scene.dir.file("runner/output"));
    let run = run.env("RUNNER_TEMP", scene.dir.file("runner"));
    let run = run.env("HOME", scene.dir.path());
    run.cwd(scene.dir.file("checkout")).output()
}

fn clean(scene: &Scene) {
    for made in ["runner/jail-evidence", "checkout/out"] {
        let path = scene.dir.path().join(made);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
    }
    for made in ["runner/summary", "runner/output"] {
        let _ = std::fs::remove_file(scene.dir.path().join(made));
    }
}

#[test]
fn the_action_shows_what_was_denied() {
    let scene = scene();
    let [run, finish] = steps(&scene);
    let inputs = [
        ("JAIL_POLICY", "workspace\n  deny-metadata\n"),
        ("JAIL_RUN", JOB),
    ];
    for &user in scene.users() {
        let ran = step(&scene, user, &run, &inputs).ends_with(3);
        assert!(!ran.out.contains("s3cr3t"), "{}", ran.out);
        let (before, after) = ran.out.split_once("::stop-commands::").expect("a token");
        assert!(!before.contains("::error"), "{before}");
        let (token, rest) = after.split_once('\n').expect("a line");
        assert!(
            token.len() == 32 && rest.contains("::error::forged\n"),
            "{rest}"
        );
        assert!(rest.ends_with(&format!("::{token}::\n")), "{rest}");
        assert_eq!(scene.read("checkout/out"), "built\n");
        assert_eq!(scene.read("runner/output"), "exit-code=3\n");

        let ran = step(&scene, user, &finish, &inputs[..1]).ends_with(0);
        let annotation = "::warning title=denied read ";
        assert!(ran.out.starts_with(annotation), "{}", ran.out);
        assert!(ran.out.contains("/.ssh/id_ed25519::by "), "{}", ran.out);
        let summary = scene.read("runner/summary");
        assert!(
            summary.starts_with("### jail: the command ended"),
            "{summary}"
        );
        assert!(
            summary.contains("| denied | 1 request, once |"),
            "{summary}"
        );
        let page = scene.read("runner/jail-evidence/run.html");
        assert!(page.contains(".ssh/id_ed25519"));
        clean(&scene);
    }
}

#[test]
fn a_step_fails_if_what_was_enforced_is_not_what_is_declared() {
    let scene = scene();
    let [run, finish] = steps(&scene);
    let policy = scene.write(
        "runner/ci.toml",
        "extends = [\"workspace\", \"./more.toml\"]\n",
    );
    let more = |text: &str| scene.write("runner/more.toml", text);
    for &user in scene.users() {
        let inputs = [("JAIL_POLICY", policy.as_str()), ("JAIL_RUN", "echo built")];
        more("extends = [\"base\"]\n");
        step(&scene, user, &run, &inputs).ends_with(0);
        step(&scene, user, &finish, &inputs[..1]).ends_with(0);
        // A file that the policy extends.
        more("extends = [\"base\"]\n[fs]\nread = [\"/\"]\n");
        let declared = "what was enforced is not what is declared";
        step(&scene, user, &finish, &inputs[..1])
            .ends_with(125)
            .complains(declared);
        more("extends = [\"base\"]\n");
        step(&scene, user, &finish, &inputs[..1]).ends_with(0);
        let other = [("JAIL_POLICY", "workspace")];
        step(&scene, user, &finish, &other)
            .ends_with(125)
            .complains(declared);
        let missing = [inputs[0], ("JAIL_MODE", "audit")];
        step(&scene, user, &finish, &missing)
            .ends_with(125)
            .complains("not run in an audit");
        clean(&scene);
        step(&scene, user, &finish, &inputs[..1])
            .ends_with(125)
            .complains("was not run");
    }
}

#[test]
fn an_audit_denies_nothing_but_what_is_guarded() {
    let scene = scene();
    let [run, finish] = steps(&scene);
    scene.write("data", "data\n");
    let inputs = [
        ("JAIL_POLICY", "workspace"),
        ("JAIL_MODE", "audit"),
        ("JAIL_RUN", "cat ../data; cat ~/.ssh/id_ed25519"),
    ];
    for &user in scene.users() {
        let ran = step(&scene, user, &run, &inputs).ends_with(1);
        assert!(
            ran.out.contains("data\n") && !ran.out.contains("s3cr3t"),
            "{}",
            ran.out
        );
        let ran = step(&scene, user, &finish, &inputs[..2]).ends_with(0);
        assert!(
            ran.out.starts_with("::warning title=jail%3A audit::"),
            "{}",
            ran.out
        );
        let summary = scene.read("runner/summary");
        assert!(summary.contains("data\",  # once by cat"), "{summary}");
        assert!(!summary.contains("id_ed25519\","), "{summary}");
        clean(&scene);
    }
}

#[test]
fn what_a_step_is_told_wrongly_is_said_before_anything_runs() {
    let scene = scene();
    let at = |evidence: &str| {
        format!("sh \"$GITHUB_ACTION_PATH/bindings/ci/step.sh\" run {evidence} sh -c 'echo ran'")
    };
    let away = at("../runner/jail-evidence");
    for (shell, input, message) in [
        (
            &away,
            ("JAIL_MODE", "learn"),
            "mode is \"learn\"; it must be enforce or audit",
        ),
        (&away, ("JAIL_BIN", "no-jail"), "no-jail is not found"),
        (&away, ("JAIL_POLICY", "no-policy"), "no-policy"),
        (
            &at("evidence"),
            ("JAIL_POLICY", "workspace"),
            "put it outside of what the policy opens",
        ),
        (
            &at("../runner/jail-evidence"),
            ("JAIL_POLICY", "workspace\npermissive"),
            "policy permissive would let",
        ),
    ] {
        let ran = step(&scene, User::Own, shell, &[input]);
        assert!(
            ran.code() != Some(0) && !ran.out.contains("ran\n"),
            "{shell} {input:?}: {}",
            ran.out
        );
        ran.complains(message);
        clean(&scene);
    }
}

#[test]
fn the_template_for_gitlab_keeps_what_happened() {
    let scene = scene();
    let blocks = blocks(&scene.read("bindings/ci/gitlab.yml"));
    let home = scene.dir.file("bindings/ci");
    for &user in scene.users() {
        let inputs = [("JAIL_HOME", home.as_str()), ("JAIL_RUN", JOB)];
        let words = ["sh", "-ec", &blocks[0]];
        let mut run = scene.lacking(NO_NAMESPACES, user, &words);
        for (name, value) in inputs {
            run = run.env(name, value);
        }
        let run = run.env("HOME", scene.dir.path());
        let ran = run.cwd(scene.dir.file("checkout")).output().ends_with(3);
        assert!(ran.out.contains("denied     read "), "{}", ran.out);
        let page = scene.read("checkout/jail-evidence/run.html");
        assert!(page.contains(".ssh/id_ed25519") && !page.contains("s3cr3t"));
        std::fs::remove_dir_all(scene.dir.path().join("checkout/jail-evidence")).expect("removed");
    }
}
