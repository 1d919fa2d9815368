//! What `jail explain` says of each entry of each preset, and of the policy of the README, is what a run
//! meets: a request that the entry decides gets the verdict, and stops as often as the enforcer means.

mod place;
mod requests;

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Ran, probe};
use place::Place;
use requests::{Entry, Request, requests};
use serde_json::Value;

/// Entries that are not probed, with the reason. Each must be met by its policy: the test fails for one that
/// is listed and could be probed no more than for one that is not listed.
const NOT_PROBED: &[(&str, &str, &str)] = &[
    (
        "*",
        "uprobe",
        "it ends a caller that is not in a probe of the kernel",
    ),
    (
        "permissive",
        "vhangup",
        "it would hang up the terminal of the tests if its denial failed",
    ),
    (
        "README.md",
        "net.connect \"registry.example:443\"",
        "it takes a resolver's answer: tests/net/names.rs has one",
    ),
];

/// An entry with the request that proves it.
struct Proof<'a> {
    entry: &'a Entry,
    request: Request,
    answer: Value,
    /// Whether the entry decides, and not another one that allows or denies the same.
    decides: bool,
}

impl Proof<'_> {
    fn is_closed(&self) -> bool {
        !self.decides && self.entry.allows && self.answer["verdict"] != "allow"
    }

    /// Whether it is about a socket that is denied, and that does not exist.
    fn is_absent(&self, result: &str, bare: Option<&str>) -> bool {
        let socket = self.request.step.starts_with("connect unix:");
        let denied = self.answer["verdict"] == "deny";
        socket && denied && result == "ENOENT" && bare == Some("ENOENT")
    }
}

/// How often something was done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    decided: usize,
    /// Another entry allows or denies the same.
    covered: usize,
    /// A denied call closes what the entry allows.
    closed: usize,
    /// Sockets that are denied and do not exist here: connect(2) says ENOENT.
    absent: usize,
    left_out: usize,
    /// Directories of programs that hold no program here.
    empty: usize,
    listed: usize,
}

/// Proves each entry of a policy.
fn prove(name: &str, policy: Option<&str>) -> Counts {
    let mut place = Place::new();
    let file = policy.map(|text| place.policy(text));
    let argument = file.as_deref().unwrap_or(name);
    for list in ["entries", "left_out"] {
        for value in all(&place.explain(argument, &[]), list) {
            if matches!(value["list"].as_str(), Some(list) if list.starts_with("fs.")) {
                place.prepare(&Entry::of(value).written());
            } else {
                place.listen(&Entry::of(value).written());
                place.set_variables(value["text"].as_str().unwrap_or_default());
            }
        }
    }
    let plan = place.explain(argument, &[]);
    // Those of a domain decide nothing for the command itself, which is in none.
    let own = all(&plan, "entries").iter();
    let own = own.filter(|entry| entry["domain"].is_null());
    let entries: Vec<Entry> = own.map(Entry::of).collect();
    let beyond = |entry: &&Entry| !["baseline", "policy-files"].contains(&entry.section.as_str());
    let entries: Vec<Entry> = entries.iter().filter(beyond).cloned().collect();
    let mut wrong = vec![];
    let mut counts = Counts::default();
    for value in all(&plan, "left_out") {
        let text = Entry::of(value).written();
        counts.left_out += 1;
        if place.expand(&text).exists() {
            wrong.push(format!("{text} was left out, and exists"));
        }
    }
    let proofs = proofs(&entries, &place, argument, &mut wrong);
    let listed: Vec<&str> = NOT_PROBED
        .iter()
        .filter(|it| it.0 == "*" || it.0 == name)
        .map(|it| it.1)
        .collect();
    for entry in &entries {
        let proved = proofs.iter().any(|proof| std::ptr::eq(proof.entry, entry));
        match (proved, listed.contains(&entry.name().as_str())) {
            (false, true) => counts.listed += 1,
            (false, false) if entry.list == "fs.exec" && is_empty(entry, &place) => {
                counts.empty += 1;
            }
            (false, false) => wrong.push(format!("no request for {}", entry.name())),
            (true, _) => {}
        }
    }
    counts.absent = check(&place, argument, &proofs, &mut wrong);
    counts.decided = proofs.iter().filter(|proof| proof.decides).count();
    counts.closed = proofs.iter().filter(|proof| proof.is_closed()).count();
    counts.covered = proofs.len() - counts.decided - counts.closed;
    assert!(wrong.is_empty(), "{name}: {counts:?}\n{}", wrong.join("\n"));
    // The default may have several requests.
    let more = proofs
        .iter()
        .filter(|proof| proof.entry.section == "default")
        .count()
        - 1;
    let proved = counts.decided + counts.covered + counts.closed - more;
    assert_eq!(
        proved + counts.empty + counts.listed,
        entries.len(),
        "{name}: {counts:?}"
    );
    assert_eq!(
        counts.listed,
        listed
            .iter()
            .filter(|it| entries.iter().any(|entry| entry.name() == **it))
            .count()
    );
    counts
}

