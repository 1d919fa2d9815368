//! Two policies compared by what they decide: which requests the second allows that the first does not, and
//! the reverse.
//!
//! From the entries of both policies it derives a finite set of requests that represent all others
//! ([`paths`], [`peers`], [`calls`]), and asks the judge of each policy about each request. So it cannot
//! disagree with the judge. What is no request (limits, capabilities, namespaces, the environment) is compared
//! by its value ([`settings`]). Pure: it runs nothing.

mod calls;
mod paths;
mod peers;
mod request;
mod settings;
#[cfg(test)]
mod tests;
mod view;
mod walk;

pub use request::Request;
pub use settings::{Change, Effect};

use crate::judge::explain_reason;
use crate::plan::{Host, Plan, PlanError};
use crate::policy::{Action, Lift, Policy};
use std::collections::HashMap;
use view::{View, parts};

/// A policy with what decides its requests.
#[derive(Debug)]
pub struct Side<'a> {
    policy: &'a Policy,
    plan: Plan,
    /// Whether it allows no system call: it is meant to be extended, and its sentences decide objects only.
    part: bool,
}

/// Requests that both policies decide differently for the same two reasons.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The first of them.
    pub example: Request,
    /// How many of the requests that were asked are decided so.
    pub count: usize,
    /// The first policy's verdict, with what decided.
    pub before: (Action, String),
    /// The second policy's.
    pub after: (Action, String),
}

/// What differs.
#[derive(Debug, Default)]
pub struct Comparison {
    /// What the second policy allows and the first does not.
    pub allowed: Vec<Difference>,
    /// What the first policy allows and the second does not.
    pub denied: Vec<Difference>,
    /// What both deny, with different answers.
    pub answers: Vec<Difference>,
    /// Limits, capabilities and the like.
    pub settings: Vec<Change>,
    /// Entries of `lift` that only the second policy has.
    pub lifts: Vec<String>,
    /// Whether there were more requests than are asked.
    pub bounded: bool,
    /// How many requests were asked.
    pub asked: usize,
    /// What differs for programs in a domain alone.
    pub domains: Vec<Within>,
}

/// What differs for programs in a domain, beyond what differs for all.
#[derive(Debug)]
pub struct Within {
    /// The domain.
    pub domain: String,
    /// What differs; settings are those of the whole policy.
    pub found: Comparison,
}

impl<'a> Side<'a> {
    /// Plans a policy for the newest kernel, as `jail test` does.
    ///
    /// # Errors
    /// If there is no plan for it.
    pub fn new(policy: &'a Policy) -> Result<Side<'a>, PlanError> {
        let plan = Plan::new(policy, &Host::newest())?;
        let part = plan.judge.is_part();
        Ok(Side { policy, plan, part })
    }

    /// Decides a request.
    #[cfg(test)]
    pub fn decide(&self, request: &Request) -> crate::judge::Verdict {
        request.decide(&self.plan.judge, self.part)
    }
}

/// Compares two policies.
pub fn compare(before: &Side<'_>, after: &Side<'_>) -> Comparison {
    let mut names: Vec<&str> = Vec::new();
    for domain in before.policy.domains.iter().chain(&after.policy.domains) {
        if !names.contains(&domain.name.as_str()) {
            names.push(&domain.name);
        }
    }
    let domains = names.into_iter().map(|name| Within {
        domain: name.to_owned(),
        found: requests(&before.within(Some(name)), &after.within(Some(name))),
    });
    Comparison {
        settings: settings::changes(before.policy, after.policy),
        lifts: new_lifts(before.policy, after.policy),
        domains: domains.collect(),
        ..requests(&before.main(), &after.main())
    }
}

/// What requests differ in.
fn requests(before: &View<'_>, after: &View<'_>) -> Comparison {
    let policies = parts(before, after);
    let (paths, more) = paths::requests(&policies);
    let mut comparison = Comparison {
        bounded: more,
        ..Comparison::default()
    };
    let (calls, more) = calls::requests(before, after);
    comparison.bounded |= more;
    let (peers, more) = peers::requests(&policies, &paths);
    comparison.bounded |= more;
    let mut groups = Groups::default();
    for request in calls.into_iter().chain(peers).chain(paths.accesses()) {
        comparison.asked += 1;
        comparison.add(before, after, request, &mut groups);
    }
    comparison
}

/// The place of each group of requests in its list.
type Groups = HashMap<(u8, String, String, &'static str), usize>;

impl Comparison {
    /// Whether the second policy allows something that the first does not.
    pub fn widens(&self) -> bool {
        let looser = |change: &Change| change.effect == Effect::Wider;
        !self.allowed.is_empty()
            || !self.lifts.is_empty()
            || self.settings.iter().any(looser)
            || self.domains.iter().any(|within| within.found.widens())
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty()
            && self.denied.is_empty()
            && self.answers.is_empty()
            && self.settings.is_empty()
            && self.lifts.is_empty()
            && self.domains.iter().all(|within| within.found.is_empty())
    }

    /// Whether there were more requests than were asked, of the main policies or of a domain.
    pub fn is_bounded(&self) -> bool {
        self.bounded || self.domains.iter().any(|within| within.found.bounded)
    }

    fn add(&mut self, before: &View<'_>, after: &View<'_>, request: Request, groups: &mut Groups) {
        // Of a policy that is meant to be extended, objects alone are compared.
        let part = before.part || after.part;
        let (one, other) = (
            request.decide(before.judge, part),
            request.decide(after.judge, part),
        );
        // What the main policies decide differently is told of them.
        let by_domain = one.domain.is_some() || other.domain.is_some();
        if before.parts.len() + after.parts.len() > 2 && !by_domain {
            return;
        }
        let (list, number) = match (one.action, other.action) {
            (one, other) if one == other => return,
            (_, Action::Allow) => (&mut self.allowed, 0),
            (Action::Allow, _) => (&mut self.denied, 1),
            _ => (&mut self.answers, 2),
        };
        let reasons = (
            explain_reason(before.policy, &one),
            explain_reason(after.policy, &other),
        );
        let key = (number, reasons.0.clone(), reasons.1.clone(), request.kind());
        if let Some(found) = groups.get(&key).and_then(|place| list.get_mut(*place)) {
            found.count += 1;
            return;
        }
        groups.insert(key, list.len());
        list.push(Difference {
            example: request,
            count: 1,
            before: (one.action, reasons.0),
            after: (other.action, reasons.1),
        });
    }
}

/// The entries of `lift` that only `after` has, as written.
fn new_lifts(before: &Policy, after: &Policy) -> Vec<String> {
    let same = |one: &Lift, other: &Lift| one.text == other.text;
    let new = after
        .lifts
        .iter()
        .filter(|lift| !before.lifts.iter().any(|known| same(known, lift)));
    new.map(|lift| {
        format!(
            "{} lift \"{}\": {}",
            after.place(lift.origin),
            lift.text,
            lift.why
        )
    })
    .collect()
}
