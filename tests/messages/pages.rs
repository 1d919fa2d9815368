//! `jail completions` and `jail man`: a real shell completes, and groff renders each page without a warning.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use super::support::{Dir, jail};

fn missing(program: &str) -> bool {
    let mut found = Command::new(program);
    let found = found.arg("--version").stdin(Stdio::null()).output();
    if found.is_err() {
        println!("NOT TRIED HERE: {program}");
    }
    found.is_err()
}

/// Every subcommand that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = jail(["--help"]).output().out;
    let (_, commands) = help.split_once("\nCommands:\n").expect("the subcommands");
    let commands = commands.split("\n\n").next().unwrap_or_default();
    let name = |line: &str| line.split_whitespace().next().expect("a name").to_owned();
    commands.lines().map(name).collect()
}

#[test]
fn bash_completes_subcommands_flags_and_words() {
    if missing("bash") {
        return;
    }
    let dir = Dir::new();
    let script = dir.write(
        "jail.bash",
        jail(["completions", "bash"]).output().ends_with(0).out,
    );
    let completed = |line: &str| {
        let ask = format!(
            "source {script}\nCOMP_WORDS=({line})\nCOMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n\
             _jail jail \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output();
        let output = output.expect("bash");
        let (out, err) = (
            output.stdout,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success() && err.is_empty(), "{line}: {err}");
        let out = String::from_utf8(out).expect("text");
        out.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(completed("jail ch"), ["check"]);
    assert_eq!(completed("jail --allow-n"), ["--allow-net"]);
    assert_eq!(completed("jail --trace-denials al"), ["always"]);
    assert_eq!(completed("jail check --form"), ["--format"]);
    assert_eq!(completed("jail check --format sar"), ["sarif"]);
    let shells = completed("jail completions ''");
    for shell in ["bash", "zsh", "fish"] {
        assert!(shells.iter().any(|word| word == shell), "{shells:?}");
    }
}

#[test]
fn other_shells_read_their_completions() {
    let dir = Dir::new();
    for shell in ["zsh", "fish"] {
        let script = jail(["completions", shell]).output().ends_with(0).out;
        assert!(
            script.contains("allow-net") && script.contains("completions"),
            "{shell}"
        );
        let file = dir.write(shell, script);
        if missing(shell) {
            continue;
        }
        let read = Command::new(shell)
            .args(["-n", &file])
            .output()
            .expect(shell);
        assert!(
            read.status.success() && read.stderr.is_empty(),
            "{shell}: {read:?}"
        );
    }
    jail(["completions", "tcsh"])
        .output()
        .ends_with(125)
        .complains("[possible values: bash, zsh, fish]");
}

/// The text of a page without requests for fonts.
fn plain(roff: &str) -> String {
    let text = roff.replace("\\fB", "").replace("\\fR", "");
    text.replace('\\', "")
}

#[test]
fn groff_renders_every_page_without_a_warning() {
    let dir = Dir::new();
    let pages = [
        ("jail", "--allow-net"),
        ("policy", "Landlock"),
        ("attack", "jail attack [--policy POLICY]... [OPTIONS]"),
        ("batch", "--resume"),
        ("check", "--strict"),
        ("test", "--junit"),
        ("explain", "jail explain [OPTIONS] POLICY [REQUEST]..."),
        (
            "learn",
            "jail learn [-o FILE] [OPTIONS] -- COMMAND [ARGUMENT]...",
        ),
        ("diff", "jail diff [OPTIONS] A [B]"),
        ("replay", "jail replay [--policy POLICY]... [OPTIONS] LOG"),
        ("report", "jail report [OPTIONS] LOG"),
        ("presets", "NAME"),
        ("doctor", "--json"),
        ("completions", "zsh"),
        ("man", "policy"),
    ];
    let is_missing = missing("groff");
    for (page, part) in pages {
        let text = jail(["man", page]).output().ends_with(0).out;
        assert!(plain(&text).contains(part), "{page} lacks {part}");
        let file = dir.write(page, text);
        if is_missing {
            continue;
        }
        let mut groff = Command::new("groff");
        let groff = groff
            .args(["-man", "-ww", "-Kutf8", "-Tutf8", &file])
            .output();
        let groff = groff.expect("groff");
        let warnings = String::from_utf8_lossy(&groff.stderr).into_owned();
        assert!(
            groff.status.success() && warnings.is_empty(),
            "{page}: {warnings}"
        );
        assert!(groff.stdout.len() > 500, "{page}: {}", groff.stdout.len());
    }
    jail(["man", "polcy"])
        .output()
        .ends_with(1)
        .complains("there is no manual page `polcy`; did you mean `policy`?");
    // Every subcommand has a page.
    for name in subcommands() {
        jail(["man", &name]).output().ends_with(0);
    }
    assert!(fs::metadata(dir.path().join("policy")).is_ok_and(|page| page.len() > 20_000));
}

#[test]
fn all_manual_pages_are_written_into_a_directory() {
    let dir = Dir::new();
    let all = dir.path().join("share/man");
    jail(["man", "--to", &all.to_string_lossy()])
        .output()
        .ends_with(0);
    let files = fs::read_dir(&all).expect("the directory");
    let files: BTreeSet<String> = files
        .map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let names = subcommands().into_iter();
    let mut expected: BTreeSet<String> = names.map(|name| format!("jail-{name}.1")).collect();
    expected.extend(["jail.1".to_owned(), "jail-policy.5".to_owned()]);
    assert_eq!(files, expected);
    for (file, page) in [
        ("jail.1", "jail"),
        ("jail-policy.5", "policy"),
        ("jail-learn.1", "learn"),
    ] {
        let text = fs::read_to_string(all.join(file)).expect("a page");
        assert_eq!(text, jail(["man", page]).output().out, "{page}");
    }
    let file = dir.write("file", "");
    jail(["man", "--to", &file])
        .output()
        .ends_with(1)
        .complains(&format!("{file} cannot be written: "));
}