/// Whether there is no program at the place of an entry.
fn is_empty(entry: &Entry, place: &Place) -> bool {
    place::program_in(&place.expand(&entry.written())).is_none()
}

fn all<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

/// For each entry the first request that it decides, or else one that it covers; all that the default decides.
fn proofs<'a>(
    entries: &'a [Entry],
    place: &Place,
    policy: &str,
    wrong: &mut Vec<String>,
) -> Vec<Proof<'a>> {
    let candidates: Vec<(&Entry, Request)> = entries
        .iter()
        .flat_map(|entry| {
            requests(entry, place)
                .into_iter()
                .map(move |request| (entry, request))
        })
        .collect();
    let sentences: Vec<String> = candidates.iter().map(|it| it.1.sentence.clone()).collect();
    let document = place.explain(policy, &sentences);
    let answers = all(&document, "answers");
    assert_eq!(answers.len(), candidates.len());
    let asked: Vec<_> = candidates.iter().zip(answers).collect();
    let mut proofs = vec![];
    for entry in entries {
        let mine = || asked.iter().filter(|((of, _), _)| std::ptr::eq(*of, entry));
        let decided: Vec<_> = mine()
            .filter(|(_, answer)| decides(entry, answer))
            .collect();
        let covered = mine().find(|(_, answer)| is_runner_up(entry, answer));
        let closed = mine().find(|(_, answer)| entry.allows && !answer["at_call"].is_null());
        let chosen: Vec<_> = match (entry.section.as_str(), decided.first()) {
            ("default", _) => decided,
            (_, Some(first)) => vec![*first],
            (_, None) => covered.or(closed).into_iter().collect(),
        };
        for (candidate, answer) in chosen {
            proofs.push(Proof {
                entry,
                request: candidate.1.clone(),
                answer: (*answer).clone(),
                decides: decides(entry, answer),
            });
        }
        if mine().next().is_some() && !proofs.iter().any(|it| std::ptr::eq(it.entry, entry)) {
            let said: Vec<_> = mine()
                .map(|(it, answer)| format!("{}: {}", it.1.sentence, answer["decided_by"]))
                .collect();
            wrong.push(format!("{} decides none of {said:?}", entry.name()));
        }
    }
    proofs
}

/// Whether the answer names the entry as what decided.
fn decides(entry: &Entry, answer: &Value) -> bool {
    let by = answer["decided_by"].as_str().unwrap_or_default();
    match entry.section.as_str() {
        "default" => by.starts_with("default of "),
        _ => {
            let start = format!("{} {}", entry.place, entry.name());
            by == start || by.starts_with(&format!("{start}: "))
        }
    }
}

/// Whether the answer names the entry as one that matches, too, and means the same.
fn is_runner_up(entry: &Entry, answer: &Value) -> bool {
    let same = (answer["verdict"] == "allow") == entry.allows;
    let name = entry.name();
    let named = |other: &Value| {
        let text = other["text"].as_str().unwrap_or_default();
        text == name || text.starts_with(&format!("{name} = "))
    };
    same && all(answer, "also").iter().any(named)
}

