//! Shared parts of the entries of several sections: the names, the action, the error for an invalid
//! place.

use std::ops::Range;

use super::Action;
use super::Code;
use super::document::Document;
use super::places::PlaceError;
use super::tree::{Kind, Value};
use crate::condition::nearest;
use crate::syscalls::Errno;

/// The paths or endpoints that an entry names: one, or a list that shares the entry's other keys.
pub(super) fn names(
    document: &mut Document<'_>,
    key: &str,
    value: Value<'_>,
) -> Option<Vec<(String, Range<usize>)>> {
    let named = document.strings(key, value).into_iter();
    let named: Vec<_> = named.map(|(text, at)| (text.to_owned(), at)).collect();
    if let (Kind::List(items), true) = (value.kind(), named.is_empty()) {
        if items.is_empty() {
            let message = format!("`{key}` is an empty list: the entry names nothing");
            document
                .error(Code::EmptyList, value.span(), message)
                .help("name a place, or remove the entry");
        }
        return Some(named);
    }
    (!named.is_empty()).then_some(named)
}

/// The action of an entry of `list`, a list of denials; allowing entries belong into `others`. `"deny"`
/// means EACCES for a path or an address.
pub(super) fn action(
    document: &mut Document<'_>,
    value: Value<'_>,
    list: &str,
    others: &str,
) -> Option<Action> {
    let text = document.string("action", value)?;
    match text {
        "deny" => return Some(Action::Deny(Errno::EACCES)),
        "kill" => return Some(Action::Kill),
        "allow" => {
            document
                .error(
                    Code::Action,
                    value.span(),
                    format!("an entry of {list} cannot allow"),
                )
                .help(format!("put it into {others}"));
            return None;
        }
        _ => {}
    }
    let forms = "an action here is \"deny\", \"kill\" or an errno name such as \"EPERM\"";
    errno(document, value, text, &["deny", "kill"], forms)
}

/// An action that is the name of an errno. `words`: the others that may stand here, which the text is not.
pub(super) fn errno(
    document: &mut Document<'_>,
    value: Value<'_>,
    text: &str,
    words: &[&'static str],
    forms: &str,
) -> Option<Action> {
    if let Some(errno) = Errno::from_name(text) {
        return Some(Action::Deny(errno));
    }
    let known = words.iter().copied().chain(Errno::names());
    let help = match nearest(text, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => forms.to_owned(),
    };
    let message = format!("unknown action \"{text}\"");
    document
        .error(Code::UnknownAction, value.span(), message)
        .help(help);
    None
}

/// Notes that a text does not name a place.
pub(super) fn note(
    document: &mut Document<'_>,
    text: &str,
    span: &Range<usize>,
    error: PlaceError,
) {
    match error {
        PlaceError::Unset(name) => {
            let at = text
                .find(&name)
                .map_or(0..text.len(), |at| at..at + name.len());
            let at = document.inside(span, text, &at);
            let message = match text.starts_with('~') && name == "HOME" {
                true => "`~` has no meaning here: the variable HOME is not set".to_owned(),
                false => format!("the variable `{name}` is not set"),
            };
            document
                .error(Code::UnsetVariable, at, message)
                .help(format!(
                    "set {name} in jail's environment, or write the path out"
                ));
        }
        PlaceError::Malformed(message) => {
            document.error(Code::Path, span.clone(), message);
        }
    }
}
