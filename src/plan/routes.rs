//! Who enforces each entry of a policy and each rule of the baseline, why that one, and at what
//! cost. Says what the filter does; changes nothing about it.

use super::block::Block;
use super::bpf::Return;
use crate::baseline::{self, Answer, Baseline};
use crate::judge::{Chain, Judge, Reason};
use crate::policy::{Action, Policy, Target};
use crate::syscalls;

/// One row of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What is enforced.
    pub what: What,
    /// By whom.
    pub enforcer: Enforcer,
    /// Why by this one.
    pub because: &'static str,
    /// At what price.
    pub cost: Cost,
    /// How many system calls it decides, and how many it names.
    pub reach: (usize, usize),
}

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// An entry of `[syscalls]`, by its index.
    Entry(usize),
    /// A `[[rule]]`, by its index.
    Rule(usize),
    /// The policy's default.
    Default,
    /// A rule of the baseline.
    Baseline(&'static baseline::Rule),
    /// Signals, on a host whose Landlock holds them.
    Signals,
    /// [`baseline::ALWAYS`].
    Always,
    /// Other architectures' calls, and numbers that the table does not know.
    Foreign,
}

/// A mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcer {
    /// The seccomp program alone.
    Filter,
    /// The seccomp program stops the call, the supervisor answers and reports it.
    FilterThenSupervisor,
    /// The supervisor, at each call.
    Supervisor,
    /// A Landlock domain.
    Landlock,
    /// Nobody has to.
    Nobody,
}

/// What a route costs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: the kernel remembers the answer.
    Nothing,
    /// The seccomp program runs at each call.
    Program,
    /// As `Program`, and a stop at each call that is denied.
    StopIfDenied,
    /// As `Program`, and a stop at each call whose target has to be looked up.
    StopIfAimed,
    /// A stop at each call.
    Stop,
}

impl Enforcer {
    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Enforcer::Filter => "filter",
            Enforcer::FilterThenSupervisor => "filter, supervisor",
            Enforcer::Supervisor => "supervisor",
            Enforcer::Landlock => "Landlock scope",
            Enforcer::Nobody => "-",
        }
    }
}

impl Cost {
    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Cost::Nothing => "none",
            Cost::Program => "0.1 µs a call",
            Cost::StopIfDenied => "a stop if denied",
            Cost::StopIfAimed => "a stop if aimed at others",
            Cost::Stop => "a stop a call",
        }
    }
}

/// The routes of a plan: entries and rules in the order of the policy, the baseline's, the rest.
pub(super) fn routes(
    policy: &Policy,
    baseline: &Baseline,
    judge: &Judge,
    blocks: &[(u32, Block)],
) -> Vec<Route> {
    let survey = Survey {
        chains: judge
            .chains()
            .zip(blocks)
            .map(|((_, c), (_, b))| (c, b))
            .collect(),
    };
    let entries = policy.syscalls.iter().enumerate().map(|(index, entry)| {
        let named = match entry.target {
            Target::Syscall(syscall) => usize::from(syscall.number().is_some()),
            Target::Group(group) => group.set.iter().filter(|s| s.number().is_some()).count(),
            Target::Foreign => 0,
        };
        survey.otherwise(
            What::Entry(index),
            Reason::Entry(index),
            entry.action,
            entry.quiet,
            named,
        )
    });
    let rules = policy.rules.iter().enumerate().map(|(index, rule)| {
        let named = rule
            .conditions
            .iter()
            .filter(|(s, _)| s.number().is_some())
            .count();
        survey.rule(index, rule.action, rule.quiet, named)
    });
    let default = survey.otherwise(
        What::Default,
        Reason::Default,
        policy.default.action,
        false,
        survey.chains.len(),
    );
    let protections = baseline.rules().map(|rule| survey.baseline(rule));
    let always = baseline::ALWAYS.len();
    let fixed = [
        baseline.landlock_holds_signals().then_some(Route {
            what: What::Signals,
            enforcer: Enforcer::Landlock,
            because: "the kernel knows every way to send a signal",
            cost: Cost::Nothing,
            reach: (0, 0),
        }),
        Some(Route {
            what: What::Always,
            enforcer: Enforcer::Filter,
            because: "its number decides",
            cost: Cost::Nothing,
            reach: (always, always),
        }),
        Some(Route {
            what: What::Foreign,
            enforcer: Enforcer::Filter,
            because: "programs fall back on ENOSYS",
            cost: Cost::Program,
            reach: (0, 0),
        }),
    ];
    entries
        .chain(rules)
        .chain([default])
        .chain(protections)
        .chain(fixed.into_iter().flatten())
        .collect()
}

/// Chains and blocks of all known numbers, side by side.
struct Survey<'a> {
    chains: Vec<(Chain<'a>, &'a Block)>,
}

