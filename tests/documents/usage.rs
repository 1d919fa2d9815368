//! docs/usage.md names every subcommand and every option of `jail --help`.

use crate::support::jail;

const PAGE: &str = include_str!("../../docs/usage.md");

#[test]
fn the_page_of_the_command_line_has_all_subcommands_and_options() {
    let help = jail(["--help"]).output().ends_with(0).out;
    let (_, rest) = help.split_once("Commands:\n").expect("the subcommands");
    let (commands, rest) = rest.split_once("\n\n").expect("their end");
    let (_, options) = rest.split_once("Options:\n").expect("the options");
    let names: Vec<String> = commands
        .lines()
        .filter_map(|line| Some(format!("`jail {}", line.split_whitespace().next()?)))
        .chain(
            options
                .split_whitespace()
                .filter(|word| {
                    word.starts_with("--") && !["--", "--help", "--version"].contains(word)
                })
                .filter_map(|word| Some(format!("`{}", word.split(['[', '=']).next()?))),
        )
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(PAGE.contains(&name), "docs/usage.md lacks {name}`");
    }
}
