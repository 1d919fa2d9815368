//! What enforces each entry of a policy and each rule of the baseline, why, and at what cost: the list. It
//! does not influence the filter.

use std::borrow::Cow;

use super::domain::REFER_ABI;
use super::filter::Leaf;
use super::route::{Cost, Enforcer, Route, What};
use super::survey::Survey;
use super::{Domain, Files, Memory, Net};
use crate::baseline::{self, Answer, Baseline, Check, SIGNAL_SCOPE_ABI};
use crate::judge::{Judge, Reason};
use crate::policy::Policy;

/// Entries and rules in the order of the policy, then the default, the baseline, and the rows that are
/// independent of the policy.
#[allow(
    clippy::too_many_arguments,
    reason = "each part of a plan has its rows"
)]
pub(super) fn routes(
    policy: &Policy,
    baseline: &Baseline,
    domain: Domain,
    judge: &Judge,
    leaves: &[(u32, Leaf)],
    files: &Files,
    net: &Net,
    keeper: Option<Memory>,
) -> Vec<Route> {
    let survey = Survey::new(judge, leaves);
    let entries = policy.syscalls.iter().enumerate().map(|(index, entry)| {
        let how = survey.otherwise(Reason::Entry(index), entry.action, entry.quiet);
        how.route(What::Entry(index), survey.named(entry))
    });
    let rules = policy.rules.iter().enumerate().map(|(index, rule)| {
        let how = survey.rule(index, rule.action, rule.quiet);
        how.route(What::Rule(index), rule.conditions.len())
    });
    let default = survey
        .otherwise(Reason::Default, policy.default.action, false)
        .route(What::Default, survey.len());
    // A rule that only watches is covered by the rows of the entries that need it.
    let watched = |rule: &&'static baseline::Rule| {
        !matches!(
            rule.answer,
            Answer::Check(
                Check::Paths
                    | Check::Peers
                    | Check::Look
                    | Check::Filling
                    | Check::Socket
                    | Check::OwnFilter,
            ) | Answer::Close(_)
        )
    };
    let protections = baseline
        .rules()
        .filter(watched)
        .map(|rule| survey.protection(rule).route(What::Baseline(rule), 0));

    let signals = baseline.landlock_holds_signals().then_some(SIGNALS);
    entries
        .chain(rules)
        .chain(files.routes(policy))
        .chain(net.routes(policy))
        .chain(super::limits::routes(policy, keeper))
        .chain(super::isolation::routes(policy))
        .chain([default])
        .chain(protections)
        .chain(signals)
        .chain([memory(domain), ALWAYS, FOREIGN])
        .collect()
}

/// A row that depends on nothing of a policy.
const fn fixed(
    what: What,
    enforcer: Enforcer,
    because: &'static str,
    cost: Cost,
    abi: Option<u32>,
) -> Route {
    Route {
        what,
        enforcer,
        because: Cow::Borrowed(because),
        cost,
        abi,
        reach: (0, 0),
    }
}

const SIGNALS: Route = fixed(
    What::Signals,
    Enforcer::Landlock,
    "it knows every way to send one",
    Cost::Nothing,
    Some(SIGNAL_SCOPE_ABI),
);

const ALWAYS: Route = fixed(
    What::Always,
    Enforcer::Filter,
    "its number decides",
    Cost::Nothing,
    None,
);

const FOREIGN: Route = fixed(
    What::Foreign,
    Enforcer::Filter,
    "programs fall back on it",
    Cost::Program,
    None,
);

/// The memory of processes outside.
fn memory(domain: Domain) -> Route {
    let (enforcer, because) = match domain {
        Domain::None => (Enforcer::Missing, "it takes Linux 5.19 with Landlock"),
        _ => (Enforcer::Landlock, "its domains cannot trace outside"),
    };
    fixed(
        What::Memory,
        enforcer,
        because,
        Cost::Nothing,
        Some(REFER_ABI),
    )
}
