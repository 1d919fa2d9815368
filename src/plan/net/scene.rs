//! Questions about all entries of `[net]` together, for the plan.

use super::MOST_PORTS;
use crate::net::{self, Endpoint, Ports, Protocol, Socket, Way};
use crate::paths::Pattern;
use crate::plan::files::meets;
use crate::policy::{Action, List, NetEntry, NetList, PathEntry, Policy};
use crate::syscalls::Errno;
use std::path::PathBuf;

/// Questions about all entries of a policy together.
pub(super) struct Scene<'a> {
    pub(super) policy: &'a Policy,
}

impl Scene<'_> {
    /// Whether peers that no entry names are allowed.
    pub(super) fn is_open(&self) -> bool {
        self.policy.default.action == Action::Allow
    }

    pub(super) fn governed(&self) -> bool {
        !self.is_open() || self.policy.peers.iter().any(NetEntry::closes)
    }

    /// Whether `[fs]` denies paths that may be sockets.
    pub(super) fn denies_paths(&self) -> bool {
        self.policy
            .paths
            .iter()
            .any(|entry| matches!(entry.list, List::Deny | List::Hide))
    }

    /// Whether a denied socket may be in a place where files may be renamed.
    pub(super) fn denies_what_may_be_renamed(&self) -> bool {
        let renames = |socket: &Pattern| {
            let mut trees = self.policy.paths.iter();
            self.is_open()
                || trees.any(|entry| entry.list == List::Write && meets(socket, &entry.pattern))
        };
        self.closing(Way::Connect).any(|entry| {
            match &entry.endpoint {
                Endpoint::Unix(Socket::Path(socket)) => renames(socket),
                // Renamed to a place that is lifted.
                Endpoint::Unix(Socket::Any) => entry.lifted.iter().any(|(lifted, _)| {
                    matches!(lifted, Endpoint::Unix(Socket::Path(place)) if renames(place))
                }),
                _ => false,
            }
        })
    }

    pub(super) fn allowing(&self, way: Way) -> impl Iterator<Item = &NetEntry> {
        self.policy
            .peers
            .iter()
            .filter(move |entry| !entry.closes() && entry.ways.contains(&way))
    }

    pub(super) fn closing(&self, way: Way) -> impl Iterator<Item = &NetEntry> {
        self.policy
            .peers
            .iter()
            .filter(move |entry| entry.closes() && entry.ways.contains(&way))
    }

    /// Whether any entry may allow a use of a socket of this protocol.
    pub(super) fn may_be(&self, protocol: Protocol) -> bool {
        let speaks = |way| {
            self.allowing(way)
                .any(|entry| entry.endpoint.speaks(protocol))
        };
        self.is_open() || speaks(Way::Connect) || speaks(Way::Listen)
    }

    /// Whether names allow anything: then the resolvers' port cannot be bound.
    pub(super) fn opens_names(&self) -> bool {
        !self.is_open()
            && self
                .allowing(Way::Connect)
                .any(|entry| entry.endpoint.name().is_some())
    }

    /// Whether an entry or a rule allows addresses except those of this host.
    pub(super) fn leaves_out_own(&self) -> bool {
        let mut peers = self.policy.rules.iter().filter_map(|rule| {
            let (_, endpoint) = rule.object.as_ref()?.peer.as_ref()?;
            (rule.action == Action::Allow).then_some(endpoint)
        });
        self.allowing(Way::Connect)
            .any(|entry| entry.endpoint.leaves_out_own())
            || peers.any(Endpoint::leaves_out_own)
            || self
                .closing(Way::Connect)
                .flat_map(|entry| &entry.lifted)
                .any(|(endpoint, _)| endpoint.leaves_out_own())
    }

    pub(super) fn is_about_unix(&self) -> bool {
        let unix = |entry: &NetEntry| matches!(entry.endpoint, Endpoint::Unix(_));
        self.is_open()
            || self
                .policy
                .peers
                .iter()
                .any(|entry| !entry.closes() && unix(entry))
    }

    /// Whether every peer may be reached by a protocol.
    pub(super) fn is_whole(&self, protocol: Protocol, way: Way) -> bool {
        let all = |entry: &NetEntry| {
            entry.endpoint.speaks(protocol)
                && matches!(
                    &entry.endpoint,
                    Endpoint::Inet { host: net::Host::Any, ports, .. } if ports.are_all()
                )
        };
        (self.is_open() || self.allowing(way).any(all))
            && !self.closing(way).any(|entry| {
                // An entry without a protocol covers all protocols.
                entry.endpoint.speaks(protocol)
            })
    }

    pub(super) fn is_unix_whole(&self, way: Way) -> bool {
        let all = |entry: &NetEntry| matches!(entry.endpoint, Endpoint::Unix(Socket::Any));
        (self.is_open() || self.allowing(way).any(all))
            && !self
                .closing(way)
                .any(|entry| matches!(entry.endpoint, Endpoint::Unix(_)))
    }

    /// Whether the entries about connecting by a protocol only name ports, and few enough.
    pub(super) fn ports_decide(&self, protocol: Protocol) -> bool {
        let any = |entry: &NetEntry| match &entry.endpoint {
            Endpoint::Inet { host, .. } => *host == net::Host::Any,
            Endpoint::Unix(_) => true,
        };
        let speaks = |entry: &&NetEntry| entry.endpoint.speaks(protocol);
        !self.is_open()
            && self.allowing(Way::Connect).filter(speaks).all(any)
            && !self.closing(Way::Connect).any(|entry| speaks(&entry))
            && self.ports(NetList::Connect, protocol).is_some()
    }

    /// The directories in which the entries allow unix sockets, if Landlock can hold what the policy says
    /// of unix sockets outside of the jail: nothing but existing directories is allowed, nothing is denied
    /// in them, and the command cannot put a socket there by a rename. `None`: it cannot.
    pub(super) fn unix_directories(&self) -> Option<Vec<PathBuf>> {
        // Landlock cannot kill or hide.
        let plain = |action| action == Action::Deny(Errno::EACCES);
        let denying = || {
            let paths = self.policy.paths.iter();
            paths.filter(|entry| matches!(entry.list, List::Deny | List::Hide))
        };
        let odd = |entry: &PathEntry| entry.list == List::Hide || !plain(entry.action);
        let closing = || {
            let closing = self.closing(Way::Connect);
            closing.filter_map(|entry| match &entry.endpoint {
                Endpoint::Unix(socket) => Some((socket, entry.action)),
                Endpoint::Inet { .. } => None,
            })
        };
        if self.is_open() || denying().any(odd) || closing().any(|(_, action)| !plain(action)) {
            return None;
        }
        let written = || {
            self.policy
                .paths
                .iter()
                .filter(|entry| entry.list == List::Write)
        };
        let mut directories = Vec::new();
        for entry in self.allowing(Way::Connect) {
            let pattern = match &entry.endpoint {
                Endpoint::Inet { .. } => continue,
                Endpoint::Unix(Socket::Path(pattern)) if entry.directory => pattern,
                Endpoint::Unix(_) => return None,
            };
            let denied = closing().any(|(socket, _)| match socket {
                Socket::Any => true,
                Socket::Abstract(_) => false,
                Socket::Path(denied) => meets(denied, pattern),
            });
            if denied
                || denying().any(|entry| meets(&entry.pattern, pattern))
                || written().any(|entry| meets(pattern, &entry.pattern))
            {
                return None;
            }
            directories.push(pattern.base().to_owned());
        }
        Some(directories)
    }

    /// The ports of a list and a protocol; `None`: too many for rules.
    pub(super) fn ports(&self, list: NetList, protocol: Protocol) -> Option<Vec<u16>> {
        let mut all: Vec<u16> = Vec::new();
        for entry in self.policy.peers.iter().filter(|entry| entry.list == list) {
            let Endpoint::Inet { ports, .. } = &entry.endpoint else {
                continue;
            };
            if !entry.endpoint.speaks(protocol) {
                continue;
            }
            if Ports::count(ports) > MOST_PORTS {
                return None;
            }
            all.extend(ports.iter());
        }
        all.sort_unstable();
        all.dedup();
        (all.len() <= MOST_PORTS).then_some(all)
    }
}
