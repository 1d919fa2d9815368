//! Policies that are valid but likely a mistake: the warnings of `jail check`.
//!
//! Only the main file is checked; the files that it extends are checked on their own.

use super::{Action, Code, Diagnostic, Entry, List, Origin, PathEntry, Policy, Rule, Target};
use crate::condition::Condition;
use crate::sorting::sort_by_key;
use crate::syscalls::{self, Syscall};

/// Warnings that stay true whatever else is added to the policy.
const CERTAIN: &[Code] = &[
    Code::AlwaysHolds,
    Code::Defeated,
    Code::Duplicate,
    Code::HardLink,
    Code::WholeHome,
    Code::MatchesNothing,
    Code::Missing,
    Code::MissingPath,
    Code::NameDenied,
    Code::NeverHolds,
    Code::SaysNothing,
    Code::Shadowed,
];

/// As [`lint`], for a policy that could be read only in part: only warnings that are true in any case.
pub(super) fn lint_rest(policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = lint(policy);
    // An entry of `protect` without effect may get one when an entry opens its path.
    let vain = |warning: &Diagnostic| warning.message.contains(super::lint_paths::VAIN);
    warnings.retain(|warning| CERTAIN.contains(&warning.code) && !vain(warning));
    warnings
}

/// Entries and rules of the main file that can never decide anything, and the like.
pub fn lint(policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    super::lint_base::lint(policy, &mut warnings);
    super::lint_empty::lint(policy, &mut warnings);
    super::lint_power::lint(policy, &mut warnings);
    super::lint_base::lint_home(policy, &mut warnings);
    super::lint_process::lint(policy, &mut warnings);
    extends(policy, &mut warnings);
    decisions(policy, &mut warnings);
    super::lint_domains::lint(policy, decisions, &mut warnings);
    super::lift::lint(policy, &mut warnings);
    sort_by_key(&mut warnings, |warning| warning.span.start);
    warnings
}

/// Entries and rules that may decide nothing, or less than their author may think.
fn decisions(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    entries(policy, warnings);
    for (index, rule) in policy.rules.iter().enumerate() {
        if policy.is_own(rule.origin) {
            warnings.extend(lint_rule(policy, index, rule));
        }
    }
    for (index, entry) in policy.paths.iter().enumerate() {
        if policy.is_own(entry.origin) {
            warnings.extend(super::lint_paths::lint(policy, index, entry));
        }
    }
    super::lint_net::lint(policy, warnings);
}

fn extends(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let Some(main) = policy.sources.first() else {
        return;
    };
    for (index, (extended, line)) in main.extends.iter().enumerate() {
        let earlier = main.extends.get(..index).unwrap_or_default();
        if earlier.iter().any(|(other, _)| other == extended) {
            let name = policy
                .sources
                .get(usize::from(*extended))
                .map_or("", |source| &source.name);
            let origin = Origin {
                source: 0,
                line: *line,
            };
            warnings.push(warning(
                policy,
                origin,
                Code::Duplicate,
                format!("`{name}` is extended twice"),
            ));
        }
    }
}

/// Whether an entry decides any call, and whether it decides any call differently from the default.
#[derive(Clone, Copy, std::default::Default)]
struct Use {
    decides: bool,
    matters: bool,
}

fn entries(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let mut uses = vec![Use::default(); policy.syscalls.len()];
    // Those of other architectures, too: a policy has the same warnings on all of them.
    for syscall in syscalls::all() {
        let (named, grouped): (Vec<_>, Vec<_>) = policy
            .syscalls
            .iter()
            .enumerate()
            .filter(|(_, entry)| covers(entry, syscall))
            .partition(|(_, entry)| matches!(entry.target, Target::Syscall(_)));
        // If two entries say the same, one is superfluous, which is not a mistake. So only an entry that
        // decides alone is reported as repeating the default.
        let repeats = |entry: &Entry| {
            named.len() + grouped.len() == 1 && entry.action == policy.default.action
        };
        let rank = if named.is_empty() { &grouped } else { &named };
        note_uses(rank, repeats, &mut uses);
    }
    for (entry, used) in policy.syscalls.iter().zip(uses) {
        if !policy.is_own(entry.origin) || matches!(entry.target, Target::Foreign) {
            continue;
        }
        let key = &entry.key;
        if !used.decides {
            let message = format!("the entry `{key}` can never decide anything");
            let help = match entry.target {
                Target::Group(_) => {
                    "entries of its members' own names, or stricter groups, decide for all of them"
                }
                _ => "a stricter entry of the same name decides",
            };
            warnings.push(warning(policy, entry.origin, Code::Shadowed, message).help(help));
        } else if !used.matters && entry.why.is_none() && !entry.quiet && entry.replaces.is_none() {
            let default = policy.place(policy.default.origin);
            let message = format!(
                "the entry `{key}` changes nothing: \"{}\" is the default ({default})",
                entry.action
            );
            warnings.push(
                warning(policy, entry.origin, Code::Redundant, message)
                    .help("remove it, or give the reason for it as `why`"),
            );
        }
    }
}

type Numbered<'p> = [(usize, &'p Entry)];

