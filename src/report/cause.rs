//! What decided, taken apart: the kind of reason, its place in the policy, its text, its why.
//! It decides nothing and explains nothing further: the remedy is the judge's.

use crate::judge::{POLICY_FILE, Reason, UNSEARCHED};
use crate::policy::{Origin, Policy};
use std::fmt::Write;

/// How much of a condition the brackets show.
const CONDITION: usize = 60;

/// What decided a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// What decided.
    pub kind: Kind,
    /// The file or preset, and the line.
    pub place: Option<(&'a str, u32)>,
    /// The key of an entry, the condition of a rule, the name of a protection.
    pub entry: Option<&'a str>,
    /// Its author's reason.
    pub why: Option<&'a str>,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Baseline,
    Rule,
    Entry,
    Default,
    Always,
    UnknownNumber,
    Path,
    Peer,
    Closed,
    Unpinned,
    PolicyFile,
    Unsearched,
    Metadata,
    Command,
    Pathless,
    Changed,
}

impl Kind {
    /// As the log has it.
    pub const fn text(self) -> &'static str {
        match self {
            Kind::Baseline => "baseline",
            Kind::Rule => "rule",
            Kind::Entry => "entry",
            Kind::Default => "default",
            Kind::Always => "always",
            Kind::UnknownNumber => "unknown-number",
            Kind::Path => "path",
            Kind::Peer => "peer",
            Kind::Closed => "default",
            Kind::Unpinned => "unpinned",
            Kind::PolicyFile => "policy-file",
            Kind::Unsearched => "unsearched",
            Kind::Metadata => "metadata",
            Kind::Command => "command",
            Kind::Pathless => "pathless",
            Kind::Changed => "changed",
        }
    }
}

impl<'a> Cause<'a> {
    /// Looks a reason up in the policy that it was found in.
    pub fn new(policy: &'a Policy, reason: Reason) -> Self {
        let place = |origin: Origin| {
            let source = policy.sources.get(usize::from(origin.source))?;
            Some((source.name.as_str(), origin.line))
        };
        let written = |kind, found: Option<(Origin, &'a String, &'a Option<String>)>| Self {
            kind,
            place: found.and_then(|(origin, ..)| place(origin)),
            entry: found
                .map(|(_, text, _)| text.as_str())
                .filter(|text| !text.is_empty()),
            why: found.and_then(|(.., why)| why.as_deref()),
        };
        match reason {
            Reason::Baseline(rule) => Self::protection(rule.id, rule.reason),
            Reason::Rule(index) => {
                let found = policy.rules.get(index);
                written(Kind::Rule, found.map(|it| (it.origin, &it.text, &it.why)))
            }
            Reason::Entry(index) => {
                let found = policy.syscalls.get(index);
                written(Kind::Entry, found.map(|it| (it.origin, &it.key, &it.why)))
            }
            Reason::Default => Self {
                place: place(policy.default.origin),
                ..Self::bare(Kind::Default)
            },
            Reason::Path(index) => {
                let found = policy.paths.get(index);
                written(Kind::Path, found.map(|it| (it.origin, &it.text, &it.why)))
            }
            Reason::PolicyFile(index) => Self {
                place: policy
                    .sources
                    .get(index)
                    .map(|source| (source.name.as_str(), 1)),
                why: Some(POLICY_FILE),
                ..Self::bare(Kind::PolicyFile)
            },
            Reason::Unsearched(index) => {
                let found = policy.paths.get(index);
                Self {
                    why: Some(UNSEARCHED),
                    ..written(
                        Kind::Unsearched,
                        found.map(|it| (it.origin, &it.text, &it.why)),
                    )
                }
            }
            Reason::Peer(index) => {
                let found = policy.peers.get(index);
                written(Kind::Peer, found.map(|it| (it.origin, &it.text, &it.why)))
            }
            Reason::Closed(rule) => Self {
                kind: Kind::Closed,
                place: place(policy.default.origin),
                entry: None,
                why: Some(rule.reason),
            },
            Reason::PathDefault | Reason::PeerDefault => Self {
                place: place(policy.default.origin),
                ..Self::bare(Kind::Default)
            },
            Reason::Metadata => Self::bare(Kind::Metadata),
            Reason::Command | Reason::Terminal => Self::bare(Kind::Command),
            Reason::Pathless => Self::bare(Kind::Pathless),
            Reason::Changed => Self::bare(Kind::Changed),
            Reason::Unpinned => Self::bare(Kind::Unpinned),
            Reason::Always => Self::bare(Kind::Always),
            Reason::UnknownNumber => Self::bare(Kind::UnknownNumber),
        }
    }

    /// A protection of the jail itself.
    pub const fn protection(id: &'static str, why: &'static str) -> Self {
        Self {
            kind: Kind::Baseline,
            place: None,
            entry: Some(id),
            why: Some(why),
        }
    }

    const fn bare(kind: Kind) -> Self {
        Self {
            kind,
            place: None,
            entry: None,
            why: None,
        }
    }

    /// In brackets, where there is room: `[net.toml:9 socket]`.
    pub fn long(&self) -> String {
        let mut text = self.start();
        match (self.kind, self.entry) {
            (Kind::Entry, Some(entry)) => _ = write!(text, " {}", safe(entry)),
            (Kind::Rule, Some(when)) => _ = write!(text, " rule: {}", safe(when)),
            (Kind::Rule, None) => text.push_str(" rule"),
            (Kind::Path | Kind::Peer | Kind::Unsearched, Some(path)) => {
                _ = write!(text, " {:?}", safe(path))
            }
            _ => {}
        }
        text.push(']');
        text
    }

    /// In brackets, in a list: `[net.toml:9]`.
    pub fn short(&self) -> String {
        let mut text = self.start();
        text.push(']');
        text
    }

    fn start(&self) -> String {
        let (source, line) = self.place.unwrap_or(("policy", 0));
        match self.kind {
            Kind::Baseline => format!("[baseline {}", self.entry.unwrap_or_default()),
            Kind::Rule | Kind::Entry | Kind::Path | Kind::Peer | Kind::Unsearched => {
                format!("[{}:{line}", safe(source))
            }
            Kind::PolicyFile => format!("[policy file {}", safe(source)),
            Kind::Default | Kind::Closed => format!("[default of {}", safe(source)),
            Kind::Always => "[always allowed".to_owned(),
            Kind::UnknownNumber => "[unknown number".to_owned(),
            Kind::Metadata => "[metadata".to_owned(),
            Kind::Command => "[the command itself".to_owned(),
            Kind::Pathless => "[no path".to_owned(),
            Kind::Changed => "[changed after it was judged".to_owned(),
            Kind::Unpinned => "[could be changed after it is judged".to_owned(),
        }
    }
}

/// A policy may come from elsewhere too: what it says must not move the cursor.
fn safe(text: &str) -> String {
    super::harmless::text(text, CONDITION)
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
