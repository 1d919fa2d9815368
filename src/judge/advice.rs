//! Verdicts as text: what decided. It decides nothing.

use super::{Reason, Verdict};
use crate::policy::{Action, Entry, Policy, Rule};

/// What decided a call, with its place and the author's reason:
/// `net.toml:12 socket: no network here`.
pub fn explain_reason(policy: &Policy, verdict: &Verdict) -> String {
    match verdict
        .domain
        .and_then(|id| policy.domains.get(usize::from(id)))
    {
        Some(domain) => {
            let reason = of_policy(&domain.policy, verdict);
            format!("domain {}: {reason}", domain.name)
        }
        None => of_policy(policy, verdict),
    }
}

fn of_policy(policy: &Policy, verdict: &Verdict) -> String {
    let entry = |origin, what: &str, why: &Option<String>| match why {
        Some(why) => format!("{} {what}: {why}", policy.place(origin)),
        None => format!("{} {what}", policy.place(origin)),
    };
    match verdict.reason {
        Reason::Baseline(rule) => format!("baseline {}: {}", rule.id, rule.reason),
        Reason::Always => {
            "always allowed: a program must be able to end, and to return from a signal".to_owned()
        }
        Reason::Rule(index) => match policy.rules.get(index) {
            Some(rule) => entry(rule.origin, &rule_head(rule), &rule.why),
            None => "a rule".to_owned(),
        },
        Reason::Entry(index) => match policy.syscalls.get(index) {
            Some(found) => entry(found.origin, &found.key, &found.why),
            None => "an entry".to_owned(),
        },
        Reason::Default => default_name(policy),
        Reason::UnknownNumber => "no system call that this version of jail knows".to_owned(),
        Reason::Path(index) => match policy.paths.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &found.why)
            }
            None => "an entry of [fs]".to_owned(),
        },
        Reason::PolicyFile(index) => {
            format!("{}: {POLICY_FILE}", source_name(policy, index))
        }
        Reason::Unsearched(index) => match policy.paths.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &Some(UNSEARCHED.to_owned()))
            }
            None => "an entry of [fs]".to_owned(),
        },
        Reason::PathDefault => match policy.default.action {
            Action::Allow => "default = \"allow\", and nothing in [fs] denies it".to_owned(),
            _ => format!("{}: nothing in [fs] allows it", default_name(policy)),
        },
        Reason::Metadata => "metadata of anything that is not hidden may be read".to_owned(),
        Reason::Command => "the program that was named on the command line".to_owned(),
        Reason::Peer(index) => match policy.peers.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &found.why)
            }
            None => "an entry of [net]".to_owned(),
        },
        Reason::PeerDefault => match policy.default.action {
            Action::Allow => "default = \"allow\", and nothing in [net] denies it".to_owned(),
            _ => format!("{}: nothing in [net] allows it", default_name(policy)),
        },
        Reason::Closed(rule) => format!("{}: {}", default_name(policy), rule.reason),
        Reason::Unpinned => {
            "another task could change it after it is judged, and nothing can prevent it".to_owned()
        }
        Reason::Terminal => "a terminal that the command was started with".to_owned(),
        Reason::Pathless => "[fs] cannot name a file without a path".to_owned(),
        Reason::Changed => "it was changed after it was judged".to_owned(),
    }
}

/// Why a file of the policy cannot be changed.
pub const POLICY_FILE: &str = "a file of the policy that this jail was started with";
/// Why a directory that was not searched cannot be moved.
pub const UNSEARCHED: &str =
    "the directory is too large to look for what this entry covers, or a part of it cannot be read";

pub(super) fn source_name(policy: &Policy, index: usize) -> &str {
    policy.sources.get(index).map_or("?", |source| &source.name)
}

fn default_name(policy: &Policy) -> String {
    if policy.open_calls {
        return policy.place(policy.default.origin);
    }
    let source = policy
        .sources
        .get(usize::from(policy.default.origin.source));
    format!("default of {}", source.map_or("?", |source| &source.name))
}

/// An entry of `[syscalls]` as a policy writes it.
pub fn entry_text(entry: &Entry) -> String {
    let quote = if entry.key.starts_with('@') { "\"" } else { "" };
    format!(r#"{quote}{}{quote} = "{}""#, entry.key, entry.action)
}

/// The system calls and the condition of a rule.
pub fn rule_head(rule: &Rule) -> String {
    let targets = rule.targets.join(", ");
    match rule.text.as_str() {
        "" => targets,
        text => format!("{targets} when {text}"),
    }
}
