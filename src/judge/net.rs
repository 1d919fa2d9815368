//! Peers: decides whether one may be reached. Deny takes precedence over allow, whatever their order; a
//! peer that no entry names gets the default. It does not look up the names of an address.

use super::{Reason, Verdict};
use crate::baseline;
use crate::net::{Endpoint, NamePattern, Reach, To, Way, dns};
use crate::policy::{Action, Policy};
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;

/// `[net]`, compiled.
#[derive(Debug)]
pub(super) struct Net {
    /// Denying entries, strictest first.
    closed: Vec<Entry>,
    /// Those that allow, first those whose answer can rest on the address alone.
    opened: Vec<Entry>,
    default: Action,
    /// Whether names allow anything: then no entry allows listening on the resolvers' port.
    rests_on_resolvers: bool,
}

#[derive(Debug)]
struct Entry {
    /// Its index in [`Policy::peers`].
    index: usize,
    ways: &'static [Way],
    action: Action,
    endpoint: Endpoint,
    /// What is lifted from it.
    lifted: Vec<(Endpoint, Way)>,
}

impl Net {
    pub(super) fn new(policy: &Policy) -> Net {
        let (mut closed, mut opened): (Vec<Entry>, Vec<Entry>) = policy
            .peers
            .iter()
            .enumerate()
            .map(|(index, entry)| Entry {
                index,
                ways: entry.ways,
                action: entry.action,
                endpoint: entry.endpoint.clone(),
                lifted: entry.lifted.clone(),
            })
            .partition(|entry| entry.action != Action::Allow);
        sort_by_key(&mut closed, |entry| {
            (entry.action != Action::Kill, entry.index)
        });
        sort_by_key(&mut opened, |entry| {
            (entry.endpoint.is_conditional(), entry.index)
        });
        let default = match policy.default.action {
            Action::Allow => Action::Allow,
            _ => Action::Deny(Errno::EACCES),
        };
        let named =
            |entry: &Entry| entry.ways.contains(&Way::Connect) && entry.endpoint.name().is_some();
        Net {
            rests_on_resolvers: default != Action::Allow && opened.iter().any(named),
            closed,
            opened,
            default,
        }
    }

    pub(super) fn reach(&self, reach: &Reach<'_>) -> Verdict {
        let about = |entry: &&Entry, closes| {
            let lifted = |(endpoint, way): &(Endpoint, Way)| {
                *way == reach.way && endpoint.covers(reach, false)
            };
            entry.ways.contains(&reach.way)
                && entry.endpoint.covers(reach, closes)
                && !entry.lifted.iter().any(lifted)
        };
        let closing = self.closed.iter().find(|entry| about(entry, true));
        let deciding = closing.or_else(|| self.opened.iter().find(|entry| about(entry, false)));
        let (action, reason) = match deciding {
            Some(entry) if entry.action == Action::Allow && self.is_resolver(reach) => (
                Action::Deny(Errno::EACCES),
                Reason::Baseline(&baseline::NO_RESOLVERS),
            ),
            Some(entry) => (entry.action, Reason::Peer(entry.index)),
            None => (self.default, Reason::PeerDefault),
        };
        Verdict {
            action,
            quiet: false,
            reason,
            check: None,
            domain: None,
        }
    }

    /// Whether this is listening on the resolvers' port while names depend on resolvers.
    fn is_resolver(&self, reach: &Reach<'_>) -> bool {
        self.rests_on_resolvers
            && reach.way == Way::Listen
            && matches!(
                reach.to,
                To::Inet {
                    port: dns::PORT,
                    ..
                }
            )
    }

    /// The names that entries are about.
    pub(super) fn names(&self) -> impl Iterator<Item = &NamePattern> {
        self.closed
            .iter()
            .chain(&self.opened)
            .filter_map(|entry| entry.endpoint.name())
    }
}
