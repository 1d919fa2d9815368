//! Calls that represent all others: every system call, with each combination of the values at which a condition
//! of either policy, or of the baseline, changes its result.

use super::paths::patterns_of;
use super::peers::endpoints;
use super::request::Request;
use super::view::{View, parts};
use crate::condition::{Comparison, Condition, Test};
use crate::judge::Chain;
use crate::policy::{Object, Peer, Policy, Who};
use crate::syscalls::Call;
use std::collections::{BTreeMap, BTreeSet};

/// Combinations for one system call. If there are more, arguments are varied one at a time.
const MOST: usize = 20_000;
/// A value that conditions do not name.
const OTHER: u64 = 0x7e57_7e57;

/// The values of each argument.
type Values = [BTreeSet<u64>; 6];

/// The calls for two views, and whether combinations were left out.
pub(super) fn requests(one: &View<'_>, other: &View<'_>) -> (Vec<Request>, bool) {
    let mut found = Vec::new();
    let mut bounded = false;
    for (nr, chain) in one.judge.chains() {
        let mut values = Values::default();
        let mut points = Vec::new();
        let inner = [one, other].into_iter().flat_map(|view| view.judge.inner());
        let inner = inner.filter_map(|judge| judge.chain(nr));
        for chain in [chain]
            .into_iter()
            .chain(other.judge.chain(nr))
            .chain(inner)
        {
            add_chain(&chain, &mut values, &mut points);
        }
        let count = values.iter().map(|set| set.len().max(1));
        let combinations = count.fold(1usize, usize::saturating_mul);
        if combinations <= MOST {
            found.extend(product(nr, &values));
        } else {
            bounded = true;
            found.extend(variations(nr, &values, &points));
        }
    }
    let policies = parts(one, other);
    for policy in &policies {
        found.extend(objects(policy, &policies));
    }
    (found, bounded)
}

/// Adds the values of a chain's conditions, and registers for which each alternative holds.
fn add_chain(chain: &Chain<'_>, values: &mut Values, points: &mut Vec<[u64; 6]>) {
    let mut alternatives: Vec<Vec<Test>> = Vec::new();
    for step in chain.rules {
        add_condition(&step.condition, values);
        alternatives.extend(step.condition.alternatives().unwrap_or_default());
    }
    for rule in chain.baseline {
        for tests in rule.when.any {
            for test in *tests {
                // Both policies have the same baseline, if not all of its rules.
                if let Some(set) = values.get_mut(usize::from(test.arg)) {
                    set.extend([0, test.value, test.mask.unwrap_or(OTHER)]);
                }
            }
            alternatives.push(tests.to_vec());
        }
    }
    for tests in &alternatives {
        points.push(point(values, tests));
    }
}

fn add_condition(condition: &Condition, values: &mut Values) {
    match condition {
        Condition::Compare(Comparison {
            arg, mask, value, ..
        }) => add_value(values, *arg, *mask, *value),
        Condition::Not(inner) => add_condition(inner, values),
        Condition::All(inner) | Condition::Any(inner) => {
            for condition in inner {
                add_condition(condition, values);
            }
        }
    }
}

/// The values at which one comparison changes its result.
fn add_value(values: &mut Values, arg: u8, mask: Option<u64>, value: u64) {
    let Some(set) = values.get_mut(usize::from(arg)) else {
        return;
    };
    set.extend([0, OTHER, value]);
    match mask {
        None => set.extend([value.wrapping_sub(1), value.wrapping_add(1)]),
        Some(mask) => {
            // With every bit of the mask, and with one only.
            set.extend([mask, value | !mask & 0xffff_ffff]);
            let bits = (0..64).map(|bit| 1u64 << bit);
            set.extend(bits.filter(|bit| mask & bit != 0));
        }
    }
}

/// Registers that pass all tests, as far as the known values have them.
fn point(values: &Values, tests: &[Test]) -> [u64; 6] {
    let mut args = [0; 6];
    for (place, (arg, set)) in args.iter_mut().zip(values).enumerate() {
        let passes = |value: &&u64| {
            let mut registers = [0; 6];
            if let Some(register) = registers.get_mut(place) {
                *register = **value;
            }
            let mut own = tests.iter().filter(|test| usize::from(test.arg) == place);
            own.all(|test| test.holds(&registers))
        };
        if let Some(value) = set.iter().find(passes) {
            *arg = *value;
        }
    }
    args
}

