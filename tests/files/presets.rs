//! The built-in policies that govern files, with a home directory of the test's own.
//!
//! It must not lie where they allow everything to be changed: not beneath /tmp. `JAIL_TEST_HOME`
//! names a directory for it; else it is made in the target directory or in the caller's home.

use super::scene::{Scene, run};
use crate::support::landlock::landlocks;
use crate::support::{Run, installed, is_root, jail, plain, token};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A home with keys and toolchains, and a project in it. Removed when dropped.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Self {
        const OPEN: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
        let named = std::env::var("JAIL_TEST_HOME").ok();
        let own = std::env::var("HOME").ok();
        let made = [
            named,
            Some(env!("CARGO_TARGET_TMPDIR").to_owned()),
            own,
            Some("/home".to_owned()),
        ]
        .into_iter()
        .flatten()
        .map(PathBuf::from)
        .filter(|base| !OPEN.iter().any(|open| base.starts_with(open)))
        .map(|base| base.join(token()))
        .find(|path| fs::create_dir(path).is_ok());
        let made = made.expect("no place for a home outside of /tmp: set JAIL_TEST_HOME");
        let home = Self(made.canonicalize().expect("the home's path"));
        for name in [
            ".ssh/id_ed25519",
            ".bashrc",
            ".aws/credentials",
            ".cargo/credentials.toml",
            ".cargo/config.toml",
            ".cargo/registry/index",
            ".rustup/settings.toml",
            ".m2/settings.xml",
            ".m2/repository/jar",
            ".gitconfig",
            "documents/letter",
            "project/main.rs",
        ] {
            home.write(name, name);
        }
        for (name, says) in [(".cargo/bin/tool", "tool"), ("project/run", "run")] {
            let path = home.write(name, &format!("#!/bin/sh\necho {says}\n"));
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(path, mode).expect("a program");
        }
        home
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        let parent = path.parent().expect("a directory");
        fs::create_dir_all(parent).expect("a directory");
        fs::write(&path, content).expect("a file");
        path
    }

    pub fn at(&self, run: Run) -> Run {
        run.cwd(self.0.join("project"))
            .env("HOME", &self.0)
            .env("TMPDIR", "/tmp")
    }

    pub fn outside(&self, script: &str) -> Run {
        let run = match is_root() {
            true => plain(["setpriv", "--bounding-set=-all", "--inh-caps=-all"]),
            false => plain(["env"]),
        };
        self.at(run.args(["/bin/sh", "-c", script]))
    }

    pub fn within(&self, landlock: Option<&str>, policy: &str, script: &str) -> Run {
        let run = jail(["--policy", policy, "--", "/bin/sh", "-c", script]);
        let run = match landlock {
            Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
            None => run,
        };
        self.at(run)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Scripts that succeed outside, and those of them that do within. Each has a new home.
#[track_caller]
fn holds(policy: &str, allowed: &[&str], denied: &[&str]) {
    for (scripts, good) in [(allowed, true), (denied, false)] {
        for script in scripts {
            let home = Home::new();
            run(home.outside(script)).ends_with(0);
            for landlock in landlocks() {
                let home = Home::new();
                let ran = run(home.within(landlock, policy, script));
                if (ran.code() == Some(0)) != good {
                    let should = if good { "allowed" } else { "denied" };
                    ran.fail(&format!("should be {should}, Landlock {landlock:?}"));
                }
            }
        }
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
            "f=$(mktemp /tmp/jail-test-XXXXXX) && rm $f",
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
            "f=$(mktemp) && rm $f",
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
            "f=$(mktemp /tmp/jail-test-XXXXXX) && rm $f",
            "f=$(mktemp /var/tmp/jail-test-XXXXXX) && rm $f",
        ],
    );
}

