//! What of a domain allows everything: the accesses for which it has no list, and, while jail learns, the lists that
//! are to be continued.

use super::file::Lists;
use super::{Action, Domain, List, NetEntry, NetList, Origin, PathEntry, Policy};
use crate::net::{Endpoint, Host, Ports, Socket, Way};
use crate::paths::Pattern;
use std::path::Path;

/// The reason of entries that stand for a missing list.
const IMPLIED: &str = "the domain has no list for it";

impl PathEntry {
    /// Whether it stands for a list that a domain does not have.
    pub fn is_implied(&self) -> bool {
        self.why.as_deref() == Some(IMPLIED)
    }
}

impl NetEntry {
    /// Whether it stands for a list that a domain does not have.
    pub fn is_implied(&self) -> bool {
        self.why.as_deref() == Some(IMPLIED)
    }
}

/// Opens what no list of the domain closes, with entries for everything: there the main policy decides alone.
pub(super) fn open(policy: &mut Policy, lists: Lists, origin: Origin) {
    // Where reading is closed, so is writing: `write` includes it.
    for (list, opens) in [
        (List::Read, !lists.read),
        (List::Write, !lists.write && !lists.read),
        (List::Exec, !lists.exec),
    ] {
        policy.paths.extend(every_path(list, origin, opens));
    }
    for (list, opens) in [
        (NetList::Connect, !lists.connect),
        (NetList::Listen, !lists.listen),
    ] {
        let peers = [internet(), unix()].map(|any| every_peer(list, any, origin));
        policy.peers.extend(peers.into_iter().filter(|_| opens));
    }
}

impl Domain {
    /// Whether the policy's own file has a part of it, and not only a file that it extends.
    pub fn is_of_main_file(&self) -> bool {
        self.origin.source == 0
    }

    /// The same domain with its lists opened, so that what they lack can be learned. A list without an entry stays
    /// closed, because its author says that the programs may do nothing of the kind; so does one of unix sockets
    /// alone to addresses, and one of addresses to unix sockets. What the domain denies stays denied.
    pub fn opened(&self) -> Domain {
        let mut opened = self.clone();
        let has = |list| self.policy.paths.iter().any(|entry| entry.list == list);
        for (list, opens) in [
            (List::Read, has(List::Read)),
            // Else all could be read.
            (List::Write, has(List::Write) && has(List::Read)),
            (List::Exec, has(List::Exec)),
        ] {
            let all = every_path(list, self.origin, opens);
            opened.policy.paths.extend(all);
        }
        let kind = std::mem::discriminant::<Endpoint>;
        for list in [NetList::Connect, NetList::Listen] {
            for any in [internet(), unix()] {
                let mut peers = self.policy.peers.iter();
                if peers.any(|entry| entry.list == list && kind(&entry.endpoint) == kind(&any)) {
                    let all = every_peer(list, any, self.origin);
                    opened.policy.peers.push(all);
                }
            }
        }
        opened
    }
}

/// An entry for every path, if one is wanted.
fn every_path(list: List, origin: Origin, wanted: bool) -> Option<PathEntry> {
    let pattern = wanted.then(|| Pattern::literal(Path::new("/")).ok())??;
    Some(PathEntry {
        list,
        text: "/".to_owned(),
        pattern,
        lifted: Vec::new(),
        place: Some(super::Place {
            directory: true,
            file: false,
            device: 0,
            linked: false,
        }),
        links: Vec::new(),
        own: false,
        optional: false,
        action: Action::Allow,
        why: Some(IMPLIED.to_owned()),
        origin,
    })
}

fn internet() -> Endpoint {
    Endpoint::Inet {
        protocol: None,
        host: Host::Any,
        ports: Ports::all(),
    }
}

fn unix() -> Endpoint {
    Endpoint::Unix(Socket::Any)
}

fn every_peer(list: NetList, endpoint: Endpoint, origin: Origin) -> NetEntry {
    let ways: &[Way] = match list {
        NetList::Listen => &[Way::Listen],
        _ => &[Way::Connect],
    };
    NetEntry {
        list,
        text: "*".to_owned(),
        endpoint,
        directory: false,
        lifted: Vec::new(),
        ways,
        action: Action::Allow,
        why: Some(IMPLIED.to_owned()),
        optional: false,
        origin,
    }
}
