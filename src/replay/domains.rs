//! Which domains of a policy a recorded process is in, as far as the log tells: the event `exec` names them, and a
//! process that is made is in those of its maker.

use crate::journal::Event;
use crate::policy::{DomainSet, Policy};
use std::collections::HashMap;

/// The domains of the recorded processes.
pub(super) struct Members<'a> {
    policy: &'a Policy,
    /// The domains of the policy that the recorded policy had, too.
    told: DomainSet,
    /// By process.
    sets: HashMap<i32, DomainSet>,
}

/// The domains of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    /// Those that it is in.
    pub certain: DomainSet,
    /// The same, with those that the log does not tell of.
    pub possible: DomainSet,
}

impl<'a> Members<'a> {
    pub fn new(policy: &'a Policy) -> Self {
        Members {
            policy,
            told: DomainSet::NONE,
            sets: HashMap::new(),
        }
    }

    /// Takes what an event says of domains.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Start(start) => {
                self.told = self.named(start.domains.as_deref().unwrap_or_default());
            }
            Event::Exec { pid, domains, .. } => {
                let set = self.named(domains.as_deref().unwrap_or_default());
                self.sets.insert(*pid, set);
            }
            Event::Spawn {
                pid,
                child,
                thread: false,
            } => {
                if let Some(set) = self.sets.get(pid).copied() {
                    self.sets.insert(*child, set);
                }
            }
            Event::Exit(exit) => drop(self.sets.remove(&exit.pid)),
            _ => {}
        }
    }

    pub fn of(&self, pid: i32) -> Membership {
        match self.sets.get(&pid) {
            Some(set) => Membership {
                certain: *set,
                possible: set.and(self.untold()),
            },
            None => Membership {
                certain: DomainSet::NONE,
                possible: self.all(),
            },
        }
    }

    /// The domains of the policy that the log does not tell of.
    pub fn untold(&self) -> DomainSet {
        self.all().without(self.told)
    }

    fn all(&self) -> DomainSet {
        let names = self.policy.domains.iter().map(|domain| &domain.name);
        self.named(&names.cloned().collect::<Vec<_>>())
    }

    fn named(&self, names: &[String]) -> DomainSet {
        let known = names.iter().filter_map(|name| self.policy.domain(name));
        known.fold(DomainSet::NONE, |set, id| set.and(DomainSet::one(id)))
    }
}
