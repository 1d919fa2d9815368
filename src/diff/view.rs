//! What decides the requests of one side: its main policy, or the same narrowed by a domain.

use super::Side;
use crate::judge::Judge;
use crate::policy::{DomainSet, Policy};

/// A program's view of a policy.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The main policy, by which verdicts name their entries.
    pub policy: &'a Policy,
    /// The policies that decide: the main one, and that of the domain.
    pub parts: Vec<&'a Policy>,
    pub judge: &'a Judge,
    /// Whether the policy allows no system call: it is meant to be extended, and its sentences decide objects only.
    pub part: bool,
}

impl<'a> Side<'a> {
    /// What decides for a program in no domain.
    pub(super) fn main(&'a self) -> View<'a> {
        self.within(None)
    }

    /// What decides for a program in the domain of this name, if the policy has it.
    pub(super) fn within(&'a self, domain: Option<&str>) -> View<'a> {
        let domain = domain.and_then(|name| self.policy.domain(name));
        let mut parts = vec![self.policy];
        parts.extend(domain.map(|id| self.policy.of_domain(Some(id))));
        let set = domain.map_or(DomainSet::NONE, DomainSet::one);
        View {
            policy: self.policy,
            parts,
            judge: &self.plan.within(set).judge,
            part: self.part,
        }
    }
}

/// The policies of both sides.
pub(super) fn parts<'a>(before: &View<'a>, after: &View<'a>) -> Vec<&'a Policy> {
    before.parts.iter().chain(&after.parts).copied().collect()
}
