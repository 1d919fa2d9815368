//! Wrong policies in each format of `jail check`, and what `jail test --junit` writes.
//!
//! `BLESS=1` writes the golden files anew.

use std::path::Path;

use crate::support::schema::fitting;
use crate::support::{Dir, Ran, jail, plain};
use serde_json::Value;

/// Wrong policies: the name, and what is in the file.
fn wrong() -> Vec<(&'static str, Vec<u8>)> {
    let mut policies: Vec<(&str, Vec<u8>)> = [
        ("typo-key.toml", "[fs]\nreed = [\".\"]\nwrte = [\".\"]\n"),
        ("typo-call.toml", "[syscalls]\nsokcet = \"dney\"\n"),
        (
            "types.toml",
            "default = true\n[fs]\nread = 5\n[limits]\nwall = [1]\n",
        ),
        (
            "paths.toml",
            "[fs]\nread = [\"a\\u0000b\", \"$UNSET_HERE/x\", \"[x\", \"\"]\n",
        ),
        ("crlf.toml", "[fs]\r\nread = [\".\"]\r\nreed = [\".\"]\r\n"),
        ("bom.toml", "\u{feff}[fs]\nreed = [\".\"]\n"),
        ("cycle.toml", "extends = [\"./other.toml\"]\n"),
        ("empty.toml", ""),
        ("unclosed.toml", "[fs]\nread = [\".\"\nwrite = [\".\"]\n"),
        ("twice.toml", "default = \"deny\"\ndefault = \"allow\"\n"),
        ("preset.toml", "extends = [\"bas\", \"workspce\"]\n"),
        (
            "wide.toml",
            "[fs]\n\"日本\" = 1\ndeny = [{ path = \"é\", action = \"kil\" }]\n",
        ),
        (
            "rule.toml",
            "[[rule]]\nsyscall = \"socket\"\nwhen = \"domain == AF_IN\"\naction = \"kill\"\n",
        ),
        (
            "nothing.toml",
            "extends = [\"workspace\"]\n[fs]\nread = []\n[net]\n[[test]]\n",
        ),
        (
            "net.toml",
            "[net]\nconnect = [\"host:99999\", \"10.0.0.0/40\", \"http://x\"]\n",
        ),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .collect();
    policies.push(("latin.toml", b"# caf\xe9\ndefault = \"deny\"\n".to_vec()));
    policies.push(("huge.toml", vec![b'#'; (1 << 20) + 1]));
    policies
}

/// The files, with those that are none: a directory, and one that is missing.
fn scene() -> (Dir, Vec<String>) {
    let dir = Dir::new();
    let mut names = Vec::new();
    for (name, text) in wrong() {
        dir.write(name, text);
        names.push(format!("./{name}"));
    }
    dir.write("other.toml", "extends = [\"./cycle.toml\"]\n");
    dir.write("directory.toml/x", "");
    names.extend(["./directory.toml", "./missing.toml"].map(str::to_owned));
    (dir, names)
}

fn check(dir: &Dir, format: &str, file: &str) -> Ran {
    let run = jail(["check", "--format", format, file]).cwd(dir.path());
    run.env("HOME", "/nonexistent")
        .env("NO_COLOR", "1")
        .output()
}

#[track_caller]
fn golden(name: &str, actual: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check");
    let path = folder.join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name}: expected\n{expected}\ngot\n{actual}"
    );
}

/// A document on one line, for reading.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a document") + "\n"
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn wrong_policies_have_a_message_in_each_format() {
    let (dir, names) = scene();
    let place = dir.path().to_str().expect("text");
    for format in ["text", "json", "github", "sarif"] {
        let mut all = String::new();
        for name in &names {
            let ran = check(&dir, format, name);
            let warns = ["./empty.toml", "./nothing.toml"].contains(&name.as_str());
            assert_eq!(ran.code(), Some(i32::from(!warns)), "{name}: {}", ran.err);
            let said = match format {
                "text" => ran.err,
                "json" => pretty(&fitting("check", &ran.out)["problems"]),
                "sarif" => pretty(&parsed(&ran.out)["runs"][0]["results"]),
                _ => ran.out,
            };
            assert!(said.len() > 4, "{name} in {format}");
            all += &format!("=== {name}\n{}\n", said.trim_end().replace(place, "@"));
        }
        golden(&format!("wrong.{format}"), &all);
    }
}

