//! Warnings of `jail check` about domains that no program enters, and about entries of a domain that never decide
//! anything.

use super::domain::{Domain, OnExec};
use super::narrow::closes_exec;
use super::{Code, Diagnostic, List, PathEntry, Policy};

/// What is a mistake in a domain, too. Other warnings are about a whole policy: a domain opens nothing.
const ALSO: &[Code] = &[
    Code::Shadowed,
    Code::Duplicate,
    Code::NeverHolds,
    Code::AlwaysHolds,
];

/// Warnings about the domains of the main file. `decisions`: those about the entries of any policy.
pub(super) fn lint(
    policy: &Policy,
    decisions: fn(&Policy, &mut Vec<Diagnostic>),
    warnings: &mut Vec<Diagnostic>,
) {
    for domain in &policy.domains {
        programs(policy, domain, warnings);
        warnings.extend(denied_anyway(policy, domain));
        let mut inner = Vec::new();
        decisions(&written(domain), &mut inner);
        inner.retain(|warning| ALSO.contains(&warning.code));
        warnings.extend(inner);
    }
}

/// The entries of a domain. Those that open what it has no list for are in no file.
fn written(domain: &Domain) -> Policy {
    const NO_FILE: u16 = u16::MAX;
    let mut policy = domain.policy.clone();
    let paths = policy.paths.iter_mut().map(|entry| &mut entry.origin);
    let peers = policy.peers.iter_mut().map(|entry| &mut entry.origin);
    for origin in paths.chain(peers).filter(|at| **at == domain.origin) {
        origin.source = NO_FILE;
    }
    policy
}

/// Programs that cannot be executed, or that another entry has already.
fn programs(policy: &Policy, domain: &Domain, warnings: &mut Vec<Diagnostic>) {
    for (index, program) in domain.programs.iter().enumerate() {
        if !policy.is_own(program.origin) {
            continue;
        }
        let warning = |code, message| {
            let span = policy.span(program.origin, &program.text);
            Diagnostic::warning(code, message).at(program.origin.source, span)
        };
        let others = domain.programs.iter().enumerate();
        let mut others = others.filter(|(other, _)| *other != index);
        let covers = |other: usize, outer: &OnExec| {
            let words = |one: &OnExec| one.argv.as_ref().map(ToString::to_string);
            let same = outer.text == program.text && words(outer) == words(program);
            let wider = program.pattern.is_literal()
                && outer.argv.is_none()
                && outer.covers(&[program.pattern.base_bytes()]);
            match same {
                true => other < index,
                false => wider,
            }
        };
        if let Some((by, what)) = closes_exec(policy, &program.pattern) {
            let message = format!(
                "no program enters the domain `{}` by \"{}\": {what} at {} does not let it be executed",
                domain.name,
                program.text,
                policy.place(by)
            );
            let help = "allow it in fs.exec of the main policy, or remove it from `on-exec`";
            warnings.push(warning(Code::Unreachable, message).help(help));
        } else if let Some((_, other)) = others.find(|(place, other)| covers(*place, other)) {
            let message = format!(
                "\"{}\" adds nothing to \"{}\" at {}",
                program.text,
                other.text,
                policy.place(other.origin)
            );
            warnings.push(warning(Code::Redundant, message).help("remove it"));
        }
    }
}

/// Denials of a domain that the main policy has, too.
fn denied_anyway(policy: &Policy, domain: &Domain) -> Vec<Diagnostic> {
    let own = domain.policy.paths.iter();
    let own = own.filter(|entry| policy.is_own(entry.origin) && entry.pattern.is_literal());
    let found = own.filter_map(|entry| {
        let base = entry.pattern.base_bytes();
        let stronger = |other: &&PathEntry| {
            let kind = match entry.list {
                List::Deny => other.list.denies(),
                List::Hide => other.list == List::Hide,
                _ => false,
            };
            kind && other.action == entry.action && other.covers(base)
        };
        let other = policy.paths.iter().find(stronger)?;
        let message = format!(
            "{} \"{}\" of the domain `{}` adds nothing: {} \"{}\" at {} holds in all domains",
            entry.key(),
            entry.text,
            domain.name,
            other.key(),
            other.text,
            policy.place(other.origin)
        );
        let span = policy.span(entry.origin, &entry.text);
        let warning = Diagnostic::warning(Code::Redundant, message).at(entry.origin.source, span);
        Some(warning.help("remove it"))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(more: &str) -> Vec<&'static str> {
        let text = format!(
            "extends = [\"workspace\"]\n[fs]\ndeny = [\"/usr/share/doc\"]\n[domain.b]\n{more}\n"
        );
        let policy = Policy::parse(&text, "a.toml");
        let policy = policy.unwrap_or_else(|problems| panic!("{more}: {problems:?}"));
        let mut found = super::super::lint::lint(&policy);
        found.retain(|warning| warning.code.id().starts_with("W2"));
        found.iter().map(|warning| warning.code.id()).collect()
    }

    #[test]
    fn a_domain_that_no_program_enters_is_told() {
        for (program, code) in [
            ("\"/srv/x\"", Some("W207")),
            ("\"/usr/share/doc/x\"", Some("W207")),
            ("\"/usr/bin/x\"", None),
            ("\"target/**/x\"", None),
            ("\"/**/x\"", None),
        ] {
            let found = codes(&format!("on-exec = [{program}]"));
            assert_eq!(found, code.into_iter().collect::<Vec<_>>(), "{program}");
        }
    }

    #[test]
    fn what_a_domain_says_in_vain_is_told() {
        let domain = |more: &str| codes(&format!("on-exec = [\"/usr/bin/x\"]\n{more}"));
        for (more, code) in [
            ("fs = { deny = [\"/usr/share/doc\"] }", "W202"),
            ("fs = { read = [\"/usr\"], deny = [\"/usr\"] }", "W201"),
            ("fs = { write = [\"x\"], protect = [\"y\"] }", "W201"),
            (
                "net = { connect = [\"unix:./x\"], deny = [\"unix:*\"] }",
                "W201",
            ),
            (
                "[[domain.b.rule]]\nsyscall = \"socket\"\nwhen = \"domain == 1 && domain == 2\"\naction = \"deny\"",
                "W204",
            ),
        ] {
            assert_eq!(domain(more), [code], "{more}");
        }
        for more in [
            "fs = { deny = [\"/usr/share\"] }",
            "fs = { write = [\"x\"], protect = [\"x/y\"] }",
            "syscalls = { sync = \"deny\" }",
            "net = { connect = [], listen = [] }",
        ] {
            assert_eq!(domain(more), [""; 0], "{more}");
        }
        let twice = codes("on-exec = [\"/usr/bin/*\", \"/usr/bin/x\"]");
        assert_eq!(twice, ["W202"]);
        let twice = codes("on-exec = [\"/usr/bin/x\", \"/usr/bin/x\"]");
        assert_eq!(twice, ["W202"]);
    }
}
