//! Races for a denied file: `tests/programs/races` names an allowed path while something turns the name,
//! a directory or a descriptor into a denied one.
//!
//! Each attack first wins against a supervisor that checks and then lets the call go on. Then it runs in the
//! jail, with all that Landlock offers, with its first version, and without it.

use crate::support::landlock::{lacks, tried};
use crate::support::races::{
    Score, alone, cannot_win, copy_races, longer, races, seconds, slowly, timeout,
};
use crate::support::{Dir, JAIL, Ran, jail, plain};
use std::fs::File;
use std::path::Path;

/// Attacks that need what a jail may refuse altogether.
const MAY_BE_UNAVAILABLE: &[&str] = &[
    "mem-file-flips-path",
    "vm-write-flips-path",
    "fd-of-file-flipped",
];

/// More tries than these are a race.
const ENOUGH: u64 = 1000;

/// An attack, and the part of the tree that it needs.
struct Attack {
    name: String,
    part: String,
}

impl Attack {
    /// All that any supervisor may lose.
    fn all() -> Vec<Self> {
        let mut all = Self::listed();
        all.retain(|attack| attack.part != "memory");
        all
    }

    fn listed() -> Vec<Self> {
        let only = std::env::var("JAIL_RACE_ONLY").unwrap_or_default();
        let listed = plain([races().as_str(), "list"]).output().ends_with(0);
        let attack = |line: &str| {
            let (name, part) = line.split_once(' ')?;
            name.contains(&only).then(|| Self {
                name: name.to_owned(),
                part: part.to_owned(),
            })
        };
        listed.out.lines().filter_map(attack).collect()
    }

    /// There is an attack for each way to change something: in a long run each gets half of the time.
    fn seconds(&self) -> f64 {
        match self.part.as_str() {
            "changes" if seconds() > 1.0 => (seconds() / 2.0).max(1.0),
            _ => seconds(),
        }
    }
}

/// A tree to race in, and the policy that divides it.
struct Tree {
    root: Dir,
    policy: String,
    _policies: Dir,
}

impl Tree {
    fn new() -> Self {
        Self::closing("deny")
    }

    /// One whose bad part is in this list.
    fn closing(list: &str) -> Self {
        let (root, policies) = (Dir::new(), Dir::new());
        let at = root.path().display().to_string();
        let setup = ["setup", &at];
        plain([races().as_str()]).args(setup).output().ends_with(0);
        copy_races(&root.file("bin/races"));
        // What is there for reading only is so by `protect` where that is asked for.
        let (write, closed) = match list {
            "protect" => (
                format!(", \"{at}/readonly\""),
                format!(", \"{at}/readonly/file\""),
            ),
            _ => Default::default(),
        };
        let policy = format!(
            r#"extends = ["base"]

[fs]
read  = ["{at}"]
write = ["{at}/w"{write}]
exec  = ["{at}/bin"]
{list} = ["{at}/w/bad", "{at}/bin/bad*", "{at}/vault"{closed}]
"#
        );
        Self {
            policy: policies.write("races.toml", policy),
            root,
            _policies: policies,
        }
    }

    /// GOOD and BAD.
    fn targets(&self, part: &str) -> [String; 2] {
        let [good, bad] = match part {
            "programs" => ["bin/pad/prog", "bin/bad/prog"],
            "readonly" => ["readonly/file", "readonly/file"],
            "above" => ["ok/file", "vault/ok/file"],
            _ => ["w/pad/file", "w/bad/file"],
        };
        [self.root.file(good), self.root.file(bad)]
    }

    /// What each attack has as stdin: it may be read and written, but not by its path.
    fn handed(&self) -> File {
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .open(self.root.file("handed"));
        file.expect("a file of the tree")
    }

