//! A policy and a command, run until nothing is denied: each advice of the log goes into the policy.

use super::merge::apply;
use super::paste::{Files, paste};
use crate::support::schema::fitting_lines;
use crate::support::{Dir, Ran, example, jail};
use serde_json::Value;
use std::ffi::OsString;
use std::path::Path;

/// Advices that one command may need, one after the other.
const MOST: usize = 8;

/// How it ended.
pub struct Ended {
    /// The last run.
    pub ran: Ran,
    /// Every advice that was followed, and the last, if nothing can be done.
    pub advices: Vec<String>,
    /// The kinds of reasons, as the log has them.
    pub kinds: Vec<String>,
    /// The codes, as the log has them.
    pub codes: Vec<String>,
    /// Whether the last run was free of denials.
    pub allowed: bool,
}

/// What runs, and where.
pub struct Scene<'a> {
    /// What `@` stands for, where the command starts.
    pub tree: &'a Path,
    /// The policy.
    pub policy: &'a str,
    pub command: Vec<OsString>,
    pub landlock: Option<&'a str>,
    pub variables: Vec<(&'static str, String)>,
    /// What puts the tree back before each run.
    pub before: &'a dyn Fn(),
}

impl Scene<'_> {
    /// Follows the advice until there is none.
    #[track_caller]
    pub fn follow(&self) -> Ended {
        self.follow_by(&|files, denial| {
            let advice = denial["advice"].as_str().expect("an advice");
            paste(files, advice)
        })
    }

    /// Merges the remedies until there is none.
    #[track_caller]
    pub fn remedy(&self) -> Ended {
        self.follow_by(&apply)
    }

    #[track_caller]
    fn follow_by(&self, change: &dyn Fn(Files, &Value) -> Option<Files>) -> Ended {
        let text = in_tree(self.policy, self.tree);
        let mut files = Files(vec![("net.toml".to_owned(), text)]);
        let mut advices = Vec::new();
        let mut kinds = Vec::new();
        let mut codes = Vec::new();
        loop {
            (self.before)();
            let (ran, denial) = self.run(&files);
            let Some(denial) = denial else {
                return Ended {
                    ran,
                    advices,
                    kinds,
                    codes,
                    allowed: true,
                };
            };
            let advice = denial["advice"].as_str();
            let advice = advice
                .unwrap_or_else(|| panic!("no advice: {denial}"))
                .to_owned();
            kinds.extend(denial["reason"]["kind"].as_str().map(str::to_owned));
            codes.extend(denial["code"].as_str().map(str::to_owned));
            // What is final has nothing to try.
            let tries = !denial["remedy"].is_null() || !denial["remove"].is_null();
            assert!(denial["standing"] == "askable" || !tries, "{denial}");
            assert!(
                !advices.contains(&advice) && advices.len() < MOST,
                "to no effect: {advice}\n{files:#?}\n{denial}"
            );
            let main = Files(files.0.clone());
            let next = change(main, &denial);
            advices.push(advice);
            match next {
                Some(next) => files = next,
                None => {
                    return Ended {
                        ran,
                        advices,
                        kinds,
                        codes,
                        allowed: false,
                    };
                }
            }
        }
    }

    /// One run, and its first denial.
    fn run(&self, files: &Files) -> (Ran, Option<Value>) {
        let place = Dir::new();
        for (name, text) in &files.0 {
            place.write(name, text);
        }
        let main = place.file(&files.0.first().expect("a policy").0);
        let log = place.file("log.jsonl");
        let mut run = jail(["--log", &log, "--policy", &main, "--"])
            .args(&self.command)
            .cwd(self.tree)
            .env("LC_ALL", "C")
            .env("HOME", self.tree);
        if let Some(abi) = self.landlock {
            run = run.env("JAIL_LANDLOCK_ABI", abi);
        }
        for (name, value) in &self.variables {
            run = run.env(name, value);
        }
        let ran = run.output();
        let Ok(log) = std::fs::read_to_string(&log) else {
            panic!("{files:#?}\n{}", ran.err);
        };
        let mut events = fitting_lines("log", &log).into_iter();
        let denial = events.find(|event| event["event"] == "denied" || event["event"] == "killed");
        (ran, denial)
    }
}

/// A text with the tree in the place of `@`, where that is a path.
pub fn in_tree(text: &str, tree: &Path) -> String {
    let tree = tree.display().to_string();
    let text = text.replace("@/", &format!("{tree}/"));
    text.replace("\"@\"", &format!("\"{tree}\""))
}

/// The probe program (`tests/programs/files`), which `cargo test` builds beside the binary.
pub fn files() -> String {
    example("files")
}
