//! A home, a directory in it and an environment in which each entry of a preset covers something that exists.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::support::schema::fitting;
use crate::support::{Dir, Run, jail, plain};
use serde_json::Value;

/// The content of files: executing one fails with ENOEXEC.
const CONTENT: &str = "no program";

pub struct Place {
    dir: Dir,
    variables: BTreeSet<String>,
    sockets: Vec<UnixListener>,
}

impl Place {
    pub fn new() -> Place {
        let dir = Dir::new();
        for directory in ["home/work", "tmp", "none", "env"] {
            std::fs::create_dir_all(dir.path().join(directory)).expect("a directory");
        }
        Place {
            dir,
            variables: BTreeSet::new(),
            sockets: Vec::new(),
        }
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.dir.path().join("home/work")
    }

    /// A file that no entry covers.
    pub fn elsewhere(&self) -> PathBuf {
        self.make(&self.dir.path().join("none"))
    }

    /// Writes a policy beside the home.
    pub fn policy(&self, text: &str) -> String {
        self.dir.write("policy.toml", text)
    }

    fn scratch(&self, path: &Path) -> bool {
        path.starts_with(self.dir.path())
    }

    /// In the directory, with an environment of its own.
    pub fn within(&self, run: Run) -> Run {
        let run = run
            .cwd(self.work())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("TMPDIR", self.dir.path().join("tmp"));
        let values = self.variables.iter();
        values.fold(run, |run, name| {
            run.env(name, self.dir.path().join("env").join(name))
        })
    }

    pub fn bare(&self, program: &str, arguments: &[&str]) -> Run {
        self.within(plain([program]).args(arguments))
    }

    pub fn jail(&self, arguments: &[&str]) -> Run {
        self.within(jail(arguments))
    }

    /// What `jail explain --json` says of a policy, and of requests.
    #[track_caller]
    pub fn explain(&self, policy: &str, requests: &[String]) -> Value {
        let run = self.jail(&["explain", "--json", policy]).args(requests);
        let ran = run.output().ends_with(0);
        fitting("explain", &ran.out)
    }

    /// Sets each variable that a text names to a directory.
    pub fn set_variables(&mut self, text: &str) {
        for part in text.split('$').skip(1) {
            let part = part.trim_start_matches('{');
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
            if !name.is_empty() && name != "TMPDIR" && name != "HOME" {
                self.variables.insert(name.to_owned());
            }
        }
    }

    /// A path that an entry covers.
    pub fn expand(&self, text: &str) -> PathBuf {
        let mut text = text.to_owned();
        for name in self.variables.iter().rev() {
            let value = self.dir.path().join("env").join(name);
            text = text.replace(&format!("${name}"), value.to_str().expect("text"));
        }
        let text = match text.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.home().display()),
            None => text,
        };
        // One of what the pattern matches.
        let text = first_of_braces(&text);
        let text = text.replace("**", "a/b").replace(['*', '?'], "q");
        self.work().join(text.strip_prefix("./").unwrap_or(&text))
    }

    /// Makes what an entry covers, if that is in this place: a directory, with a file in it.
    pub fn prepare(&mut self, text: &str) {
        self.set_variables(text);
        if !text.contains("$TMPDIR") {
            self.make(&self.expand(text));
        }
    }

    /// Listens at the path that an entry of `[net]` is about, if that is in this place.
    pub fn listen(&mut self, text: &str) {
        self.set_variables(text);
        let name = text
            .strip_prefix("unix:")
            .filter(|name| !name.starts_with(['@', '*', '$']));
        let Some(path) = name.map(|name| self.expand(name)) else {
            return;
        };
        if self.scratch(&path) {
            std::fs::create_dir_all(&path).expect("a directory");
            let path = path.join("s");
            if !path.exists() {
                self.sockets
                    .push(UnixListener::bind(path).expect("a socket"));
            }
        }
    }

    /// The file in a directory that is made; the path itself if it is elsewhere.
    fn make(&self, directory: &Path) -> PathBuf {
        let file = directory.join("x");
        if self.scratch(directory) && !file.exists() {
            std::fs::create_dir_all(directory).expect("a directory");
            std::fs::write(&file, CONTENT).expect("a file");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&file, mode).expect("its mode");
        }
        file
    }
}

fn first_of_braces(text: &str) -> String {
    let mut text = text.to_owned();
    while let (Some(start), Some(end)) = (text.find('{'), text.find('}')) {
        let inner = text.get(start + 1..end).unwrap_or_default();
        let one = inner.split(',').next_back().unwrap_or_default().to_owned();
        text.replace_range(start..=end, &one);
    }
    text
}

/// A program in a directory of the system.
pub fn program_in(directory: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|item| Some(item.ok()?.path()))
        .collect();
    found.sort();
    // A name may hold what means something in a pattern: `[`. A dynamic loader is protected.
    let plain = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|it| !it.contains(['[', '*', '?', '{']) && !it.starts_with("ld"))
    };
    let runs = |path: &Path| {
        plain(path)
            && path
                .symlink_metadata()
                .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 == 0o111)
    };
    let (directories, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| it.is_dir());
    files.into_iter().find(|path| runs(path)).or_else(|| {
        let mut inner = directories.iter().filter(|it| !it.is_symlink());
        inner.find_map(|it| program_in(it))
    })
}
