//! `jail diff`: its output, its JSON document and its exit codes.

use crate::support::schema::fitting;
use crate::support::{Dir, jail};

#[test]
fn each_direction_has_an_example_with_what_decides_it() {
    let dir = Dir::new();
    let one = dir.write(
        "one.toml",
        "[fs]\nread = [\"/srv/a\"]\nwrite = [\"/srv/w\"]\n",
    );
    let other = dir.write(
        "two.toml",
        "[fs]\nread = [\"/srv\"]\n[limits]\nwall = \"1m\"\n",
    );
    let ran = jail(["diff", &one, &other]).output().ends_with(0);
    for part in [
        &format!("{other} allows, {one} does not"),
        "read /srv",
        &format!("by {other}: {other}:2 fs.read \"/srv\""),
        "nothing in [fs] allows it",
        &format!("{one} allows, {other} does not"),
        "write /srv/w",
        "limits.wall",
        "none → 1m (allows less)",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    // The request has a line of its own, and what decides it is beneath it.
    assert!(ran.out.contains("\nread /srv"), "{}", ran.out);
    assert!(ran.out.contains("\n  allowed "), "{}", ran.out);
    let ran = jail(["diff", &one, &other, "--json"]).output().ends_with(0);
    let found = fitting("diff", &ran.out);
    assert_eq!(found["version"], 1);
    assert_eq!(found["widens"], true);
    assert_eq!(found["allowed"][0]["example"], "read /srv");
    assert_eq!(found["allowed"][0]["after"]["action"], "allow");
    assert_eq!(found["denied"][0]["before"]["action"], "allow");
    assert_eq!(found["settings"][0]["effect"], "narrower");
    let manual = include_str!("../../docs/compare.md");
    for key in found.as_object().expect("an object").keys() {
        assert!(manual.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn widening_is_refused_and_narrowing_is_not() {
    let dir = Dir::new();
    let narrow = dir.write("narrow.toml", "extends = [\"base\"]\n");
    let wide = dir.write(
        "wide.toml",
        "extends = [\"base\"]\n[syscalls]\nsyslog = \"allow\"\n",
    );
    for (one, other, code) in [(&narrow, &wide, 1), (&wide, &narrow, 0), (&wide, &wide, 0)] {
        let ran = jail(["diff", one, other, "--forbid-widening"])
            .output()
            .ends_with(code);
        assert_eq!(ran.out.contains("syslog("), one != other, "{}", ran.out);
        assert_eq!(ran.out.contains("no difference was found"), one == other);
    }
}

#[test]
fn flags_change_the_second_policy_or_the_only_one() {
    let dir = Dir::new();
    let one = dir.write("one.toml", "extends = [\"base\"]\n");
    let ran = jail([
        "diff",
        &one,
        "--allow-read",
        "/srv/data",
        "--set",
        "limits.wall=1m",
    ]);
    let ran = ran.output().ends_with(0);
    for part in [
        "read /srv/data",
        ": --allow-read fs.read",
        "limits.wall",
        "none → 1m",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let forbids = ["--forbid-widening", "--allow-net", "192.0.2.1:443"];
    jail(["diff", &one, &one])
        .args(forbids)
        .output()
        .ends_with(1);
    jail(["diff", &one, "--forbid-widening", "--deny", "/usr"])
        .output()
        .ends_with(0);
    jail(["diff", &one])
        .output()
        .ends_with(125)
        .says("")
        .complains("name a second policy, or give entries of it");
}

#[test]
fn a_policy_that_cannot_be_used_is_a_message() {
    let dir = Dir::new();
    let wrong = dir.write("wrong.toml", "[fs]\nraed = []\n");
    for [one, other] in [
        ["base", &wrong],
        [&wrong, "base"],
        ["base", "/nowhere.toml"],
    ] {
        let ran = jail(["diff", one, other, "--forbid-widening"])
            .output()
            .ends_with(125);
        assert_eq!(ran.out, "");
        let _ = ran.complains("cannot be used; nothing was compared");
    }
}

#[test]
fn domains_are_compared_and_their_loss_is_refused() {
    let dir = Dir::new();
    let policy = |name: &str, programs: &str, connect: &str| {
        let text = format!(
            "default = \"allow\"\n[domain.build]\non-exec = [{programs}]\nnet = {{ connect = [{connect}] }}\n"
        );
        dir.write(name, text)
    };
    let one = policy("one.toml", "\"/b/*\", \"/c\"", "");
    let wide = policy("wide.toml", "\"/b/*\", \"/c\"", "\"192.0.2.1:443\"");
    let fewer = policy("fewer.toml", "\"/b/*\"", "");
    let none = dir.write("none.toml", "default = \"allow\"\n");
    for (other, parts) in [
        (
            &wide,
            &[
                "in the domain build: ",
                "connect 192.0.2.1:443",
                "by one.toml: domain build: one.toml:2: nothing in [net] allows it",
            ][..],
        ),
        (
            &fewer,
            &["domain.build.on-exec", "/b/*, /c → /b/* (allows more)"],
        ),
        (
            &none,
            &["in the domain build: ", "/b/*, /c → none (allows more)"],
        ),
    ] {
        let wider = jail(["diff", &one, other, "--forbid-widening"])
            .output()
            .ends_with(1);
        for part in parts {
            let text = wider.out.replace(&format!("{}/", dir.path().display()), "");
            assert!(text.contains(part), "{part}: {text}");
        }
        jail(["diff", other, &one, "--forbid-widening"])
            .output()
            .ends_with(0);
    }
    jail(["diff", &one, &one, "--forbid-widening"])
        .output()
        .ends_with(0)
        .says("no difference was found\n");
    let ran = jail(["diff", &one, &wide, "--json"]).output().ends_with(0);
    let found = fitting("diff", &ran.out);
    assert_eq!(found["domains"][0]["domain"], "build");
    assert_eq!(
        found["domains"][0]["allowed"][0]["before"]["action"],
        "EACCES"
    );
    assert_eq!(found["allowed"], serde_json::json!([]));
}
