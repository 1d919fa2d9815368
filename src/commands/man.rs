//! `jail man [PAGE]`: prints a manual page, or writes all. Those of commands come from the arguments that clap
//! parses, jail-policy(5) from `docs/policy.md`.

use super::{Cli, USAGE, roff};
use crate::condition::nearest;
use crate::report::escaped;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The name of the page about the policy language.
const POLICY: &str = "policy";
/// The longest path in a message.
const LONGEST: usize = 2000;
const POLICY_TEXT: &str = include_str!("../../docs/policy.md");

/// Prints a page; returns 1 if there is none of this name.
pub fn run(page: Option<&str>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let mut whole = Cli::command();
    whole.build();
    let text = match page {
        None | Some("jail") => of_command(whole, "jail")?,
        Some(POLICY | "jail-policy") => of_language(),
        Some(name) => match whole.find_subcommand(name) {
            Some(found) => of_command(found.clone(), &format!("jail-{name}"))?,
            None => {
                let names = whole.get_subcommands().map(Command::get_name);
                let names: Vec<&str> = names.chain([POLICY]).collect();
                let help = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the pages are {}", names.join(", ")),
                };
                writeln!(err, "jail: there is no manual page `{name}`; {help}")?;
                return Ok(1);
            }
        },
    };
    out.write_all(&text)?;
    out.flush()?;
    Ok(0)
}

/// Writes every page into a directory, which is created if it does not exist; returns 1 if that fails.
pub fn write(directory: &Path, err: &mut dyn Write) -> io::Result<u8> {
    let mut whole = Cli::command();
    whole.build();
    let mut pages = vec![
        ("jail.1".to_owned(), of_command(whole.clone(), "jail")?),
        ("jail-policy.5".to_owned(), of_language()),
    ];
    for found in whole.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("jail-{}", found.get_name());
        let text = of_command(found.clone(), &name)?;
        pages.push((format!("{name}.1"), text));
    }
    let written = fs::create_dir_all(directory)
        .map_err(|error| (directory.to_owned(), error))
        .and_then(|()| {
            pages.iter().try_for_each(|(name, text)| {
                let file = directory.join(name);
                fs::write(&file, text).map_err(|error| (file, error))
            })
        });
    if let Err((path, error)) = written {
        let path = path.to_string_lossy();
        writeln!(
            err,
            "jail: {} cannot be written: {error}",
            escaped(&path, LONGEST)
        )?;
        return Ok(1);
    }
    Ok(0)
}

fn of_language() -> Vec<u8> {
    let about = "the policy language of jail(1)";
    roff::page("jail-policy", 5, about, POLICY_TEXT).into_bytes()
}

fn of_command(command: Command, name: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let command = command.display_name(name.to_owned());
    let command = match synopsis(name) {
        Some(line) => command.override_usage(line),
        None => command,
    };
    Man::new(command)
        .title(name.to_uppercase())
        .section("1")
        .source(concat!("jail ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)?;
    Ok(text)
}

/// The line of a subcommand in the usage of `jail`, which has the order of the arguments.
fn synopsis(name: &str) -> Option<String> {
    let start = name.replacen('-', " ", 1);
    let usage = USAGE.lines().map(str::trim);
    let mut own = usage.filter(|line| line.split(' ').take(2).eq(start.split(' ')));
    own.next().map(str::to_owned)
}
