//! An entry of `[syscalls]`, and what it shares with a rule: names, actions, reasons.

use std::ops::Range;

use super::Code;
use super::document::Document;
use super::read::errno;
use super::tree::{Key, Kind, Table, Value};
use super::{Action, Entry, Target};
use crate::baseline;
use crate::condition::nearest;
use crate::syscalls::{self, Errno};

/// What a name means; `None`: the name is unknown.
pub(super) fn target(name: &str) -> Option<Target> {
    if name.starts_with('@') {
        return syscalls::group(name).map(Target::Group);
    }
    match syscalls::by_name(name) {
        Some(syscall) if syscall.number().is_some() => Some(Target::Syscall(syscall)),
        Some(_) => Some(Target::Foreign),
        None => syscalls::foreign_name(name).then_some(Target::Foreign),
    }
}

/// Notes that a name is neither a syscall nor a group.
pub(super) fn unknown_target(document: &mut Document<'_>, name: &str, span: Range<usize>) {
    if name.starts_with('@') {
        let near = nearest(name, syscalls::groups().iter().map(|group| group.name));
        document
            .error(Code::UnknownGroup, span, format!("unknown group `{name}`"))
            .help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "the groups are systemd's: @file-system, @network-io, @process …".to_owned()
                }
            });
        return;
    }
    // A forgotten `@` is more likely than a misspelt call.
    let group = syscalls::groups()
        .iter()
        .map(|group| group.name)
        .find(|group| group.get(1..) == Some(name));
    let near = group.or_else(|| nearest(name, syscalls::all().iter().map(|syscall| syscall.name)));
    let note = document.error(
        Code::UnknownSyscall,
        span,
        format!("unknown syscall `{name}`"),
    );
    if let Some(near) = near {
        note.help(format!("did you mean `{near}`?"));
    }
}

/// The keys of an entry that is a table.
pub(super) const KEYS: &[&str] = &["action", "why", "quiet"];

/// The keys that entries and rules share: action, reason, quiet.
pub(super) struct Says {
    pub action: Action,
    pub quiet: bool,
    pub why: Option<String>,
}

/// Collects the keys that entries and rules share.
#[derive(std::default::Default)]
pub(super) struct SaysKeys {
    action: Option<Action>,
    wrong_action: bool,
    quiet: Option<(bool, Range<usize>)>,
    why: Option<String>,
}

impl SaysKeys {
    /// Takes the key if it is one of these.
    pub fn take(&mut self, document: &mut Document<'_>, key: &str, value: Value<'_>) -> bool {
        match key {
            "action" => {
                self.action = action(document, key, value);
                self.wrong_action = self.action.is_none();
            }
            "quiet" => {
                self.quiet = document
                    .boolean(key, value)
                    .map(|quiet| (quiet, value.span()))
            }
            "why" => self.why = document.string(key, value).map(str::to_owned),
            _ => return false,
        }
        true
    }

    /// Combines them; `place` is marked if `action` is missing.
    pub fn finish(
        self,
        document: &mut Document<'_>,
        place: Range<usize>,
        what: &str,
    ) -> Option<Says> {
        let Some(action) = self.action else {
            if !self.wrong_action {
                document
                    .error(Code::MissingKey, place, format!("{what} has no `action`"))
                    .help("an action is \"allow\", \"deny\", \"kill\" or an errno name such as \"ENOSYS\"");
            }
            return None;
        };
        if let Some((true, span)) = &self.quiet
            && !matches!(action, Action::Deny(_))
        {
            let reason = match action {
                Action::Kill => "a kill is always reported",
                _ => "what is allowed is not reported anyway",
            };
            document
                .error(
                    Code::Quiet,
                    span.clone(),
                    format!("`quiet` goes with \"deny\" and errno names only: {reason}"),
                )
                .help("remove `quiet`");
            return None;
        }
        let quiet = self
            .quiet
            .map_or(action == Action::Deny(Errno::ENOSYS), |(quiet, _)| quiet);
        Some(Says {
            action,
            quiet,
            why: self.why,
        })
    }
}

fn action(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Action> {
    let text = document.string(key, value)?;
    match text {
        "allow" => return Some(Action::Allow),
        "deny" => return Some(Action::Deny(Errno::EPERM)),
        "kill" => return Some(Action::Kill),
        _ => {}
    }
    let forms = "an action is \"allow\", \"deny\", \"kill\" or an errno name such as \"ENOSYS\"";
    errno(document, value, text, &["allow", "deny", "kill"], forms)
}

/// An entry of `[syscalls]`.
pub(super) fn entry(document: &mut Document<'_>, key: Key<'_>, value: Value<'_>) -> Option<Entry> {
    let name = key.name();
    let target = target(name);
    if target.is_none() {
        unknown_target(document, name, key.span());
    }
    let mut keys = SaysKeys::default();
    match value.kind() {
        Kind::String(_) => {
            keys.take(document, "action", value);
        }
        Kind::Table(table) => entry_table(document, table, &mut keys),
        other => {
            let expected = "an action, or { action = \"…\", why = \"…\", quiet = true }";
            document.wrong_type(name, expected, other, value.span());
            return None;
        }
    }
    let says = keys.finish(document, key.span(), &format!("the entry `{name}`"))?;
    refuse(document, name, says.action, &value.span());
    Some(Entry {
        key: name.to_owned(),
        target: target?,
        action: says.action,
        quiet: says.quiet,
        why: says.why,
        origin: document.origin(&key.span()),
        replaces: None,
    })
}

fn entry_table(document: &mut Document<'_>, table: Table<'_>, keys: &mut SaysKeys) {
    for (key, value) in table {
        if keys.take(document, key.name(), value) {
            continue;
        }
        let note = document.unknown_key(key, "an entry of [syscalls]", KEYS);
        if matches!(key.name(), "when" | "path" | "peer") {
            note.help("an entry that depends on arguments is a `[[rule]]`");
        }
    }
}

/// Notes that a policy allows by name a call that the baseline denies, or denies a call that must be
/// allowed.
pub(super) fn refuse(document: &mut Document<'_>, name: &str, action: Action, span: &Range<usize>) {
    let (message, label) = if action == Action::Allow {
        let Some(reason) = baseline::closed(name) else {
            return;
        };
        (
            format!("no policy can allow `{name}`: the jail closes it to protect itself"),
            reason,
        )
    } else if baseline::ALWAYS.contains(&name) {
        let reason = "a program must be able to end, and to return from a signal";
        (
            format!("no policy can deny `{name}`: it is always allowed"),
            reason,
        )
    } else {
        return;
    };
    document
        .error(Code::Baseline, span.clone(), message)
        .label(label)
        .help("remove it; `jail explain` shows what the jail decides itself");
}
