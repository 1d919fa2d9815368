//! A policy in a directory of its own, and commands under it: as whoever runs the tests, and as an
//! ordinary user with a copy of the programs.

use crate::support::{Dir, JAIL, Run, is_root, plain, probe};
use std::os::unix::fs::PermissionsExt;

/// Every test without this says so.
pub const NOT_ROOT: &str = "NOT TRIED HERE: not root";

pub struct Scene {
    pub dir: Dir,
}

impl Scene {
    /// With `policy.toml` of this text.
    pub fn new(policy: &str) -> Self {
        let dir = Dir::new();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("chmod");
        dir.write("policy.toml", policy);
        Self { dir }
    }

    /// With this `[process]` and nothing denied.
    pub fn process(keys: &str) -> Self {
        Self::new(&format!("default = \"allow\"\n[process]\n{keys}\n"))
    }

    /// By another program: a descriptor for writing that a fork of another test inherits would make
    /// the copy a busy text file.
    fn copy(&self, from: &str, name: &str) -> String {
        let to = self.dir.file(name);
        plain(["cp", from, &to]).output().ends_with(0);
        to
    }

    /// A copy of jail that everybody can run.
    pub fn jail(&self) -> String {
        self.copy(JAIL, "jail")
    }

    /// `jail OPTIONS -- COMMAND`, started in the scene's directory.
    pub fn with(&self, options: &[&str], command: &[&str]) -> Run {
        self.launched(&[], JAIL, options, command)
    }

    pub fn run(&self, command: &[&str]) -> Run {
        self.with(&[], command)
    }

    /// As [`Scene::with`], behind a launcher.
    pub fn behind(&self, launcher: &[&str], command: &[&str]) -> Run {
        self.launched(launcher, JAIL, &[], command)
    }

    fn launched(&self, launcher: &[&str], jail: &str, options: &[&str], command: &[&str]) -> Run {
        let fixed = [jail, "--policy", "policy.toml"];
        let words = launcher.iter().chain(&fixed).chain(options);
        plain(words.chain(&["--"]).chain(command)).cwd(self.dir.path())
    }

    /// As uid 65534: by a launcher as root, as it is if the tests run as an ordinary user.
    pub fn as_nobody(&self, launcher: &[&str], command: &[&str]) -> Run {
        if !is_root() {
            return self.run(command);
        }
        let jail = self.jail();
        let mut words = vec![
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        words.extend(launcher);
        self.launched(&words, &jail, &[], command)
    }

    /// A copy of the probe that everybody can run.
    pub fn probe(&self) -> String {
        self.copy(probe(), "probe")
    }
}
