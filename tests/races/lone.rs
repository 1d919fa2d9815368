//! Races against a jail of one task, which no other task of the jail can help: the kernel discards
//! memory (`tests/programs/races lazy`).
//!
//! Each attack first wins against a supervisor that checks and then lets the call go on.

use crate::support::landlock::{abi, lacks};
use crate::support::races::{alone, copy_races, longer, races, score, seconds, slowly};
use crate::support::{Dir, Ran, Run, is_root, jail, plain};
use std::net::TcpListener;
use std::time::Duration;

/// A tree with a denied file whose name an allowed one begins with, peers, and the policy.
struct Place {
    root: Dir,
    policy: String,
    _policies: Dir,
    /// What is allowed and what is denied.
    files: [String; 2],
    peers: [String; 2],
}

impl Place {
    fn new() -> Self {
        let (root, policies) = (Dir::new(), Dir::new());
        let at = root.path().display().to_string();
        let files = [
            root.write("ok/.env.example", "GOOD\n"),
            root.write("ok/.env", "SECRET\n"),
        ];
        std::fs::create_dir(root.file("bin")).expect("cannot create a directory");
        copy_races(&root.file("bin/races"));
        let good = TcpListener::bind("127.0.0.2:0").expect("a port");
        let port = good.local_addr().expect("its address").port();
        let bad = TcpListener::bind(("127.0.0.1", port)).expect("the same port");
        let peers = [format!("127.0.0.2:{port}"), format!("127.0.0.1:{port}")];
        // They accept connections for as long as the tests run.
        for listener in [good, bad] {
            std::thread::spawn(move || listener.incoming().for_each(drop));
        }
        let policy = format!(
            r#"extends = ["base"]

[fs]
read = ["{at}"]
exec = ["{at}/bin"]
deny = ["**/.env"]

[net]
connect = ["{}"]
"#,
            peers[0]
        );
        Self {
            policy: policies.write("lone.toml", policy),
            root,
            _policies: policies,
            files,
            peers,
        }
    }

    fn jailed(&self) -> Run {
        let program = self.root.file("bin/races");
        jail(["--quiet", "--kill-on-exit", "--policy", &self.policy, "--"]).args([program])
    }

    /// Tries while the kernel is asked to reclaim the page, where this process may ask.
    fn race(&self, run: Run, words: &[&str], act: &str, seconds: f64) -> Ran {
        let targets = match act {
            "connect" => &self.peers,
            _ => &self.files,
        };
        let run = run.args(["lazy"]).args(words).args([act]).args(targets);
        let mut race = run
            .args([seconds.to_string()])
            .timeout(Duration::from_secs(120))
            .start();
        race.until("a page or an end", |race| {
            let out = race.out();
            out.contains(" tries ") || out.contains("page ") && out.ends_with('\n')
        });
        let out = race.out();
        let page = out.lines().find_map(|line| line.strip_prefix("page "));
        let reclaim = page.filter(|_| is_root()).map(|page| {
            let words = ["lazy", "reclaim"].into_iter().chain(page.split(' '));
            plain([races().as_str()]).args(words).start()
        });
        let ran = race.finish().ends_with(0);
        if let Some(reclaim) = reclaim {
            reclaim.finish().ends_with(0);
        }
        ran
    }
}

const WAYS: [&str; 2] = ["free", "drop"];
const ACTS: [&str; 3] = ["open", "open-after-fork", "connect"];

/// Whether this kernel has memory that it may drop (Linux 6.11).
fn has(way: &str, ran: &Ran) -> bool {
    let has = way != "drop" || !ran.out.contains("refused E");
    if !has {
        println!("NOT TRIED HERE: MAP_DROPPABLE, which this kernel does not know");
    }
    has
}

#[test]
fn a_supervisor_that_checks_and_then_lets_go_on_loses_to_discarded_memory() {
    if !is_root() {
        println!("NOT TRIED HERE: to have a page reclaimed takes CAP_SYS_NICE");
        return;
    }
    let _alone = alone();
    let place = Place::new();
    let mut lost = Vec::new();
    for way in WAYS {
        for act in ACTS {
            let words = ["naive", way];
            // On a busy machine it takes longer to win; a new start wins sooner than a longer try.
            let naive = || place.race(plain([races().as_str()]), &words, act, slowly(5.0));
            let mut rounds = (0..16).map(|_| naive());
            match rounds.find(|ran| !has(way, ran) || score(ran, "wins") > 0) {
                Some(ran) => println!("naive   {way}-{act} {}", score(&ran, "tries")),
                None => lost.push(format!("{way}-{act}")),
            }
        }
    }
    assert!(lost.is_empty(), "these attacks prove nothing: {lost:?}");
}

#[test]
fn memory_that_the_kernel_may_discard_is_refused_where_arguments_are_judged_in_it() {
    let _alone = alone();
    let place = Place::new();
    for (mode, landlock) in [("newest", None), ("none", Some("0"))] {
        if lacks(landlock) {
            continue;
        }
        for way in WAYS {
            for act in ACTS {
                let race = |seconds| {
                    let run = match landlock {
                        Some(version) => place.jailed().env("JAIL_LANDLOCK_ABI", version),
                        None => place.jailed(),
                    };
                    let ran = place.race(run, &[way], act, seconds);
                    println!("{mode:7} {}", ran.out.trim_end());
                    ran
                };
                let mut ran = race(seconds());
                if way != "drop" && score(&ran, "wins") == 0 && score(&ran, "passed") <= 100 {
                    // On a busy machine it gets more time.
                    ran = race(longer());
                }
                assert_eq!(score(&ran, "wins"), 0, "{mode} {way}-{act}");
                match way {
                    "drop" => assert!(ran.out.contains("refused EINVAL"), "{}", ran.out),
                    _ => {
                        assert_eq!(score(&ran, "refused"), score(&ran, "tries"));
                        assert!(score(&ran, "passed") > 100, "{mode} {}", ran.out);
                    }
                }
            }
        }
    }
}

#[test]
fn a_policy_of_subtrees_leaves_such_memory_alone() {
    // Before, ports are judged in memory.
    if abi() < 4 {
        println!("NOT TRIED HERE: ports by Landlock: that takes ABI 4");
        return;
    }
    let _alone = alone();
    let (root, policies) = (Dir::new(), Dir::new());
    let good = root.write("ok/.env.example", "GOOD\n");
    let policy = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"{0}\"]\nexec = [\"{0}\"]\n[net]\nconnect = [\"*:443\", \"unix:*\"]\nlisten = [\"*\", \"unix:*\"]\n",
        root.path().display()
    );
    let policy = policies.write("subtree.toml", policy);
    let program = root.file("races");
    copy_races(&program);
    let options = ["--quiet", "--policy", &policy, "--"];
    let ran = jail(options)
        .args([program.as_str(), "lazy", "free", "open", &good, &good, "1"])
        .output()
        .ends_with(0);
    assert_eq!(score(&ran, "refused"), 0);
}
