//! A directory tree with places of each kind, policies for it, and commands run in both worlds.

use crate::support::landlock::landlocks;
use crate::support::{Dir, Ran, Run, Running, copy, example, is_root, jail, plain};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

/// Subtrees only, which Landlock can hold.
pub const SUBTREES: &str = r#"
read  = ["@/r", "@/bin"]
write = ["@/w"]
exec  = ["@/bin"]
"#;

/// The tree: `r` may be read, `w` changed, `bin` executed, `none` nothing. Each has a `file` that
/// holds its own name, `bin` has the probe program `files`.
pub struct Scene {
    dir: Dir,
    policies: Dir,
}

impl Scene {
    pub fn new() -> Self {
        let dir = Dir::new();
        for place in ["r", "w", "none"] {
            dir.write(&format!("{place}/file"), place);
        }
        let scene = Self {
            dir,
            policies: Dir::new(),
        };
        scene.copy(&files(), "bin/files");
        scene
    }

    /// A path in the tree.
    pub fn at(&self, name: &str) -> String {
        self.dir.file(name)
    }

    /// A text with `@` replaced by the tree's path.
    pub fn text(&self, text: &str) -> String {
        text.replace('@', &self.dir.path().display().to_string())
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: &str) -> String {
        self.dir.write(name, content)
    }

    /// Writes a program.
    pub fn program(&self, name: &str, content: &str) -> String {
        self.dir.program(name, self.text(content))
    }

    /// Copies a program.
    pub fn copy(&self, from: &str, name: &str) -> String {
        let content = fs::read(from).expect("a program to copy");
        self.dir.program(name, content)
    }

    /// Copies a program into a directory to which no path needs to lead.
    pub fn copy_into(&self, from: &str, directory: &OwnedFd, name: &str) {
        let (own, directory) = (std::process::id(), directory.as_raw_fd());
        copy(from, format!("/proc/{own}/fd/{directory}/{name}"));
    }

    /// Makes a symbolic link; `@` in its target is the tree.
    pub fn link(&self, target: &str, name: &str) -> String {
        let path = self.at(name);
        std::os::unix::fs::symlink(self.text(target), &path).expect("a symbolic link");
        path
    }

    /// Writes a policy that extends `base`: the lists of `[fs]`, or more if there is a `[` line.
    pub fn policy(&self, lists: &str) -> String {
        self.policy_file(
            "scene.toml",
            &format!("extends = [\"base\"]\n[fs]\n{lists}"),
        )
    }

    /// Writes a whole policy.
    pub fn policy_file(&self, name: &str, text: &str) -> String {
        self.policies.write(name, self.text(text))
    }

    /// `jail --policy POLICY -- COMMAND` in `w`.
    pub fn within(&self, landlock: Option<&str>, policy: &str, command: &[&str]) -> Run {
        self.with(landlock, &["--policy", policy, "--"], command)
    }

    /// `jail OPTIONS COMMAND` in `w`.
    pub fn with(&self, landlock: Option<&str>, options: &[&str], command: &[&str]) -> Run {
        let run = jail(options.iter().chain(command)).cwd(self.at("w"));
        let run = run.env("LC_ALL", "C");
        match landlock {
            Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
            None => run,
        }
    }

    /// The command without a jail, in `w`, with as few capabilities as a jail leaves.
    pub fn outside(&self, command: &[&str]) -> Run {
        let run = if is_root() {
            let none = [
                "--bounding-set=-all",
                "--inh-caps=-all",
                "--ambient-caps=-all",
            ];
            plain(["setpriv"]).args(none).args(command)
        } else {
            plain(command)
        };
        run.cwd(self.at("w")).env("LC_ALL", "C")
    }

    /// What the steps answer without a jail.
    pub fn steps_outside(&self, steps: &[String]) -> Vec<String> {
        answers(run(self.outside(&self.steps(steps))))
    }

    /// What the steps answer within.
    pub fn steps_within(
        &self,
        landlock: Option<&str>,
        policy: &str,
        steps: &[String],
    ) -> Vec<String> {
        let options = ["--quiet", "--policy", policy, "--"];
        answers(run(self.with(landlock, &options, &self.steps(steps))))
    }

    /// Whether this kernel lacks a call; says so.
    pub fn lacks_call(&self, name: &str, number: i64) -> bool {
        let lacks = self.steps_outside(&[format!("{number} -1")]) == ["ENOSYS"];
        if lacks {
            println!("NOT TRIED HERE: {name}: this kernel does not have it");
        }
        lacks
    }

    fn steps<'a>(&'a self, steps: &'a [String]) -> Vec<&'a str> {
        [FILES.get_or_init(files).as_str(), "steps"]
            .into_iter()
            .chain(steps.iter().map(String::as_str))
            .collect()
    }

    /// What a test can see of a file.
    pub fn state(&self, name: &str) -> [i64; 7] {
        let data = fs::symlink_metadata(self.at(name)).expect("the file's metadata");
        [
            data.ino() as i64,
            i64::from(data.mode()),
            data.len() as i64,
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
        ]
    }

    /// What a file holds; empty if it is not there.
    pub fn content(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.at(name)).is_ok()
    }
}

static FILES: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// The probe program (`tests/programs/files`), which `cargo test` builds beside the binary.
pub fn files() -> String {
    example("files")
}

fn answers(ran: Ran) -> Vec<String> {
    ran.ends_with(0).out.lines().map(str::to_owned).collect()
}

/// Runs to the end.
#[track_caller]
pub fn run(run: Run) -> Ran {
    start(run).finish()
}

/// Runs beside the test.
#[track_caller]
pub fn start(run: Run) -> Running {
    run.start()
}

/// Steps of the probe program, with `@` for the tree.
#[macro_export]
macro_rules! steps {
    ($scene:expr; $($step:expr),* $(,)?) => {
        [$($scene.text(&$step.to_string())),*]
    };
}

/// `open` with these flags.
pub fn open(path: &str, flags: i32) -> String {
    format!("{} :{path} {flags} 384", crate::old::SYS_open)
}

/// `openat` from a descriptor.
pub fn openat(at: &str, path: &str, flags: i32) -> String {
    format!("{} {at} :{path} {flags} 384", libc::SYS_openat)
}

/// What steps answer outside, and within under these lists and under those of them that close (`closing`)
/// alone, where all else is open; the trees that they are made in are new each time.
#[track_caller]
pub fn answers_where(
    scene: fn() -> Scene,
    closing: &[&str],
    lists: &str,
    steps: &[&str],
    outside: &[&str],
    within: &[&str],
) -> Vec<Scene> {
    let made = |scene: &Scene| -> Vec<String> {
        let steps = steps.iter();
        steps.map(|step| scene.text(step)).collect()
    };
    let free = scene();
    assert_eq!(free.steps_outside(&made(&free)), outside, "outside");
    let denials = lists.lines().filter(|line| {
        let key = line.split_whitespace().next();
        key.is_some_and(|key| closing.contains(&key))
    });
    let denials: Vec<&str> = denials.collect();
    let closed = format!("extends = [\"base\"]\n[fs]\n{lists}");
    let open = format!("default = \"allow\"\n[fs]\n{}\n", denials.join("\n"));
    let mut scenes = Vec::new();
    for text in [closed, open] {
        for landlock in landlocks() {
            let scene = scene();
            let policy = scene.policy_file("scene.toml", &text);
            let found = scene.steps_within(landlock, &policy, &made(&scene));
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(found, within, "Landlock {landlock:?}, {text} of {steps:#?}");
            scenes.push(scene);
        }
    }
    scenes
}
