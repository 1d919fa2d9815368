//! A tree to race in, and how a race ended.

use super::landlock::landlocks;
use super::races::{Score, alone, copy_races, longer, races, seconds, timeout};
use super::{Dir, Ran, jail, plain};

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
        copy_races(&root.file("bin/races"));
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
            .env("LC_ALL", "C")
            .timeout(timeout(longer()));
        match landlock {
            Some(version) => run.env("JAIL_LANDLOCK_ABI", version),
            None => run,
        }
        .output()
    }

    pub fn unjailed(&self, command: &[String]) -> Ran {
        let run = plain(command).cwd(self.root.file("w/pad"));
        run.timeout(timeout(longer())).output()
    }

    /// Takes away what an attack has left for the next one to stumble over.
    pub fn tidy(&self) {
        for name in ["pad/dance", "pad/next", "pad/bad/new", "bad/new"] {
            let _ = std::fs::remove_file(self.root.path().join("w").join(name));
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
    let attack = tree.attacker(words);
    let free = |seconds: f64| {
        let free = Score::of(&tree.unjailed(&timed(&attack, seconds)).ends_with(0));
        println!("{:7} {} {free:?}", "free", words.join(" "));
        free
    };
    // On a busy machine it takes longer to win.
    let mut rounds = (0..8).map(|round| free(if round == 0 { seconds() } else { longer() }));
    assert!(rounds.any(|it| it.wins > 0), "the attack proves nothing");
    for landlock in landlocks() {
        tree.tidy();
        nothing_won(tree, landlock, policy, &attack, least, passes);
    }
    tree.tidy();
}

/// The attack is never won with this policy.
#[track_caller]
pub fn nothing_won(
    tree: &Tree,
    landlock: Option<&str>,
    policy: &str,
    attack: &[String],
    least: u64,
    passes: Passes,
) {
    let race = |seconds: f64| {
        let ran = tree.jailed(landlock, policy, &timed(attack, seconds));
        let ran = ran.ends_with(0);
        let score = Score::of(&ran);
        println!(
            "{:7} {} {score:?}",
            landlock.unwrap_or("newest"),
            attack[1..].join(" ")
        );
        (ran, score)
    };
    let lacks =
        |score: &Score| score.tries < least || (passes == Passes::Some && score.passed == 0);
    let (mut ran, mut score) = race(seconds());
    if score.wins == 0 && !score.unavailable && lacks(&score) {
        // On a busy machine it gets more time.
        tree.tidy();
        (ran, score) = race(longer());
    }
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

/// The attack with the time that it is given.
fn timed(attack: &[String], seconds: f64) -> Vec<String> {
    let seconds = seconds.to_string();
    attack.iter().cloned().chain([seconds]).collect()
}
