//! A file's keys and its `[[test]]`s: TOML to the contents of one file, each part with its line.
//!
//! It sees one file at a time, and does not know the files that it extends.

use std::ops::Range;

use super::document::Document;
use super::entry::{entry, target};
use super::file::File;
use super::peer::one_peer;
use super::places::{PathContext, locate};
use super::read::note;
use super::sentence::sentence_help;
use super::tree::{Key, Table, Tree, Value};
use super::{About, Action, Code, Default, Diagnostic, Expect, Preset, Test};
use crate::condition::nearest;
use crate::net::Way;
use crate::paths::Access;
use crate::sorting::sort_by_key;
use crate::syscalls::{self, CallError, Errno, Unknown};

pub(super) const KEYS: &[&str] = &[
    "description",
    "extends",
    "default",
    "fs",
    "net",
    "limits",
    "process",
    "syscalls",
    "rule",
    "domain",
    "test",
];

/// The keys of a `[[test]]`.
pub(super) const TEST_KEYS: &[&str] = &["allow", "deny", "kill", "domain"];

/// Whether it is a key of a file.
pub(super) fn is_key(name: &str) -> bool {
    KEYS.contains(&name)
}

/// The contents of a file, with all its errors.
pub(super) fn parse(source: u16, text: &str, around: &PathContext) -> (File, Vec<Diagnostic>) {
    let (document, tree) = Document::new(source, text);
    read(document, &tree, around)
}

/// The contents of a preset without its tests.
pub(super) fn parse_preset(
    source: u16,
    preset: &Preset,
    around: &PathContext,
) -> (File, Vec<Diagnostic>) {
    let document = Document::of(source, preset.without_tests);
    read(document, &preset.tree(), around)
}

/// The contents of a file whose tree is known, with all its errors.
pub(super) fn read(
    mut document: Document<'_>,
    tree: &Tree<'_>,
    around: &PathContext,
) -> (File, Vec<Diagnostic>) {
    let file = contents(&mut document, tree.root(), around);
    (file, document.finish())
}

/// The contents of a file from its tree.
fn contents(document: &mut Document<'_>, tree: Table<'_>, around: &PathContext) -> File {
    let mut file = File::default();
    // Before the paths, because `tmpdir` says what TMPDIR means in them.
    if let Some(value) = tree.get("process") {
        file.process = super::process::process(document, value, around);
    }
    for (key, value) in tree {
        if key.name() != "process" {
            section(document, key, value, around, &mut file);
        }
    }
    // The whole parser's tree is sorted by key.
    file.sort();
    file
}

/// A key of a file or of a domain.
fn section(
    document: &mut Document<'_>,
    key: Key<'_>,
    value: Value<'_>,
    around: &PathContext,
    file: &mut File,
) {
    match key.name() {
        "description" => file.description = description(document, value),
        "extends" => {
            let names = document.strings("extends", value);
            file.extends = names
                .into_iter()
                .filter(|(_, span)| !document.is_broken(span.start))
                .map(|(name, span)| (name.to_owned(), span))
                .collect();
        }
        "default" => file.default = default(document, key, value),
        "syscalls" => {
            let expected = "a table: `[syscalls]`, then one `NAME = \"ACTION\"` a line";
            if let Some(table) = document.table("syscalls", expected, value) {
                file.entries = table
                    .filter_map(|(key, value)| entry(document, key, value))
                    .collect();
            }
        }
        "fs" => {
            let lifts = &mut file.lifts;
            let entries = super::files::entries(document, value, around, lifts);
            (file.paths, file.left_out) = (entries.given, entries.left_out);
        }
        "net" => {
            let lifts = &mut file.lifts;
            file.peers = super::net::entries(document, value, around, lifts);
        }
        "limits" => file.limits = super::limits::limits(document, value),
        "domain" => file.domains = super::domain_section::domains(document, value, around, section),
        "rule" => {
            for item in document
                .list("rule", "an array of tables: `[[rule]]`", value)
                .into_iter()
                .flatten()
            {
                file.rules.extend(super::rule::rule(document, item, around));
            }
        }
        "test" => {
            for item in document
                .list("test", "an array of tables: `[[test]]`", value)
                .into_iter()
                .flatten()
            {
                tests(document, item, around, &mut file.tests);
            }
        }
        name => unknown_section(document, key, name),
    }
}

fn unknown_section(document: &mut Document<'_>, key: Key<'_>, name: &str) {
    let is_syscall = target(name).is_some();
    let note = document.unknown_key(key, "a policy", KEYS);
    if is_syscall {
        note.help("calls and groups go below `[syscalls]`");
    }
}

fn description(document: &mut Document<'_>, value: Value<'_>) -> Option<String> {
    let text = document.string("description", value)?;
    if text.contains('\n') {
        document.error(
            Code::Description,
            value.span(),
            "`description` must be one sentence on one line",
        );
        return None;
    }
    Some(text.to_owned())
}

