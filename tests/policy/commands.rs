//! `jail check`, `jail test` and `jail presets` as people call them.

use std::path::Path;
use std::process::Command;

struct Output {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Run the real program where the golden policies are.
fn jail(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_jail"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy"))
        .env_remove("NO_COLOR")
        .output()
        .expect("jail can be started");
    Output {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy");
    std::fs::read_to_string(folder.join(name)).expect("a golden file")
}

#[test]
fn check_counts_what_is_right() {
    let output = jail(&["check", "base", "offline", "compute", "permissive"]);
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = output.out.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("base: ok: ") && lines[0].ends_with(" tests"),
        "{}",
        lines[0]
    );
}

#[test]
fn check_prints_every_mistake_and_fails() {
    let output = jail(&["check", "three-mistakes.toml"]);
    assert_eq!(output.code, Some(1));
    assert_eq!(
        output.err.trim_end(),
        golden("three-mistakes.txt").trim_end()
    );
    assert_eq!(output.out, "");
}

#[test]
fn check_goes_on_after_a_wrong_file() {
    let output = jail(&["check", "three-mistakes.toml", "keys.toml", "base"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.err.contains("three-mistakes.toml:2:12") && output.err.contains("keys.toml:1:1")
    );
    assert!(output.out.starts_with("base: ok: "), "{}", output.out);
}

/// What `check` says of each, with `@` for the directory.
#[test]
fn nonsense_is_not_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy");
    let place = folder.to_str().expect("text");
    for (name, code) in [
        ("empty", 0),
        ("net", 0),
        ("fs", 0),
        ("values", 1),
        ("process", 0),
        ("files", 0),
        ("calls", 0),
        ("socket", 0),
        ("bracket", 1),
        ("both", 1),
    ] {
        let output = jail(&["check", &format!("nonsense-{name}.toml")]);
        let said = output.err.replace(place, "@");
        let path = folder.join(format!("nonsense-{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &said).expect("the golden file can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(said, expected, "{name}");
        assert_eq!(output.code, Some(code), "{name}");
    }
}

#[test]
fn a_warning_alone_is_no_failure() {
    let output = jail(&["check", "warnings.toml"]);
    assert_eq!(output.code, Some(0));
    assert_eq!(output.err.trim_end(), golden("warnings.txt").trim_end());
    assert!(
        output.out.starts_with("warnings.toml: ok: "),
        "{}",
        output.out
    );
}

#[test]
fn test_decides_the_presets() {
    let output = jail(&["test", "base", "offline", "compute", "permissive"]);
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    assert!(
        output.out.lines().all(|line| line.contains(": ok: all ")),
        "{}",
        output.out
    );
}

#[test]
fn test_prints_what_differs_with_the_deciding_line() {
    let output = jail(&["test", "differing.toml"]);
    assert_eq!(output.code, Some(1));
    if std::env::var_os("BLESS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy");
        std::fs::write(folder.join("differing.txt"), &output.err)
            .expect("the golden file can be written");
    }
    assert_eq!(output.err, golden("differing.txt"));
    assert_eq!(output.out, "differing.toml: 3 of 5 tests differ\n");
}

#[test]
fn test_says_where_there_is_nothing_to_test() {
    let output = jail(&["test", "warnings.toml"]);
    assert_eq!(
        (output.code, output.out.as_str()),
        (Some(0), "warnings.toml: there is no [[test]] in it\n")
    );
}

#[test]
fn test_fails_on_a_wrong_file() {
    let output = jail(&["test", "three-mistakes.toml"]);
    assert_eq!(output.code, Some(1));
    assert_eq!(
        output.err.trim_end(),
        golden("three-mistakes.txt").trim_end()
    );
}

#[test]
fn presets_are_listed_with_their_promises() {
    let output = jail(&["presets"]);
    assert_eq!(output.code, Some(0));
    let lines: Vec<&str> = output.out.lines().collect();
    assert!(
        lines[0].starts_with("base                 What ordinary programs need"),
        "{}",
        output.out
    );
    assert!(
        lines[11].starts_with("permissive           Everything is allowed except"),
        "{}",
        output.out
    );
    assert_eq!(lines.len(), 17);
}

#[test]
fn a_preset_is_printed_as_it_is() {
    let output = jail(&["presets", "offline"]);
    assert_eq!(output.code, Some(0));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/offline.toml");
    assert_eq!(
        output.out,
        std::fs::read_to_string(file).expect("the preset")
    );
}

#[test]
fn an_unknown_preset_leads_to_the_nearest() {
    let output = jail(&["presets", "offlin"]);
    assert_eq!((output.code, output.out.as_str()), (Some(1), ""));
    assert!(
        output.err.contains("did you mean `offline`?"),
        "{}",
        output.err
    );
}

#[test]
fn a_wrong_command_line_leads_to_the_one_that_was_meant() {
    for (arguments, tip) in [
        (
            &["-p", "workspace", "echo", "hi"][..],
            "tip: the command goes after `--`: jail -p workspace -- echo hi\n",
        ),
        (
            &["-p", "workspace", "sh", "-c", "echo hi"],
            "tip: the command goes after `--`: jail -p workspace -- COMMAND [ARGUMENT]...\n",
        ),
        (
            &["make"],
            "tip: the command goes after `--`: jail -- make\n",
        ),
        (&["chekc", "x.toml"], "tip: did you mean `jail check`?\n"),
    ] {
        let output = jail(arguments);
        assert_eq!((output.code, output.out.as_str()), (Some(125), ""));
        assert!(output.err.ends_with(tip), "{arguments:?}: {}", output.err);
    }
    let help = jail(&["help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(
        help.out.contains("Usage: jail [--policy POLICY]..."),
        "{}",
        help.out
    );
    let help = jail(&["help", "check"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.contains("Usage: jail check"), "{}", help.out);
    assert_eq!(jail(&["help", "nothing"]).code, Some(125));
}
