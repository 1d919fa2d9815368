//! Paths that represent all others: a walk through the directories that the patterns of both policies can
//! tell apart.
//!
//! A directory is represented by how far it leads into each pattern. Two directories that lead equally far
//! into all patterns are decided alike, with all that is beneath them, so only the first is walked. From each,
//! the walk goes on with the names that a pattern waits for there, and with a name that no pattern knows. Names
//! for a wildcard are examples of it, and for two wildcards together a name that both match, if one is found.

use super::walk::walk;
use crate::diff::Request;
use crate::net::Way;
use crate::net::{Endpoint, Socket};
use crate::paths::{Access, Pattern};
use crate::policy::Peer;
use crate::policy::{Policy, Who};
use std::path::PathBuf;

/// The paths that were found.
#[derive(Debug, Default)]
pub struct Places(Vec<PathBuf>);

impl Places {
    /// Each access to each of them.
    pub fn accesses(&self) -> impl Iterator<Item = Request> + '_ {
        let accesses = [
            Access::Read,
            Access::Write,
            Access::Exec,
            Access::Stat,
            Access::Handle,
        ];
        self.0.iter().flat_map(move |path| {
            accesses
                .into_iter()
                .map(|access| Request::Path(access, path.clone()))
        })
    }

    /// A unix socket at each of them.
    pub fn sockets(&self) -> impl Iterator<Item = Request> + '_ {
        self.0.iter().flat_map(|path| {
            let who = Who::Path(path.clone());
            [Way::Connect, Way::Listen].map(|way| {
                Request::Peer(Peer {
                    way,
                    who: who.clone(),
                })
            })
        })
    }
}

/// The paths for these policies, and whether there are more.
pub fn requests(policies: &[&Policy]) -> (Places, bool) {
    let mut patterns: Vec<Pattern> = Vec::new();
    for pattern in policies.iter().copied().flat_map(patterns_of) {
        if !patterns.iter().any(|known| known.is_same(&pattern)) {
            patterns.push(pattern);
        }
    }
    let (places, more) = walk(&patterns);
    (Places(places), more)
}

/// Every pattern of a policy that may decide.
pub(super) fn patterns_of(policy: &Policy) -> impl Iterator<Item = Pattern> + '_ {
    let paths = policy.paths.iter();
    let paths = paths.flat_map(|entry| std::iter::once(&entry.pattern).chain(&entry.lifted));
    let objects = policy.rules.iter().filter_map(|rule| rule.object.as_ref());
    let rules = objects
        .clone()
        .filter_map(|object| Some(&object.path.as_ref()?.1));
    let peers = policy.peers.iter().flat_map(|entry| {
        let lifted = entry.lifted.iter().map(|(endpoint, _)| endpoint);
        std::iter::once(&entry.endpoint).chain(lifted)
    });
    let of_rules = objects.filter_map(|object| Some(&object.peer.as_ref()?.1));
    let sockets = peers.chain(of_rules).filter_map(|endpoint| match endpoint {
        Endpoint::Unix(Socket::Path(pattern)) => Some(pattern),
        _ => None,
    });
    paths.chain(rules).chain(sockets).cloned()
}
