//! What is no request: limits, capabilities, namespaces, the environment and the rest of `[process]`, compared
//! by value.

use crate::policy::{Isolation, LimitKind, OnExec, Policy, Process, Setting};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Display;

/// What a change means for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The second policy lets it do more.
    Wider,
    /// The second policy lets it do less.
    Narrower,
    /// Neither can be said.
    Other,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its key: `limits.wall`.
    pub key: String,
    /// The first policy's value; `None`: it has none.
    pub before: Option<String>,
    /// The second policy's value.
    pub after: Option<String>,
    /// What it means.
    pub effect: Effect,
}

/// Every setting that differs.
pub fn changes(before: &Policy, after: &Policy) -> Vec<Change> {
    let mut found = limits("", before, after);
    for domain in &before.domains {
        let inner = |policy: &Policy| policy.domain(&domain.name);
        if let Some(id) = inner(after) {
            let prefix = format!("domain.{}.", domain.name);
            let after = after.of_domain(Some(id));
            found.extend(limits(&prefix, &domain.policy, after));
        }
    }
    let (one, other) = (&before.process, &after.process);
    found.extend(lists(one, other));
    found.extend(environment(one, other));
    found.extend(rest(one, other));
    found.extend(domains(before, after));
    found
}

/// The programs that enter each domain, of which more are narrower. Whether one pattern covers what another does is
/// not asked.
fn domains(before: &Policy, after: &Policy) -> Vec<Change> {
    let programs = |policy: &Policy, name: &str| {
        let domain = policy.domain(name)?;
        let domain = policy.domains.get(usize::from(domain))?;
        Some(domain.programs.clone())
    };
    let mut found: Vec<Change> = Vec::new();
    for domain in before.domains.iter().chain(&after.domains) {
        let key = format!("domain.{}.on-exec", domain.name);
        let (one, other) = (
            programs(before, &domain.name),
            programs(after, &domain.name),
        );
        let within = |some: &Option<Vec<OnExec>>, all: &Option<Vec<OnExec>>| {
            let all = all.as_deref().unwrap_or_default();
            let mut some = some.iter().flatten();
            some.all(|program| all.iter().any(|other| other.is_same(program)))
        };
        let effect = match (within(&one, &other), within(&other, &one)) {
            (true, true) => continue,
            (true, false) => Effect::Narrower,
            (false, _) => Effect::Wider,
        };
        if found.iter().any(|change| change.key == key) {
            continue;
        }
        let text = |programs: Option<Vec<OnExec>>| {
            let texts = programs?.iter().map(OnExec::to_string).collect::<Vec<_>>();
            Some(texts.join(", "))
        };
        found.push(Change {
            key,
            before: text(one),
            after: text(other),
            effect,
        });
    }
    found
}

/// No limit is wider than any. `prefix`: of the keys.
fn limits(prefix: &str, before: &Policy, after: &Policy) -> Vec<Change> {
    let mut found = Vec::new();
    for kind in LimitKind::ALL {
        let amount = |policy: &Policy| {
            let nanoseconds = policy.limits.time(kind).map(|time| time.as_nanos());
            nanoseconds.or_else(|| policy.limits.number(kind).map(u128::from))
        };
        let said = |policy: &Policy| policy.limits.said(kind).map(|(_, text)| text.to_owned());
        let (one, other) = (amount(before), amount(after));
        let value = |amount: Option<u128>| amount.unwrap_or(u128::MAX);
        let effect = match (kind, value(one).cmp(&value(other))) {
            (_, std::cmp::Ordering::Equal) => continue,
            (LimitKind::Grace, _) => Effect::Other,
            (_, std::cmp::Ordering::Less) => Effect::Wider,
            (_, std::cmp::Ordering::Greater) => Effect::Narrower,
        };
        found.push(Change {
            key: format!("{prefix}limits.{}", kind.key()),
            before: said(before),
            after: said(after),
            effect,
        });
    }
    found
}

