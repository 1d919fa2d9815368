//! A file's `[[rule]]`s: each syscall that a rule covers gets the condition with its own arguments.

use std::ops::Range;

use super::Code;
use super::document::Document;
use super::endpoint::endpoint;
use super::entry::{Says, SaysKeys, refuse, target, unknown_target};
use super::places::{PathContext, locate};
use super::read::note;
use super::tree::Value;
use super::{Argv, Object, Rule, Target};
use crate::condition::{Condition, ConditionError};
use crate::net::Endpoint;
use crate::paths::Pattern;
use crate::syscalls::named::named;
use crate::syscalls::{Syscall, SyscallSet};

pub(super) const KEYS: &[&str] = &[
    "syscall", "when", "path", "peer", "argv", "action", "why", "quiet",
];

/// The system calls that name a peer.
const NAME_PEERS: &[&str] = &["bind", "connect", "sendmmsg", "sendmsg", "sendto"];

/// One `[[rule]]`; `None` if it has an error, which has been noted.
pub(super) fn rule(
    document: &mut Document<'_>,
    item: Value<'_>,
    around: &PathContext,
) -> Option<Rule> {
    let Keys {
        says,
        targets,
        when,
        path,
        argv,
        peer,
    } = Keys::read(document, item)?;
    let (targets, targets_span) = targets?;
    let covered = covered(document, &targets);
    if targets.is_empty() {
        document.error(
            Code::MissingKey,
            targets_span,
            "this rule covers no syscall",
        );
    }
    if let Some(says) = &says {
        for (name, span) in &targets {
            refuse(document, name, says.action, span);
        }
    }
    let mut object = object(document, &covered, path, peer, argv, around)?;
    let (when, conditions) = match when {
        Some((when, span)) => {
            let when = when?;
            (when, conditions(document, when, span, covered)?)
        }
        None if object.is_none() => return None,
        // The condition holds for any registers.
        None => {
            let always = |syscall| (syscall, Condition::All(Vec::new()));
            ("", covered.into_iter().map(always).collect())
        }
    };
    let says = says?;
    if let Some(object) = &mut object {
        object.closes = says.action != super::Action::Allow;
    }
    Some(Rule {
        targets: targets
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect(),
        when: when.to_owned(),
        text: match (when, &object) {
            (when, None) => when.to_owned(),
            ("", Some(object)) => object.to_string(),
            (when, Some(object)) => format!("{when} and {object}"),
        },
        conditions,
        object,
        action: says.action,
        quiet: says.quiet,
        why: says.why,
        origin: document.origin(&item.span()),
    })
}

/// A text with its place. The inner `None`: something else than a text, which has been noted.
type Text<'v> = (Option<&'v str>, Range<usize>);

/// The keys of a rule.
struct Keys<'v> {
    says: Option<Says>,
    targets: Option<Words<'v>>,
    when: Option<Text<'v>>,
    path: Option<Text<'v>>,
    argv: Option<Words<'v>>,
    peer: Option<Text<'v>>,
}

impl<'v> Keys<'v> {
    fn read(document: &mut Document<'_>, item: Value<'v>) -> Option<Keys<'v>> {
        let table = document.table("rule", "an array of tables: `[[rule]]`", item)?;
        let mut says = SaysKeys::default();
        let mut keys = Keys {
            says: None,
            targets: None,
            when: None,
            path: None,
            argv: None,
            peer: None,
        };
        for (key, value) in table {
            let span = value.span();
            match key.name() {
                "syscall" => keys.targets = Some((document.strings("syscall", value), span)),
                "when" => keys.when = Some((document.string("when", value), span)),
                "path" => keys.path = Some((document.string("path", value), span)),
                "argv" => keys.argv = Some((document.strings("argv", value), span)),
                "peer" => keys.peer = Some((document.string("peer", value), span)),
                name if says.take(document, name, value) => {}
                _ => {
                    document.unknown_key(key, "a [[rule]]", KEYS);
                }
            }
        }
        keys.says = says.finish(document, item.span(), "this rule");
        if keys.targets.is_none() {
            document
                .error(Code::MissingKey, item.span(), "this rule has no `syscall`")
                .help("add `syscall = \"NAME\"`, a group or a list");
        }
        if keys.when.is_none() && !keys.has_object() {
            document
                .error(Code::MissingKey, item.span(), "this rule has no condition")
                .help(
                    "add `when = \"…\"`, `path`, `peer` or `argv`, or write an entry below [syscalls]",
                );
        }
        Some(keys)
    }

    /// Whether it is about memory: a path, a peer, arguments.
    fn has_object(&self) -> bool {
        self.path.is_some() || self.argv.is_some() || self.peer.is_some()
    }
}

/// A list of words, or one word, with places.
type Words<'v> = (Vec<(&'v str, Range<usize>)>, Range<usize>);

