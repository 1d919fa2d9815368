//! A policy with `isolate` in a directory of its own, and commands under it: as whoever runs the tests
//! and, if that is root, as uid 65534; with Landlock as it is and without.

use crate::support::landlock::lacks;
use crate::support::{Dir, JAIL, Ran, Run, is_root, plain, probe};
use std::os::unix::fs::PermissionsExt;

/// All words but `read-only`.
pub const ALL: &str = "\"user\", \"pid\", \"net\", \"ipc\", \"uts\", \"mount\"";

/// Who runs a command, and under which Landlock.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// As uid 65534, by a launcher.
    pub nobody: bool,
    pub landlock: Option<&'static str>,
}

impl How {
    pub fn all() -> Vec<How> {
        let users: &[bool] = if is_root() { &[false, true] } else { &[false] };
        let mut all = Vec::new();
        for &nobody in users {
            for landlock in [None, Some("5"), Some("0")] {
                if !lacks(landlock) {
                    all.push(How { nobody, landlock });
                }
            }
        }
        all
    }
}

pub struct Scene {
    pub dir: Dir,
}

impl Scene {
    /// With this policy, copies of jail and the probe that everybody can run, and `open`, where
    /// everybody may write.
    pub fn new(policy: &str) -> Self {
        let dir = Dir::new();
        let mode = |name: &str, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(name), mode).expect("chmod");
        };
        mode("", 0o755);
        dir.write("policy.toml", policy);
        std::fs::create_dir(dir.path().join("open")).expect("mkdir");
        mode("open", 0o777);
        // By another program: a descriptor for writing that a fork of another test inherits would
        // make the copy a busy text file.
        for (from, name) in [(JAIL, "jail"), (probe(), "probe")] {
            plain(["cp", from, &dir.file(name)]).output().ends_with(0);
        }
        Self { dir }
    }

    /// With these words and nothing denied.
    pub fn isolated(words: &str) -> Self {
        Self::new(&format!(
            "default = \"allow\"\n[process]\nisolate = [{words}]\n"
        ))
    }

    /// `jail OPTIONS -- COMMAND`, started in the scene's directory.
    pub fn with(&self, how: How, options: &[&str], command: &[&str]) -> Run {
        let mut words = Vec::new();
        if how.nobody {
            words.extend([
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ]);
        }
        words.extend(["./jail", "--policy", "policy.toml"]);
        words.extend(options);
        words.push("--");
        words.extend(command);
        let run = plain(words).cwd(self.dir.path());
        match how.landlock {
            Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
            None => run,
        }
    }

    pub fn run(&self, how: How, command: &[&str]) -> Run {
        self.with(how, &[], command)
    }

    /// Runs a shell script in every way and has each looked at.
    pub fn each(&self, script: &str, look: impl Fn(Ran, How)) {
        for how in How::all() {
            if let Some(ran) = tried(self.run(how, &["sh", "-c", script]).output(), how) {
                look(ran, how);
            }
        }
    }

    /// Runs a script in every way: it ends with 0 and says this.
    #[track_caller]
    pub fn says(&self, script: &str, out: &str) {
        for how in How::all() {
            if let Some(ran) = tried(self.run(how, &["sh", "-c", script]).output(), how) {
                eprintln!("{how:?}");
                ran.ends_with(0).says(out);
            }
        }
    }
}

/// `None`, and loudly, where the host forbids namespaces, or its kernel cannot make all mounts read-only.
pub fn tried(ran: Ran, how: How) -> Option<Ran> {
    let reasons = [
        "process.isolate: clone:",
        "this kernel has no such call; \"read-only\" needs Linux 5.12",
    ];
    if ran.code() == Some(125) && reasons.iter().any(|reason| ran.err.contains(reason)) {
        println!("NOT TRIED HERE: {how:?}: {}", ran.err);
        return None;
    }
    Some(ran)
}
