//! `docs/lints.md`: it has every code that the source has, and each example gives exactly its code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::Dir;
use jail::Code;

/// A section of the page.
struct Section {
    id: String,
    name: String,
    text: String,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lints.md");
    std::fs::read_to_string(path).expect("the page")
}

fn sections(page: &str) -> Vec<Section> {
    let parts = page.split("\n## ").skip(1);
    let sections = parts.filter_map(|part| {
        let (head, text) = part.split_once('\n')?;
        let (id, name) = head.split_once(' ')?;
        let is_code = id.starts_with(['E', 'W']) && id[1..].bytes().all(|b| b.is_ascii_digit());
        is_code.then(|| Section {
            id: id.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
        })
    });
    sections.collect()
}

/// The first fenced block of that language.
fn block<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("```{language}\n"))?;
    rest.split("```").next()
}

/// Runs a line in the example's directory, where `jail` is the program under test.
fn run(line: &str, directory: &Path, home: &Path) -> Output {
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_jail"));
    let programs = programs.parent().expect("a directory");
    Command::new("sh")
        .args(["-c", line])
        .current_dir(directory)
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("HOME", home)
        .env("TMPDIR", home)
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("NO_COLOR")
        .output()
        .expect("sh can be started")
}

/// The codes of the problems that were printed.
fn codes(err: &str) -> Vec<&str> {
    let lines = err.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("error[")
            .or(line.strip_prefix("warning["))?;
        rest.split(']').next()
    });
    lines.collect()
}

#[test]
fn the_page_has_every_code_with_what_it_means() {
    let page = page();
    let found = sections(&page);
    let ids: Vec<&str> = found.iter().map(|section| section.id.as_str()).collect();
    let all: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    assert_eq!(ids, all);
    for (section, code) in found.iter().zip(Code::ALL) {
        assert_eq!(section.name, code.name());
        let text = section.text.trim_start().replace('\n', " ");
        assert!(
            text.starts_with(code.summary()),
            "{code}: not \"{}\"",
            code.summary()
        );
    }
}

#[test]
fn each_example_gives_exactly_its_code() {
    let page = page();
    let mut wrong = Vec::new();
    for Section { id, text, .. } in sections(&page) {
        let home = Dir::new();
        let work = Dir::new();
        if let Some(policy) = block(&text, "toml") {
            work.write("app.toml", policy);
        }
        if let Some(script) = block(&text, "sh") {
            let output = run(script, work.path(), home.path());
            assert!(output.status.success(), "{id}: {output:?}");
        }
        let line = block(&text, "console").map_or("jail check app.toml", |line| {
            line.trim().strip_prefix("$ ").expect("a command line")
        });
        let output = run(line, work.path(), home.path());
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let codes = codes(&err);
        let fails = id.starts_with('E');
        if codes.is_empty() || codes.iter().any(|code| *code != id) {
            wrong.push(format!("{id}: {codes:?}\n{err}"));
        } else if output.status.success() == fails {
            wrong.push(format!("{id}: {:?}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What else lies in places that the command may write is no reason to miss it: other programs may have
/// put thousands of files there.
#[test]
fn another_name_of_the_policy_is_found_beside_it_whatever_lies_elsewhere() {
    let (home, work) = (Dir::new(), Dir::new());
    let text = "extends = [\"base\"]\n[fs]\nread = [\".\"]\nwrite = [\"here\", \"many\"]\n";
    work.write("here/app.toml", text);
    work.write("many/x", "");
    let script = "ln here/app.toml here/other.toml; cd many; seq 21000 | xargs touch";
    assert!(run(script, work.path(), home.path()).status.success());
    let output = run("jail check here/app.toml", work.path(), home.path());
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(codes(&err), ["W308"], "{err}");
}