fn default(document: &mut Document<'_>, key: Key<'_>, value: Value<'_>) -> Option<Default> {
    let origin = document.origin(&key.span());
    let action = match document.string("default", value)? {
        "allow" => Action::Allow,
        "deny" => Action::Deny(Errno::EPERM),
        other => {
            let message = format!("`default` is \"allow\" or \"deny\", not \"{other}\"");
            let near =
                nearest(other, ["allow", "deny"]).map(|near| format!("did you mean \"{near}\"?"));
            let note = document.error(Code::UnknownAction, value.span(), message);
            if let Some(help) = near {
                note.help(help);
            }
            return None;
        }
    };
    Some(Default { action, origin })
}

/// A `[[test]]`.
fn tests(
    document: &mut Document<'_>,
    item: Value<'_>,
    around: &PathContext,
    tests: &mut Vec<Test>,
) {
    let Some(table) = document.table("test", "an array of tables: `[[test]]`", item) else {
        return;
    };
    let first = tests.len();
    let mut domain = None;
    for (key, value) in table {
        let name = key.name();
        if name == "domain" {
            domain = document.string(name, value).map(str::to_owned);
            continue;
        }
        let expect = match name {
            "allow" => Expect::Allow,
            "deny" => Expect::Deny,
            "kill" => Expect::Kill,
            _ => {
                document.unknown_key(key, "a [[test]]", TEST_KEYS);
                continue;
            }
        };
        for (sentence, span) in document.strings(name, value) {
            tests.extend(test(document, sentence, span, expect, around));
        }
    }
    if let Some(added) = tests.get_mut(first..) {
        sort_by_key(added, |test| test.origin);
        for test in added {
            test.domain.clone_from(&domain);
        }
    }
}

fn test(
    document: &mut Document<'_>,
    sentence: &str,
    span: Range<usize>,
    expect: Expect,
    around: &PathContext,
) -> Option<Test> {
    let origin = document.origin(&span);
    let made = |about| Test {
        sentence: sentence.to_owned(),
        about,
        expect,
        domain: None,
        origin,
    };
    if let Some((verb, text)) = sentence.trim_start().split_once(' ') {
        if let Some(access) = Access::from_word(verb) {
            return about_path(document, access, text, span, around).map(made);
        }
        if let Some(way) = Way::from_word(verb) {
            return about_peer(document, way, text.trim(), span, around).map(made);
        }
    }
    match syscalls::parse_call(sentence) {
        Ok(call) => Some(made(About::Call(call))),
        // As an entry for it, it says nothing here: policies are the same on all architectures.
        Err(CallError {
            unknown: Some(Unknown::Elsewhere),
            ..
        }) => None,
        Err(error) => {
            let at = document.inside(&span, sentence, &error.range);
            let help = sentence_help(sentence, &error);
            let note = document.error(Code::Test, at, error.message);
            if let Some(help) = help {
                note.help(help);
            }
            None
        }
    }
}

/// A sentence about a path.
fn about_path(
    document: &mut Document<'_>,
    access: Access,
    path: &str,
    span: Range<usize>,
    around: &PathContext,
) -> Option<About> {
    match locate(path.trim(), around) {
        Ok(located) if located.pattern.is_literal() => {
            Some(About::Path(access, located.pattern.base().to_owned()))
        }
        Ok(_) => {
            let message = "a sentence names one path, without wildcards";
            document.error(Code::Test, span, message);
            None
        }
        Err(error) => {
            note(document, path, &span, error);
            None
        }
    }
}

/// A sentence about a peer.
fn about_peer(
    document: &mut Document<'_>,
    way: Way,
    text: &str,
    span: Range<usize>,
    around: &PathContext,
) -> Option<About> {
    match one_peer(way, text, around) {
        Ok(Some(peer)) => Some(About::Peer(peer)),
        Ok(None) => {
            document
                .error(Code::Test, span, "a sentence names one endpoint: a host or a name, and a port")
                .help("write `connect 93.184.216.34:443`, `connect registry.example:443`, `listen udp://0.0.0.0:53` or `connect unix:/run/x`");
            None
        }
        Err(wrong) => {
            wrong.note(document, text, &span);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn a_sentence_about_a_call_of_another_architecture_says_nothing() {
        let text = "default = \"deny\"\n[syscalls]\nriscv_hwprobe = \"allow\"\n[[test]]\n\
            allow = [\"riscv_hwprobe()\"]\ndeny = [\"mmap2()\", \"getpid()\"]\n";
        let policy = Policy::parse(text, "p.toml").expect("a policy");
        let sentences: Vec<&str> = policy
            .tests
            .iter()
            .map(|test| test.sentence.as_str())
            .collect();
        assert_eq!(sentences, ["getpid()"]);
        let wrong = text.replace("mmap2()", "mmap2000()");
        assert!(Policy::parse(&wrong, "p.toml").is_err());
    }
}
