//! `jail man [PAGE]`: prints a manual page. Those of commands come from the arguments that clap parses,
//! jail-policy(5) from `docs/policy.md`.

use super::{Cli, USAGE, roff};
use crate::condition::nearest;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use std::io::{self, Write};

/// The name of the page about the policy language.
const POLICY: &str = "policy";
const POLICY_TEXT: &str = include_str!("../../docs/policy.md");

/// Prints a page; returns 1 if there is none of this name.
pub fn run(page: Option<&str>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let mut whole = Cli::command();
    whole.build();
    let text = match page {
        None | Some("jail") => of_command(whole, "jail")?,
        Some(POLICY | "jail-policy") => roff::page(
            "jail-policy",
            5,
            "the policy language of jail(1)",
            POLICY_TEXT,
        )
        .into_bytes(),
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
