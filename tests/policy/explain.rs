//! `jail explain --json` and its page; requests; other hosts.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::schema::fitting;
use crate::support::{Dir, jail};
use serde_json::Value;

const POLICY: &str = "\
extends = [\"./team.toml\", \"base\"]

[fs]
read = [\"/usr\", { path = \"./missing\", optional = true }]
lift = [{ path = \"/srv/secret\", why = \"an example\" }]

[net]
connect = [\"10.0.0.1:443\"]

[domain.build]
on-exec = [\"/srv/build\"]
net = { connect = [] }
fs = { deny = [\"/srv/keys\"] }
";

const TEAM: &str = "[fs]\nread = [\"/srv\"]\ndeny = [\"/srv/secret\"]\n";

fn scene() -> Dir {
    let dir = Dir::new();
    dir.write("team.toml", TEAM);
    dir.write("app.toml", POLICY);
    dir
}

fn document(dir: &Dir, arguments: &[&str]) -> Value {
    let ran = jail(["explain", "--json"]).args(arguments).cwd(dir.path());
    let ran = ran.output().ends_with(0);
    fitting("explain", &ran.out)
}

/// All names of fields in a document.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                found.insert(name.clone());
                fields(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// The names in the first column of a page's table of fields.
fn documented(page: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = std::fs::read_to_string(path).expect("the page");
    let rows = text.lines().filter(|line| line.matches('|').count() >= 4);
    let names = rows.flat_map(|row| {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let words: Vec<String> = cell
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        words
    });
    names.collect()
}

#[test]
fn the_page_names_each_field_of_the_document_and_no_other() {
    let dir = scene();
    let mut found = BTreeSet::new();
    fields(&document(&dir, &["./app.toml"]), &mut found);
    let asked = [
        "./app.toml",
        "read /usr/x",
        "connect 10.0.0.1:443",
        "connect 10.0.0.2:443",
        "socket(AF_PACKET, SOCK_RAW)",
        "write /srv/secret/x",
    ];
    fields(&document(&dir, &asked), &mut found);
    assert_eq!(documented("explain.md"), found);
}

#[test]
fn the_document_names_the_domains_and_their_entries() {
    let dir = scene();
    let whole = document(&dir, &["./app.toml"]);
    let domains = serde_json::json!([{
        "domain": "build", "file": "./app.toml", "line": 10, "on_exec": ["/srv/build"],
        "closed": ["net.connect"],
    }]);
    assert_eq!(whole["domains"], domains);
    let entries = whole["entries"].as_array().expect("entries");
    let of_build = entries.iter().filter(|entry| entry["domain"] == "build");
    let of_build: Vec<_> = of_build.map(|entry| &entry["text"]).collect();
    assert_eq!(of_build, ["\"/srv/keys\""]);
    assert!(entries.iter().any(|entry| entry["domain"].is_null()));

    let request = ["--domain", "build", "./app.toml", "read /srv/keys"];
    let asked = document(&dir, &request);
    let answer = &asked["answers"][0];
    assert_eq!(answer["within"], serde_json::json!(["build"]));
    assert_eq!(answer["domain"], "build");
    assert_eq!(answer["line"], 13);
    assert_eq!(answer["also"][0]["because"], "the domain allows less");
    assert!(asked["domains"].is_null());

    let ran = jail(["explain", "--domain", "biuld", "./app.toml", "sync()"]);
    ran.cwd(dir.path())
        .output()
        .ends_with(1)
        .complains("jail: the policy has no domain `biuld`: did you mean `build`?\n");
}

#[test]
fn several_requests_have_an_answer_each_in_their_order() {
    let dir = scene();
    let document = document(
        &dir,
        &[
            "./app.toml",
            "read /srv/x",
            "write /srv/x",
            "getpid()",
            "exec true",
        ],
    );
    let answers = document["answers"].as_array().expect("answers");
    let told: Vec<(&str, &str)> = answers
        .iter()
        .map(|it| {
            (
                it["verdict"].as_str().unwrap(),
                it["errno"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("allow", "-"),
            ("deny", "EACCES"),
            ("allow", "-"),
            ("allow", "-")
        ]
    );
    assert_eq!(answers[0]["file"], "./team.toml");
    assert_eq!(answers[0]["line"], 2);
    assert!(document["entries"].is_null());
    let ran = jail([
        "explain",
        "./app.toml",
        "read /srv/x",
        "nonsense",
        "write /srv/x",
    ]);
    ran.cwd(dir.path())
        .output()
        .ends_with(1)
        .complains("not a request")
        .says_part("read /srv/x\nverdict      allowed")
        .says_part("\n\nwrite /srv/x\nverdict      denied with EACCES");
}

#[test]
fn another_host_is_explained_by_its_doctor() {
    let dir = scene();
    let enforcer = |arguments: &[&str]| {
        let mut words = vec!["./app.toml", "read /usr/x"];
        words.extend(arguments);
        let document = document(&dir, &words);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&document["host"]["other"]),
            text(&document["answers"][0]["enforcer"]),
        )
    };
    assert_eq!(
        enforcer(&["--landlock-abi", "0"]),
        (
            "a host without Landlock".to_owned(),
            "supervisor".to_owned()
        )
    );
    assert_eq!(
        enforcer(&["--landlock-abi", "5"]),
        ("a host with Landlock 5".to_owned(), "Landlock".to_owned())
    );
    // What this host's own doctor prints is read, and gives the same plan.
    let own = jail(["doctor", "--json"]).output().out;
    dir.write("own.json", &own);
    let here = document(&dir, &["./app.toml"]);
    let there = document(&dir, &["./app.toml", "--host", "own.json"]);
    assert_eq!(there["host"]["other"], "own.json");
    assert_eq!(here["entries"], there["entries"]);
    let old = own.replacen("\"used\":", "\"used\":0,\"was\":", 1);
    dir.write("old.json", old);
    assert_eq!(enforcer(&["--host", "old.json"]).1, "supervisor");
    for (text, message) in [
        ("{}", "--host bad.json: missing field"),
        ("x", "--host bad.json: expected value"),
        (
            "{\"version\": 9, \"kernel\": {\"release\": \"6.1\"}, \"landlock\": {\"used\": 1}, \"namespaces\": null, \"cgroup\": {\"memory\": null}, \"environment\": []}",
            "version 9 of the document is not known",
        ),
    ] {
        dir.write("bad.json", text);
        for command in ["explain", "check"] {
            let ran = jail([command, "--host", "bad.json", "./app.toml"]).cwd(dir.path());
            ran.output()
                .ends_with(1)
                .complains(message)
                .complains("it must hold what `jail doctor --json` printed");
        }
    }
}

#[test]
fn a_table_without_a_terminal_has_eighty_columns_or_what_columns_says() {
    let widest = |columns: Option<&str>| {
        let run = jail(["explain", "--all", "build"]);
        let run = match columns {
            Some(columns) => run.env("COLUMNS", columns),
            None => run.env("COLUMNS", ""),
        };
        let ran = run.output().ends_with(0);
        ran.out
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or_default()
    };
    assert!(widest(None) <= 80);
    assert!((81..=200).contains(&widest(Some("200"))));
}
