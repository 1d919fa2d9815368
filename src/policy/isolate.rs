//! `isolate` of `[process]`: the namespaces (namespaces(7)) that a command gets for itself. This file
//! does not know which of them a host allows.

use super::Code;
use super::Setting;
use super::document::Document;
use super::tree::{Kind, Value};
use crate::condition::nearest;
use crate::sorting::sort_by_key;

/// A word of `isolate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Users and groups: only the command's own (user_namespaces(7)).
    User,
    /// Process ids (pid_namespaces(7)).
    Pid,
    /// The network (network_namespaces(7)).
    Net,
    /// System V IPC and POSIX message queues (ipc_namespaces(7)).
    Ipc,
    /// The host's name (uts_namespaces(7)).
    Uts,
    /// Mounts, with a `/tmp` and a `/dev/shm` of its own (mount_namespaces(7)).
    Mount,
    /// As `Mount`, and nothing can be changed except what `[fs] write` names.
    ReadOnly,
}

/// The words, in the order in which messages list them.
pub(super) const WORDS: &[(&str, Isolation)] = &[
    ("user", Isolation::User),
    ("pid", Isolation::Pid),
    ("net", Isolation::Net),
    ("ipc", Isolation::Ipc),
    ("uts", Isolation::Uts),
    ("mount", Isolation::Mount),
    ("read-only", Isolation::ReadOnly),
];

impl Isolation {
    /// As written in a policy.
    pub fn word(self) -> &'static str {
        let mut words = WORDS.iter();
        words
            .find(|(_, known)| *known == self)
            .map_or("", |(word, _)| word)
    }
}

/// The words of a list, each once.
pub(super) fn isolate(document: &mut Document<'_>, value: Value<'_>) -> Vec<Setting<Isolation>> {
    if !matches!(value.kind(), Kind::List(_) | Kind::String(_)) {
        let expected = "a list of words such as [\"pid\", \"net\"]";
        document.wrong_type("isolate", expected, value.kind(), value.span());
        return Vec::new();
    }
    let mut found = Vec::new();
    for (text, span) in document.strings("isolate", value) {
        match WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, word)) => {
                let origin = document.origin(&span);
                add(
                    &mut found,
                    Setting {
                        value: *word,
                        origin,
                        span,
                    },
                );
            }
            None => {
                let known = || WORDS.iter().map(|(word, _)| *word);
                let help = match nearest(text, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the words are {}", known().collect::<Vec<_>>().join(", ")),
                };
                document
                    .error(
                        Code::UnknownIsolation,
                        span,
                        format!("`isolate` does not know the word `{text}`"),
                    )
                    .help(help);
            }
        }
    }
    found
}

/// Adds a word unless it is present: lists of files that extend one another are joined.
pub(super) fn add(found: &mut Vec<Setting<Isolation>>, setting: Setting<Isolation>) {
    if found.iter().all(|known| known.value != setting.value) {
        found.push(setting);
        sort_by_key(found, |setting| setting.value);
    }
}
