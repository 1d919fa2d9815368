//! Entries that a command of an earlier run may have redirected: their path goes through a symbolic link
//! that the policy lets the command create. Such a link would open whatever the command chose.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::places::way_to;
use super::{Action, Code, Diagnostic, LiftedPlace, List, PathEntry, Policy};
use crate::net::{Endpoint, Socket};
use nix::unistd::{AccessFlags, access};

/// An error for each such entry that allows what no other entry allows, and for such a stdin file.
pub(super) fn elsewhere(policy: &Policy) -> Vec<Diagnostic> {
    // A lifted path is denied by another entry, so it counts even if everything else is allowed.
    let lifts = policy.lifts.iter().filter_map(|lift| {
        let link = link_of(policy, &lift.links)?;
        let to = match &lift.place {
            LiftedPlace::Path(pattern) => pattern.base(),
            LiftedPlace::Peer(Endpoint::Unix(Socket::Path(pattern)), _) => pattern.base(),
            LiftedPlace::Peer(..) => return None,
        };
        let what = format!("{} \"{}\"", lift.key(), lift.text);
        let span = policy.span(lift.origin, &lift.text);
        Some(error(&what, link, to).at(lift.origin.source, span))
    });
    let mut found: Vec<Diagnostic> = lifts.collect();
    if policy.default.action == Action::Allow || is_open(policy, List::Write, Path::new("/")) {
        return found;
    }
    let entries = policy.paths.iter().filter(|entry| entry.list.allows());
    let entries = entries.filter_map(|entry| {
        let link = link_of(policy, &entry.links)?;
        let base = entry.pattern.base();
        let open = is_open(policy, entry.list, base);
        let what = format!("{} \"{}\"", entry.key(), entry.text);
        let span = policy.span(entry.origin, &entry.text);
        (!open).then(|| error(&what, link, base).at(entry.origin.source, span))
    });
    found.extend(entries);
    if let Some(setting) = &policy.process.stdin {
        let mut way = way_to(&setting.value);
        if let Some(end) = way.pop()
            && let Some(link) = link_of(policy, &way)
            && !is_open(policy, List::Read, &end)
        {
            let error = error("stdin of [process]", link, &end);
            found.push(error.at(setting.origin.source, setting.span.clone()));
        }
    }
    found
}

fn error(what: &str, link: &Path, to: &Path) -> Diagnostic {
    let (link, to) = (link.display(), to.display());
    Diagnostic::error(
        Code::LedElsewhere,
        format!(
            "{what} leads to {to} through the symbolic link {link}, which the command may have created"
        ),
    )
    .help(format!(
        "check the link: if it is yours, name {to} itself, otherwise remove it"
    ))
}

/// The first link that the command may create.
fn link_of<'a>(policy: &Policy, links: &'a [PathBuf]) -> Option<&'a Path> {
    let makes = |link: &&PathBuf| {
        let path = link.as_os_str().as_bytes();
        let covers = |list: List| {
            let mut entries = policy.paths.iter().filter(|entry| entry.list == list);
            entries.any(|entry| entry.covers(path))
        };
        let closed = [List::Protect, List::Deny, List::Hide]
            .into_iter()
            .any(covers);
        let above = link.parent().unwrap_or(link);
        let opened = policy.default.action == Action::Allow || covers(List::Write);
        opened && !closed && access(above, AccessFlags::W_OK).is_ok()
    };
    links.iter().find(makes).map(PathBuf::as_path)
}

/// Whether an entry that does not depend on a link of the command grants this.
fn is_open(policy: &Policy, list: List, path: &Path) -> bool {
    let as_much =
        |entry: &&PathEntry| entry.list == list || (list, entry.list) == (List::Read, List::Write);
    let mut entries = policy.paths.iter().filter(as_much);
    entries.any(|entry| {
        entry.pattern.covers(path.as_os_str().as_bytes()) && link_of(policy, &entry.links).is_none()
    })
}
