//! `[fs]`: TOML to [`PathEntry`]s. It knows the names of the lists, not what they decide.

use std::ops::Range;

use super::Code;
use super::document::Document;
use super::lift::{self, Section};
use super::places::{Located, PathContext, PlaceError, locate_for};
use super::read::{action, names, note};
use super::tree::{Kind, Table, Value};
use super::{Action, Lift, Origin, PathEntry};
use crate::syscalls::Errno;

/// A list of `[fs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// May be read and listed.
    Read,
    /// May be read and changed.
    Write,
    /// May be executed.
    Exec,
    /// No open, exec or change.
    Deny,
    /// Treated as if it did not exist.
    Hide,
    /// Never changed, whatever else is granted.
    Protect,
}

impl List {
    /// All of them.
    pub const ALL: [List; 6] = [
        List::Read,
        List::Write,
        List::Exec,
        List::Deny,
        List::Hide,
        List::Protect,
    ];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            List::Read => "read",
            List::Write => "write",
            List::Exec => "exec",
            List::Deny => "deny",
            List::Hide => "hide",
            List::Protect => "protect",
        }
    }

    /// The keys of an entry that is a table.
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            List::Deny | List::Protect => &["path", "action", "why", "optional"],
            _ => &["path", "why", "optional"],
        }
    }

    /// Whether it allows something.
    pub const fn allows(self) -> bool {
        matches!(self, List::Read | List::Write | List::Exec)
    }

    /// Whether it also denies reading.
    pub const fn denies(self) -> bool {
        matches!(self, List::Deny | List::Hide)
    }
}

/// The entries of a `[fs]` table.
#[derive(Debug, std::default::Default)]
pub(super) struct Entries {
    pub given: Vec<PathEntry>,
    /// The optional entries that name something that does not exist.
    pub left_out: Vec<PathEntry>,
}

/// The entries of a `[fs]` table.
pub(super) fn entries(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
    lifts: &mut Vec<Lift>,
) -> Entries {
    let expected = "a table: `[fs]`, then lists such as `read = [\".\"]`";
    let Some(table) = document.table("fs", expected, value) else {
        return Entries::default();
    };
    let mut entries = Entries::default();
    for (key, value) in table {
        let name = key.name();
        if name == "lift" {
            lifts.extend(lift::entries(document, Section::Files, value, around));
            continue;
        }
        let Some(list) = List::ALL.into_iter().find(|list| list.key() == name) else {
            let mut known = List::ALL.map(List::key).to_vec();
            known.push("lift");
            document.unknown_key(key, "[fs]", &known);
            continue;
        };
        let items = document.items(name, "a path or a list of paths", value);
        entries.given.reserve(items.count());
        for item in items {
            add(document, list, item, around, &mut entries);
        }
    }
    entries
}

/// The keys of an entry that is a table.
#[derive(std::default::Default)]
struct EntryKeys {
    /// Each of several places has its own line.
    paths: Option<Vec<(String, Range<usize>)>>,
    action: Option<Action>,
    why: Option<String>,
    optional: bool,
}

/// The paths of a pattern with one pair of braces and no other wildcard: `/etc/{hosts,passwd}`.
fn alternatives(text: &str) -> Option<Vec<String>> {
    // `${NAME}` also has braces.
    if text.contains(['*', '?', '[', '\\']) || text.contains("${") {
        return None;
    }
    let (before, rest) = text.split_once('{')?;
    let (names, after) = rest.split_once('}')?;
    if names.contains(['{', '/']) || after.contains(['{', '}']) || names.is_empty() {
        return None;
    }
    let path = |name: &str| format!("{before}{name}{after}");
    Some(names.split(',').map(path).collect())
}

