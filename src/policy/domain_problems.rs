//! What is wrong with the domains of a policy, beside what would widen it.

use std::ops::Range;

use super::capability;
use super::file::{File, Lists};
use super::{Action, Code, Diagnostic, NetEntry, Policy};
use crate::condition::nearest;
use crate::syscalls::Errno;

/// The tests of a policy that name no domain of it.
pub(super) fn unknown(policy: &Policy, names: &[String]) -> Vec<Diagnostic> {
    let tests = policy.tests.iter();
    let mut told: Vec<&str> = Vec::new();
    tests
        .filter_map(|test| {
            let name = test.domain.as_deref()?;
            if names.iter().any(|known| known == name) || told.contains(&name) {
                return None;
            }
            told.push(name);
            let help = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "write its `[domain.NAME]`".to_owned(),
                None => format!("the domains are {}", names.join(", ")),
            };
            let message =
                format!("this test is about the domain `{name}`, which the policy does not have");
            let span = policy.span(test.origin, &test.sentence);
            let problem = Diagnostic::error(Code::Domain, message).at(test.origin.source, span);
            Some(problem.help(help))
        })
        .collect()
}

/// A capability of the command with which it would bypass what a domain says of peers.
pub(super) fn past_peers(main: &Policy, domain: &Policy, lists: Lists) -> Option<Diagnostic> {
    let about_peers = |rule: &super::Rule| {
        let object = rule.object.as_ref();
        object.is_some_and(|object| object.peer.is_some())
    };
    let restricts = lists.connect
        || lists.listen
        || !domain.open_calls
        || domain.peers.iter().any(NetEntry::closes)
        || domain.rules.iter().any(about_peers);
    if !restricts {
        return None;
    }
    let mut restricted = main.clone();
    restricted.default.action = Action::Deny(Errno::EPERM);
    capability::past_peers(&restricted).into_iter().next()
}

/// A section that a domain cannot have, of a file that it extends.
pub(super) fn foreign(file: &File) -> Option<&'static str> {
    if !file.limits.is_empty() {
        return Some("[limits]");
    }
    if !file.process.is_empty() {
        return Some("[process]");
    }
    (!file.domains.is_empty()).then_some("domains of its own")
}

pub(super) fn cannot(source: u16, span: &Range<usize>, wrong: &str) -> Diagnostic {
    let message = format!("a domain cannot extend a policy that has {wrong}");
    Diagnostic::error(Code::Domain, message)
        .at(source, span.clone())
        .help("extend a policy of [fs], [net], [syscalls] and rules alone")
}