    fn jailed(&self, landlock: Option<&str>, name: &str, part: &str, seconds: f64) -> Ran {
        let program = self.root.file("bin/races");
        let options = ["--quiet", "--kill-on-exit", "--policy", &self.policy, "--"];
        let run = jail(options)
            .args([program.as_str(), name])
            .args(self.targets(part))
            .args([seconds.to_string()])
            .cwd(self.root.file("w/pad"))
            .stdin(self.handed())
            .timeout(2 * timeout(seconds));
        match landlock {
            Some(version) => run.env("JAIL_LANDLOCK_ABI", version),
            None => run,
        }
        .output()
    }

    fn naive(&self, name: &str, part: &str, seconds: f64) -> Ran {
        plain([races().as_str(), "naive", name])
            .args(self.targets(part))
            .args([seconds.to_string()])
            .cwd(self.root.file("w/pad"))
            .stdin(self.handed())
            .output()
            .ends_with(0)
    }
}

#[test]
fn a_supervisor_that_checks_and_then_lets_go_on_loses_every_race() {
    let _alone = alone();
    let mut lost = Vec::new();
    for Attack { name, part } in Attack::all() {
        if cannot_win(&name) {
            continue;
        }
        // On a busy machine it takes longer to win.
        let mut rounds = (0..8).map(|_| {
            let ran = Tree::new().naive(&name, &part, slowly(10.0));
            Score::named(&name, &ran).expect("the attack prints its score")
        });
        let won = rounds.find(|score| score.wins > 0);
        match &won {
            Some(score) => println!("naive   {name:30} won at try {:>8}", score.tries),
            None => println!("naive   {name:30} never won"),
        }
        if won.is_none() {
            lost.push(name);
        }
    }
    assert!(lost.is_empty(), "these attacks prove nothing: {lost:?}");
}

#[test]
fn no_race_is_won_in_a_jail_with_the_newest_landlock() {
    nothing_is_won("newest", None);
}

#[test]
fn no_race_is_won_in_a_jail_with_the_first_landlock() {
    nothing_is_won("abi 1", Some("1"));
}

#[test]
fn no_race_is_won_in_a_jail_without_landlock() {
    nothing_is_won("none", Some("0"));
}

#[test]
fn no_race_changes_what_is_protected() {
    let changing = Attack::all().into_iter();
    let changing = changing.filter(|attack| matches!(attack.part.as_str(), "changes" | "readonly"));
    let changing = changing.collect();
    none_is_won("protect", None, "protect", changing);
}

fn nothing_is_won(mode: &str, landlock: Option<&str>) {
    if lacks(landlock) {
        return;
    }
    none_is_won(mode, landlock, "deny", Attack::all());
}

