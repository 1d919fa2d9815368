//! The entries that match a request and did not decide, and why.

use crate::baseline::{self, Answer};
use crate::judge::{Reason, Verdict, entry_text, rule_head};
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::{Action, List, Origin, PathEntry, Peer, Policy, Target};
use crate::syscalls::{Call, Syscall};

/// An entry that did not decide.
pub struct Lost {
    /// Its place; `None`: a protection of the jail.
    pub origin: Option<Origin>,
    /// As a policy writes it.
    pub text: String,
    pub because: &'static str,
}

impl Lost {
    fn new(origin: Origin, text: String, because: &'static str) -> Lost {
        Lost {
            origin: Some(origin),
            text,
            because,
        }
    }

    /// As one line.
    pub fn line(&self, policy: &Policy) -> String {
        match self.origin {
            Some(origin) => format!("{} {}: {}", policy.place(origin), self.text, self.because),
            None => format!("{}: {}", self.text, self.because),
        }
    }
}

/// The default, unless it decided.
fn default(policy: &Policy, because: &'static str) -> Lost {
    let text = format!("default = \"{}\"", policy.default.action);
    Lost::new(policy.default.origin, text, because)
}

const ABOVE: &str = "the baseline takes precedence";
const NOT_STRICTER: &str = "not stricter";
const LESS_SPECIFIC: &str = "less specific";
const DENY_FIRST: &str = "deny takes precedence over allow";
const PROTECT_FIRST: &str = "protect takes precedence over write";
const SAME: &str = "it allows the same";

/// Where a domain decided: its own entries, then those of the main policy that allow the request.
fn narrowed(
    policy: &Policy,
    verdict: &Verdict,
    ask: impl Fn(&Policy, &Verdict) -> Vec<Lost>,
) -> Vec<Lost> {
    if verdict.domain.is_none() {
        return ask(policy, verdict);
    }
    let domain = policy.of_domain(verdict.domain);
    let mut lost = ask(domain, verdict);
    // The place of the default is that of the domain, which has none if it has only lists.
    lost.retain(|lost| !domain.open_calls || lost.origin != Some(domain.default.origin));
    let undecided = Verdict {
        reason: Reason::Changed,
        ..*verdict
    };
    let main = ask(policy, &undecided).into_iter();
    // What denies in the main policy has lost there already.
    let main = main.filter(|lost| lost.origin != Some(policy.default.origin));
    lost.extend(main.map(|lost| Lost {
        because: "the domain allows less",
        ..lost
    }));
    lost
}

/// Of an access to a path.
pub fn of_path(policy: &Policy, access: Access, path: &[u8], verdict: &Verdict) -> Vec<Lost> {
    narrowed(policy, verdict, |policy, verdict| {
        on_path(policy, access, path, verdict)
    })
}

fn on_path(policy: &Policy, access: Access, path: &[u8], verdict: &Verdict) -> Vec<Lost> {
    let decided = match verdict.reason {
        Reason::Path(index) => policy.paths.get(index),
        _ => None,
    };
    let above = matches!(verdict.reason, Reason::Baseline(_));
    let because = |entry: &PathEntry| match decided {
        _ if above => ABOVE,
        Some(by) if by.list == List::Protect && entry.list.allows() => PROTECT_FIRST,
        Some(by) if !by.list.allows() && entry.list.allows() => DENY_FIRST,
        Some(by) if by.list.allows() => SAME,
        Some(_) => NOT_STRICTER,
        None => "another part of the request is denied",
    };
    let about = |entry: &PathEntry| match entry.list {
        List::Hide => true,
        List::Deny => access != Access::Stat,
        List::Protect => access == Access::Write,
        List::Read => access == Access::Read,
        List::Write => matches!(access, Access::Read | Access::Write),
        List::Exec => access == Access::Exec,
    };
    let mut lost: Vec<Lost> = policy
        .paths
        .iter()
        .enumerate()
        .filter(|(index, _)| verdict.reason != Reason::Path(*index))
        .filter(|(_, entry)| about(entry) && entry.covers(path) && !entry.is_implied())
        .map(|(_, entry)| {
            let text = format!("{} \"{}\"", entry.key(), entry.text);
            Lost::new(entry.origin, text, because(entry))
        })
        .collect();
    if decided.is_some() {
        lost.push(default(policy, "an entry takes precedence"));
    }
    lost
}

/// Of a peer.
pub fn of_peer(policy: &Policy, peer: &Peer, verdict: &Verdict) -> Vec<Lost> {
    narrowed(policy, verdict, |policy, verdict| {
        on_peer(policy, peer, verdict)
    })
}

