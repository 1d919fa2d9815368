//! What the policy language promises for an access in a place.
//!
//! It must follow from the language alone, never from what jail does.

use super::cells::Call;
use crate::support::part::Part;
use std::path::Path;

/// A kind of place, by the entries that cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In `write`.
    Write,
    /// In `read`.
    Read,
    /// In `exec`.
    Exec,
    /// In `read` and `exec`.
    ReadExec,
    /// In no entry.
    Nothing,
    /// In `deny`, beneath what is in `write`.
    Denied,
    /// In `hide`, beneath what is in `write`.
    Hidden,
    /// Matched by a pattern of `deny`, beneath what is in `write`.
    DeniedPattern,
    /// Matched by a pattern of `hide`, beneath what is in `write`.
    HiddenPattern,
    /// In `protect`, beneath what is in `write`.
    Protected,
    /// Matched by a pattern of `protect`, beneath what is in `write`.
    ProtectedPattern,
}

impl Place {
    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "rw",
            Self::Read => "ro",
            Self::Exec => "x",
            Self::ReadExec => "rx",
            Self::Nothing => "none",
            Self::Denied => "denied",
            Self::Hidden => "hidden",
            Self::DeniedPattern => "secret-*",
            Self::HiddenPattern => "ghost-*",
            Self::Protected => "protected",
            Self::ProtectedPattern => "kept-*",
        }
    }

    /// DIR and NAME of the victim of this number, in the tree at `root`.
    ///
    /// DIR itself is never denied or hidden, so that it can be opened and entered.
    pub fn victim(self, root: &Path, number: usize) -> (String, String) {
        let root = root.display();
        let place = self.name();
        match self {
            Self::Denied | Self::Hidden | Self::Protected => {
                (format!("{root}/rw"), format!("{place}/v{number}"))
            }
            Self::DeniedPattern => (format!("{root}/rw/in-rw"), format!("secret-v{number}")),
            Self::HiddenPattern => (format!("{root}/rw/in-rw"), format!("ghost-v{number}")),
            Self::ProtectedPattern => (format!("{root}/rw/in-rw"), format!("kept-v{number}")),
            _ => (format!("{root}/{place}/in-{place}"), format!("v{number}")),
        }
    }
}

/// The policy for these places in the tree at `root`.
pub fn policy(root: &Path, places: &[Place]) -> String {
    let list = |places_and_paths: &[(Place, &str)]| {
        let entries: Vec<String> = places_and_paths
            .iter()
            .filter(|(place, _)| places.contains(place))
            .map(|(_, path)| format!("\"{}/{path}\"", root.display()))
            .collect();
        entries.join(", ")
    };
    let read = list(&[(Place::Read, "ro"), (Place::ReadExec, "rx")]);
    let write = list(&[(Place::Write, "rw"), (Place::Write, "other")]);
    let exec = list(&[(Place::Exec, "x"), (Place::ReadExec, "rx")]);
    let deny = list(&[
        (Place::Denied, "rw/denied"),
        (Place::DeniedPattern, "rw/**/secret-*"),
    ]);
    let hide = list(&[
        (Place::Hidden, "rw/hidden"),
        (Place::HiddenPattern, "rw/**/ghost-*"),
    ]);
    let mut text = format!(
        "extends = [\"base\"]\n\n[fs]\nread = [{read}]\nwrite = [{write}]\nexec = [{exec}]\n"
    );
    let protect = list(&[
        (Place::Protected, "rw/protected"),
        (Place::ProtectedPattern, "rw/**/kept-*"),
    ]);
    for (key, list) in [("deny", deny), ("hide", hide), ("protect", protect)] {
        if !list.is_empty() {
            text += &format!("{key} = [{list}]\n");
        }
    }
    text
}

/// What a cell must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As without the jail.
    Allowed,
    /// EACCES.
    Denied,
    /// ENOENT.
    Hidden,
}

/// The promise for a call in one of the places that a policy has.
pub fn verdict(call: &Call, place: Place, places: &[Place]) -> Verdict {
    let patterns = places.contains(&Place::DeniedPattern) || places.contains(&Place::HiddenPattern);
    if patterns && place == Place::Write && call.name == "rename-from-directory" {
        // What it holds and a pattern closes would be open there.
        return Verdict::Denied;
    }
    access(&call.access, place)
}

fn access(access: &str, place: Place) -> Verdict {
    let allowed = match (access, place) {
        (_, Place::Hidden | Place::HiddenPattern) => return Verdict::Hidden,
        ("meta", _) => true,
        ("write", Place::Protected | Place::ProtectedPattern) => false,
        ("path" | "read", Place::Protected | Place::ProtectedPattern) => true,
        (_, Place::Denied | Place::DeniedPattern) => false,
        ("path", _) => true,
        ("read", _) => matches!(place, Place::Write | Place::Read | Place::ReadExec),
        ("write", _) => place == Place::Write,
        ("exec", _) => matches!(place, Place::Exec | Place::ReadExec),
        _ => panic!("`files` has an access {access:?}"),
    };
    if allowed {
        Verdict::Allowed
    } else {
        Verdict::Denied
    }
}

/// What is expected, if `got` is not it. `outside` is the answer without a jail.
pub fn broken(verdict: Verdict, call: &str, outside: &str, got: &str) -> Option<String> {
    let is_error = got.starts_with('E');
    let fails_anyway = outside != "ok" && is_error;
    let (holds, expected) = match verdict {
        Verdict::Allowed => (got == outside, outside),
        Verdict::Denied => {
            // Landlock's own answers to a move between two places.
            let moves = call.starts_with("rename") || call.starts_with("link");
            let denied = got == "EACCES" || moves && matches!(got, "EXDEV" | "EPERM");
            (denied || fails_anyway, "EACCES")
        }
        Verdict::Hidden => (got == "ENOENT" || fails_anyway, "ENOENT"),
    };
    (!holds).then(|| expected.to_owned())
}

#[test]
fn a_promise_can_be_broken() {
    assert_eq!(access("read", Place::Exec), Verdict::Denied);
    assert_eq!(access("meta", Place::Denied), Verdict::Allowed);
    assert_eq!(access("path", Place::Denied), Verdict::Denied);
    let denied = |outside, got| broken(Verdict::Denied, "open-read", outside, got).is_some();
    assert!(denied("ok", "ok"));
    assert!(denied("ok", "EPERM"));
    assert!(denied("ENODATA", "ok"));
    assert!(denied("ok", "open:EACCES"));
    assert!(!denied("ok", "EACCES"));
    assert!(!denied("ENODATA", "EINVAL"));
    assert!(broken(Verdict::Allowed, "open-read", "ok", "EACCES").is_some());
    assert!(broken(Verdict::Hidden, "open-read", "ok", "EACCES").is_some());
    assert!(broken(Verdict::Denied, "rename-to", "ok", "EXDEV").is_none());
}

#[test]
fn parts_are_the_whole_together() {
    let parts: Vec<Part> = (1..=7)
        .filter_map(|number| Part::read(&format!("{number}/7")))
        .collect();
    for cell in [[0, 0, 0], [5, 6, 10], [134, 3, 2]] {
        assert_eq!(parts.iter().filter(|part| part.has(cell)).count(), 1);
    }
    assert!(Part::read("1/1").is_some_and(|whole| whole.has([5, 6])));
    for wrong in ["", "7", "0/7", "8/7", "1/0", "a/7", "1/7/7", "-1/7"] {
        assert!(Part::read(wrong).is_none(), "{wrong}");
    }
}
