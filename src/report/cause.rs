//! A reason in its parts: its kind, its place in the policy, its text, its author's reason. It decides
//! nothing; the judge finds the remedy.

use super::verdict::ReasonKind;
use crate::judge::{POLICY_FILE, Reason, UNSEARCHED};
use crate::policy::{DomainId, Origin, PathEntry, Policy};
use std::fmt::Write;

/// How much of a condition the brackets show.
const CONDITION: usize = 60;

/// In place of a line, for a flag of the command line.
pub const NO_LINE: u32 = 0;

/// What decided a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// What decided.
    pub kind: ReasonKind,
    /// The file or preset, and the line; or a flag, and [`NO_LINE`].
    pub place: Option<(&'a str, u32)>,
    /// The key of an entry, the condition of a rule, the name of a protection.
    pub entry: Option<&'a str>,
    /// Its author's reason.
    pub why: Option<&'a str>,
    /// The domain that decided.
    pub domain: Option<&'a str>,
}

/// The place of an entry or a rule, its text, and its author's reason.
type Written<'a> = (Origin, &'a String, &'a Option<String>);

/// The file and the line of a place in a policy; of the command line the flag, which has no line.
fn place(policy: &Policy, origin: Origin) -> Option<(&str, u32)> {
    if let Some(flag) = policy.flag(origin) {
        return Some((flag.split(' ').next().unwrap_or(flag), NO_LINE));
    }
    let source = policy.sources.get(usize::from(origin.source))?;
    Some((source.name.as_str(), origin.line))
}

impl<'a> Cause<'a> {
    /// Looks up the reason of a domain's verdict, or of the main policy's.
    pub fn of(policy: &'a Policy, domain: Option<DomainId>, reason: Reason) -> Self {
        let domain = domain.and_then(|id| policy.domains.get(usize::from(id)));
        match domain {
            Some(domain) => Self {
                domain: Some(domain.name.as_str()),
                ..Self::new(&domain.policy, reason)
            },
            None => Self::new(policy, reason),
        }
    }

    /// Looks up a reason in its policy.
    pub fn new(policy: &'a Policy, reason: Reason) -> Self {
        let default = place(policy, policy.default.origin);
        let path = |kind, index: usize| {
            let found: Option<&PathEntry> = policy.paths.get(index);
            Self::written(policy, kind, found.map(|it| (it.origin, &it.text, &it.why)))
        };
        match reason {
            Reason::Baseline(rule) => Self::protection(rule.id, rule.reason),
            Reason::Rule(index) => {
                let found = policy.rules.get(index);
                let found = found.map(|it| (it.origin, &it.text, &it.why));
                Self::written(policy, ReasonKind::Rule, found)
            }
            Reason::Entry(index) => {
                let found = policy.syscalls.get(index);
                let found = found.map(|it| (it.origin, &it.key, &it.why));
                Self::written(policy, ReasonKind::Entry, found)
            }
            Reason::Peer(index) => {
                let found = policy.peers.get(index);
                let found = found.map(|it| (it.origin, &it.text, &it.why));
                Self::written(policy, ReasonKind::Peer, found)
            }
            Reason::Path(index) => path(ReasonKind::Path, index),
            Reason::Unsearched(index) => Self {
                why: Some(UNSEARCHED),
                ..path(ReasonKind::Unsearched, index)
            },
            Reason::PolicyFile(index) => Self {
                place: policy
                    .sources
                    .get(index)
                    .map(|source| (source.name.as_str(), 1)),
                why: Some(POLICY_FILE),
                ..Self::bare(ReasonKind::PolicyFile)
            },
            Reason::Closed(rule) => Self {
                kind: ReasonKind::Default,
                place: default,
                entry: None,
                why: Some(rule.reason),
                domain: None,
            },
            Reason::Default | Reason::PathDefault | Reason::PeerDefault => Self {
                place: default,
                ..Self::bare(ReasonKind::Default)
            },
            Reason::Metadata => Self::bare(ReasonKind::Metadata),
            Reason::Command | Reason::Terminal => Self::bare(ReasonKind::Command),
            Reason::Pathless => Self::bare(ReasonKind::Pathless),
            Reason::Changed => Self::bare(ReasonKind::Changed),
            Reason::Unpinned => Self::bare(ReasonKind::Unpinned),
            Reason::Always => Self::bare(ReasonKind::Always),
            Reason::UnknownNumber => Self::bare(ReasonKind::UnknownNumber),
        }
    }

    /// An entry or a rule of the policy.
    fn written(policy: &'a Policy, kind: ReasonKind, found: Option<Written<'a>>) -> Self {
        Self {
            kind,
            place: found.and_then(|(origin, ..)| place(policy, origin)),
            entry: found
                .map(|(_, text, _)| text.as_str())
                .filter(|text| !text.is_empty()),
            why: found.and_then(|(.., why)| why.as_deref()),
            domain: None,
        }
    }