/// A rule's conditions on memory: a path that the call names, the arguments of a program. The outer
/// `None`: an error, which has been noted.
fn object(
    document: &mut Document<'_>,
    covered: &[&'static Syscall],
    path: Option<Text<'_>>,
    peer: Option<Text<'_>>,
    argv: Option<Words<'_>>,
    around: &PathContext,
) -> Option<Option<Object>> {
    let mut object = Object {
        path: None,
        peer: None,
        argv: None,
        closes: true,
    };
    if path.is_none() && peer.is_none() && argv.is_none() {
        return Some(None);
    }
    if let Some((text, span)) = path {
        object.path = Some(named_path(document, covered, text?, span, around)?);
    }
    if let Some((text, span)) = peer {
        object.peer = Some(named_peer(document, covered, text?, span, around)?);
    }
    if let Some((words, span)) = argv {
        object.argv = Some(named_argv(document, covered, &words, span)?);
    }
    Some(Some(object))
}

fn named_path(
    document: &mut Document<'_>,
    covered: &[&'static Syscall],
    text: &str,
    span: Range<usize>,
    around: &PathContext,
) -> Option<(String, Pattern)> {
    let nameless = |syscall: &&&Syscall| named(syscall.name).is_empty();
    if let Some(syscall) = covered.iter().find(nameless) {
        let message = format!("{} names no path", syscall.name);
        document
            .error(Code::Path, span, message)
            .help("name only system calls that take a path, or write `when`");
        return None;
    }
    match locate(text, around) {
        Ok(located) => Some((text.to_owned(), located.pattern)),
        Err(error) => {
            note(document, text, &span, error);
            None
        }
    }
}

fn named_peer(
    document: &mut Document<'_>,
    covered: &[&'static Syscall],
    text: &str,
    span: Range<usize>,
    around: &PathContext,
) -> Option<(String, Endpoint)> {
    let nameless = |syscall: &&&Syscall| !NAME_PEERS.contains(&syscall.name);
    if let Some(syscall) = covered.iter().find(nameless) {
        document
            .error(Code::Peer, span, format!("{} names no peer", syscall.name))
            .help(format!("`peer` goes with {}", NAME_PEERS.join(", ")));
        return None;
    }
    // No scheme means TCP, unless the rule denies; the action is not known yet.
    match endpoint(text, true, around) {
        Ok(endpoint) => Some((text.to_owned(), endpoint)),
        Err(wrong) => {
            wrong.note(document, text, &span);
            None
        }
    }
}

fn named_argv(
    document: &mut Document<'_>,
    covered: &[&'static Syscall],
    words: &[(&str, Range<usize>)],
    span: Range<usize>,
) -> Option<Argv> {
    let starts = |syscall: &&&Syscall| !matches!(syscall.name, "execve" | "execveat");
    if let Some(syscall) = covered.iter().find(starts) {
        let message = format!("{} takes no argument vector", syscall.name);
        document
            .error(Code::Argv, span, message)
            .help("`argv` goes with execve and execveat");
        return None;
    }
    match Argv::new(words.iter().map(|(word, _)| *word)) {
        Ok(argv) => Some(argv),
        Err(message) => {
            document.error(Code::Argv, span, message);
            None
        }
    }
}

/// The syscalls of this architecture that the targets name, each once.
fn covered(document: &mut Document<'_>, targets: &[(&str, Range<usize>)]) -> Vec<&'static Syscall> {
    // Most rules have a single name.
    if let [(name, _)] = targets
        && let Some(Target::Syscall(syscall)) = target(name)
    {
        return vec![syscall];
    }
    let mut set = SyscallSet::new();
    for (name, span) in targets {
        match target(name) {
            Some(Target::Syscall(syscall)) => set.insert(syscall),
            Some(Target::Group(group)) => set = set.union(group.set),
            Some(Target::Foreign) => {}
            None => unknown_target(document, name, span.clone()),
        }
    }
    set.iter()
        .filter(|syscall| syscall.number().is_some())
        .collect()
}

fn conditions(
    document: &mut Document<'_>,
    when: &str,
    span: Range<usize>,
    covered: Vec<&'static Syscall>,
) -> Option<Vec<(&'static Syscall, Condition)>> {
    let count = covered.len();
    let mut conditions = Vec::with_capacity(count);
    let mut lacking: Vec<(&'static Syscall, ConditionError)> = Vec::new();
    for syscall in covered {
        match Condition::parse(when, syscall) {
            Ok(condition) => conditions.push((syscall, condition)),
            Err(error) if error.unknown_argument => lacking.push((syscall, error)),
            Err(error) => {
                note_condition(document, when, &span, syscall, count, error);
                return None;
            }
        }
    }
    match lacking.len() {
        0 => {}
        1 if count == 1 => {
            let (syscall, error) = lacking.swap_remove(0);
            note_condition(document, when, &span, syscall, count, error);
            return None;
        }
        _ => {
            note_lacking(document, when, &span, &lacking);
            return None;
        }
    }
    for (_, condition) in &conditions {
        if let Err(error) = condition.alternatives() {
            document
                .error(Code::Condition, span, error.to_string())
                .help("split it into several rules");
            return None;
        }
    }
    Some(conditions)
}

/// If there are several syscalls, the message names the one that the condition does not suit.
fn note_condition(
    document: &mut Document<'_>,
    when: &str,
    span: &Range<usize>,
    syscall: &Syscall,
    count: usize,
    error: ConditionError,
) {
    let at = document.inside(span, when, &error.range);
    let mut note = document.error(Code::Condition, at, error.message);
    if count > 1 {
        note = note.label(format!("read for {}", syscall.name));
    }
    if let Some(help) = error.help {
        note.help(help);
    }
}

/// One error for all covered syscalls that lack an argument.
fn note_lacking(
    document: &mut Document<'_>,
    when: &str,
    span: &Range<usize>,
    lacking: &[(&'static Syscall, ConditionError)],
) {
    const SHOWN: usize = 5;
    let Some((_, first)) = lacking.first() else {
        return;
    };
    let name = when.get(first.range.clone()).unwrap_or_default();
    let at = document.inside(span, when, &first.range);
    let mut names: Vec<&str> = lacking
        .iter()
        .take(SHOWN)
        .map(|(syscall, _)| syscall.name)
        .collect();
    let more;
    if lacking.len() > SHOWN {
        more = format!("{} more", lacking.len() - SHOWN);
        names.push(&more);
    }
    let names = match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    };
    document
        .error(
            Code::Condition,
            at,
            format!("not every syscall of this rule has an argument `{name}`"),
        )
        .label(format!("not in {names}"))
        .help("name the syscalls that have it, or write a rule for each");
}
