//! Processes in a domain that are killed because they are past a limit of the domain: what is told of them.

use super::escape;
use super::layout::Layout;
use super::text::{amount, process};
use super::verdict::DomainLimit;
use crate::policy::{DomainId, LimitKind, Policy};
use crate::trace::Tid;

/// So many of them are listed in a document.
const MOST: usize = 64;

/// Those of a run.
#[derive(Default)]
pub struct Limited {
    list: Vec<DomainLimit>,
}

impl Limited {
    /// The document's list.
    pub fn list(self) -> Vec<DomainLimit> {
        self.list
    }

    /// Adds one.
    pub fn add(&mut self, limit: DomainLimit) {
        if self.list.len() < MOST {
            self.list.push(limit);
        }
    }
}

impl DomainLimit {
    /// That of a domain of this policy.
    pub fn of(
        policy: &Policy,
        (pid, ancestry): (Tid, Vec<String>),
        id: DomainId,
        limit: LimitKind,
    ) -> Self {
        let domain = policy.domains.get(usize::from(id));
        let said = domain.and_then(|domain| domain.policy.limits.said(limit));
        let source = said.and_then(|(origin, _)| policy.sources.get(usize::from(origin.source)));
        Self {
            pid,
            ancestry,
            domain: domain.map_or_else(String::new, |domain| domain.name.clone()),
            limit: Some(limit),
            value: said.map_or_else(String::new, |(_, text)| text.to_owned()),
            source: source.map(|source| source.name.clone()),
            line: said.map(|(origin, _)| origin.line),
        }
    }

    /// The limit as its key in `limits`.
    pub fn key(&self) -> &'static str {
        self.limit.map_or("", LimitKind::key)
    }

    /// The message.
    pub fn text(&self, layout: &Layout) -> String {
        const TEXT: usize = 200;
        let key = self.key();
        let what = match self.limit {
            Some(limit) => amount(limit, &self.value),
            None => String::new(),
        };
        let source = self.source.as_deref().unwrap_or("policy");
        let line = self.line.unwrap_or_default();
        let place = format!("[domain {}, {source}:{line} limits.{key}]", self.domain);
        let mut out = String::with_capacity(400);
        layout.head(
            &mut out,
            "killed",
            &escape::text(&format!("processes of a domain: {what}"), TEXT),
            &escape::text(&place, TEXT),
        );
        layout.line(
            &mut out,
            "namely",
            &process(&self.ancestry, self.pid, self.pid),
        );
        layout.line(
            &mut out,
            "to allow:",
            &escape::text(
                &format!("a larger {key} in [domain.{}.limits], or none", self.domain),
                TEXT,
            ),
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{golden, names};
    use super::*;

    #[test]
    fn a_limit_of_a_domain_is_told_with_its_line_and_its_program() {
        let text = "default = \"allow\"\n[domain.build-script]\non-exec = [\"/x\"]\n\
                    [domain.build-script.limits]\nprocesses = 32\n";
        let policy = Policy::parse(text, "cargo.toml").expect("a policy");
        let ancestry = names(&["cargo", "build-script-build"]);
        let limit = DomainLimit::of(&policy, (4711, ancestry), 0, LimitKind::Processes);
        let layout = Layout {
            color: false,
            width: None,
        };
        golden("domain-limit.txt", &limit.text(&layout));
    }
}