/// What `probe prove` prints for each step: the result and the number of stops.
fn results(ran: &Ran, steps: &[String]) -> Vec<(String, usize)> {
    let lines: Vec<_> = ran.out.lines().collect();
    if lines.len() != steps.len() {
        ran.fail(&format!("{} lines for {} steps", lines.len(), steps.len()));
    }
    let parts = lines
        .iter()
        .map(|line| line.rsplit_once(' ').expect("two words"));
    parts
        .map(|(result, stops)| (result.to_owned(), stops.parse().expect("a number")))
        .collect()
}

/// Makes all requests, in the jail and outside of it, and compares.
fn check(place: &Place, policy: &str, proofs: &[Proof<'_>], wrong: &mut Vec<String>) -> usize {
    let mut steps = vec!["make $TMPDIR/x".to_owned()];
    steps.extend(proofs.iter().map(|proof| proof.request.step.clone()));
    let ran = run(
        place,
        &steps,
        &["--quiet", "--policy", policy, "--", probe(), "prove"],
    );
    let inside = results(&ran, &steps);
    // A call that is denied is not made outside: it might do what it is denied for.
    let outside: BTreeMap<&str, (String, usize)> = {
        let free = |proof: &&Proof<'_>| {
            !proof.request.step.starts_with("call ") || proof.answer["verdict"] == "allow"
        };
        let free: Vec<String> = proofs
            .iter()
            .filter(free)
            .map(|it| it.request.step.clone())
            .collect();
        let mut bare = vec!["make $TMPDIR/x".to_owned()];
        bare.extend(free);
        let ran = run(place, &bare, &[]);
        let found = results(&ran, &bare);
        steps
            .iter()
            .filter_map(|step| {
                Some((
                    step.as_str(),
                    found.get(bare.iter().position(|it| it == step)?)?.clone(),
                ))
            })
            .collect()
    };
    let mut absent = 0;
    for (proof, (result, stops)) in proofs.iter().zip(inside.iter().skip(1)) {
        let bare = outside
            .get(proof.request.step.as_str())
            .map(|it| it.0.as_str());
        absent += usize::from(proof.is_absent(result, bare));
        if let Some(problem) = contradiction(proof, result, *stops, bare) {
            wrong.push(format!(
                "{}: {}: {problem}",
                proof.entry.name(),
                proof.request.step
            ));
        }
    }
    absent
}

fn run(place: &Place, steps: &[String], jail: &[&str]) -> Ran {
    let file = place.work().join("../../steps");
    std::fs::write(&file, steps.join("\n") + "\n").expect("the steps");
    let stdin = std::fs::File::open(&file).expect("the steps");
    let run = match jail {
        [] => place.bare(probe(), &["prove"]),
        words => place.jail(words),
    };
    run.stdin(stdin).output().ends_with(0)
}

/// In what the run contradicts the claims.
fn contradiction(
    proof: &Proof<'_>,
    result: &str,
    stops: usize,
    bare: Option<&str>,
) -> Option<String> {
    let (entry, answer) = (proof.entry, &proof.answer);
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    if text("verdict") == "allow" {
        let pending = ["EINPROGRESS", "ECONNREFUSED", "ENETUNREACH"];
        let same =
            |bare: &str| bare == result || pending.contains(&bare) && pending.contains(&result);
        if !bare.is_some_and(same) {
            return Some(format!(
                "allowed, and met {result}; without a jail {bare:?}"
            ));
        }
    } else if proof.is_absent(result, bare) {
        // It is looked at all the same.
    } else if result != text("errno") {
        return Some(format!("denied with {}, and met {result}", text("errno")));
    } else if bare == Some(result) {
        return Some(format!("{result} without a jail, too"));
    }
    if stops_by(text("enforcer")) != (stops > 0) {
        return Some(format!(
            "{} enforces it, and {stops} stops",
            text("enforcer")
        ));
    }
    let expected = match entry.cost.as_str() {
        "1 stop if denied" => text("verdict") != "allow",
        "1 stop if aimed at others" => false,
        _ => stops_by(&entry.enforcer),
    };
    (proof.decides && entry.section != "default" && expected != (stops > 0)).then(|| {
        format!(
            "its row says {}, {}, and {stops} stops",
            entry.enforcer, entry.cost
        )
    })
}