/// Notes which entries of the deciding rank decide for a syscall.
fn note_uses(entries: &Numbered<'_>, repeats: impl Fn(&Entry) -> bool, uses: &mut [Use]) {
    let Some(strictest) = entries
        .iter()
        .map(|(_, entry)| entry.action.strictness())
        .max()
    else {
        return;
    };
    for (index, entry) in entries {
        if let Some(used) = uses.get_mut(*index)
            && entry.action.strictness() == strictest
        {
            used.decides = true;
            used.matters |= !repeats(entry);
        }
    }
}

fn covers(entry: &Entry, syscall: &'static Syscall) -> bool {
    match entry.target {
        Target::Syscall(named) => named.name == syscall.name,
        Target::Group(group) => group.set.contains(syscall),
        Target::Foreign => false,
    }
}

fn lint_rule(policy: &Policy, index: usize, rule: &Rule) -> Option<Diagnostic> {
    let (earlier, _) = policy.rules.split_at_checked(index)?;
    if rule.conditions.is_empty() {
        // A syscall of other architectures only.
        return None;
    }
    let said = |rule: &Rule| rule.object.as_ref().map(ToString::to_string);
    if let Some(twin) = earlier.iter().find(|other| {
        other.action == rule.action
            && other.conditions == rule.conditions
            && said(other) == said(rule)
    }) {
        let message = format!(
            "this rule says the same as the one at {}",
            policy.place(twin.origin)
        );
        return Some(warning(policy, rule.origin, Code::Duplicate, message));
    }
    if rule
        .conditions
        .iter()
        .all(|(_, condition)| never(condition))
    {
        return Some(when_warning(
            policy,
            rule,
            Code::NeverHolds,
            "the condition can never hold",
        ));
    }
    if let Some(warning) = copied(policy, rule) {
        return Some(warning);
    }
    if rule.object.is_some() {
        // The contents of memory are not known in advance.
        return None;
    }
    if rule
        .conditions
        .iter()
        .all(|(_, condition)| always(condition))
    {
        return Some(
            when_warning(
                policy,
                rule,
                Code::AlwaysHolds,
                "the condition always holds",
            )
            .help("an entry below [syscalls] says the same"),
        );
    }
    let stricter = |other: &&Rule| {
        other.action.strictness() > rule.action.strictness() && other.object.is_none()
    };
    let shadow = policy.rules.iter().filter(stricter).find(|other| {
        rule.conditions.iter().all(|(syscall, condition)| {
            other.conditions.iter().any(|(covered, stronger)| {
                covered.name == syscall.name && (stronger == condition || always(stronger))
            })
        })
    })?;
    let message = format!(
        "this rule can never decide anything: the one at {} is stricter",
        policy.place(shadow.origin)
    );
    Some(warning(policy, rule.origin, Code::Shadowed, message))
}

/// A rule that denies executing a program at one place, while the command can copy it to another.
fn copied(policy: &Policy, rule: &Rule) -> Option<Diagnostic> {
    let object = rule.object.as_ref()?;
    let (text, pattern) = object.path.as_ref()?;
    let starts =
        |(syscall, _): &(&Syscall, Condition)| matches!(syscall.name, "execve" | "execveat");
    if rule.action == Action::Allow || !rule.conditions.iter().any(starts) {
        return None;
    }
    let path = pattern.base_bytes();
    let list = |list: List| policy.paths.iter().filter(move |entry| entry.list == list);
    let covers =
        |outer: &PathEntry, inner: &PathEntry| outer.pattern.covers(inner.pattern.base_bytes());
    let closed = |entry: &PathEntry| entry.list.denies() && entry.covers(path);
    let reads = list(List::Read)
        .chain(list(List::Write))
        .any(|entry| entry.covers(path));
    if !reads || policy.paths.iter().any(closed) {
        return None;
    }
    let open = list(List::Write)
        .find(|write| list(List::Exec).any(|exec| covers(exec, write) || covers(write, exec)))?;
    let message = format!(
        "the rule does not keep \"{text}\" from being executed: the command can copy it into fs.write \"{}\" at {}, and execute the copy",
        open.text,
        policy.place(open.origin)
    );
    let warning = warning(policy, rule.origin, Code::Defeated, message);
    let span = policy.span(rule.origin, text);
    let help = "deny the program in [fs], so that it cannot be read; or open no place for both write and exec";
    Some(Diagnostic { span, ..warning }.help(help))
}

fn never(condition: &Condition) -> bool {
    condition
        .alternatives()
        .is_ok_and(|alternatives| alternatives.is_empty())
}

fn always(condition: &Condition) -> bool {
    condition
        .alternatives()
        .is_ok_and(|alternatives| alternatives.iter().any(Vec::is_empty))
}

/// A warning that marks the line.
fn warning(policy: &Policy, origin: Origin, code: Code, message: String) -> Diagnostic {
    Diagnostic::warning(code, message).at(origin.source, policy.span(origin, ""))
}

/// A warning that marks the rule's condition.
fn when_warning(policy: &Policy, rule: &Rule, code: Code, message: &str) -> Diagnostic {
    let warning = warning(policy, rule.origin, code, message.to_owned());
    Diagnostic {
        span: policy.span(rule.origin, &rule.when),
        ..warning
    }
}
