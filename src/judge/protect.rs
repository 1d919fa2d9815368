//! What `protect` requires of name changes. Changing what an entry covers is denied as for any path.
//! This file handles the rest: no directory above is moved or replaced, so that the same names keep
//! leading to the same files.
//!
//! The property that the supervisor upholds with it: **a name change neither takes a file out of an
//! entry, nor brings one in, nor gives an entry another file.** So what was judged not to be covered is
//! not covered when the call runs, whatever other tasks and other jails with the same policy rename
//! meanwhile. A lifted place is judged by itself ([`Closed`]); no directory with something of an entry
//! in it, lifted or not, is moved.

use super::closed::Closed;
use super::{Reason, Verdict};
use crate::paths::{Pattern, Progress};
use crate::policy::{Action, DomainId, List, Policy};
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;

/// The entries of `protect`, and the files of the policy itself.
#[derive(Debug)]
pub struct Protected {
    guards: Vec<Guard>,
}

#[derive(Debug)]
struct Guard {
    pattern: Pattern,
    /// The same, except what is lifted.
    closed: Closed,
    action: Action,
    reason: Reason,
    domain: Option<DomainId>,
}

/// Which entries may cover something beneath a directory, and how far its path leads into them.
#[derive(Debug, Clone)]
pub struct Beneath<'a> {
    open: Vec<(&'a Guard, Progress)>,
}

/// What a walk has found at a place.
#[derive(Debug)]
pub enum Entered<'a> {
    /// Something that is covered.
    Covered(Verdict),
    /// Something that is not covered; beneath it, this may be.
    Beneath(Beneath<'a>),
}

impl Protected {
    pub(super) fn new(policy: &Policy) -> Protected {
        let entries = policy.paths.iter().enumerate();
        let entries = entries.filter(|(_, entry)| entry.list == List::Protect);
        let mut guards = Vec::new();
        for (index, entry) in entries {
            let links = entry
                .links
                .iter()
                .filter_map(|link| Pattern::literal(link).ok());
            guards.extend(
                std::iter::once(entry.pattern.clone())
                    .chain(links)
                    .map(|pattern| Guard {
                        closed: Closed::new(&pattern, &entry.lifted),
                        pattern,
                        action: entry.action,
                        reason: Reason::Path(index),
                        domain: None,
                    }),
            );
        }
        sort_by_key(&mut guards, |guard| guard.action != Action::Kill);
        for (index, source) in policy.sources.iter().enumerate() {
            let patterns = source
                .files
                .iter()
                .filter_map(|file| Pattern::literal(file).ok());
            guards.extend(patterns.map(|pattern| Guard {
                closed: Closed::new(&pattern, &[]),
                pattern,
                action: Action::Deny(Errno::EACCES),
                reason: Reason::PolicyFile(index),
                domain: None,
            }));
        }
        Protected { guards }
    }

    /// Adds what a domain protects.
    pub(super) fn join(&mut self, policy: &Policy, domain: DomainId) {
        let guards = Protected::new(policy).guards.into_iter();
        self.guards.extend(guards.map(|guard| Guard {
            domain: Some(domain),
            ..guard
        }));
        sort_by_key(&mut self.guards, |guard| guard.action != Action::Kill);
    }

    /// The denial of a change at `path`, if it is covered.
    pub(super) fn covering(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.closed.covers(path))
            .map(Guard::denies)
    }

    /// The denial of putting a symbolic link at `path`, if an entry names it on the way to what it
    /// covers: the entry's path would then lead to other files.
    pub(super) fn replaced(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.pattern.is_led_by(path))
            .map(Guard::refuses)
    }

    /// The denial of anything but a directory at `path`, if an entry names a directory there: a file may
    /// name another directory (`.git` of a worktree), and what the entry protects would be there.
    pub(super) fn occupied(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.pattern.names_above(path))
            .map(Guard::refuses)
    }

    /// The denial of renaming the directory `from` to `to`, if that could bring something beneath it
    /// under an entry. It does not check what exists: another task may be creating it.
    pub(super) fn gained(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        let gains = |guard: &&Guard| {
            let after = guard.pattern.progress(to);
            after.leads_on() && !after.is_kept_by(guard.pattern.progress(from))
                || guard.closed.gains_lifted(from, to)
        };
        let gaining = || self.guards.iter().filter(gains);
        match gaining().find(|guard| guard.pattern.is_led_by(to)) {
            Some(guard) => Some(guard.refuses()),
            // The new name is in no entry, but what one covers may or may not be beneath. Programs react
            // to EXDEV by copying, and each file of a copy is judged.
            None => gaining().next().map(|guard| Verdict {
                action: Action::Deny(Errno::EXDEV),
                quiet: true,
                ..guard.refuses()
            }),
        }
    }

    /// What may be covered beneath the directory `path`; `None`: nothing.
    pub(super) fn beneath(&self, path: &[u8]) -> Option<Beneath<'_>> {
        let open: Vec<_> = self
            .guards
            .iter()
            .map(|guard| (guard, guard.pattern.progress(path)))
            .filter(|(_, progress)| progress.leads_on())
            .collect();
        (!open.is_empty()).then_some(Beneath { open })
    }
}

impl Guard {
    fn denies(&self) -> Verdict {
        Verdict {
            action: self.action,
            quiet: false,
            reason: self.reason,
            check: None,
            domain: self.domain,
        }
    }

    /// The denial for a path that is not itself covered.
    fn refuses(&self) -> Verdict {
        Verdict {
            action: Action::Deny(Errno::EACCES),
            ..self.denies()
        }
    }
}

impl<'a> Beneath<'a> {
    /// Whether nothing beneath is covered, whatever exists there.
    pub fn is_nothing(&self) -> bool {
        self.open.is_empty()
    }

    /// The same for the entry `name` of the directory.
    pub fn enter(&self, name: &[u8]) -> Entered<'a> {
        let mut open = Vec::new();
        for (guard, progress) in &self.open {
            match guard.pattern.step(*progress, name) {
                Progress::Covered => return Entered::Covered(guard.denies()),
                progress if progress.leads_on() => open.push((*guard, progress)),
                Progress::Open(_) => {}
            }
        }
        Entered::Beneath(Beneath { open })
    }

    /// The denial of moving the directory if its contents cannot be determined.
    pub fn unsearched(&self) -> Option<Verdict> {
        let (guard, _) = self.open.first()?;
        let reason = match guard.reason {
            Reason::Path(index) => Reason::Unsearched(index),
            other => other,
        };
        Some(Verdict {
            reason,
            ..guard.refuses()
        })
    }
}
