//! How the filter enforces each entry and each protection, read from its leaves.

use std::borrow::Cow;

use super::bpf::Return;
use super::filter::Leaf;
use super::route::{Cost, Enforcer, Route, What};
use crate::baseline::{self, Answer};
use crate::judge::{Chain, Judge, Reason};
use crate::policy::{Action, Entry, Target};

/// Chains and leaves of all known numbers, side by side.
pub(super) struct Survey<'a>(Vec<(Chain<'a>, Leaf)>);

/// A route without its subject.
pub(super) struct How {
    enforcer: Enforcer,
    because: Cow<'static, str>,
    cost: Cost,
    /// How many system calls are decided.
    decides: usize,
}

impl How {
    pub(super) fn route(self, what: What, named: usize) -> Route {
        Route {
            what,
            enforcer: self.enforcer,
            because: self.because,
            cost: self.cost,
            abi: None,
            reach: (self.decides, named.max(self.decides)),
        }
    }
}

fn how(
    enforcer: Enforcer,
    because: impl Into<Cow<'static, str>>,
    cost: Cost,
    decides: usize,
) -> How {
    How {
        enforcer,
        because: because.into(),
        cost,
        decides,
    }
}

impl<'a> Survey<'a> {
    pub(super) fn new(judge: &'a Judge, leaves: &'a [(u32, Leaf)]) -> Survey<'a> {
        let sides = judge.chains().zip(leaves);
        Survey(
            sides
                .map(|((_, chain), (_, leaf))| (chain, *leaf))
                .collect(),
        )
    }

    /// How many system calls there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many system calls of this machine an entry names.
    pub(super) fn named(&self, entry: &Entry) -> usize {
        match entry.target {
            Target::Syscall(_) => 1,
            Target::Group(group) => group.set.iter().filter(|s| s.number().is_some()).count(),
            Target::Foreign => 0,
        }
    }

    /// A name, a group or the default.
    pub(super) fn otherwise(&self, reason: Reason, action: Action, quiet: bool) -> How {
        // An allowing entry does not decide a call that the baseline denies.
        let closed = |chain: &Chain<'_>| {
            action == Action::Allow && chain.baseline.iter().any(|rule| rule.closes())
        };
        let mine: Vec<Leaf> = self
            .0
            .iter()
            .filter(|(chain, _)| chain.otherwise.reason == reason && !closed(chain))
            .map(|(_, leaf)| *leaf)
            .collect();
        let all = mine.len();
        if all == 0 {
            return how(
                Enforcer::NotNeeded,
                "decides nothing here",
                Cost::Nothing,
                all,
            );
        }
        let count = |which: fn(&Leaf) -> bool| mine.iter().filter(|leaf| which(leaf)).count();
        let conditional = count(|leaf| matches!(leaf, Leaf::Conditional(_)));
        let stopped = count(|leaf| *leaf == Leaf::Plain(Return::TRACE));
        match action {
            Action::Allow => how_allowed(all, conditional, stopped),
            Action::Deny(_) if quiet && stopped == 0 => how(
                Enforcer::Filter,
                "answered without a report",
                Cost::Program,
                all,
            ),
            Action::Deny(_) if quiet => how(
                Enforcer::FilterThenSupervisor,
                "an exec starts the jail itself",
                Cost::StopIfDenied,
                all,
            ),
            Action::Deny(_) | Action::Kill => how(
                Enforcer::FilterThenSupervisor,
                "to be reported with its line",
                Cost::StopIfDenied,
                all,
            ),
        }
    }

    /// A `[[rule]]`.
    pub(super) fn rule(&self, index: usize, action: Action, quiet: bool) -> How {
        let reason = Reason::Rule(index);
        let mine: Vec<_> = self
            .0
            .iter()
            .filter_map(|(chain, leaf)| {
                let step = chain.rules.iter().find(|s| s.ruling.reason == reason)?;
                Some((step, *leaf))
            })
            .collect();
        let all = mine.len();
        if all == 0 {
            return how(
                Enforcer::NotNeeded,
                "decides nothing here",
                Cost::Nothing,
                all,
            );
        }
        if mine.iter().any(|(step, _)| step.object.is_some()) {
            return how(Enforcer::Supervisor, "its memory decides", Cost::Stop, all);
        }
        let too_large = |step: &crate::judge::Step| step.condition.alternatives().is_err();
        if mine.iter().any(|(step, _)| too_large(step)) {
            return how(
                Enforcer::Supervisor,
                "too large for the filter",
                Cost::Stop,
                all,
            );
        }
        let free = || {
            mine.iter()
                .all(|(_, leaf)| *leaf == Leaf::Plain(Return::ALLOW))
        };
        match action {
            Action::Allow if free() => how(Enforcer::Filter, "allowed anyway", Cost::Nothing, all),
            Action::Allow => how(Enforcer::Filter, "its registers decide", Cost::Program, all),
            Action::Deny(_) if quiet => how(
                Enforcer::Filter,
                "answered without a report",
                Cost::Program,
                all,
            ),
            Action::Deny(_) | Action::Kill => how(
                Enforcer::FilterThenSupervisor,
                "registers decide, reported",
                Cost::StopIfDenied,
                all,
            ),
        }
    }

    /// A protection.
    pub(super) fn protection(&self, rule: &'static baseline::Rule) -> How {
        let open = |chain: &Chain<'_>| {
            !chain.otherwise.outranks_baseline()
                || chain
                    .rules
                    .iter()
                    .any(|step| !step.ruling.outranks_baseline())
        };
        let all = self
            .0
            .iter()
            .filter(|(chain, _)| chain.baseline.contains(&rule) && open(chain))
            .count();
        let (enforcer, because, cost) = match rule.answer {
            _ if all == 0 => (
                Enforcer::NotNeeded,
                "the policy denies it all",
                Cost::Nothing,
            ),
            Answer::Quiet(_) => (Enforcer::Filter, "programs fall back on it", Cost::Program),
            Answer::Deny(_) if rule.closes() => (
                Enforcer::FilterThenSupervisor,
                "to be reported",
                Cost::StopIfDenied,
            ),
            Answer::Deny(_) | Answer::Close(_) => (
                Enforcer::FilterThenSupervisor,
                "registers decide, reported",
                Cost::StopIfDenied,
            ),
            Answer::Check(_) if rule.covers_each() => {
                (Enforcer::Supervisor, "the process tree decides", Cost::Stop)
            }
            Answer::Check(_) => (
                Enforcer::FilterThenSupervisor,
                "the process tree decides",
                Cost::StopIfAimed,
            ),
        };
        how(enforcer, because, cost, all)
    }
}

/// The row of calls that a name, a group or the default allows: most are decided by number, some by the
/// conditions of rules and protections.
fn how_allowed(all: usize, conditional: usize, stopped: usize) -> How {
    let filter = Enforcer::Filter;
    match (conditional, stopped) {
        (0, 0) => how(filter, "its number decides", Cost::Nothing, all),
        (_, 0) if conditional == all => how(filter, "its registers decide", Cost::Program, all),
        (_, 0) => how(
            filter,
            format!("its number, {conditional} by registers"),
            Cost::Program,
            all,
        ),
        (0, _) if stopped == all => how(
            Enforcer::Supervisor,
            "the process tree decides",
            Cost::Stop,
            all,
        ),
        _ => how(
            Enforcer::FilterThenSupervisor,
            format!("its number, {conditional} by registers, {stopped} by target"),
            Cost::StopIfAimed,
            all,
        ),
    }
}