#[test]
fn build_has_the_toolchains_and_not_their_credentials() {
    holds(
        "build",
        &[
            "~/.cargo/bin/tool > /dev/null",
            "cat ~/.cargo/config.toml ~/.rustup/settings.toml ~/.m2/repository/jar > /dev/null",
            "cat ~/.cargo/registry/index > /dev/null",
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
    let denied = [
        "cat ~/.ssh/id_ed25519",
        "cat ~/.aws/credentials",
        "cat ~/.cargo/credentials.toml",
        "ls ~/.ssh",
        "cat /proc/self/root$HOME/.ssh/id_ed25519",
        "cd ~/.ssh && cat id_ed25519",
        "cat ../.ssh/id_ed25519",
        "mv ~/.ssh keys",
        "ln ~/.ssh/id_ed25519 key",
        "mv ~/.cargo cargo",
        "echo x > ~/.ssh/authorized_keys",
    ];
    holds(&home, &read, &denied);
    let changes = ["echo x > ~/new", "mkdir x && mv x y"];
    holds(&open, &[read.as_slice(), &changes].concat(), &denied);
}

#[test]
fn presets_need_no_home() {
    let scene = Scene::new();
    for policy in [
        "base",
        "offline",
        "permissive",
        "read-only",
        "workspace",
        "build",
        "protect-credentials",
    ] {
        let options = ["--policy", policy, "--"];
        let ran = run(scene
            .with(None, &options, &["/bin/cat", "/etc/passwd"])
            .env_clear());
        match policy {
            // To be extended by others, it allows nothing itself.
            "protect-credentials" => {
                ran.ends_with(125).complains("allows no system calls");
            }
            _ => drop(ran.ends_with(0)),
        }
    }
    let ran = run(scene
        .with(None, &["--policy", "compute", "--"], &["/bin/true"])
        .env_clear());
    ran.ends_with(0);
    let own = scene.policy("read = [\"~/x\"]\n");
    let ran = run(scene.within(None, &own, &["/bin/true"]).env_clear());
    ran.ends_with(125).complains("HOME");
}

#[test]
fn in_a_workspace_git_works_and_its_triggers_stay() {
    let home = Home::new();
    let prepare = "git init -q --bare ../up && git init -q && mkdir -p .git/hooks && git add main.rs && git commit -qm one \
        && git push -q ../up HEAD:refs/heads/main && git remote add origin ../up && git fetch -q && git worktree add -q wt";
    if !installed("git") {
        return;
    }
    home.write(
        ".gitconfig",
        "[user]\n\tname = n\n\temail = e@x\n[init]\n\tdefaultBranch = topic\n",
    );
    run(home.outside(prepare)).ends_with(0);
    let config = fs::read(home.0.join("project/.git/config")).expect("a repository");
    for script in [
        "git status --short",
        "echo x >> main.rs && git commit -qam two",
        "git branch other && git checkout -q other && git merge -q topic",
        "cd wt && git commit -q --allow-empty -m three",
        "git tag v1 && git stash list && git gc -q",
        "git rebase -q origin/main",
    ] {
        let ran = run(home.within(None, "workspace", script)).ends_with(0);
        if ran.err.contains("fs.protect") {
            ran.fail(&format!("{script} should need nothing that is protected"));
        }
    }
    for script in [
        "echo evil > .git/hooks/post-commit",
        "git config core.fsmonitor evil",
        "mv .git x",
        "mkdir -p sub/.git/hooks",
        "echo evil > .envrc",
        "mkdir .vscode",
        "ln -s /tmp .husky",
        "echo ../evil > .git/commondir",
        "git worktree add wt2",
        "git worktree remove wt",
        "git init -q a/b",
        "mkdir -p sub2/d && mv sub2/d sub2/.git && mkdir sub2/.git/hooks",
    ] {
        let ran = run(home.within(None, "workspace", script)).complains("[protect-triggers:");
        assert_ne!(ran.code(), Some(0), "{script}");
    }
    let now = fs::read(home.0.join("project/.git/config")).expect("a repository");
    assert_eq!(config, now);
    // Beneath what is installed there are such files of others.
    let script = "mkdir -p node_modules/x/.vscode && mv node_modules/x node_modules/y";
    run(home.within(None, "workspace", script)).ends_with(0);
}

#[test]
fn a_workspace_in_the_home_directory_is_warned_of_and_refused_by_check() {
    let home = Home::new();
    let at = |run: Run, place: &str| home.at(run).cwd(home.0.join(place));
    const SAYS: &str = "jail: warning: fs.write \".\"";
    for (place, warned) in [(".", true), ("..", true), ("project", false)] {
        let ran = run(at(
            jail(["--policy", "workspace", "--", "/bin/true"]),
            place,
        ))
        .ends_with(0);
        assert_eq!(
            ran.err.matches(SAYS).count(),
            usize::from(warned),
            "{}",
            ran.err
        );
        let quiet = ["--quiet", "--policy", "workspace", "--", "/bin/true"];
        let ran = run(at(jail(quiet), place)).ends_with(0);
        assert_eq!(ran.err, "");
        let checked = at(jail(["check", "workspace"]), place);
        match warned {
            true => _ = run(checked).ends_with(1).complains("error[E603]"),
            false => _ = run(checked).ends_with(0),
        }
    }
    // --cwd is where the paths of a policy start.
    let cwd = home.0.join("project").display().to_string();
    let ran = run(at(
        jail(["--cwd", &cwd, "--policy", "workspace", "--", "/bin/true"]),
        ".",
    ));
    assert!(!ran.ends_with(0).err.contains(SAYS));
}
