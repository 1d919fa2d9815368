//! The built-in policies that govern files, with a home directory of the test's own.

use super::scene::{LANDLOCK, Scene, run};
use super::support::Run;

/// A home with keys and toolchains, and a project in it.
fn home() -> Scene {
    let scene = Scene::new();
    for name in [
        "home/.ssh/id_ed25519",
        "home/.bashrc",
        "home/.aws/credentials",
        "home/.cargo/credentials.toml",
        "home/.cargo/config.toml",
        "home/.cargo/registry/index",
        "home/.rustup/settings.toml",
        "home/.m2/settings.xml",
        "home/.m2/repository/jar",
        "home/.gitconfig",
        "home/documents/letter",
        "home/project/main.rs",
    ] {
        scene.write(name, name);
    }
    scene.program("home/.cargo/bin/tool", "#!/bin/sh\necho tool\n");
    scene.program("home/project/run", "#!/bin/sh\necho run\n");
    scene
}

fn jailed(scene: &Scene, landlock: Option<&str>, policy: &str, script: &str) -> Run {
    let script = scene.text(script);
    let run = scene.within(landlock, policy, &["/bin/sh", "-c", &script]);
    run.cwd(scene.at("home/project"))
        .env("HOME", scene.at("home"))
        .env("TMPDIR", "/tmp")
}

/// Scripts that succeed outside, and those of them that do within.
#[track_caller]
fn holds(policy: &str, allowed: &[&str], denied: &[&str]) {
    for landlock in LANDLOCK {
        for (scripts, good) in [(allowed, true), (denied, false)] {
            for script in scripts {
                let scene = home();
                let ran = run(jailed(&scene, landlock, policy, script));
                if (ran.code() == Some(0)) != good {
                    ran.fail(&format!(
                        "{policy}: should be allowed: {good}, Landlock {landlock:?}"
                    ));
                }
            }
        }
    }
    let scene = home();
    for script in denied {
        let script = scene.text(script);
        let outside = scene
            .outside(&["/bin/sh", "-c", &script])
            .cwd(scene.at("home/project"));
        run(outside.env("HOME", scene.at("home"))).ends_with(0);
    }
}

#[test]
fn read_only_reads_everything_and_changes_nothing() {
    holds(
        "read-only",
        &[
            "cat main.rs ~/documents/letter /etc/passwd > /dev/null",
            "ls / ~ . > /dev/null",
            "./run > /dev/null",
            "find . > /dev/null",
        ],
        &[
            "echo x > new",
            "echo x >> main.rs",
            ": > main.rs",
            "chmod 600 main.rs",
            "touch main.rs",
            "mkdir new",
            "rm main.rs",
            "mv main.rs new",
            "ln main.rs new",
            "ln -s main.rs new",
            "mkfifo new",
            "truncate -s 0 main.rs",
            "echo x > /tmp/jail-test-read-only && rm /tmp/jail-test-read-only",
        ],
    );
}

#[test]
fn workspace_changes_its_directory_and_reads_no_keys() {
    holds(
        "workspace",
        &[
            "echo x > new && rm new",
            "./run > /dev/null",
            "f=$(mktemp /tmp/jail-test-XXXXXX) && rm $f",
            "cat ~/.gitconfig > /dev/null",
            "mkdir -p a/b && mv a c && rm -r c && chmod 600 main.rs",
        ],
        &[
            "cat ~/.bashrc",
            "cat ~/documents/letter",
            "cat ~/.ssh/id_ed25519",
            "ls ~/.ssh",
            "echo x >> ~/.bashrc",
            "echo x > ~/.gitconfig",
            "ln ~/.ssh/id_ed25519 key",
            "mv ~/.ssh keys",
            "touch ../new",
        ]
        .map(|script| script),
    );
}

#[test]
fn build_has_the_toolchains_and_not_their_credentials() {
    holds(
        "build",
        &[
            "~/.cargo/bin/tool > /dev/null",
            "cat ~/.cargo/config.toml ~/.rustup/settings.toml ~/.m2/repository/jar > /dev/null",
            "echo x > ~/.cargo/registry/new && cat ~/.cargo/registry/index > /dev/null",
            "echo x > new && ./run > /dev/null",
        ],
        &[
            "cat ~/.cargo/credentials.toml",
            "cat ~/.m2/settings.xml",
            "cat ~/.ssh/id_ed25519",
            "cat ~/.bashrc",
            "echo x > ~/.cargo/bin/tool",
            "echo x > ~/.rustup/settings.toml",
            "echo x > ~/.cargo/config.toml",
            "ls ~/.cargo",
            "mv ~/.cargo/credentials.toml .",
            "ln ~/.cargo/credentials.toml token",
        ],
    );
}

#[test]
fn credentials_are_protected_whatever_else_is_open() {
    let scene = Scene::new();
    let open = scene.policy_file(
        "open.toml",
        "extends = [\"protect-credentials\"]\ndefault = \"allow\"\n",
    );
    let home = scene.policy_file(
        "home.toml",
        "extends = [\"base\", \"protect-credentials\"]\n[fs]\nread = [\"~\"]\nexec = [\"~\"]\n",
    );
    let read = [
        "cat main.rs ~/.bashrc ~/documents/letter ~/.cargo/config.toml > /dev/null",
        "./run > /dev/null",
    ];
    let keys = [
        "cat ~/.ssh/id_ed25519",
        "cat ~/.aws/credentials",
        "cat ~/.cargo/credentials.toml",
        "ls ~/.ssh",
        "cat /proc/self/root$HOME/.ssh/id_ed25519",
        "cd ~/.ssh && cat id_ed25519",
        "cat ../.ssh/id_ed25519",
    ];
    let changes = [
        "mv ~/.ssh keys",
        "ln ~/.ssh/id_ed25519 key",
        "mv ~/.cargo cargo",
        "mv ~ ~/../elsewhere",
        "echo x > ~/.ssh/authorized_keys",
    ];
    let more = [keys.as_slice(), &changes].concat();
    holds(&home, &read, &more);
    let open_too = [read.as_slice(), &["echo x > ~/new", "mkdir x && mv x y"]].concat();
    holds(&open, &open_too, &more);
}

#[test]
fn presets_need_no_home() {
    let scene = Scene::new();
    for policy in [
        "base",
        "offline",
        "compute",
        "permissive",
        "read-only",
        "workspace",
        "build",
    ] {
        let options = ["--policy", policy, "--"];
        let run_it = scene.with(None, &options, &["/bin/cat", "/etc/passwd"]);
        let ran = run(run_it.env_clear());
        if policy == "compute" {
            // It opens no file system at all; that it loads is what counts.
            assert_ne!(ran.code(), Some(125), "{}", ran.err);
        } else {
            ran.ends_with(0);
        }
    }
    let own = scene.policy("read = [\"~/x\"]\n");
    let ran = run(scene.within(None, &own, &["/bin/true"]).env_clear());
    ran.ends_with(125).complains("HOME");
}
