//! Several policies at once: what a task may that is in domains is what the main policy and each of the domains
//! allow. The strictest answer decides; of equal ones that of the main policy.

use super::{Judge, Verdict};
use crate::baseline::Baseline;
use crate::paths::{Access, Terminal};
use crate::policy::{Action, Domain, DomainId};

/// A domain of the caller.
#[derive(Debug)]
pub(super) struct Inner {
    id: DomainId,
    pub(super) judge: Judge,
}

impl Judge {
    /// The same, for a task that is in this domain, too. `baseline` has the kinds of sockets and queues that the
    /// domain closes.
    pub fn within(
        mut self,
        id: DomainId,
        domain: &Domain,
        baseline: &Baseline,
        terminals: &[Terminal],
    ) -> Judge {
        let judge = Judge::of_command(&domain.policy, baseline, None, terminals);
        self.files.protected.join(&domain.policy, id);
        self.domains.push(Inner { id, judge });
        self
    }

    /// What decides for each of the domains.
    pub fn inner(&self) -> impl Iterator<Item = &Judge> {
        self.domains.iter().map(|inner| &inner.judge)
    }

    /// What the domains alone say of an access to a path, for one that the main policy denies by its default and
    /// that is let through.
    pub fn path_in_domains(&self, access: Access, path: &[u8]) -> Option<Verdict> {
        self.first(|judge| denial(judge.path(access, path)))
    }

    /// The same of a peer.
    pub fn reach_in_domains(&self, reach: &crate::net::Reach<'_>) -> Option<Verdict> {
        self.first(|judge| denial(judge.reach(reach)))
    }

    /// The first denial of a domain.
    pub(super) fn first(&self, ask: impl Fn(&Judge) -> Option<Verdict>) -> Option<Verdict> {
        self.domains.iter().find_map(|inner| {
            let verdict = ask(&inner.judge)?;
            Some(Verdict {
                domain: Some(inner.id),
                ..verdict
            })
        })
    }

    /// The strictest of the main policy's verdict and those of the domains.
    pub(super) fn narrowed(&self, own: Verdict, ask: impl Fn(&Judge) -> Verdict) -> Verdict {
        let domains = self.domains.iter();
        domains.fold(own, |found, inner| {
            stricter(found, inner, ask(&inner.judge))
        })
    }
}

fn denial(verdict: Verdict) -> Option<Verdict> {
    (verdict.action != Action::Allow).then_some(verdict)
}

/// The stricter of a verdict and that of a domain.
pub(super) fn stricter(found: Verdict, inner: &Inner, verdict: Verdict) -> Verdict {
    match verdict.action.strictness() > found.action.strictness() {
        true => Verdict {
            domain: Some(inner.id),
            ..verdict
        },
        false => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Protocol, Reach, To, Way};
    use crate::policy::Policy;

    fn opened(domain: &str) -> Judge {
        let text = format!("default = \"allow\"\n[domain.b]\non-exec = [\"/x\"]\n{domain}\n");
        let policy = Policy::parse(&text, "a.toml").expect(&text);
        let domain = policy.domains.first().expect("a domain").opened();
        Judge::new(&domain.policy, &Baseline::new(0))
    }

    #[test]
    fn lists_with_entries_are_opened_and_empty_ones_are_not() {
        let paths = |domain: &str| {
            let judge = opened(domain);
            [Access::Read, Access::Write, Access::Exec]
                .map(|access| judge.path(access, b"/b/c").action == Action::Allow)
        };
        for (lists, expected) in [
            ("write = [\"/a\"]", [true; 3]),
            ("write = []", [true, false, true]),
            ("read = [\"/a\"], write = [\"/a\"]", [true; 3]),
            ("read = [\"/a\"]", [true, false, true]),
            ("read = [], write = [\"/a\"]", [false, false, true]),
            ("exec = [\"/a\"], write = []", [true, false, true]),
            ("write = [\"/a\"], deny = [\"/b\"]", [false; 3]),
            ("write = [\"/a\"], protect = [\"/b\"]", [true, false, true]),
        ] {
            assert_eq!(paths(&format!("fs = {{ {lists} }}")), expected, "{lists}");
        }
    }

    #[test]
    fn a_list_is_opened_to_the_kind_of_peers_that_it_has() {
        let peers = |domain: &str| {
            let judge = opened(domain);
            let inet = To::Inet {
                protocol: Protocol::Tcp,
                ip: Some([192, 0, 2, 1].into()),
                own: false,
                port: 80,
                names: &[],
            };
            [
                (Way::Connect, inet),
                (Way::Connect, To::Path(b"/s")),
                (Way::Listen, inet),
            ]
            .map(|(way, to)| judge.reach(&Reach { way, to }).action == Action::Allow)
        };
        for (lists, expected) in [
            ("connect = [\"10.0.0.1:1\"]", [true, false, true]),
            ("connect = [\"unix:/a\"]", [false, true, true]),
            ("connect = [\"unix:/a\", \"x.example:1\"]", [true; 3]),
            ("connect = [], listen = []", [false; 3]),
            (
                "connect = [], listen = [\"127.0.0.1:80\"]",
                [false, false, true],
            ),
        ] {
            assert_eq!(peers(&format!("net = {{ {lists} }}")), expected, "{lists}");
        }
    }
}
