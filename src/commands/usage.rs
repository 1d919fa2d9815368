//! Help for an invalid command line: the nearest valid one.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};

use super::Cli;
use crate::condition::nearest;

/// The help for `jail help` and `jail help SUBCOMMAND`, the same as for `--help`.
pub(super) fn help(words: &[String]) -> Option<Command> {
    let (first, rest) = words.split_first()?;
    if first != "help" || rest.len() > 1 {
        return None;
    }
    let whole = Cli::command();
    match rest.first() {
        None => Some(whole),
        Some(name) => {
            let bin = format!("jail {name}");
            let found = whole.find_subcommand(name).cloned();
            found.map(|sub| sub.bin_name(bin))
        }
    }
}

/// A tip for an unexpected argument: a subcommand's name, or the `--` before a command.
pub(super) fn tip(error: &clap::Error, words: &[String]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let at = words.iter().position(|word| word == wrong)?;
    if wrong.starts_with('-') {
        return None;
    }
    let whole = Cli::command();
    let names: Vec<&str> = whole.get_subcommands().map(Command::get_name).collect();
    if at == 0
        && let Some(near) = nearest(wrong, names)
    {
        return Some(format!("did you mean `jail {near}`?"));
    }
    let (before, command) = words.split_at_checked(at)?;
    let before = match before.is_empty() {
        true => String::new(),
        false => format!("{} ", shown(before)?),
    };
    let command = shown(command).unwrap_or_else(|| "COMMAND [ARGUMENT]...".to_owned());
    Some(format!(
        "the command goes after `--`: jail {before}-- {command}"
    ))
}

/// The words, if a shell needs no quoting for them.
fn shown(words: &[String]) -> Option<String> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',');
    let all = words
        .iter()
        .all(|word| word != "--" && !word.is_empty() && word.chars().all(plain));
    all.then(|| words.join(" "))
}

/// Whether a terminal of this kind shows colours.
pub(super) fn shows_colors() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
