//! A copy of the examples in a directory of its own, with the binaries in PATH, and the users who run
//! them.

use crate::support::{Dir, JAIL, Run, example, is_root, plain, probe};
use std::path::Path;
use std::time::Duration;

/// Who runs a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// A user without privileges, where root runs the tests.
    Nobody,
}

/// What the programs that are run lack (`probe without`).
pub const NO_NAMESPACES: &str = "namespaces";

pub struct Scene {
    pub dir: Dir,
}

impl Scene {
    /// With a copy of these directories of the repository.
    pub fn new(trees: &[&str]) -> Self {
        let dir = Dir::new();
        for made in ["bin", "tmp"] {
            std::fs::create_dir(dir.path().join(made)).expect("mkdir");
        }
        let programs = [
            Path::new(JAIL).to_owned(),
            example("judge").into(),
            probe().into(),
        ];
        // By another program: a descriptor for writing that a fork of another test inherits would make
        // the copy a busy text file.
        let bin = dir.file("bin");
        let copy = plain(["cp", "-t", &bin]).args(programs);
        copy.output().ends_with(0);
        for tree in trees {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(tree);
            let to = dir.path().join(tree);
            std::fs::create_dir_all(to.parent().expect("it lies in the scene")).expect("mkdir");
            plain(["cp", "-r"]).args([from, to]).output().ends_with(0);
        }
        Self { dir }
    }

    /// Lets everybody read all of it, and write: nothing in it is anybody's secret.
    fn open(&self) {
        let open = plain(["chmod", "-R", "a+rwX"]).args([self.dir.path()]);
        // Not what others have made there.
        open.output();
    }

    /// Everybody who has to succeed.
    pub fn users(&self) -> &'static [User] {
        match is_root() {
            true => &[User::Own, User::Nobody],
            false => &[User::Own],
        }
    }

    /// A command in the scene's directory, without what `lacking` takes away.
    pub fn lacking(&self, lacking: &str, user: User, command: &[&str]) -> Run {
        self.open();
        let probe = self.dir.file("bin/probe");
        let drop = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            // setpriv looks a program up while it can still look everywhere.
            "env",
        ];
        let drop = if user == User::Nobody { &drop[..] } else { &[] };
        let words = [&probe, "without", lacking].into_iter();
        let words = words
            .chain(drop.iter().copied())
            .chain(command.iter().copied());
        let path = std::env::var("PATH").unwrap_or_default();
        let run = plain(words)
            .cwd(self.dir.path())
            .timeout(Duration::from_secs(300))
            .env("PATH", format!("{}:{path}", self.dir.file("bin")))
            .env("TMPDIR", self.dir.file("tmp"))
            .env("CARGO_TARGET_DIR", self.dir.file("target"))
            .env("JAIL_NAMESPACES", "none")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        match user {
            User::Own => run,
            User::Nobody => run.env("HOME", self.dir.path()),
        }
    }

    /// A command in the scene's directory, where no namespace can be made.
    pub fn run(&self, user: User, command: &[&str]) -> Run {
        self.lacking(NO_NAMESPACES, user, command)
    }

    /// Whether this user has a program that answers to `--version`; says so loudly where not.
    pub fn has(&self, user: User, program: &[&str]) -> bool {
        let asked = [program, &["--version"]].concat();
        let has = self.run(user, &asked).output().code() == Some(0);
        if !has {
            println!(
                "NOT TRIED HERE ({user:?}): {} is missing",
                program.join(" ")
            );
        }
        has
    }

    /// Writes a file in the scene, and returns its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        self.dir.write(name, content)
    }

    /// The text of a file in the scene.
    pub fn read(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
}