/// Whether a request that this enforcer decides stops.
fn stops_by(enforcer: &str) -> bool {
    enforcer.contains("supervisor")
}

/// A policy that opens what a preset, which is only to be extended, closes.
fn opened(preset: &str) -> String {
    format!(
        "extends = [\"base\", \"{preset}\"]\n[fs]\nread = [\"/\"]\nwrite = [\"~\"]\nexec = [\"/\"]\n[net]\nconnect = [\"*\", \"unix:*\"]\n"
    )
}

#[test]
fn each_entry_of_each_preset_is_enforced_as_explained() {
    for (name, _) in presets() {
        println!("{name}: {:?}", prove(name, None));
    }
}

fn presets() -> Vec<(&'static str, ())> {
    [
        "base",
        "compute",
        "https",
        "localhost",
        "net",
        "offline",
        "permissive",
        "read-only",
        "workspace",
        "build",
        "cargo",
        "go",
        "npm",
        "pip",
    ]
    .map(|it| (it, ()))
    .to_vec()
}

#[test]
fn each_entry_of_presets_to_be_extended_is_enforced_as_explained() {
    for name in ["deny-metadata", "protect-credentials", "protect-triggers"] {
        println!("{name}: {:?}", prove(name, Some(&opened(name))));
    }
}

#[test]
fn each_entry_of_the_policy_of_the_readme_is_enforced_as_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("README.md");
    let policy = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    println!("{:?}", prove("README.md", policy));
}

#[test]
fn a_dynamic_loader_is_denied_as_explained() {
    let place = Place::new();
    let Some(loader) = loader() else {
        eprintln!("NOT TRIED HERE: a dynamic loader where musl or glibc has it");
        return;
    };
    // Where Landlock holds programs, the process ends; where the supervisor does, execve fails.
    for (files, ends) in [("", 137), ("deny = [\"**/.env\"]\n", 126)] {
        let policy = place.policy(&format!(
            "extends = [\"base\"]\n[fs]\nread = [\".\"]\n{files}"
        ));
        let answer = &place.explain(&policy, &[format!("exec {loader}")])["answers"][0];
        assert_eq!(
            (&answer["verdict"], &answer["errno"]),
            (&"deny".into(), &"EACCES".into())
        );
        let by = answer["decided_by"].as_str().unwrap_or_default();
        assert!(by.starts_with("baseline no-loader"), "{by}");
        assert!(stops_by(answer["enforcer"].as_str().unwrap_or_default()));
        let script = format!("{loader} --version; exit $?");
        let ran = place
            .jail(&["--policy", &policy, "--", "/bin/sh", "-c", &script])
            .output();
        ran.ends_with(ends).complains("[baseline no-loader]");
        // Its remedy opens it.
        let named = format!("{files}exec = [{loader:?}]");
        let policy = place.policy(&format!(
            "extends = [\"base\"]\n[fs]\nread = [\".\"]\n{named}\n"
        ));
        let answer = &place.explain(&policy, &[format!("exec {loader}")])["answers"][0];
        assert_eq!(answer["verdict"], "allow", "{answer}");
        let ran = place
            .jail(&["--policy", &policy, "--", "/bin/sh", "-c", &script])
            .output();
        ran.ends_with(0);
    }
}

/// The dynamic loader of this host, without symbolic links.
fn loader() -> Option<String> {
    let names = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let path = names
        .iter()
        .find_map(|name| std::fs::canonicalize(name).ok())?;
    path.to_str().map(str::to_owned)
}