fn on_peer(policy: &Policy, peer: &Peer, verdict: &Verdict) -> Vec<Lost> {
    let decided = match verdict.reason {
        Reason::Peer(index) => policy.peers.get(index),
        _ => None,
    };
    let above = matches!(verdict.reason, Reason::Baseline(_));
    let because = |closes: bool| match decided {
        _ if above => ABOVE,
        Some(by) if by.closes() && !closes => DENY_FIRST,
        Some(by) if !by.closes() => SAME,
        Some(_) => NOT_STRICTER,
        None => "another part of the request is denied",
    };
    let entries = policy.peers.iter().enumerate();
    let mut lost: Vec<Lost> = entries
        .filter(|(index, entry)| verdict.reason != Reason::Peer(*index) && !entry.is_implied())
        .filter(|(_, entry)| {
            peer.reach(|reach| {
                let lifted = entry
                    .lifted
                    .iter()
                    .any(|(endpoint, way)| *way == reach.way && endpoint.covers(reach, false));
                entry.ways.contains(&reach.way)
                    && entry.endpoint.covers(reach, entry.closes())
                    && !lifted
            })
        })
        .map(|(_, entry)| {
            let text = format!("{} \"{}\"", entry.key(), entry.text);
            Lost::new(entry.origin, text, because(entry.closes()))
        })
        .collect();
    if decided.is_some() {
        lost.push(default(policy, "an entry takes precedence"));
    }
    lost
}

/// Of a call: all other entries that name it.
pub fn of_call(policy: &Policy, plan: &Plan, call: &Call, verdict: &Verdict) -> Vec<Lost> {
    let Some(syscall) = call.syscall() else {
        return Vec::new();
    };
    let mut lost = narrowed(policy, verdict, |policy, verdict| {
        on_call(policy, call, syscall, verdict)
    });
    lost.extend(protections(plan, call, verdict));
    lost
}

fn on_call(policy: &Policy, call: &Call, syscall: &Syscall, verdict: &Verdict) -> Vec<Lost> {
    let above = matches!(verdict.reason, Reason::Baseline(_) | Reason::Always);
    let specific = match verdict.reason {
        Reason::Rule(_) => 3,
        Reason::Entry(index) => match policy.syscalls.get(index).map(|entry| entry.target) {
            Some(Target::Syscall(_)) => 2,
            _ => 1,
        },
        _ => 0,
    };
    let outweighed = |level: u8| match level {
        _ if above => ABOVE,
        level if level < specific => LESS_SPECIFIC,
        _ => NOT_STRICTER,
    };
    let mut lost = rules(policy, call, syscall, verdict, outweighed(3));
    for (index, entry) in policy.syscalls.iter().enumerate() {
        let level = match entry.target {
            Target::Syscall(about) if about.name == syscall.name => 2,
            Target::Group(group) if group.set.contains(syscall) => 1,
            _ => continue,
        };
        if verdict.reason != Reason::Entry(index) {
            lost.push(Lost::new(
                entry.origin,
                entry_text(entry),
                outweighed(level),
            ));
        }
    }
    if verdict.reason != Reason::Default {
        lost.push(default(policy, outweighed(0)));
    }
    lost
}

/// The rules that name a system call and did not decide. `outweighed`: why, where their condition holds.
fn rules(
    policy: &Policy,
    call: &Call,
    syscall: &Syscall,
    verdict: &Verdict,
    outweighed: &'static str,
) -> Vec<Lost> {
    let mut lost = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let conditions = rule.conditions.iter();
        let mut conditions = conditions
            .filter(|(about, _)| about.name == syscall.name)
            .peekable();
        if conditions.peek().is_none() || verdict.reason == Reason::Rule(index) {
            continue;
        }
        let because = match conditions.any(|(_, condition)| condition.holds(&call.args)) {
            true => outweighed,
            false => "its condition does not hold",
        };
        let text = format!("{} = \"{}\"", rule_head(rule), rule.action);
        lost.push(Lost::new(rule.origin, text, because));
    }
    lost
}

/// The protections that hold for a call and did not decide.
fn protections(plan: &Plan, call: &Call, verdict: &Verdict) -> Vec<Lost> {
    let protections = plan
        .judge
        .chain(call.nr)
        .map_or(&[][..], |chain| chain.baseline);
    let own = |rule: &&&baseline::Rule| !matches!(rule.answer, Answer::Close(_));
    let about = protections.iter().filter(own);
    let about = about.filter(|rule| rule.applies(&call.args));
    let lost = about.filter(|rule| {
        let decided = matches!(verdict.reason, Reason::Baseline(by) if by == **rule);
        let asked = matches!(rule.answer, Answer::Check(_)) && verdict.check.is_some();
        !decided && !asked
    });
    lost.map(|rule| Lost {
        origin: None,
        text: format!("baseline {}", rule.id),
        because: match verdict.action {
            Action::Kill => "the policy kills",
            _ => NOT_STRICTER,
        },
    })
    .collect()
}