    /// A protection of the jail itself.
    pub const fn protection(id: &'static str, why: &'static str) -> Self {
        Self {
            kind: ReasonKind::Baseline,
            place: None,
            entry: Some(id),
            why: Some(why),
            domain: None,
        }
    }

    const fn bare(kind: ReasonKind) -> Self {
        Self {
            kind,
            place: None,
            entry: None,
            why: None,
            domain: None,
        }
    }

    /// In brackets, if there is room: `[net.toml:9 socket]`.
    pub fn long(&self) -> String {
        let mut text = self.start();
        match (self.kind, self.entry) {
            (ReasonKind::Entry, Some(entry)) => _ = write!(text, " {}", safe(entry)),
            (ReasonKind::Rule, Some(when)) => _ = write!(text, " rule: {}", safe(when)),
            (ReasonKind::Rule, None) => text.push_str(" rule"),
            (ReasonKind::Path | ReasonKind::Peer | ReasonKind::Unsearched, Some(path)) => {
                _ = write!(text, " {:?}", safe(path))
            }
            _ => {}
        }
        text.push(']');
        text
    }

    /// In brackets, in a list: `[net.toml:9]`.
    pub fn short(&self) -> String {
        if self.place.is_some_and(|(_, line)| line == NO_LINE) {
            return self.long();
        }
        let mut text = self.start();
        text.push(']');
        text
    }

    fn start(&self) -> String {
        let start = self.own_start();
        match (self.domain, self.kind, self.place) {
            // The line of the domain itself.
            (Some(domain), ReasonKind::Default, Some((source, line))) => {
                format!("[domain {}, {}:{line}", safe(domain), safe(source))
            }
            (Some(domain), ..) => {
                format!(
                    "[domain {}, {}",
                    safe(domain),
                    start.trim_start_matches('[')
                )
            }
            (None, ..) => start,
        }
    }

    fn own_start(&self) -> String {
        let (source, line) = self.place.unwrap_or(("policy", 0));
        match self.kind {
            ReasonKind::Baseline => format!("[baseline {}", self.entry.unwrap_or_default()),
            ReasonKind::Rule
            | ReasonKind::Entry
            | ReasonKind::Path
            | ReasonKind::Peer
            | ReasonKind::Unsearched => match (line, self.place) {
                (NO_LINE, Some(_)) => format!("[{}", safe(source)),
                _ => format!("[{}:{line}", safe(source)),
            },
            ReasonKind::PolicyFile => format!("[policy file {}", safe(source)),
            ReasonKind::Default => format!("[default of {}", safe(source)),
            ReasonKind::Always => "[always allowed".to_owned(),
            ReasonKind::UnknownNumber => "[unknown number".to_owned(),
            ReasonKind::Metadata => "[metadata".to_owned(),
            ReasonKind::Command => "[the command itself".to_owned(),
            ReasonKind::Pathless => "[no path".to_owned(),
            ReasonKind::Changed => "[changed after it was judged".to_owned(),
            ReasonKind::Unpinned => "[could be changed after it is judged".to_owned(),
            ReasonKind::Other => "[other".to_owned(),
        }
    }
}

/// A policy may come from an untrusted place, so its text must not move the cursor.
fn safe(text: &str) -> String {
    super::escape::text(text, CONDITION)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::baseline::Baseline;

    #[test]
    fn each_reason_names_its_place() {
        let policy = sample::policy();
        let cause = |reason| Cause::new(&policy, reason);
        let protection = Baseline::newest().rules().next().map(Reason::Baseline);
        let expected = [
            (Reason::Entry(0), "[offline:12 socket]", "[offline:12]"),
            (
                Reason::Rule(0),
                "[net.toml:20 rule: request == TIOCSTI]",
                "[net.toml:20]",
            ),
            (Reason::Rule(1), "[net.toml:25 rule]", "[net.toml:25]"),
            (
                Reason::Default,
                "[default of net.toml]",
                "[default of net.toml]",
            ),
            (
                Reason::UnknownNumber,
                "[unknown number]",
                "[unknown number]",
            ),
            (Reason::Always, "[always allowed]", "[always allowed]"),
        ];
        for (reason, long, short) in expected {
            assert_eq!(cause(reason).long(), long);
            assert_eq!(cause(reason).short(), short);
        }
        assert_eq!(
            protection.map(|r| cause(r).long()).as_deref(),
            Some("[baseline no-ptrace]")
        );
    }

    #[test]
    fn the_authors_why_is_kept() {
        let policy = sample::policy();
        assert_eq!(
            Cause::new(&policy, Reason::Entry(0)).why,
            Some("no network families")
        );
        assert_eq!(Cause::new(&policy, Reason::Entry(1)).why, None);
    }

    #[test]
    fn a_reason_of_another_policy_is_no_panic() {
        let policy = sample::policy();
        assert_eq!(Cause::new(&policy, Reason::Entry(999)).long(), "[policy:0]");
    }
}
