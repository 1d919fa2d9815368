//! What lifts the denial of a preset, with the grant that it needs beside it.

use super::super::width::is_too_wide;
use super::{Denied, Main, Object, Remedy, list_of, main_file};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{Action, List, PathEntry, Policy, Who, written};
use std::os::unix::ffi::OsStrExt;

/// An entry of `lift`.
pub(super) struct Lift {
    key: &'static str,
    section: &'static str,
    /// What it names, as a TOML string.
    entry: String,
    /// The path to be granted, if that is another: one on the way to what the entry protects.
    on_the_way: Option<String>,
}

/// The entry of `lift` that removes the denial of a path by an entry of a preset; `None`: it would lift more than
/// that.
pub(super) fn of_path(denied: &Denied<'_>, by: &PathEntry) -> Option<Lift> {
    let Object::Path(_, path) = denied.object else {
        return of_peer(denied);
    };
    let entry = written::path(path);
    if is_too_wide(denied.run, entry.as_bytes()) {
        return None;
    }
    let lift = |entry: &str, on_the_way| Lift {
        key: "path",
        section: "fs",
        entry: written::quoted(entry),
        on_the_way,
    };
    // What an entry protects must not be led elsewhere: only a lift of the whole entry allows that.
    match by.list == List::Protect && !by.pattern.covers(path) {
        true => Some(lift(&by.text, Some(written::quoted(&entry)))),
        false => Some(lift(&entry, None)),
    }
}

/// The same of a peer.
pub(super) fn of_peer(denied: &Denied<'_>) -> Option<Lift> {
    let Object::Peer(way, Some(who), _) = denied.object else {
        return None;
    };
    let entry = match who {
        Who::Abstract(name) if written::abstract_name(name).bytes().all(|it| it == b'*') => {
            return None;
        }
        Who::Abstract(name) => format!("unix:@{}", written::abstract_name(name)),
        Who::Path(path) => format!("unix:{}", written::path(path.as_os_str().as_bytes())),
        _ => written::endpoint(who)?,
    };
    let key = match way {
        Way::Connect => "to",
        Way::Listen => "on",
    };
    Some(Lift {
        key,
        section: "net",
        entry: written::quoted(&entry),
        on_the_way: None,
    })
}

impl Lift {
    /// The remedy. `closes`: the key of the entry that denies; `at`: its place.
    pub(super) fn remedy(
        &self,
        policy: &Policy,
        denied: &Denied<'_>,
        closes: &str,
        at: &str,
    ) -> Remedy {
        let Lift {
            key,
            section,
            entry,
            on_the_way,
        } = self;
        let section = policy.table(section);
        let head = match main_file(policy) {
            Main::File(main) => {
                format!(
                    "to allow: add {{ {key} = {entry}, why = \"...\" }} to lift in [{section}] of {main}"
                )
            }
            Main::Preset(main) => format!(
                r#"to allow: in a policy of your own with extends = ["{main}"], add {{ {key} = {entry}, why = "..." }} to lift in [{section}]"#
            ),
            Main::Flags => format!(
                "to allow: in a policy of your own, given with --policy, add {{ {key} = {entry}, why = \"...\" }} to lift in [{section}]"
            ),
        };
        let too = match denied.object {
            Object::Path(access, _) => format!("{} in [{section}]", list_of(access)),
            _ => format!("the list of [{section}]"),
        };
        let removes = match on_the_way {
            Some(_) => format!(
                "it removes all of {closes} of {at}, to which nothing on the way may be changed"
            ),
            None => format!("it removes {closes} of {at}"),
        };
        let also = match (on_the_way, open_in_domain(policy, denied)) {
            (_, true) => String::new(),
            (Some(path), false) => {
                format!(", but grants nothing, so {path} must also be in {too}")
            }
            (None, false) => format!(" but grants nothing, so the same must also be in {too}"),
        };
        let text = format!("{head}, with your reason: {removes}{also}");
        if matches!(main_file(policy), Main::Flags) {
            // A file beside the one that denies lifts nothing of it.
            return Remedy::decide(text);
        }
        let grant = match (policy.default.action, denied.object) {
            (Action::Allow, _) | (_, Object::Path(Access::Stat | Access::Handle, _)) => None,
            _ if open_in_domain(policy, denied) => None,
            (_, Object::Path(access, _)) => Some(list_of(access)),
            (_, Object::Peer(way, ..)) => Some(way.word()),
            (_, Object::Nothing) => None,
        };
        let granted = on_the_way.as_ref().unwrap_or(entry);
        let grant = grant.map_or(String::new(), |list| format!("{list} = [{granted}]\n"));
        let lift = format!("lift = [{{ {key} = {entry}, why = \"...\" }}]\n");
        Remedy::patched(text, policy, &format!("[{section}]\n{lift}{grant}"))
    }
}

/// Whether a domain has no list for an access: then a first entry would close everything else.
fn open_in_domain(policy: &Policy, denied: &Denied<'_>) -> bool {
    match denied.object {
        Object::Path(access, _) => {
            let list = list_of(access);
            let mut paths = policy.paths.iter();
            paths.any(|entry| entry.is_implied() && entry.list.key() == list)
        }
        Object::Peer(way, ..) => {
            let mut peers = policy.peers.iter();
            peers.any(|entry| entry.is_implied() && entry.ways.contains(&way))
        }
        Object::Nothing => false,
    }
}