/// Adds the entries of one item of a list: one for each path that it names.
fn add(
    document: &mut Document<'_>,
    list: List,
    item: Value<'_>,
    around: &PathContext,
    entries: &mut Entries,
) {
    let mut keys = EntryKeys::default();
    match item.kind() {
        Kind::String(text) => keys.paths = Some(vec![(text.to_string(), item.span())]),
        Kind::Table(table) => table_of(document, list, table, &mut keys),
        other => {
            let expected = "a path, or { path = \"…\", why = \"…\" }";
            document.wrong_type(list.key(), expected, other, item.span());
            return;
        }
    }
    let Some(paths) = keys.paths.take() else {
        document
            .error(Code::MissingKey, item.span(), "this entry has no `path`")
            .help("write a path, or { path = \"…\" }");
        return;
    };
    let several = paths.len() > 1;
    for (text, span) in paths {
        let start = if several { &span } else { &item.span() };
        let origin = document.origin(start);
        // Landlock can enforce paths but not patterns, so a pattern with only braces becomes several
        // paths.
        let alternatives = match list.allows() {
            true => alternatives(&text),
            false => None,
        };
        for text in alternatives.unwrap_or_else(|| vec![text]) {
            let at = (text, span.clone());
            let Some(entry) = entry(document, (list, &keys), at, origin, around) else {
                continue;
            };
            // A denied path may be created later.
            let is_missing = entry.pattern.is_literal() && entry.place.is_none() && !entry.own;
            match entry.optional && list.allows() && is_missing {
                true => entries.left_out.push(entry),
                false => entries.given.push(entry),
            }
        }
    }
}

fn entry(
    document: &mut Document<'_>,
    (list, keys): (List, &EntryKeys),
    (text, span): (String, Range<usize>),
    origin: Origin,
    around: &PathContext,
) -> Option<PathEntry> {
    let Located {
        pattern,
        place,
        links,
        own,
    } = match locate_for(&text, around, list.allows()) {
        Ok(mut located) => {
            // For reading and executing it only matters that the path exists.
            if !matches!(list, List::Read | List::Exec) {
                located.look();
            }
            located
        }
        Err(PlaceError::Unset(_)) if keys.optional => return None,
        Err(error) => {
            note(document, &text, &span, error);
            return None;
        }
    };
    Some(PathEntry {
        list,
        text,
        pattern,
        lifted: Vec::new(),
        place,
        links,
        own,
        optional: keys.optional,
        action: keys.action.unwrap_or(match list {
            List::Deny | List::Protect => Action::Deny(Errno::EACCES),
            List::Hide => Action::Deny(Errno::ENOENT),
            List::Read | List::Write | List::Exec => Action::Allow,
        }),
        why: keys.why.clone(),
        origin,
    })
}

fn table_of(document: &mut Document<'_>, list: List, table: Table<'_>, keys: &mut EntryKeys) {
    for (key, value) in table {
        let name = key.name();
        match (name, list) {
            ("path", _) => keys.paths = names(document, name, value),
            ("why", _) => keys.why = document.string(name, value).map(str::to_owned),
            ("optional", _) => {
                keys.optional = document.boolean(name, value).unwrap_or(false);
            }
            ("action", List::Deny) => {
                keys.action = action(document, value, "fs.deny", "read, write or exec");
            }
            ("action", List::Protect) => {
                keys.action = action(document, value, "fs.protect", "write");
            }
            _ => {
                let place = format!("an entry of fs.{}", list.key());
                document.unknown_key(key, &place, list.keys());
            }
        }
    }
}

impl PathEntry {
    /// The entry's list, as messages name it: `fs.read`.
    pub fn key(&self) -> String {
        format!("fs.{}", self.list.key())
    }
}

#[cfg(test)]
mod tests {
    use super::alternatives;

    #[test]
    fn braces_alone_are_several_paths_and_patterns_stay_patterns() {
        let paths = alternatives("/etc/{hosts,ssl/certs}");
        assert_eq!(paths, None, "braces stand within one component");
        let paths = alternatives("/a/{b,c.d,}/e").expect("paths");
        assert_eq!(paths, ["/a/b/e", "/a/c.d/e", "/a//e"]);
        let paths = alternatives("$X/{a,b}").expect("paths");
        assert_eq!(paths, ["$X/a", "$X/b"]);
        for pattern in [
            "/a",
            "/{a,b}/*",
            "/{a,{b,c}}",
            "/{a}/{b}",
            "${X}/a",
            "/{a",
            "/a}",
            "/{}",
            "/\\{a,b}",
        ] {
            assert_eq!(alternatives(pattern), None, "{pattern}");
        }
    }
}