fn none_is_won(mode: &str, landlock: Option<&str>, list: &str, attacks: Vec<Attack>) {
    let _alone = alone();
    let mut faults = Vec::new();
    for attack in attacks {
        let Attack { name, part } = &attack;
        if cannot_win(name) {
            continue;
        }
        let jailed = |seconds| Tree::closing(list).jailed(landlock, name, part, seconds);
        let lacks = |ran: &Ran| {
            Score::named(name, ran).is_some_and(|it| {
                it.wins == 0 && !it.unavailable && (it.tries <= ENOUGH || it.passed == 0)
            })
        };
        let mut ran = jailed(attack.seconds());
        if lacks(&ran) {
            // On a busy machine it gets more time.
            ran = jailed(longer());
        }
        let fault = match (Score::named(name, &ran), ran.code()) {
            (None, Some(159)) if part == "programs" => {
                println!("{mode:7} {name:30} killed");
                None
            }
            (Some(score), Some(0)) => {
                println!(
                    "{mode:7} {name:30} tries {:>7} wins {:>3} passed {:>7}{}",
                    score.tries,
                    score.wins,
                    score.passed,
                    if score.unavailable {
                        " unavailable"
                    } else {
                        ""
                    }
                );
                fault(name, &score)
            }
            (_, code) => Some(format!("ended with {code:?}: {}{}", ran.out, ran.err)),
        };
        if let Some(fault) = fault {
            println!("{mode:7} {name:30} FAULT {fault}");
            faults.push(format!("{name}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with a score in the jail.
fn fault(name: &str, score: &Score) -> Option<String> {
    if score.wins > 0 {
        Some(format!("{} of {} tries won", score.wins, score.tries))
    } else if score.unavailable && MAY_BE_UNAVAILABLE.contains(&name) {
        None
    } else if score.tries <= ENOUGH {
        Some(format!("{} tries are no race", score.tries))
    } else if score.passed == 0 {
        Some("what is allowed never passed".to_owned())
    } else {
        None
    }
}

/// Attacks that name no address of the region, or one that is not its own.
const LOW: [&str; 9] = [
    "madvise-from-below",
    "shmat-rounded",
    "mmap-fixed-page",
    "mmap-fixed-growsdown",
    "mremap-over",
    "mremap-to-zero",
    "mm-map-and-brk",
    "munmap-page",
    "munmap-from-below",
];

/// Attacks by addresses with a tag, which aarch64 ignores, and by pages that reach further than is said.
const TAGGED: &[&str] = &[
    "madvise-tagged",
    "mprotect-tagged",
    "mremap-tagged",
    "munmap-tagged",
    "mmap-gigantic",
    "mmap-gigantic-file",
];

#[test]
fn memory_that_holds_checked_paths_resists_all_tampering() {
    let _alone = alone();
    let unprotected = Tree::new().naive("tamper", "memory", 1.0);
    let score = Score::named("tamper", &unprotected).expect("a score");
    println!(
        "without protection: {} of {} won\n{}",
        score.wins, score.tries, unprotected.out
    );
    assert!(score.wins > 25, "the attacks prove nothing: {score:?}");
    let tagged = if cfg!(target_arch = "aarch64") {
        TAGGED
    } else {
        &[]
    };
    for name in LOW.iter().chain(tagged) {
        let won = format!("tamper-{name} won\n");
        assert!(unprotected.out.contains(&won), "{name} proves nothing");
    }
    for (mode, landlock) in [("newest", None), ("abi 1", Some("1")), ("none", Some("0"))] {
        if lacks(landlock) {
            continue;
        }
        let ran = Tree::new()
            .jailed(landlock, "tamper", "files", 1.0)
            .ends_with(0);
        for line in ran.out.lines() {
            println!("{mode:7} {line}");
        }
        let score = Score::named("tamper", &ran).expect("a score");
        assert_eq!(score.wins, 0, "{mode}: {}", ran.out);
        assert!(score.tries > 0, "there is no such memory: {}", ran.out);
    }
}

/// A tree, and a policy in another directory under which only writing opens are judged, so none of the
/// loader's.
fn judging_writes() -> (Tree, Dir, String) {
    let (tree, policies) = (Tree::new(), Dir::new());
    let text = format!(
        "default = \"allow\"\n[fs]\nprotect = [\"{}\"]\n",
        tree.root.file("w/bad")
    );
    let policy = policies.write("writes.toml", text);
    (tree, policies, policy)
}

/// A full address space makes the kernel map where the jail would keep what it has checked.
#[test]
fn what_is_checked_is_denied_where_the_program_has_its_own_memory() {
    let _alone = alone();
    let (tree, _policies, policy) = judging_writes();
    let [good, _] = tree.targets("files");
    let program = tree.root.file("bin/races");
    let command = [program.as_str(), "case", "exhausted", &good];
    let free = plain(command).output().ends_with(0);
    free.says("low taken\nopen 0 child 0\n");
    for landlock in tried(["11", "1", "0"]) {
        let run = jail(["--policy", &policy, "--"]).args(command);
        let ran = run.env("JAIL_LANDLOCK_ABI", landlock).output().ends_with(0);
        assert!(ran.err.contains("no-pages"), "{}", ran.err);
        let denied = libc::EACCES;
        ran.says(&format!("low taken\nopen {denied} child {denied}\n"));
    }
}

/// mprotect with PROT_GROWSDOWN begins where the mapping does, whatever address it names.
#[test]
fn memory_of_the_program_that_grows_downwards_is_never_the_jails() {
    let _alone = alone();
    let (tree, _policies, policy) = judging_writes();
    let [good, _] = tree.targets("files");
    let program = tree.root.file("bin/races");
    for (how, jailed) in [
        // The jail's own rule, and then memory that is not taken for the jail's.
        ("by a hint", "put false open 0 writable false\n".to_owned()),
        (
            "by exhaustion",
            format!("put true open {} writable true\n", libc::EACCES),
        ),
    ] {
        let command = [program.as_str(), "case", "growing", how, &good];
        let free = plain(command).output().ends_with(0);
        if cfg!(target_arch = "aarch64") && free.out.starts_with("put false") {
            println!("NOT TRIED HERE: {how}: nothing comes to lie there without a jail, too");
            continue;
        }
        free.says("put true open 0 writable true\n");
        let ran = jail(["--policy", &policy, "--"]).args(command);
        ran.output().ends_with(0).says(&jailed);
    }
}

#[test]
fn memory_that_holds_checked_paths_is_the_jails_from_the_start() {
    let _alone = alone();
    let mut faults = Vec::new();
    for Attack { name, .. } in Attack::listed() {
        if !name.starts_with("region") {
            continue;
        }
        for (mode, landlock) in [("newest", None), ("abi 1", Some("1")), ("none", Some("0"))] {
            if lacks(landlock) {
                continue;
            }
            let race = |seconds| {
                let ran = Tree::new().jailed(landlock, &name, "memory", seconds);
                let ran = ran.ends_with(0);
                println!("{mode:7} {}", ran.out.trim_end());
                let score = Score::named(&name, &ran).expect("a score");
                (ran, score)
            };
            let (mut ran, mut score) = race(seconds());
            for _ in 0..3 {
                if score.wins == 0 && score.tries < 20 {
                    (ran, score) = race(longer());
                }
            }
            if score.wins > 0 || score.tries < 20 {
                faults.push(format!("{mode}: {}", ran.out.trim_end()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A directory for an attack of `races protect`, and a policy that protects in it, if `held`.
fn protected(held: bool) -> (Dir, Dir, String) {
    let (root, policies) = (Dir::new(), Dir::new());
    root.write("kept/file", "kept");
    let protect = match held {
        true => "protect = [\"kept\", \"sub/kept/file\"]\n",
        false => "",
    };
    let programs = Path::new(JAIL).parent().expect("a directory").display();
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\".\", \"{programs}\"]\nexec = [\"{programs}\"]\nwrite = [\".\"]\n{protect}"
    );
    let policy = policies.write("protect.toml", text);
    (root, policies, policy)
}

/// The wins of an attack, by one jail or by two that share a tree.
fn wins(name: &str, held: bool, seconds: f64) -> u64 {
    let (root, _policies, policy) = protected(held);
    let start = |name: &str| {
        let seconds = seconds.to_string();
        let options = ["--quiet", "--kill-on-exit", "--policy", &policy, "--"];
        jail(options)
            .args([races().as_str(), "protect", name, &seconds])
            .cwd(root.path())
            .start()
    };
    let other = (name == "kind").then(|| start("kind-other"));
    let ran = start(name).finish().ends_with(0);
    if let Some(other) = other {
        other.finish().ends_with(0);
    }
    println!("held {held}: {}", ran.out.trim_end());
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    let [_, "tries", _, "wins", wins] = words.as_slice() else {
        ran.fail("no score");
    };
    wins.parse().expect("a number")
}

#[test]
fn no_name_change_brings_another_file_to_what_is_protected() {
    let _alone = alone();
    for name in ["missing", "filled", "kind"] {
        // On a busy machine it takes longer to win.
        let mut free = (0..8).map(|round| if round == 0 { seconds() } else { longer() });
        let won = free.any(|seconds| wins(name, false, seconds) > 0);
        assert!(won, "{name} proves nothing");
        assert_eq!(wins(name, true, seconds()), 0, "{name}");
    }
}
