//! What `protect` asks of changes of names. A change of what an entry covers is denied as any path
//! is; this file is about the rest: that no directory above is moved or replaced, so that the same
//! names go on leading to the same files.
//!
//! The property that the supervisor upholds by it: **a name change neither takes a file out of an
//! entry, nor brings one in, nor gives an entry another file.** So what was judged not to be
//! covered is not covered when the call runs, whatever other tasks and other jails of the same
//! policy rename meanwhile. A lifted place is judged by itself ([`Closed`]); no directory with something of
//! an entry in it, lifted or not, is moved.

use super::files::Closed;
use super::{Reason, Verdict};
use crate::paths::{Pattern, Progress};
use crate::policy::{Action, List, Policy};
use crate::syscalls::Errno;

/// The entries of `protect`, and the files of the policy itself.
#[derive(Debug)]
pub struct Protected {
    guards: Vec<Guard>,
}

#[derive(Debug)]
struct Guard {
    pattern: Pattern,
    /// The same, without what is lifted of it.
    closed: Closed,
    action: Action,
    reason: Reason,
}

/// Which entries may cover something beneath a directory, and how far its path leads into them.
#[derive(Debug, Clone)]
pub struct Beneath<'a> {
    open: Vec<(&'a Guard, Progress)>,
}

/// What stands at a place that a walk has come to.
#[derive(Debug)]
pub enum Entered<'a> {
    /// Something that is covered.
    Covered(Verdict),
    /// Something that is not; beneath it, this may be.
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
                    }),
            );
        }
        guards.sort_by_key(|guard| guard.action != Action::Kill);
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
            }));
        }
        Protected { guards }
    }

    /// The denial of a change at `path`, if it is covered.
    pub(super) fn covering(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.closed.covers(path))
            .map(Guard::denies)
    }

    /// The denial of putting a symbolic link at `path`, if an entry names it on the way to what it
    /// covers: the link would lead there to other files.
    pub(super) fn replaced(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.pattern.is_led_by(path))
            .map(Guard::refuses)
    }

    /// The denial of anything but a directory at `path`, if an entry names a directory there: a file
    /// may name another one (`.git` of a worktree), and what the entry is about would be there.
    pub(super) fn occupied(&self, path: &[u8]) -> Option<Verdict> {
        let mut guards = self.guards.iter();
        guards
            .find(|guard| guard.pattern.names_above(path))
            .map(Guard::refuses)
    }

    /// The denial of making the directory `from` into `to`, if something beneath it could come under
    /// an entry by that. It does not look at what is there: another task may still be making it.
    pub(super) fn gained(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        let gains = |guard: &&Guard| {
            let after = guard.pattern.progress(to);
            after.leads_on() && !after.is_kept_by(guard.pattern.progress(from))
                || guard.closed.gains_lifted(from, to)
        };
        let gaining = || self.guards.iter().filter(gains);
        match gaining().find(|guard| guard.pattern.is_led_by(to)) {
            Some(guard) => Some(guard.refuses()),
            // To a name that no entry names: what one is about may or may not be beneath. Programs
            // take EXDEV as an order to copy, and each file of a copy is judged.
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
        }
    }

    /// The denial of what is not covered itself.
    fn refuses(&self) -> Verdict {
        Verdict {
            action: Action::Deny(Errno::EACCES),
            ..self.denies()
        }
    }
}

impl<'a> Beneath<'a> {
    /// Whether nothing beneath is covered, whatever is there.
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

    /// The denial of moving the directory where what is in it cannot be told.
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
