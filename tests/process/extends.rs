//! What `[process]` inherits.

use crate::scene::Scene;
use jail::internal::policy::Policy;

/// A file that says `own` and extends two others.
fn load(own: &str, one: &str, other: &str) -> Policy {
    let process = |keys: &str| format!("default = \"allow\"\n[process]\n{keys}\n");
    let main = format!(
        "extends = [\"./one.toml\", \"./other.toml\"]\n{}",
        process(own)
    );
    let scene = Scene::new(&main);
    scene.dir.write("one.toml", process(one));
    scene.dir.write("other.toml", process(other));
    Policy::load("policy.toml", scene.dir.path()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn kept(policy: &Policy) -> Option<Vec<String>> {
    let kept = policy.process.capabilities.as_ref()?;
    Some(kept.iter().map(|said| said.value.to_string()).collect())
}

fn passed(policy: &Policy) -> Vec<&str> {
    let pass = policy.process.pass.iter().flatten();
    pass.map(|variables| variables.text.as_str()).collect()
}

fn set(policy: &Policy) -> Vec<String> {
    let set = policy.process.set.iter();
    set.map(|(name, said)| format!("{name}={}", said.value))
        .collect()
}

#[test]
fn an_own_value_replaces_those_inherited_and_the_rest_stays() {
    let policy = load(
        "umask = \"027\"\nuser = \"1:1\"",
        "umask = \"022\"\nnice = 5\nuser = \"2:2\"",
        "umask = \"077\"\nstdin = \"/dev/null\"",
    );
    let process = &policy.process;
    assert_eq!(process.umask.as_ref().map(|said| said.value), Some(0o027));
    assert_eq!(process.nice.as_ref().map(|said| said.value), Some(5));
    let place = |origin| policy.place(origin);
    let user = process.user.as_ref().expect("a user");
    let stdin = process.stdin.as_ref().expect("a file");
    assert_eq!(
        (user.value.to_string(), place(user.origin)),
        ("1:1".into(), "policy.toml:5".into())
    );
    assert_eq!(place(stdin.origin), "other.toml:4");
}

#[test]
fn the_same_value_twice_is_no_conflict() {
    let policy = load("", "umask = \"022\"\nnice = 5", "umask = \"22\"\nnice = 5");
    let umask = policy.process.umask.as_ref();
    assert_eq!(umask.map(|said| said.value), Some(0o022));
}

#[test]
fn variables_of_both_parents_are_passed_and_set() {
    let one = "env = { pass = [\"A\", \"B\"], set = { X = \"1\", Y = \"1\" } }";
    let other = "env = { pass = [\"B\", \"C\"], set = { X = \"1\", Z = \"2\" } }";
    let policy = load("", one, other);
    assert_eq!(passed(&policy), ["A", "B", "C"]);
    assert_eq!(set(&policy), ["X=1", "Y=1", "Z=2"]);
    let policy = load("env = { pass = [\"D\"], set = { Y = \"3\" } }", one, other);
    assert_eq!(passed(&policy), ["D"]);
    assert_eq!(set(&policy), ["X=1", "Y=3", "Z=2"]);
}

#[test]
fn of_the_capabilities_of_two_parents_those_of_both_are_kept() {
    let two = |own, one, other| kept(&load(own, one, other));
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let (one, other) = (
        "caps = [\"chown\", \"kill\"]",
        "caps = [\"fowner\", \"kill\"]",
    );
    assert_eq!(two("", one, other), names(&["CAP_KILL"]));
    assert_eq!(two("", one, ""), names(&["CAP_CHOWN", "CAP_KILL"]));
    assert_eq!(two("", one, "caps = []"), names(&[]));
    assert_eq!(two("caps = [\"lease\"]", one, other), names(&["CAP_LEASE"]));
    assert_eq!(two("", "", ""), None);
}
