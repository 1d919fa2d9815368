//! An endpoint as a policy writes it: with variables replaced, and the path of a socket resolved.

use std::ops::Range;

use super::Code;
use super::PlaceError;
use super::document::Document;
use super::places::{PathContext, expand_name, expand_plain, locate};
use super::read::note;
use crate::net::{Endpoint, Parsed, Socket};

/// Why a text is not an endpoint.
pub(super) enum Wrong {
    /// A variable, or a socket's path.
    Place(PlaceError),
    /// The endpoint, after its variables were replaced.
    Endpoint(String, crate::net::EndpointError),
}

/// Parses an endpoint, with variables replaced.
pub(super) fn endpoint(text: &str, closes: bool, around: &PathContext) -> Result<Endpoint, Wrong> {
    // The path of a socket is expanded like all paths.
    let path = text
        .strip_prefix("unix:")
        .filter(|name| !name.starts_with('@') && *name != "*");
    let expanded = match path {
        Some(_) => text.to_owned(),
        None if text.starts_with("unix:@") => expand_name(text, around).map_err(Wrong::Place)?,
        None => expand_plain(text, around).map_err(Wrong::Place)?,
    };
    let parsed = Endpoint::parse(&expanded, closes)
        .map_err(|error| Wrong::Endpoint(expanded.clone(), error))?;
    match parsed {
        Parsed::Endpoint(endpoint) => Ok(endpoint),
        Parsed::Path(path) => match locate(&path, around) {
            Ok(located) => Ok(Endpoint::Unix(Socket::Path(located.pattern))),
            Err(error) => Err(Wrong::Place(error)),
        },
    }
}

/// Whether this is the path of an existing directory, and the same one for every process.
pub(super) fn is_directory(endpoint: &Endpoint) -> bool {
    let Endpoint::Unix(Socket::Path(pattern)) = endpoint else {
        return false;
    };
    // Its links are resolved, so one that is there now was put there since.
    let found = || std::fs::symlink_metadata(pattern.base());
    pattern.is_literal()
        && !pattern.base().starts_with("/proc")
        && found().is_ok_and(|found| found.is_dir())
}

impl Wrong {
    /// Notes it in the document.
    pub(super) fn note(self, document: &mut Document<'_>, text: &str, span: &Range<usize>) {
        match self {
            Wrong::Place(error) => note(document, text, span, error),
            Wrong::Endpoint(expanded, error) => {
                let (at, message) = match expanded == text {
                    true => (document.inside(span, text, &error.range), error.message),
                    // The wrong part came from a variable.
                    false => (
                        span.clone(),
                        format!(
                            "{}, in what \"{text}\" stands for: {expanded:?}",
                            error.message
                        ),
                    ),
                };
                let note = document.error(Code::Endpoint, at, message);
                if let Some(help) = error.help {
                    note.help(help);
                }
            }
        }
    }
}
