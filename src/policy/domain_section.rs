//! `[domain.NAME]`: what one file says of a domain.

use super::document::Document;
use super::domain::OnExec;
use super::file::{File, Lists, Part};
use super::places::{PathContext, PlaceError, locate};
use super::read::{names, note};
use super::tree::{Key, Value};
use super::{Action, Argv, Code, Default};
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;

/// The keys of a domain.
pub(super) const KEYS: &[&str] = &[
    "on-exec", "extends", "default", "fs", "net", "syscalls", "rule", "limits",
];

/// The keys of an entry of `on-exec` that is a table.
pub(super) const ON_EXEC_KEYS: &[&str] = &["path", "argv", "optional"];

/// The sections of a policy that a domain cannot have, and what to write instead.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "process",
        "the command is started once: write this below [process]",
    ),
    (
        "test",
        "write a `[[test]]` with `domain = \"NAME\"` at the end of the file",
    ),
    (
        "domain",
        "a program can be in several domains at once: write each as `[domain.NAME]`",
    ),
    ("description", "write a comment"),
];

/// How a section is read that a domain has in common with a policy.
pub(super) type Section = fn(&mut Document<'_>, Key<'_>, Value<'_>, &PathContext, file: &mut File);

/// The domains of a file.
pub(super) fn domains(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
    read: Section,
) -> Vec<Part> {
    let expected = "a table of domains: `[domain.NAME]`, then its `on-exec`";
    let Some(table) = document.table("domain", expected, value) else {
        return Vec::new();
    };
    let mut parts: Vec<Part> = table
        .filter_map(|(key, value)| part(document, key, value, around, read))
        .collect();
    sort_by_key(&mut parts, |part| part.origin);
    parts
}

fn part(
    document: &mut Document<'_>,
    key: Key<'_>,
    value: Value<'_>,
    around: &PathContext,
    read: Section,
) -> Option<Part> {
    let name = key.name();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(plain) {
        document
            .error(
                Code::Domain,
                key.span(),
                format!("`{name}` is not a name of a domain"),
            )
            .help("a name has letters, digits, `-` and `_`");
        return None;
    }
    let expected = "a table: `[domain.NAME]`, then `on-exec = [\"PROGRAM\"]`";
    let table = document.table(name, expected, value)?;
    let origin = document.origin(&key.span());
    let mut part = Part {
        name: name.to_owned(),
        origin,
        span: key.span(),
        programs: Vec::new(),
        file: File::default(),
        extended: Vec::new(),
        lists: Lists::default(),
    };
    document.domain = Some(name.to_owned());
    for (key, value) in table {
        section(document, key, value, around, &mut part, read);
    }
    document.domain = None;
    part.file.sort();
    sort_by_key(&mut part.programs, |program| program.origin);
    Some(part)
}

/// A key of a domain.
fn section(
    document: &mut Document<'_>,
    key: Key<'_>,
    value: Value<'_>,
    around: &PathContext,
    part: &mut Part,
    read: Section,
) {
    let name = key.name();
    match name {
        "on-exec" => {
            let expected = "a program, { path = \"…\", argv = […] }, or a list of them";
            for item in document.items(name, expected, value) {
                program(document, item, around, &mut part.programs);
            }
        }
        "default" => match value.as_str() {
            Some("deny") => {
                part.file.default = Some(Default {
                    action: Action::Deny(Errno::EPERM),
                    origin: document.origin(&key.span()),
                });
            }
            _ => {
                document
                    .error(
                        Code::Domain,
                        value.span(),
                        "`default` of a domain can only be \"deny\"",
                    )
                    .help("leave it out: what no list of the domain closes is as the main policy says");
            }
        },
        "limits" => part.file.limits = super::limits::of_domain(document, value),
        _ if KEYS.contains(&name) => {
            let lists = lists(name, value);
            part.lists = part.lists.and(lists);
            read(document, key, value, around, &mut part.file);
        }
        _ => match ELSEWHERE.iter().find(|(other, _)| *other == name) {
            Some((_, help)) => {
                document
                    .error(
                        Code::Domain,
                        key.span(),
                        format!("a domain has no `{name}` of its own"),
                    )
                    .help(*help);
            }
            None => {
                document.unknown_key(key, "a domain", KEYS);
            }
        },
    }
}

/// The lists of a section.
fn lists(section: &str, value: Value<'_>) -> Lists {
    let Some(table) = value.as_table() else {
        return Lists::default();
    };
    let has = |of: &str, list: &str| section == of && table.get(list).is_some();
    Lists {
        read: has("fs", "read"),
        write: has("fs", "write"),
        exec: has("fs", "exec"),
        connect: has("net", "connect"),
        listen: has("net", "listen"),
    }
}

/// An entry of `on-exec`: one or several programs.
fn program(
    document: &mut Document<'_>,
    item: Value<'_>,
    around: &PathContext,
    programs: &mut Vec<OnExec>,
) {
    let (mut paths, mut argv, mut optional) = (None, None, false);
    match item.as_table() {
        None => {
            let text = document.string("on-exec", item);
            paths = text.map(|text| vec![(text.to_owned(), item.span())]);
        }
        Some(table) => {
            for (key, value) in table {
                match key.name() {
                    "path" => paths = names(document, "path", value),
                    "argv" => argv = Some((document.strings("argv", value), value.span())),
                    "optional" => optional = document.boolean("optional", value).unwrap_or(false),
                    _ => drop(document.unknown_key(key, "an entry of on-exec", ON_EXEC_KEYS)),
                }
            }
            if paths.is_none() {
                document
                    .error(Code::MissingKey, item.span(), "this entry has no `path`")
                    .help("write a program, or { path = \"…\", argv = [\"…\", \"**\"] }");
            }
        }
    }
    let argv = match argv {
        None => None,
        Some((words, span)) => match Argv::new(words.iter().map(|(word, _)| *word)) {
            Ok(argv) => Some(argv),
            Err(message) => {
                document.error(Code::Argv, span, message);
                return;
            }
        },
    };
    for (text, span) in paths.unwrap_or_default() {
        match locate(&text, around) {
            Ok(located) => programs.push(OnExec {
                origin: document.origin(&span),
                pattern: located.pattern,
                argv: argv.clone(),
                text,
            }),
            Err(PlaceError::Unset(_)) if optional => {}
            Err(error) => note(document, &text, &span, error),
        }
    }
}
