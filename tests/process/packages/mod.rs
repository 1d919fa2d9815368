//! The presets of package managers, against a package that attacks: it is fetched from a registry on loopback, and
//! what it runs connects, reads a key, plants a hook in the repository and a program in a cache. The same against what
//! `jail learn --domains` writes of a run in which the package did not attack.

mod cargo;
mod go;
mod npm;
mod pip;
mod registry;

use crate::support::{Dir, JAIL, Ran, Run, plain};
use registry::Registry;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// A home with a key, a project with a repository, and a registry with the package.
struct Attack {
    dir: Dir,
    registry: Registry,
    cache: String,
}

impl Attack {
    /// `cache`: a directory of the package manager that it shares with what runs outside of a jail.
    fn new(cache: &str) -> Self {
        let dir = Dir::new();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("chmod");
        let cache = dir.file(&format!("home/{cache}"));
        for made in ["home/.ssh", "project/.git/hooks", "registry"] {
            std::fs::create_dir_all(dir.file(made)).expect("a directory");
        }
        std::fs::create_dir_all(&cache).expect("a directory");
        dir.write("home/.ssh/id", "a key");
        let registry = Registry::of(dir.file("registry"));
        dir.write("armed", "");
        Self {
            dir,
            registry,
            cache,
        }
    }

    /// The package attacks if there is this file, and says [`QUIET`] otherwise.
    fn armed(&self) -> String {
        self.dir.file("armed")
    }

    /// What is attacked: the address of a server, a key, a hook, a program in a cache.
    fn goals(&self) -> [String; 4] {
        [
            format!("127.0.0.1:{}", self.registry.port),
            self.dir.file("home/.ssh/id"),
            self.dir.file("project/.git/hooks/post-commit"),
            format!("{}/planted", self.cache),
        ]
    }

    /// A command in the project, under a preset that may fetch from the registry.
    fn jailed(&self, preset: &str, words: &[&str]) -> Run {
        let registry = format!("127.0.0.1:{}", self.registry.port);
        let fixed = [JAIL, "--policy", preset, "--allow-net", &registry, "--"];
        self.within(fixed.iter().chain(words))
    }

    /// The same without a jail.
    fn naive(&self, words: &[&str]) -> Run {
        self.within(words.iter())
    }

    fn within<'a>(&self, words: impl Iterator<Item = &'a &'a str>) -> Run {
        plain(words)
            .cwd(self.dir.file("project"))
            .env("HOME", self.dir.file("home"))
            .timeout(Duration::from_secs(180))
    }

    /// Runs a command that runs the package: without a jail, where the attack has success, and as if it had not run
    /// before, under a preset, where the attack fails. `made`: the directory of the project that the command makes;
    /// `said`: what each part of the attack says of a run. The run under the preset.
    #[track_caller]
    fn attacks(
        &self,
        (preset, words): (&str, &[&str]),
        made: &str,
        run: impl Fn(Run) -> Ran,
        said: impl Fn(&Ran) -> Vec<String>,
    ) -> Ran {
        let is = |ran: &Ran, expected: &str| {
            for said in said(ran) {
                assert_eq!(said, expected, "{}{}", ran.out, ran.err);
            }
        };
        let naive = run(self.naive(words)).ends_with(0);
        is(&naive, DONE);
        self.has_success(&naive);
        self.cleans(made);
        let ran = run(self.jailed(preset, words)).ends_with(0);
        is(&ran, DENIED);
        self.failed(&ran);
        ran
    }

    /// What the package has written to a file of the project.
    #[track_caller]
    fn left(&self, file: &str, ran: &Ran) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.file(&format!("project/{file}")));
        vec![text.unwrap_or_else(|_| panic!("there is no {file}: {}{}", ran.out, ran.err))]
    }

    /// As if the command had not run before.
    fn cleans(&self, made: &str) {
        for left in [&self.dir.file(&format!("project/{made}")), &self.cache] {
            std::fs::remove_dir_all(left).expect("a directory");
        }
        std::fs::create_dir(&self.cache).expect("a directory");
    }

    /// Learns a command that runs the package, which does not attack; runs it under the policy; and then with the
    /// attack, which fails. The policy, and the run with the attack.
    #[track_caller]
    fn is_learned(
        &self,
        words: &[&str],
        made: &str,
        run: impl Fn(Run) -> Ran,
        said: impl Fn(&Ran) -> Vec<String>,
    ) -> (String, Ran) {
        let file = self.dir.file("learned.toml");
        let is = |ran: &Ran, expected: &str| {
            let policy = std::fs::read_to_string(&file).expect("a policy");
            for said in said(ran) {
                assert_eq!(said, expected, "{}{}{policy}", ran.out, ran.err);
            }
        };
        std::fs::remove_file(self.armed()).expect("a file");
        let learns = [JAIL, "learn", "--domains", "-o", &file, "--"];
        let learned = run(self.within(learns.iter().chain(words))).ends_with(0);
        is(&learned, QUIET);
        let policy = std::fs::read_to_string(&file).expect("a policy");
        self.within([JAIL, "check", "--strict", &file].iter())
            .output()
            .ends_with(0);
        let under = [JAIL, "--policy", &file, "--"];
        self.cleans(made);
        is(
            &run(self.within(under.iter().chain(words))).ends_with(0),
            QUIET,
        );
        self.dir.write("armed", "");
        self.cleans(made);
        let ran = run(self.within(under.iter().chain(words))).ends_with(0);
        is(&ran, DENIED);
        self.failed(&ran);
        (policy, ran)
    }

    /// The command did what it is for, and the attack had no success.
    #[track_caller]
    fn failed(&self, ran: &Ran) {
        let [_, _, hook, planted] = self.goals();
        for made in [hook, planted] {
            assert!(!Path::new(&made).exists(), "{made}: {}{}", ran.out, ran.err);
        }
    }

    /// The control: without a jail all of it has success.
    #[track_caller]
    fn has_success(&self, ran: &Ran) {
        let [_, _, hook, planted] = self.goals();
        for made in [hook, planted] {
            assert!(Path::new(&made).exists(), "{made}: {}{}", ran.out, ran.err);
            std::fs::remove_file(&made).expect("a file");
        }
    }
}

/// The words of a program's line in what was printed: `net 13 key 13 …`.
fn line<'a>(ran: &'a Ran, name: &str) -> &'a str {
    let start = format!("{name}: ");
    let mut lines = ran.out.lines().chain(ran.err.lines()).map(str::trim_start);
    let found = lines.find_map(|line| line.strip_prefix(start.as_str()));
    found.unwrap_or_else(|| panic!("no {name}: {}{}", ran.out, ran.err))
}

const DENIED: &str = "net 13 key 13 hook 13 cache 13";
/// What a package says that does not attack.
const QUIET: &str = "quiet";
const DONE: &str = "net ok key ok hook ok cache ok";
