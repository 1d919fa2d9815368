//! The file that is written, and what is said of it.

use crate::scene::Scene;
use nix::sys::signal::Signal;

#[test]
fn a_failed_command_yields_its_policy_marked_as_partial() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    scene
        .learn(&["--", "sh", "-c", "cat ~/notes; exit 3"])
        .ends_with(3)
        .complains("partial: the command ended with exit code 3");
    let policy = scene.policy();
    assert!(
        policy.contains("\n# Partial: the command ended with exit code 3"),
        "{policy}"
    );
    assert!(policy.contains("~/notes"), "{policy}");
    // The same again adds nothing, and a complete run removes the mark.
    scene
        .learn(&["--", "sh", "-c", "cat ~/notes; exit 3"])
        .ends_with(3);
    assert_eq!(scene.policy(), policy);
    scene.learn(&["--", "sh", "-c", "cat ~/notes"]).ends_with(0);
    assert!(!scene.policy().contains("# Partial"), "{}", scene.policy());
}

/// Arguments may hold passwords, and policies are shared.
#[test]
fn the_arguments_of_the_command_are_not_in_the_policy() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    let words = ["--", "sh", "-c", "cat ~/notes # TOKEN=secret"];
    scene.learn(&words).ends_with(0);
    let policy = scene.policy();
    assert!(
        policy.starts_with("# Learned from: sh with 2 arguments\n"),
        "{policy}"
    );
    assert!(!policy.contains("secret"), "{policy}");
}

#[test]
fn an_interrupted_command_yields_its_policy() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    let running = scene.learning("cat ~/notes; echo; echo ready; exec sleep 60");
    running.signal_group(Signal::SIGINT);
    let ran = running.finish();
    ran.complains("partial: the command was ended by SIGINT");
    let policy = scene.policy();
    assert!(
        policy.contains("# Partial: the command was ended by SIGINT"),
        "{policy}"
    );
    assert!(policy.contains("~/notes"), "{policy}");
}

#[test]
fn a_file_is_continued_and_keeps_what_its_author_wrote() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    let mine = "# Mine.\nextends = [\"base\", \"protect-credentials\", \"protect-triggers\"]\n\n\
        [fs]\nread = [\n    \"./a\", # first\n]\n";
    scene.write("app.toml", mine);
    scene.write("a", "a");
    scene
        .learn(&["--", "cat", "a"])
        .ends_with(0)
        .complains("nothing was added");
    assert_eq!(scene.policy(), mine);
    scene
        .learn(&["--", "sh", "-c", "cat a ~/notes"])
        .ends_with(0)
        .complains("added to app.toml, 1 entry");
    let policy = scene.policy();
    for line in [
        "# Mine.",
        "    \"./a\", # first",
        "    \"~/notes\",  # once by cat",
    ] {
        assert!(
            policy.lines().any(|known| known == line),
            "{line}\n{policy}"
        );
    }
}

#[test]
fn a_file_that_lacks_the_guards_extends_them_with_the_first_entry() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    scene.write("app.toml", "extends = [\"base\"]\n");
    scene.learn(&["--", "cat", "/dev/null"]).ends_with(0);
    assert_eq!(scene.policy(), "extends = [\"base\"]\n");
    scene.learn(&["--", "sh", "-c", "cat ~/notes"]).ends_with(0);
    let policy = scene.policy();
    let line = "extends = [\"base\", \"protect-credentials\", \"protect-triggers\"]";
    assert!(policy.contains(line), "{policy}");
}

#[test]
fn without_a_file_the_policy_is_printed() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    let ran = scene
        .jail(&[
            "learn",
            "--generalize",
            "0",
            "--",
            "sh",
            "-c",
            "cat ~/notes >/dev/null",
        ])
        .ends_with(0);
    assert!(
        ran.out.contains("\"~/notes\",  # once by cat"),
        "{}",
        ran.out
    );
    assert!(!scene.dir.path().join("project/app.toml").exists());
}

#[test]
fn an_audit_denies_nothing_that_is_not_guarded_and_writes_nothing() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "notes");
    scene.dir.write("home/.ssh/id_ed25519", "SECRET");
    let mine = "extends = [\"base\"]\n";
    scene.write("app.toml", mine);
    let line = "cat ~/notes ~/.ssh/id_ed25519; exit 3";
    let ran = scene
        .learn(&["--audit", "--", "sh", "-c", line])
        .ends_with(3)
        .says("notes")
        .complains("jail: app.toml would have denied 1 access\n")
        .complains("/home/notes, once by cat")
        .complains("Denied all the same, because it is guarded:")
        .complains("/.ssh/id_ed25519, by cat");
    assert!(!ran.err.contains("Replayed"), "{}", ran.err);
    assert_eq!(scene.policy(), mine);
    scene
        .jail(&[
            "learn",
            "--audit",
            "--extends",
            "workspace",
            "--",
            "sh",
            "-c",
            "echo x > made",
        ])
        .ends_with(0)
        .complains("jail: workspace would have denied nothing more");
}

#[test]
fn what_cannot_be_learned_is_said_before_anything_runs() {
    let scene = Scene::new();
    scene.write("app.toml", "default = \"allow\"\n");
    scene
        .learn(&["--", "sh", "-c", "echo ran"])
        .ends_with(125)
        .says("")
        .complains("app.toml has default = \"allow\": it lacks nothing");
    scene.write("app.toml", "extends = [\"bose\"]\n");
    scene
        .learn(&["--", "echo", "ran"])
        .ends_with(125)
        .says("")
        .complains("did you mean `base`?");
    scene.shell("rm app.toml").ends_with(0);
    scene
        .learn(&["--extends", "nothing", "--", "echo", "ran"])
        .ends_with(125)
        .says("")
        .complains("unknown preset `nothing`");
    scene
        .learn(&["--generalize", "4", "--", "echo", "ran"])
        .ends_with(125)
        .says("");
    scene.learn(&["--", "./no-such-program"]).ends_with(127);
    assert!(!scene.dir.path().join("project/app.toml").exists());
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let scene = Scene::new();
    scene.dir.write("home/notes", "x");
    let running = scene.learning("cat ~/notes; echo; echo ready; read x");
    scene.write("app.toml", "# another's\n");
    running.signal_group(Signal::SIGTERM);
    running
        .finish()
        .complains("app.toml was changed while the command ran; nothing was written");
    assert_eq!(scene.policy(), "# another's\n");
}

const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";

/// As pytest's, which a first run without a jail has made.
#[test]
fn a_cache_that_was_there_is_learned_as_one_that_the_command_makes() {
    let scene = Scene::new();
    scene.write(".cache/CACHEDIR.TAG", TAG);
    scene.write(".cache/v/names", "old");
    let command = ["sh", "-c", "mkdir -p .cache/v; echo x > .cache/v/names"];
    let policy = scene.goes_through(&[], &command, "rm -r .cache");
    let entry = "{ path = \"./.cache\", why = \"the command makes it\" }";
    assert!(policy.contains(entry), "{policy}");
}

/// What a command calls a cache itself is none.
#[test]
fn a_command_cannot_call_a_directory_a_cache() {
    let scene = Scene::new();
    scene.write("src/main.c", "");
    scene.write("src/a", "");
    let script = format!("echo '{}' > src/CACHEDIR.TAG; echo x > src/a", TAG.trim());
    scene.learn(&["--", "sh", "-c", &script]).ends_with(0);
    let policy = scene.policy();
    assert!(policy.contains("\"./src/a\""), "{policy}");
    assert!(!policy.contains("\"./src\""), "{policy}");
}
