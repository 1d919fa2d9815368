//! Paths: decides an access. Deny takes precedence over allow, whatever their order; a path that no
//! entry names gets the default. Takes resolved paths only, and does no I/O.

use super::closed::Closed;
use super::protect::Protected;
use super::{Reason, Verdict};
use crate::baseline;
use crate::net::{Endpoint, Socket, Way};
use crate::paths::{Access, Pattern, Terminal};
use crate::policy::{Action, List, Policy};
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `[fs]`, compiled.
#[derive(Debug)]
pub(super) struct Files {
    /// Deny and hide, strictest first.
    closed: Vec<Entry>,
    opened: Vec<Entry>,
    pub(super) protected: Protected,
    default: Action,
    /// The sockets to which `[net]` denies connecting, and the indices of their entries in
    /// [`Policy::peers`]: a rename would escape the denial.
    sockets: Vec<(usize, Closed)>,
    /// The program that the caller named: it may be read and executed.
    command: Option<Vec<u8>>,
    /// The terminals that it is started with.
    terminals: Vec<Terminal>,
}

#[derive(Debug)]
struct Entry {
    /// Its index in [`Policy::paths`].
    index: usize,
    list: List,
    action: Action,
    pattern: Closed,
}

impl Files {
    pub(super) fn new(policy: &Policy, command: Option<&Path>, terminals: &[Terminal]) -> Files {
        let entries = policy.paths.iter().enumerate();
        let (opened, mut closed): (Vec<Entry>, Vec<Entry>) = entries
            .filter(|(_, entry)| entry.list != List::Protect)
            .map(|(index, entry)| Entry {
                index,
                list: entry.list,
                action: entry.action,
                pattern: Closed::new(&entry.pattern, &entry.lifted),
            })
            .partition(|entry| entry.list.allows());
        sort_by_key(&mut closed, |entry| {
            let kills = entry.action == Action::Kill;
            (!kills, entry.list != List::Hide, entry.index)
        });
        let sockets = policy.peers.iter().enumerate();
        let anywhere = Pattern::literal(Path::new("/")).ok();
        let sockets = sockets.filter_map(|(index, entry)| {
            let denied = match &entry.endpoint {
                Endpoint::Unix(Socket::Path(pattern)) => pattern,
                // All are denied except those in lifted places, and none can be moved there.
                Endpoint::Unix(Socket::Any) if !entry.lifted.is_empty() => anywhere.as_ref()?,
                _ => return None,
            };
            if !entry.closes() || !entry.ways.contains(&Way::Connect) {
                return None;
            }
            let lifted = entry.lifted.iter().filter_map(|lifted| match lifted {
                (Endpoint::Unix(Socket::Path(lifted)), Way::Connect) => Some(lifted.clone()),
                _ => None,
            });
            let lifted: Vec<Pattern> = lifted.collect();
            Some((index, Closed::new(denied, &lifted)))
        });
        Files {
            closed,
            opened,
            protected: Protected::new(policy),
            sockets: sockets.collect(),
            default: match policy.default.action {
                Action::Allow => Action::Allow,
                _ => Action::Deny(Errno::EACCES),
            },
            command: command.map(|path| path.as_os_str().as_bytes().to_vec()),
            terminals: terminals.to_vec(),
        }
    }

    pub(super) fn path(&self, access: Access, path: &[u8]) -> Verdict {
        let verdict = |action, reason| Verdict {
            action,
            quiet: false,
            reason,
            check: None,
            domain: None,
        };
        if access == Access::Write && is_memory(path) {
            let rule = &baseline::NO_MEMORY_FILES;
            return verdict(Action::Deny(Errno::EACCES), Reason::Baseline(rule));
        }
        let closes = |entry: &&Entry| {
            (access != Access::Stat || entry.list == List::Hide) && entry.pattern.covers(path)
        };
        let closed = self.closed.iter().find(closes);
        let protected = match access {
            Access::Write => self.protected.covering(path),
            _ => None,
        };
        match (closed, protected) {
            (_, Some(killing)) if killing.action == Action::Kill => return killing,
            (Some(entry), _) => return verdict(entry.action, Reason::Path(entry.index)),
            (None, Some(protecting)) => return protecting,
            (None, None) => {}
        }
        if matches!(access, Access::Stat | Access::Handle) {
            return verdict(Action::Allow, Reason::Metadata);
        }
        let opens = |entry: &&Entry| grants(entry.list, access) && entry.pattern.covers(path);
        if let Some(entry) = self.opened.iter().find(opens) {
            return verdict(Action::Allow, Reason::Path(entry.index));
        }
        if matches!(access, Access::Read | Access::Exec) && self.command.as_deref() == Some(path) {
            return verdict(Action::Allow, Reason::Command);
        }
        let opens = |terminal: &Terminal| {
            terminal.path.as_os_str().as_bytes() == path
                && (access == Access::Read && terminal.read
                    || access == Access::Write && terminal.write)
        };
        if self.terminals.iter().any(opens) {
            return verdict(Action::Allow, Reason::Terminal);
        }
        verdict(self.default, Reason::PathDefault)
    }

    pub(super) fn names_program(&self, path: &[u8]) -> bool {
        let names = |entry: &Entry| {
            entry.list == List::Exec
                && entry.pattern.pattern.is_literal()
                && entry.pattern.pattern.base().as_os_str().as_bytes() == path
        };
        self.opened.iter().any(names)
            || self.command.as_deref() == Some(path)
            || self.path(Access::Exec, b"/").action == Action::Allow
    }

    /// The denied socket that would get another name if the file `from` were renamed to `to`.
    pub(super) fn renamed(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        let mut sockets = self.sockets.iter();
        let (index, _) =
            sockets.find(|(_, pattern)| pattern.covers(from) && !pattern.covers(to))?;
        Some(Verdict {
            action: Action::Deny(Errno::EACCES),
            quiet: false,
            reason: Reason::Peer(*index),
            check: None,
            domain: None,
        })
    }

    /// The entry of `deny` or `hide` that something would leave if the directory `from` were renamed to
    /// `to`.
    pub(super) fn moved(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        let mut closed = self.closed.iter();
        let path = closed.find(|entry| entry.pattern.loses(from, to));
        let socket = || {
            self.sockets
                .iter()
                .find(|(_, socket)| socket.loses(from, to))
        };
        let reason = match path {
            Some(entry) => Reason::Path(entry.index),
            None => Reason::Peer(socket()?.0),
        };
        Some(Verdict {
            action: Action::Deny(Errno::EACCES),
            quiet: false,
            reason,
            check: None,
            domain: None,
        })
    }
}

/// Whether a list grants an access.
fn grants(list: List, access: Access) -> bool {
    matches!(
        (list, access),
        (List::Read | List::Write, Access::Read)
            | (List::Write, Access::Write)
            | (List::Exec, Access::Exec)
    )
}

/// The memory of a process: /proc/PID/mem, /proc/PID/task/TID/mem.
fn is_memory(path: &[u8]) -> bool {
    path.strip_prefix(b"/proc/")
        .and_then(|rest| rest.strip_suffix(b"/mem"))
        .is_some()
}