/// Every combination.
fn product(nr: u32, values: &Values) -> Vec<Request> {
    let mut all = vec![[0; 6]];
    for (place, set) in values.iter().enumerate() {
        if set.is_empty() {
            continue;
        }
        let each = |args: &[u64; 6]| -> Vec<[u64; 6]> {
            set.iter().map(|value| with(args, place, *value)).collect()
        };
        all = all.iter().flat_map(each).collect();
    }
    all.into_iter()
        .map(|args| Request::Call(Call { nr, args }))
        .collect()
}

/// Each point, with each argument changed to each value.
fn variations(nr: u32, values: &Values, points: &[[u64; 6]]) -> Vec<Request> {
    let mut found = BTreeSet::from([[0; 6]]);
    for point in points.iter().chain([&[0; 6]]) {
        found.insert(*point);
        for (place, set) in values.iter().enumerate() {
            found.extend(set.iter().map(|value| with(point, place, *value)));
        }
    }
    found
        .into_iter()
        .map(|args| Request::Call(Call { nr, args }))
        .collect()
}

fn with(args: &[u64; 6], place: usize, value: u64) -> [u64; 6] {
    let mut args = *args;
    if let Some(arg) = args.get_mut(place) {
        *arg = value;
    }
    args
}

/// Calls that the rules of `policy` about paths, peers and arguments may decide, with the paths and peers that
/// these policies name.
fn objects(policy: &Policy, policies: &[&Policy]) -> Vec<Request> {
    let mut found = Vec::new();
    for rule in &policy.rules {
        let Some(object) = &rule.object else { continue };
        let (paths, peers, argvs) = (
            paths_of(object, policies),
            peers_of(object, policies),
            argvs_of(object, policies),
        );
        for (syscall, condition) in &rule.conditions {
            let Some(nr) = syscall.number() else { continue };
            let mut values = Values::default();
            add_condition(condition, &mut values);
            let tests = condition.alternatives().unwrap_or_default();
            let args = tests.first().map_or([0; 6], |tests| point(&values, tests));
            let call = Call { nr, args };
            for path in &paths {
                for peer in &peers {
                    for argv in &argvs {
                        found.push(Request::Object {
                            call,
                            path: path.clone(),
                            peer: peer.clone(),
                            argv: argv.clone(),
                        });
                    }
                }
            }
        }
    }
    found
}

/// Examples of the paths that rules of these policies name, if this rule is about one.
fn paths_of(object: &Object, policies: &[&Policy]) -> Vec<Option<std::path::PathBuf>> {
    if object.path.is_none() {
        return vec![None];
    }
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let patterns = rules.filter_map(|rule| Some(&rule.object.as_ref()?.path.as_ref()?.1));
    let all: BTreeMap<_, _> = patterns
        .flat_map(|pattern| pattern.examples())
        .map(|path| (path.clone(), Some(path)))
        .collect();
    let most = policies.iter().copied().flat_map(patterns_of).count() + 1;
    all.into_values().take(most * 8).collect()
}

fn peers_of(object: &Object, policies: &[&Policy]) -> Vec<Option<Peer>> {
    if object.peer.is_none() {
        return vec![None];
    }
    let all = policies.iter().copied().flat_map(endpoints);
    let examples = all.map(|endpoint| {
        let (way, who) = (crate::net::Way::Connect, example(endpoint));
        Some(Peer { way, who })
    });
    examples.collect()
}

/// One peer that an endpoint covers.
fn example(endpoint: &crate::net::Endpoint) -> Who {
    crate::policy::example_of(endpoint)
}

fn argvs_of(object: &Object, policies: &[&Policy]) -> Vec<Vec<Vec<u8>>> {
    if object.argv.is_none() {
        return vec![Vec::new()];
    }
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let argvs = rules.filter_map(|rule| rule.object.as_ref()?.argv.as_ref());
    let all: BTreeSet<Vec<Vec<u8>>> = argvs.flat_map(|argv| argv.examples()).collect();
    all.into_iter().collect()
}
