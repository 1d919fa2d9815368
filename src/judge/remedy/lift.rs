//! What lifts the denial of a preset, with the grant that it needs beside it.

use super::super::width::is_too_wide;
use super::{Denied, Main, Object, Remedy, list_of, main_file};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{Action, Policy, Who, written};
use std::os::unix::ffi::OsStrExt;

/// An entry of `lift`.
pub(super) struct Lift {
    key: &'static str,
    section: &'static str,
    /// What it names, as a TOML string.
    entry: String,
}

/// The entry of `lift` that removes the denial of a preset; `None`: it would lift more than that.
pub(super) fn lift(denied: &Denied<'_>) -> Option<Lift> {
    let (key, entry, section) = match denied.object {
        Object::Nothing | Object::Peer(_, None, _) => return None,
        Object::Path(_, path) => {
            let entry = written::path(path);
            if is_too_wide(denied.run, entry.as_bytes()) {
                return None;
            }
            ("path", entry, "fs")
        }
        Object::Peer(way, Some(who), _) => {
            let entry = match who {
                Who::Abstract(name)
                    if written::abstract_name(name).bytes().all(|it| it == b'*') =>
                {
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
            (key, entry, "net")
        }
    };
    Some(Lift {
        key,
        section,
        entry: written::quoted(&entry),
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
        } = self;
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
            Object::Path(access, _) => format!("{} in [fs]", list_of(access)),
            _ => "the list of [net]".to_owned(),
        };
        let text = format!(
            "{head}, with your reason: it removes {closes} of {at} but grants nothing, so the same must also be in {too}"
        );
        if matches!(main_file(policy), Main::Flags) {
            // A file beside the one that denies lifts nothing of it.
            return Remedy::decide(text);
        }
        let grant = match (policy.default.action, denied.object) {
            (Action::Allow, _) | (_, Object::Path(Access::Stat | Access::Handle, _)) => None,
            (_, Object::Path(access, _)) => Some(list_of(access)),
            (_, Object::Peer(way, ..)) => Some(way.word()),
            (_, Object::Nothing) => None,
        };
        let grant = grant.map_or(String::new(), |list| format!("{list} = [{entry}]\n"));
        let lift = format!("lift = [{{ {key} = {entry}, why = \"...\" }}]\n");
        Remedy::patched(text, policy, &format!("[{section}]\n{lift}{grant}"))
    }
}
