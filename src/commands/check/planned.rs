//! Findings of `jail check` that need a plan: entries that no call can use, and entries that a host cannot
//! enforce.

use crate::commands::other_host::OtherHost;
use crate::judge::{Reason, Sentence, explain_reason};
use crate::paths::Access;
use crate::plan::{Enforcer, Host, Plan, Route, What};
use crate::policy::{self, Action, Code, Diagnostic, List, NetEntry, Origin, Policy, Severity};

/// Entries of the main file that allow nothing, because no call that needs them is allowed.
pub fn closed(policy: &Policy) -> Vec<Diagnostic> {
    // The plan knows which sockets can be created at all.
    let Ok(plan) = Plan::new(policy, &Host::newest()) else {
        return Vec::new();
    };
    if policy::starts_nothing(policy) {
        // Another warning reports these.
        return Vec::new();
    }
    let warn = |key: String, text: &str, origin: Origin, said: Sentence| {
        let call = said.by.filter(|_| said.verdict.action != Action::Allow)?;
        let name = call.syscall().map_or("?", |syscall| syscall.name);
        let reason = explain_reason(policy, &said.verdict);
        Some(Diagnostic {
            severity: Severity::Warning,
            code: Code::Shadowed,
            message: format!("{key} \"{text}\" allows nothing: {name} is denied by {reason}"),
            source: Some(origin.source),
            span: policy.span(origin, text),
            label: None,
            help: Some("remove the entry, or allow the call".to_owned()),
        })
    };
    let paths = policy
        .paths
        .iter()
        .filter(|entry| policy.is_own(entry.origin));
    let paths = paths.filter_map(|entry| {
        let access = match entry.list {
            List::Read => Access::Read,
            List::Write => Access::Write,
            List::Exec => Access::Exec,
            List::Deny | List::Hide | List::Protect => return None,
        };
        let said = plan.judge.access(access, entry.pattern.base());
        warn(entry.key(), &entry.text, entry.origin, said)
    });
    let peers = policy
        .peers
        .iter()
        .filter(|entry| policy.is_own(entry.origin));
    let peers = peers.filter_map(|entry| {
        let said = plan.judge.peer(&entry.example()?);
        if said.verdict.reason == Reason::PathDefault {
            let warning = unmade(policy, entry);
            return Some(warning);
        }
        warn(entry.key(), &entry.text, entry.origin, said)
    });
    paths.chain(peers).collect()
}

/// An entry of `listen` with the path of a socket whose file cannot be created.
fn unmade(policy: &Policy, entry: &NetEntry) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: Code::Shadowed,
        message: format!(
            "{} \"{}\" allows nothing: the socket's file cannot be created there",
            entry.key(),
            entry.text
        ),
        source: Some(entry.origin.source),
        span: policy.span(entry.origin, &entry.text),
        label: None,
        help: Some(
            "add its directory to write in [fs]; a socket with a path needs nothing else"
                .to_owned(),
        ),
    }
}

/// Entries that another thread of the command can bypass on this host.
pub fn racy(policy: &Policy, host: &Host) -> Vec<Diagnostic> {
    let Ok(plan) = Plan::new(policy, host) else {
        return Vec::new();
    };
    plan.routes(policy)
        .into_iter()
        .filter(|route| route.enforcer == Enforcer::RacySupervisor)
        .filter_map(|route| match route.what {
            What::Path(index) => policy
                .paths
                .get(index)
                .map(|entry| (entry.key(), entry.text.as_str(), entry.origin)),
            What::Peer(index) => policy
                .peers
                .get(index)
                .map(|entry| (entry.key(), entry.text.as_str(), entry.origin)),
            _ => None,
        })
        .map(|(key, text, origin)| Diagnostic {
            severity: Severity::Error,
            code: Code::Racy,
            message: format!("{key} \"{text}\" cannot be enforced soundly here"),
            source: Some(origin.source),
            span: policy.span(origin, text),
            label: None,
            help: Some(
                "this needs Linux 5.10, or a policy of paths that Landlock can enforce".to_owned(),
            ),
        })
        .collect()
}

/// What another host cannot enforce at all, or not soundly, unless [`racy`] reports it.
pub fn lacks(policy: &Policy, other: &OtherHost, strict: bool) -> Vec<Diagnostic> {
    let plan = match Plan::new(policy, &other.host) {
        Ok(plan) => plan,
        Err(error) => {
            let message = format!("{} cannot enforce this policy: {error}", other.name);
            return vec![Diagnostic::warning(Code::HostLacks, message).at(0, 0..0)];
        }
    };
    let routes = plan.routes(policy);
    let mut found: Vec<Diagnostic> = routes
        .iter()
        .filter(|route| !strict || route.enforcer != Enforcer::RacySupervisor)
        .filter_map(|route| lacking(policy, route, other))
        .collect();
    for setting in &policy.process.isolate {
        let word = setting.value.word();
        let closed = other.closed.iter().find(|(closed, _)| closed == word);
        if let Some((_, reason)) = closed {
            let message = format!(
                "isolate = \"{word}\" cannot be used on {}: {reason}",
                other.name
            );
            let at = (setting.origin.source, policy.span(setting.origin, word));
            found.push(
                Diagnostic::warning(Code::HostLacks, message)
                    .at(at.0, at.1)
                    .help("no command can be started there under this policy: remove the word, or change that host"),
            );
        }
    }
    found
}

/// An entry that needs more than the host has.
fn lacking(policy: &Policy, route: &Route, other: &OtherHost) -> Option<Diagnostic> {
    let what = match route.enforcer {
        Enforcer::RacySupervisor => "cannot be enforced soundly",
        Enforcer::Missing => "cannot be enforced",
        _ => return None,
    };
    let (key, text, origin) = match route.what {
        What::Path(index) => {
            let entry = policy.paths.get(index)?;
            (entry.key(), entry.text.clone(), entry.origin)
        }
        What::Peer(index) => {
            let entry = policy.peers.get(index)?;
            (entry.key(), entry.text.clone(), entry.origin)
        }
        What::Limit(kind) => {
            let (origin, text) = policy.limits.said(kind)?;
            (format!("limits.{}", kind.key()), text.to_owned(), origin)
        }
        What::Isolation(word) => {
            let said = policy
                .process
                .isolate
                .iter()
                .find(|said| said.value == word)?;
            ("isolate".to_owned(), word.word().to_owned(), said.origin)
        }
        _ => return None,
    };
    let message = format!("{key} \"{text}\" {what} on {}", other.name);
    let span = policy.span(origin, &text);
    Some(
        Diagnostic::warning(Code::HostLacks, message)
            .at(origin.source, span)
            .help(format!(
                "there it would be: {}, {}",
                route.enforcer.text(),
                route.because
            )),
    )
}