/// The same problems, whatever the format.
#[test]
fn all_formats_report_the_same() {
    let (dir, names) = scene();
    for name in &names {
        let problems = fitting("check", &check(&dir, "json", name).out);
        let codes: Vec<&str> = problems["problems"]
            .as_array()
            .expect("problems")
            .iter()
            .map(|problem| problem["code"].as_str().expect("a code"))
            .collect();
        let text = check(&dir, "text", name).err;
        let shown = codes
            .iter()
            .filter(|code| text.contains(&format!("[{code}]")));
        assert_eq!(shown.count(), codes.len(), "{name}: {codes:?}\n{text}");
        let github = check(&dir, "github", name).out;
        assert_eq!(github.lines().count(), codes.len(), "{github}");
        for (line, code) in github.lines().zip(&codes) {
            assert!(line.starts_with("::error file=") || line.starts_with("::warning file="));
            assert!(line.contains(&format!(",title={code} ")), "{line}");
        }
        let sarif = parsed(&check(&dir, "sarif", name).out);
        let results = sarif["runs"][0]["results"].as_array().expect("results");
        let ids: Vec<&str> = results
            .iter()
            .map(|result| result["ruleId"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids, codes);
    }
}

/// What SARIF 2.1.0 requires, and what code scanning needs besides.
#[test]
fn a_sarif_log_has_what_the_standard_requires() {
    let (dir, names) = scene();
    let ran = jail(["check", "--format", "sarif"])
        .args(&names)
        .cwd(dir.path());
    let log = parsed(&ran.output().ends_with(1).out);
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("sarif-2.1.0.json"))
    );
    let runs = log["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "jail");
    assert_eq!(runs[0]["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().expect("rules");
    for rule in rules {
        assert!(rule["id"].as_str().is_some_and(|id| id.len() == 4));
        assert!(
            rule["shortDescription"]["text"]
                .as_str()
                .is_some_and(|text| text.ends_with('.'))
        );
        let level = rule["defaultConfiguration"]["level"].as_str();
        assert!(matches!(level, Some("error" | "warning")));
    }
    let results = runs[0]["results"].as_array().expect("results");
    assert!(results.len() >= names.len());
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(
            rules[index]["defaultConfiguration"]["level"],
            result["level"]
        );
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        let places = result["locations"].as_array().expect("locations");
        let physical = &places[0]["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(uri.is_ascii() && !uri.contains([' ', '\\']), "{uri}");
        if let Some(region) = physical.get("region") {
            let number = |name: &str| region[name].as_u64().expect("a number");
            assert!(number("startLine") >= 1 && number("startColumn") >= 1);
            let start = (number("startLine"), number("startColumn"));
            assert!(
                (number("endLine"), number("endColumn")) >= start,
                "{region}"
            );
        }
    }
}

const SENTENCES: &str = "\
extends = [\"workspace\"]

[[test]]
allow = [\"read ./a&b <c> 'd' \\\"e\\\" ]]>\", \"read /etc/shadow\"]
deny = [\"connect 10.0.0.1:443\"]
kill = [\"read ./x\\u0007\"]
";

/// Prints a JUnit file as Python's parser reads it.
const READ: &str = "\
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
print(json.dumps({
    'root': [root.tag, dict(root.attrib)],
    'suites': [[suite.get('name'), dict(suite.attrib), [
        [case.get('name'), case.get('line'), [child.tag for child in case], [child.text for child in case]]
        for case in suite.findall('testcase')]] for suite in root.findall('testsuite')],
}))
";

#[test]
fn junit_is_read_by_another_parser() {
    let dir = Dir::new();
    dir.write("a & b.toml", SENTENCES);
    dir.write(
        "good.toml",
        "extends = [\"workspace\"]\n[[test]]\nallow = [\"read ./x\"]\n",
    );
    dir.write("broken.toml", "[fs]\nreed = [\"<&>\"]\n");
    let files = ["./a & b.toml", "./good.toml", "./broken.toml"];
    let run = jail(["test", "--junit", "out.xml"])
        .args(files)
        .cwd(dir.path());
    run.output().ends_with(1);
    let ran = plain(["python3", "-c", READ, &dir.file("out.xml")]).output();
    if ran.code() == Some(127) {
        println!("NOT TRIED HERE: there is no python3");
        return;
    }
    let read = parsed(&ran.ends_with(0).out);
    let counts = |of: &Value| ["tests", "failures", "errors"].map(|name| of[name].to_string());
    assert_eq!(read["root"][0], "testsuites");
    assert_eq!(counts(&read["root"][1]), ["\"6\"", "\"2\"", "\"1\""]);
    let suites = read["suites"].as_array().expect("suites");
    let named: Vec<&str> = suites
        .iter()
        .map(|suite| suite[0].as_str().expect("a name"))
        .collect();
    assert_eq!(named, files);
    let cases: Vec<(&str, &Value, &Value)> = suites
        .iter()
        .flat_map(|suite| suite[2].as_array().expect("cases"))
        .map(|case| (case[0].as_str().expect("a name"), &case[1], &case[2]))
        .collect();
    let expected = [
        ("allow: read ./a&b <c> 'd' \"e\" ]]>", "\"4\"", "[]"),
        ("allow: read /etc/shadow", "\"4\"", "[\"failure\"]"),
        ("deny: connect 10.0.0.1:443", "\"5\"", "[]"),
        ("kill: read ./x\\u{7}", "\"6\"", "[\"failure\"]"),
        ("allow: read ./x", "\"3\"", "[]"),
        ("the policy", "null", "[\"error\"]"),
    ];
    let found: Vec<(&str, String, String)> = cases
        .iter()
        .map(|(name, line, children)| (*name, line.to_string(), children.to_string()))
        .collect();
    let found: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|(name, line, children)| (*name, line.as_str(), children.as_str()))
        .collect();
    assert_eq!(found, expected);
    let text = suites[2][2][0][3][0].as_str().expect("a text");
    assert!(
        text.contains("./broken.toml:2:1: E201: unknown key `reed`"),
        "{text}"
    );
    jail(["test", "--junit", "/nonexistent/x.xml", "base"])
        .output()
        .ends_with(125)
        .complains("cannot write the output: /nonexistent/x.xml");
}

/// Warnings that tell of a danger are true, or they are noise: the policies of this project have none.
#[test]
fn no_policy_of_this_project_gives_away_more_than_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut policies: Vec<(String, String)> = Vec::new();
    for document in [
        "README.md",
        "docs/policy.md",
        "docs/harness.md",
        "docs/library.md",
    ] {
        let text = std::fs::read_to_string(root.join(document)).expect("a document");
        let blocks = text.split("```toml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("\n```").next());
        policies.extend(blocks.map(|block| (document.to_owned(), block.to_owned())));
    }
    let mut todo = vec![root.join("examples")];
    while let Some(directory) = todo.pop() {
        for item in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = item.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|it| it == "toml")
                && !path.ends_with("Cargo.toml")
            {
                let text = std::fs::read_to_string(&path).expect("a file");
                policies.push((path.display().to_string(), text));
            }
        }
    }
    assert!(policies.len() > 20, "{}", policies.len());
    let dir = Dir::new();
    let mut checked = 0;
    for (from, text) in policies {
        dir.write("policy.toml", &text);
        let ran = check(&dir, "json", "./policy.toml");
        for problem in fitting("check", &ran.out)["problems"]
            .as_array()
            .expect("problems")
        {
            let name = problem["name"].as_str().expect("a name");
            let tells = matches!(
                name,
                "says-nothing"
                    | "defeated"
                    | "executed-later"
                    | "own-policy"
                    | "kernel-files"
                    | "container-socket"
            );
            assert!(!tells, "{from}: {problem}\n{text}");
        }
        checked += 1;
    }
    assert!(checked > 20);
}

/// All names of fields in a document.
fn fields(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                found.insert(name.clone());
                fields(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// `docs/lints.md` names each field of the JSON document, and no other.
#[test]
fn the_page_names_each_field_of_the_document() {
    let dir = Dir::new();
    dir.write("team.toml", "[fs]\ndeny = [\"/srv/secret\"]\n");
    dir.write(
        "lifts.toml",
        "extends = [\"base\", \"./team.toml\"]\n[fs]\nlift = [{ path = \"/srv/secret\", why = \"an example\" }]\n",
    );
    dir.write("wrong.toml", "defualt = \"deny\"\n");
    let mut found = std::collections::BTreeSet::new();
    for name in ["./lifts.toml", "./wrong.toml"] {
        fields(
            &fitting("check", &check(&dir, "json", name).out),
            &mut found,
        );
    }
    let page = include_str!("../../docs/lints.md");
    let (_, table) = page.split_once("## The JSON document").expect("the table");
    let (table, _) = table.split_once("# Errors").expect("its end");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let quoted = |text: &str| -> Vec<String> {
        let words = text.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let mut named = std::collections::BTreeSet::new();
    for row in rows {
        named.extend(quoted(row.split('|').nth(1).unwrap_or_default()));
        // Small objects are described in a row of their own.
        let meaning = row.split('|').nth(3).unwrap_or_default();
        if let Some((_, inner)) = meaning
            .split_once("object of `")
            .or_else(|| meaning.split_once("objects of `"))
        {
            let (inner, _) = inner.split_once(':').unwrap_or((inner, ""));
            named.extend(quoted(&format!("`{inner}")));
        }
    }
    let missing: Vec<_> = named.symmetric_difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
