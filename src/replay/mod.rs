//! Decides the calls of a recorded run under another policy. It runs nothing, and never guesses: what the log
//! does not tell is undecidable, with the reason.

mod decide;
mod domains;
#[cfg(test)]
mod tests;

pub use decide::Undecidable;

use crate::journal::{Event, Journal};
use crate::judge::{Verdict, explain_reason};
use crate::plan::Plan;
use crate::policy::{Action, Policy};
use crate::report::{Denial, DenialAction};
use decide::Recorded;
use domains::{Members, Membership};
use std::collections::HashMap;

/// Calls of which the same became, for the same reason.
#[derive(Debug, Clone)]
pub struct Group {
    /// The first of them, as a request.
    pub example: String,
    /// Its line in the log.
    pub line: usize,
    /// The program that made it, if the log says.
    pub program: Option<String>,
    /// How many there are.
    pub count: usize,
    /// What decides now, or why that is not known.
    pub reason: String,
    /// What the policy answers; `None`: not known.
    pub action: Option<Action>,
}

/// What would differ.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Calls that were allowed and would be denied.
    pub denied: Vec<Group>,
    /// Calls that were denied and would be allowed.
    pub allowed: Vec<Group>,
    /// Calls that were denied and would be denied with another answer.
    pub answers: Vec<Group>,
    /// Calls of which the log does not tell enough.
    pub undecidable: Vec<Group>,
    /// How many calls would be decided as they were.
    pub same: usize,
    /// How many calls the log has.
    pub calls: usize,
    /// The domains of the policy that the log does not tell of.
    pub untold: Vec<String>,
}

/// What becomes of one recorded call.
enum Change {
    Same,
    Allowed,
    Denied,
    Answer,
}

/// Decides each call of a log.
pub fn replay(journal: &Journal, policy: &Policy, plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let mut groups = Groups::default();
    let mut programs: HashMap<i32, &str> = HashMap::new();
    let mut members = Members::new(policy);
    for entry in &journal.entries {
        members.event(&entry.event);
        let (recorded, before) = match &entry.event {
            Event::Exec { pid, ancestry, .. } => {
                if let Some(name) = ancestry.last() {
                    programs.insert(*pid, name);
                }
                continue;
            }
            Event::Access(access) => (Recorded::access(access), None),
            Event::Denied(denial) => (Recorded::denial(denial), Some(denial.as_ref())),
            _ => continue,
        };
        outcome.calls += 1;
        let program = before.and_then(|denial| denial.ancestry.last().map(String::as_str));
        let place = Place {
            line: entry.line,
            program: program.or_else(|| programs.get(&recorded.pid).copied()),
        };
        let decided = decided(plan, members.of(recorded.pid), &recorded, before);
        outcome.add(policy, &recorded, &place, before, decided, &mut groups);
    }
    let untold = policy.domain_names(members.untold());
    outcome.untold = untold.into_iter().map(str::to_owned).collect();
    outcome
}

/// Decides a call of a process in these domains.
fn decided(
    plan: &Plan,
    domains: Membership,
    recorded: &Recorded<'_>,
    before: Option<&Denial>,
) -> Result<Option<Verdict>, Undecidable> {
    let within = |set| decide::decide(&plan.within(set).judge, recorded, before);
    let certain = within(domains.certain)?;
    if domains.possible == domains.certain {
        return Ok(certain);
    }
    // A domain only takes away: where all of them decide as none, so does each.
    let action = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| verdict.action);
    match action(&within(domains.possible)?) == action(&certain) {
        true => Ok(certain),
        false => Err(Undecidable::Domain),
    }
}

/// Where a call is recorded.
struct Place<'a> {
    line: usize,
    program: Option<&'a str>,
}

/// The place of each group in its list: by list, by reason.
type Groups = HashMap<(u8, String), usize>;

impl Outcome {
    fn add(
        &mut self,
        policy: &Policy,
        recorded: &Recorded<'_>,
        place: &Place<'_>,
        before: Option<&Denial>,
        decided: Result<Option<Verdict>, Undecidable>,
        groups: &mut Groups,
    ) {
        let (list, number, reason, action) = match decided {
            Err(why) => (&mut self.undecidable, 3, why.to_string(), None),
            Ok(None) => {
                self.same += 1;
                return;
            }
            Ok(Some(verdict)) => {
                let reason = explain_reason(policy, &verdict);
                let action = Some(verdict.action);
                match change(before, &verdict) {
                    Change::Same => {
                        self.same += 1;
                        return;
                    }
                    Change::Denied => (&mut self.denied, 0, reason, action),
                    Change::Allowed => (&mut self.allowed, 1, reason, action),
                    Change::Answer => (&mut self.answers, 2, reason, action),
                }
            }
        };
        let key = (number, format!("{} {reason}", recorded.kind()));
        if let Some(group) = groups.get(&key).and_then(|place| list.get_mut(*place)) {
            group.count += 1;
            return;
        }
        groups.insert(key, list.len());
        list.push(Group {
            example: recorded.to_string(),
            line: place.line,
            program: place.program.map(str::to_owned),
            count: 1,
            reason,
            action,
        });
    }
}

fn change(before: Option<&Denial>, verdict: &Verdict) -> Change {
    let Some(before) = before else {
        return match verdict.action {
            Action::Allow => Change::Same,
            Action::Deny(_) | Action::Kill => Change::Denied,
        };
    };
    let killed = before.action == DenialAction::Kill;
    match verdict.action {
        Action::Allow => Change::Allowed,
        Action::Kill if killed => Change::Same,
        Action::Deny(errno) if !killed && before.errno.as_deref() == Some(errno.name()) => {
            Change::Same
        }
        Action::Deny(_) | Action::Kill => Change::Answer,
    }
}