/// Capabilities, of which more are wider, and namespaces, of which more are narrower.
fn lists(before: &Process, after: &Process) -> Vec<Change> {
    let caps = |process: &Process| -> BTreeSet<String> {
        let kept = process.capabilities.iter().flatten();
        kept.map(|kept| kept.value.to_string()).collect()
    };
    let isolate = |process: &Process| -> BTreeSet<String> {
        let words = process.isolate.iter().map(|said| said.value);
        words.map(Isolation::word).map(str::to_owned).collect()
    };
    let change =
        |key: &str, one: BTreeSet<String>, other: BTreeSet<String>, more: Effect, less: Effect| {
            let effect = match (one.is_subset(&other), other.is_subset(&one)) {
                (true, true) => return None,
                (true, false) => more,
                (false, true) => less,
                // Some are added and some removed: what is added or removed may allow something.
                (false, false) => Effect::Wider,
            };
            let text = |set: BTreeSet<String>| {
                let words: Vec<String> = set.into_iter().collect();
                (!words.is_empty()).then(|| words.join(", "))
            };
            Some(Change {
                key: format!("process.{key}"),
                before: text(one),
                after: text(other),
                effect,
            })
        };
    let (wider, narrower) = (Effect::Wider, Effect::Narrower);
    [
        change("caps", caps(before), caps(after), wider, narrower),
        change("isolate", isolate(before), isolate(after), narrower, wider),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Which variables are passed on and set.
fn environment(before: &Process, after: &Process) -> Vec<Change> {
    let pass = |process: &Process| {
        let words = process.pass.as_ref()?.iter().map(|it| it.text.as_str());
        Some(words.collect::<Vec<_>>().join(", "))
    };
    let mut found: Vec<Change> = differing("env.pass", pass(before), pass(after))
        .map(|change| Change {
            effect: passed(before, after),
            ..change
        })
        .into_iter()
        .collect();
    let names: BTreeSet<&String> = before.set.keys().chain(after.set.keys()).collect();
    for name in names {
        let value = |process: &Process| Some(process.set.get(name)?.value.clone());
        found.extend(differing(
            &format!("env.set.{name}"),
            value(before),
            value(after),
        ));
    }
    found
}

/// Whether more variables are passed on.
fn passed(before: &Process, after: &Process) -> Effect {
    match (&before.pass, &after.pass) {
        (None, _) => Effect::Narrower,
        (_, None) => Effect::Wider,
        (Some(one), Some(other)) => match other.iter().all(|it| one.contains(it)) {
            true => Effect::Narrower,
            false => Effect::Wider,
        },
    }
}

fn rest(before: &Process, after: &Process) -> Vec<Change> {
    fn text<T: Display>(said: Option<&Setting<T>>) -> Option<String> {
        said.map(|said| said.value.to_string())
    }
    let path = |said: &Option<Setting<std::path::PathBuf>>| {
        said.as_ref().map(|said| said.value.display().to_string())
    };
    let octal =
        |said: &Option<Setting<u32>>| said.as_ref().map(|said| format!("{:03o}", said.value));
    [
        differing("cwd", path(&before.directory), path(&after.directory)),
        differing("stdin", path(&before.stdin), path(&after.stdin)),
        differing("umask", octal(&before.umask), octal(&after.umask)),
        differing(
            "nice",
            text(before.nice.as_ref()),
            text(after.nice.as_ref()),
        ),
        differing(
            "user",
            text(before.user.as_ref()),
            text(after.user.as_ref()),
        ),
        differing(
            "tmpdir",
            text(before.tmpdir.as_ref()),
            text(after.tmpdir.as_ref()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn differing(key: &str, before: Option<String>, after: Option<String>) -> Option<Change> {
    (before != after).then(|| Change {
        key: format!("process.{key}"),
        before,
        after,
        effect: Effect::Other,
    })
}