impl Survey<'_> {
    /// A name, a group or the default.
    fn otherwise(
        &self,
        what: What,
        reason: Reason,
        action: Action,
        quiet: bool,
        named: usize,
    ) -> Route {
        let mine: Vec<_> = self
            .chains
            .iter()
            .filter(|(chain, _)| chain.otherwise.reason == reason)
            .collect();
        let reach = (mine.len(), named);
        let route = |enforcer, because, cost| Route {
            what,
            enforcer,
            because,
            cost,
            reach,
        };
        if mine.is_empty() {
            let because = match named {
                0 => "not a system call of this machine",
                _ => "more specific entries decide",
            };
            return route(Enforcer::Nobody, because, Cost::Nothing);
        }
        let plain = mine
            .iter()
            .all(|(_, block)| matches!(block, Block::Plain(_)));
        let stopped = mine
            .iter()
            .any(|(_, block)| **block == Block::Plain(Return::TRACE));
        match (action, quiet) {
            (Action::Allow, _) if plain && stopped => route(
                Enforcer::Supervisor,
                "memory or the process tree decides",
                Cost::Stop,
            ),
            (Action::Allow, _) if plain => {
                route(Enforcer::Filter, "its number decides", Cost::Nothing)
            }
            (Action::Allow, _) => route(Enforcer::Filter, "its registers decide", Cost::Program),
            (Action::Deny(_), true) if !stopped => {
                route(Enforcer::Filter, "answered without a report", Cost::Program)
            }
            (Action::Deny(_), true) => route(
                Enforcer::FilterThenSupervisor,
                "the first exec starts the jail's program",
                Cost::StopIfDenied,
            ),
            _ => route(
                Enforcer::FilterThenSupervisor,
                "to be reported with its line",
                Cost::StopIfDenied,
            ),
        }
    }

    /// A `[[rule]]`.
    fn rule(&self, index: usize, action: Action, quiet: bool, named: usize) -> Route {
        let mine: Vec<_> = self
            .chains
            .iter()
            .filter_map(|(chain, block)| {
                let step = chain
                    .rules
                    .iter()
                    .find(|s| s.ruling.reason == Reason::Rule(index))?;
                Some((step, *block))
            })
            .collect();
        let reach = (mine.len(), named);
        let route = |enforcer, because, cost| Route {
            what: What::Rule(index),
            enforcer,
            because,
            cost,
            reach,
        };
        if mine.is_empty() {
            return route(
                Enforcer::Nobody,
                "not a system call of this machine",
                Cost::Nothing,
            );
        }
        if mine
            .iter()
            .any(|(step, _)| step.condition.alternatives().is_err())
        {
            return route(
                Enforcer::Supervisor,
                "too large a condition for the filter",
                Cost::Stop,
            );
        }
        let plain = |answer| {
            mine.iter()
                .all(|(_, block)| **block == Block::Plain(answer))
        };
        match (action, quiet) {
            (Action::Allow, _) if plain(Return::ALLOW) => {
                route(Enforcer::Filter, "allowed in any case", Cost::Nothing)
            }
            (Action::Allow, _) => route(Enforcer::Filter, "its registers decide", Cost::Program),
            (Action::Deny(_), true) => {
                route(Enforcer::Filter, "answered without a report", Cost::Program)
            }
            _ => route(
                Enforcer::FilterThenSupervisor,
                "registers decide, to be reported",
                Cost::StopIfDenied,
            ),
        }
    }

    /// A protection.
    fn baseline(&self, rule: &'static baseline::Rule) -> Route {
        let named = rule
            .syscalls
            .iter()
            .filter_map(|name| syscalls::by_name(name)?.number())
            .count();
        let open = self
            .chains
            .iter()
            .filter(|(chain, _)| {
                chain
                    .baseline
                    .iter()
                    .any(|known| *known == rule)
            })
            .filter(|(chain, _)| {
                let allows = chain
                    .rules
                    .iter()
                    .any(|step| !step.ruling.outranks_baseline());
                allows || !chain.otherwise.outranks_baseline()
            })
            .count();
        let (enforcer, because, cost) = match rule.answer {
            _ if open == 0 => (Enforcer::Nobody, "the policy denies it all", Cost::Nothing),
            Answer::Quiet(_) => (Enforcer::Filter, "programs fall back on it", Cost::Program),
            Answer::Deny(_) if rule.closes() => (
                Enforcer::FilterThenSupervisor,
                "to be reported",
                Cost::StopIfDenied,
            ),
            Answer::Deny(_) => (
                Enforcer::FilterThenSupervisor,
                "registers decide, to be reported",
                Cost::StopIfDenied,
            ),
            Answer::Check(_) if rule.when.any.iter().any(|tests| tests.is_empty()) => {
                (Enforcer::Supervisor, "the process tree decides", Cost::Stop)
            }
            Answer::Check(_) => (
                Enforcer::FilterThenSupervisor,
                "the process tree decides",
                Cost::StopIfAimed,
            ),
        };
        Route {
            what: What::Baseline(rule),
            enforcer,
            because,
            cost,
            reach: (open, named),
        }
    }
}
