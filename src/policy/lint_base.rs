//! Warnings of `jail check` about a policy under which no program can start, or that allows none of the
//! caller's files.

use std::os::unix::ffi::OsStrExt;

use super::places::{PathContext, way_to};
use super::{Action, Code, Diagnostic, List, Policy, Target};
use crate::syscalls;

/// The preset that allows what all programs need.
pub const BASE: &str = "base";

/// Calls that each program makes before `main`: for the loader and for memory.
const NEEDED: [&str; 3] = ["mmap", "mprotect", "read"];

/// Whether no program can start under it, because it allows no system call.
pub fn starts_nothing(policy: &Policy) -> bool {
    let by_entry = policy
        .syscalls
        .iter()
        .any(|entry| entry.action == Action::Allow && !matches!(entry.target, Target::Foreign));
    let mut rules = policy.rules.iter();
    policy.default.action != Action::Allow
        && !by_entry
        && !rules.any(|rule| rule.action == Action::Allow && !rule.conditions.is_empty())
}

/// What is wrong with a policy under which no program can start, and what to do about it.
pub fn nothing_starts(policy: &Policy) -> Option<String> {
    starts_nothing(policy).then(|| {
        format!(
            "it allows no system calls, so that no program can start: {}",
            extend_base(policy)
        )
    })
}

/// Whether any entry allows a system call at least in part.
fn allows(policy: &Policy, name: &str) -> bool {
    let Some(syscall) = syscalls::by_name(name) else {
        return false;
    };
    let by_entry = policy.syscalls.iter().any(|entry| {
        entry.action == Action::Allow
            && match entry.target {
                Target::Syscall(named) => named.name == name,
                Target::Group(group) => group.set.contains(syscall),
                Target::Foreign => false,
            }
    });
    by_entry
        || policy.rules.iter().any(|rule| {
            let mut covered = rule.conditions.iter();
            rule.action == Action::Allow && covered.any(|(covered, _)| covered.name == name)
        })
}

/// Whether the policy is `base`, or extends it.
fn has_base(policy: &Policy) -> bool {
    policy
        .sources
        .iter()
        .any(|source| source.preset && source.name == BASE)
}

/// Whether hardly any program can start under it because `base` is missing.
pub fn lacks_base(policy: &Policy) -> bool {
    !has_base(policy) && lacks(policy).is_some()
}

/// A call that each program needs and that no entry allows.
fn lacks(policy: &Policy) -> Option<&'static str> {
    let closed = |name: &&str| policy.default.action != Action::Allow && !allows(policy, name);
    NEEDED.into_iter().find(closed)
}

/// What to do about a policy without `base`.
pub fn extend_base(policy: &Policy) -> String {
    match policy.sources.first() {
        Some(main) if main.flags => {
            let give = policy.and_policy(BASE);
            format!("give {give}: it allows what every program needs")
        }
        Some(main) if main.extends.is_empty() && !main.preset => format!(
            "add extends = [\"{BASE}\"] to {}: it allows what every program needs",
            main.name
        ),
        Some(main) if !main.preset => format!(
            "add \"{BASE}\" to extends of {}: it allows what every program needs",
            main.name
        ),
        _ => format!("extend \"{BASE}\", too: it allows what every program needs"),
    }
}

/// Warnings about the whole policy. One that allows nothing is meant to be extended, unless it is empty.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    if policy.sources.first().is_none_or(|main| main.preset) {
        return;
    }
    if super::lint_empty::is_empty(policy) {
        // Another warning says so.
        return;
    }
    let opens_files = policy.paths.iter().any(|entry| entry.list.allows());
    let opens_peers = policy.peers.iter().any(|entry| !entry.closes());
    let is_empty = policy.sources.len() == 1
        && policy.syscalls.is_empty()
        && policy.rules.is_empty()
        && policy.paths.is_empty()
        && policy.peers.is_empty();
    let is_whole = opens_files || opens_peers || is_empty;
    let message = match lacks(policy).filter(|_| is_whole) {
        Some(_) if starts_nothing(policy) => {
            "no program can start under this policy: it allows no system calls".to_owned()
        }
        Some(name) if !has_base(policy) => {
            format!("hardly any program can start under this policy: it does not allow {name}")
        }
        _ => String::new(),
    };
    if !message.is_empty() {
        let help = format!(
            "{}; a policy that is only extended may get it from the policies that extend it",
            extend_base(policy)
        );
        warnings.push(
            Diagnostic::warning(Code::NoBase, message)
                .at(0, 0..0)
                .help(help),
        );
    } else if let Some(warning) = opens_nothing_here(policy) {
        warnings.push(warning);
    }
}

/// If the policy only allows the system's own files, the command cannot read any of the caller's files.
fn opens_nothing_here(policy: &Policy) -> Option<Diagnostic> {
    let of_base = |source: u16| {
        let source = policy.sources.get(usize::from(source));
        source.is_some_and(|source| source.preset && source.name == BASE)
    };
    let mut opened = policy.paths.iter().filter(|entry| entry.list.allows());
    if policy.default.action == Action::Allow
        || !has_base(policy)
        || opened.any(|entry| !of_base(entry.origin.source))
    {
        return None;
    }
    let message = "this policy opens no files but the system's: the command cannot read the directory that it starts in";
    let help = "add read = [\".\"] to [fs], or extend \"workspace\", too";
    Some(
        Diagnostic::warning(Code::NoFiles, message)
            .at(0, 0..0)
            .help(help),
    )
}

/// Warnings about entries that open the whole home directory.
pub(super) fn lint_home(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let home = (PathContext::own().variable)("HOME").map(std::path::PathBuf::from);
    let Some(home) = home
        .filter(|home| home.is_absolute())
        .and_then(|home| way_to(&home).pop())
    else {
        return;
    };
    for entry in &policy.paths {
        let whole = matches!(entry.list, List::Read | List::Write)
            && entry.pattern.is_literal()
            && entry.pattern.base().as_os_str().as_bytes() == home.as_os_str().as_bytes()
            && entry.text.starts_with(['~', '$']);
        if !policy.is_own(entry.origin) || !whole || entry.why.is_some() {
            continue;
        }
        let message = format!(
            "{} \"{}\" opens the whole home directory: its mail, histories and the tokens of programs that no preset knows",
            entry.key(),
            entry.text
        );
        let span = policy.span(entry.origin, &entry.text);
        let warning = Diagnostic::warning(Code::WholeHome, message).at(entry.origin.source, span);
        warnings.push(warning.help("name the directories that are needed, or say `why`"));
    }
}
