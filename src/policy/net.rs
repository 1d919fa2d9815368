//! A file's `[net]`: lists of endpoints.

use std::ops::Range;

use super::Code;
use super::document::Document;
use super::endpoint::{Wrong, endpoint, is_directory};
use super::lift::{self, Section};
use super::places::PathContext;
use super::read::{action, names};
use super::tree::{Kind, Table, Value};
use super::{Action, Lift, NetEntry, Origin, PlaceError};
use crate::net::Way;
use crate::syscalls::Errno;

/// A list of `[net]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetList {
    /// The command may connect and send to it.
    Connect,
    /// The command may bind and listen on it.
    Listen,
    /// The command may do neither.
    Deny,
}

impl NetList {
    pub(super) const ALL: [NetList; 3] = [NetList::Connect, NetList::Listen, NetList::Deny];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            NetList::Connect => "connect",
            NetList::Listen => "listen",
            NetList::Deny => "deny",
        }
    }

    /// The keys of an entry that is a table; those before `why` name the endpoint.
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            NetList::Connect => &["to", "why", "optional"],
            NetList::Listen => &["on", "why", "optional"],
            NetList::Deny => &["to", "on", "action", "why", "optional"],
        }
    }
}

/// The entries of a `[net]` table.
pub(super) fn entries(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
    lifts: &mut Vec<Lift>,
) -> Vec<NetEntry> {
    let expected = "a table: `[net]`, then lists such as `connect = [\"*:443\"]`";
    let Some(table) = document.table("net", expected, value) else {
        return Vec::new();
    };
    let mut entries = Vec::new();
    for (key, value) in table {
        let name = key.name();
        if name == "lift" {
            lifts.extend(lift::entries(document, Section::Net, value, around));
            continue;
        }
        let Some(list) = NetList::ALL.into_iter().find(|list| list.key() == name) else {
            let mut known = NetList::ALL.map(NetList::key).to_vec();
            known.push("lift");
            document.unknown_key(key, "[net]", &known);
            continue;
        };
        for item in document.items(name, "an endpoint or a list of endpoints", value) {
            add(document, list, item, around, &mut entries);
        }
    }
    entries
}

/// The keys of an entry that is a table.
#[derive(std::default::Default)]
struct EntryKeys {
    /// Each of several endpoints has its own line.
    endpoints: Option<Vec<(String, Range<usize>)>>,
    /// The one direction that it applies to.
    way: Option<Way>,
    action: Option<Action>,
    why: Option<String>,
    optional: bool,
}

/// Adds the entries of one item of a list: one for each endpoint that it names.
fn add(
    document: &mut Document<'_>,
    list: NetList,
    item: Value<'_>,
    around: &PathContext,
    entries: &mut Vec<NetEntry>,
) {
    let key = list.keys().first().copied().unwrap_or("to");
    let mut keys = EntryKeys::default();
    match item.kind() {
        Kind::String(text) => keys.endpoints = Some(vec![(text.to_string(), item.span())]),
        Kind::Table(table) => table_of(document, list, table, &mut keys),
        other => {
            let expected = format!("an endpoint, or {{ {key} = \"…\", why = \"…\" }}");
            document.wrong_type(list.key(), &expected, other, item.span());
            return;
        }
    }
    let Some(endpoints) = keys.endpoints.take() else {
        document
            .error(
                Code::MissingKey,
                item.span(),
                format!("this entry has no `{key}`"),
            )
            .help(format!("write an endpoint, or {{ {key} = \"…\" }}"));
        return;
    };
    let several = endpoints.len() > 1;
    for (text, span) in endpoints {
        let start = if several { &span } else { &item.span() };
        let origin = document.origin(start);
        entries.extend(entry(document, (list, &keys), (text, span), origin, around));
    }
}

fn entry(
    document: &mut Document<'_>,
    (list, keys): (NetList, &EntryKeys),
    (text, span): (String, Range<usize>),
    origin: Origin,
    around: &PathContext,
) -> Option<NetEntry> {
    let closes = list == NetList::Deny;
    let endpoint = match endpoint(&text, closes, around) {
        Ok(endpoint) => endpoint,
        Err(Wrong::Place(PlaceError::Unset(_))) if keys.optional => return None,
        Err(wrong) => {
            wrong.note(document, &text, &span);
            return None;
        }
    };
    Some(NetEntry {
        list,
        text,
        directory: is_directory(&endpoint),
        endpoint,
        lifted: Vec::new(),
        ways: match (list, keys.way) {
            (NetList::Connect, _) => &[Way::Connect],
            (NetList::Listen, _) => &[Way::Listen],
            (NetList::Deny, None) => &[Way::Connect, Way::Listen],
            (NetList::Deny, Some(Way::Connect)) => &[Way::Connect],
            (NetList::Deny, Some(Way::Listen)) => &[Way::Listen],
        },
        action: keys.action.unwrap_or(match list {
            NetList::Deny => Action::Deny(Errno::EACCES),
            NetList::Connect | NetList::Listen => Action::Allow,
        }),
        why: keys.why.clone(),
        optional: keys.optional,
        origin,
    })
}

fn table_of(document: &mut Document<'_>, list: NetList, table: Table<'_>, keys: &mut EntryKeys) {
    for (key, value) in table {
        let name = key.name();
        if !list.keys().contains(&name) {
            let place = format!("an entry of net.{}", list.key());
            document.unknown_key(key, &place, list.keys());
            continue;
        }
        match name {
            "why" => keys.why = document.string(name, value).map(str::to_owned),
            "optional" => keys.optional = document.boolean(name, value).unwrap_or(false),
            "action" => keys.action = action(document, value, "net.deny", "connect or listen"),
            _ if keys.endpoints.is_some() => {
                document
                    .error(
                        Code::Endpoint,
                        key.span(),
                        "an entry has `to` or `on`, not both",
                    )
                    .help("write the endpoint alone: it is then denied in both directions");
            }
            _ => {
                keys.endpoints = names(document, name, value);
                keys.way = Some(match name {
                    "to" => Way::Connect,
                    _ => Way::Listen,
                });
            }
        }
    }
}

impl NetEntry {
    /// The entry's list, as messages name it: `net.connect`.
    pub fn key(&self) -> String {
        format!("net.{}", self.list.key())
    }

    /// Whether it denies.
    pub fn closes(&self) -> bool {
        self.list == NetList::Deny
    }
}
