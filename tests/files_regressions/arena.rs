//! A tree to race in, and how a race ended.

use super::support::races::races;
use super::support::{Dir, Ran, jail, plain};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The values of `JAIL_LANDLOCK_ABI`; `None`: all that the host has.
pub const LANDLOCK: [Option<&str>; 3] = [None, Some("1"), Some("0")];

/// One race at a time: each needs two processors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn seconds() -> String {
    std::env::var("JAIL_RACE_SECONDS").unwrap_or_else(|_| "1".to_owned())
}

/// The tree that `races setup` makes, `data` with a file that patterns tell from another, and the
/// attacker in `bin`.
pub struct Tree {
    root: Dir,
    policies: Dir,
}

impl Tree {
    pub fn new() -> Self {
        let (root, policies) = (Dir::new(), Dir::new());
        let at = root.path().display().to_string();
        plain([races().as_str(), "setup", &at])
            .output()
            .ends_with(0);
        root.write("data/open.txt", "GOOD\n");
        root.write("data/secret", "SECRET\n");
        std::fs::copy(races(), root.file("bin/races")).expect("cannot copy the attacker");
        Self { root, policies }
    }

    /// A text with `@` replaced by the tree's path.
    pub fn text(&self, text: &str) -> String {
        text.replace('@', &self.root.path().display().to_string())
    }

    /// A policy that extends `base`, of these lists of `[fs]`.
    pub fn lists(&self, lists: &str) -> String {
        self.policy(&format!("extends = [\"base\"]\n[fs]\n{lists}"))
    }

    pub fn policy(&self, text: &str) -> String {
        self.policies.write("arena.toml", self.text(text))
    }

    /// The attacker with these words, in which `@` is the tree.
    pub fn attacker(&self, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| self.text(word));
        [self.root.file("bin/races")]
            .into_iter()
            .chain(words)
            .collect()
    }

    pub fn jailed(&self, landlock: Option<&str>, policy: &str, command: &[String]) -> Ran {
        let options = ["--quiet", "--kill-on-exit", "--policy", policy, "--"];
        let run = jail(options)
            .args(command)
            .cwd(self.root.file("w/pad"))
            .env("LC_ALL", "C");
        match landlock {
            Some(version) => run.env("JAIL_LANDLOCK_ABI", version),
            None => run,
        }
        .output()
    }

    pub fn unjailed(&self, command: &[String]) -> Ran {
        let run = plain(command).cwd(self.root.file("w/pad"));
        run.timeout(Duration::from_secs(30)).output()
    }

    /// Takes away what an attack has left for the next one to stumble over.
    pub fn tidy(&self) {
        for name in ["pad/dance", "pad/next", "pad/bad/new", "bad/new"] {
            let _ = std::fs::remove_file(self.root.path().join("w").join(name));
        }
    }
}

/// The line `NAME tries N wins M passed K …`.
#[derive(Debug)]
pub struct Score {
    pub tries: u64,
    pub wins: u64,
    pub passed: u64,
    pub unavailable: bool,
}

impl Score {
    #[track_caller]
    pub fn of(ran: &Ran) -> Self {
        let line = ran.out.lines().find(|line| line.contains(" tries "));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        let number = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.parse().ok()
        };
        match (number("tries"), number("wins"), number("passed")) {
            (Some(tries), Some(wins), Some(passed)) => Self {
                tries,
                wins,
                passed,
                unavailable: words.contains(&"unavailable"),
            },
            _ => ran.fail("should have printed a score"),
        }
    }
}

/// What is asked of a race besides that it is never won.
#[derive(Clone, Copy, PartialEq)]
pub enum Passes {
    /// What is allowed passes.
    Some,
    /// Nothing passes, or may.
    Never,
}

/// The attack wins where nothing is denied, and never with this policy.
#[track_caller]
pub fn never_won(tree: &Tree, policy: &str, words: &[&str], least: u64, passes: Passes) {
    let _alone = alone();
    let seconds = seconds();
    let mut command = tree.attacker(words);
    command.push(seconds);
    let free = Score::of(&tree.unjailed(&command).ends_with(0));
    println!("{:7} {} {free:?}", "free", words.join(" "));
    assert!(free.wins > 0, "the attack proves nothing: {free:?}");
    for landlock in LANDLOCK {
        tree.tidy();
        nothing_won(tree, landlock, policy, &command, least, passes);
    }
    tree.tidy();
}

#[track_caller]
pub fn nothing_won(
    tree: &Tree,
    landlock: Option<&str>,
    policy: &str,
    command: &[String],
    least: u64,
    passes: Passes,
) {
    let ran = tree.jailed(landlock, policy, command).ends_with(0);
    let score = Score::of(&ran);
    println!(
        "{:7} {} {score:?}",
        landlock.unwrap_or("newest"),
        command[1..].join(" ")
    );
    if score.wins > 0 {
        ran.fail(&format!("won with {landlock:?}: {score:?}"));
    }
    if score.tries < least || score.unavailable {
        ran.fail(&format!("no race: {score:?}"));
    }
    if passes == Passes::Some && score.passed == 0 {
        ran.fail(&format!("what is allowed never passed: {score:?}"));
    }
}
