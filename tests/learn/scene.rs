//! A project, a home, and the steps that each tool goes through.

use crate::support::{Dir, Ran, Run, Running, installed, jail, plain};
use std::process::Stdio;
use std::time::Duration;

/// The maximum length of a learned policy in lines.
const MOST_LINES: usize = 60;

pub struct Scene {
    pub dir: Dir,
}

impl Scene {
    /// An empty project and an empty home.
    pub fn new() -> Scene {
        let dir = Dir::new();
        dir.write("home/.keep", "");
        dir.write("project/.keep", "");
        Scene { dir }
    }

    pub fn write(&self, name: &str, content: &str) {
        self.dir.write(&format!("project/{name}"), content);
    }

    pub fn policy(&self) -> String {
        let text = std::fs::read_to_string(self.dir.file("project/app.toml"));
        text.expect("a learned policy")
    }

    fn placed(&self, run: Run) -> Run {
        run.cwd(self.dir.file("project"))
            .env("HOME", self.dir.file("home"))
            .timeout(Duration::from_secs(300))
    }

    /// `jail learn -o app.toml` with these options and words.
    pub fn learn(&self, words: &[&str]) -> Ran {
        self.placed(jail(["learn", "-o", "app.toml"]).args(words))
            .output()
    }

    /// Begins to learn a line of the shell that prints `ready` and then waits.
    #[track_caller]
    pub fn learning(&self, line: &str) -> Running {
        let words = ["learn", "-o", "app.toml", "--", "sh", "-c", line];
        let run = self.placed(jail(words)).stdin(Stdio::piped());
        let mut running = run.start();
        running.line("ready");
        running
    }

    /// Any other `jail`.
    pub fn jail(&self, words: &[&str]) -> Ran {
        self.placed(jail(words)).output()
    }

    /// A shell without a jail.
    pub fn shell(&self, line: &str) -> Ran {
        self.placed(plain(["sh", "-c", line])).output()
    }

    /// Learns a command, runs it under what was learned from a clean state, and learns it again. `options`: of
    /// `jail learn`. `clean`: a line of the shell that removes what the command made.
    #[track_caller]
    pub fn goes_through(&self, options: &[&str], command: &[&str], clean: &str) -> String {
        let words = [options, &["--"], command].concat();
        self.learn(&words).ends_with(0).complains("app.toml");
        let policy = self.policy();
        let lines = policy.lines().count();
        assert!(lines < MOST_LINES, "{lines} lines\n{policy}");
        self.jail(&["check", "--strict", "app.toml"]).ends_with(0);
        self.shell(clean).ends_with(0);
        self.jail(&["check", "--strict", "app.toml"]).ends_with(0);
        let under = [&["--policy", "app.toml", "--"], command].concat();
        let ran = self.jail(&under);
        if ran.code() != Some(0) {
            ran.fail(&format!("under\n{policy}"));
        }
        self.shell(clean).ends_with(0);
        self.learn(&words)
            .ends_with(0)
            .complains("nothing was added");
        assert_eq!(self.policy(), policy);
        policy
    }
}

/// Whether a program is here; if not, the test says so.
pub fn has(words: &[&str]) -> bool {
    let has = words.first().is_some_and(|program| installed(program))
        && plain(words).output().code() == Some(0);
    if !has {
        eprintln!("NOT TRIED HERE: this user cannot run {}", words.join(" "));
    }
    has
}
