//! `jail check FILE…`: prints every error and warning of every file. It runs nothing. With `--strict`
//! warnings are failures, too, and so is what this host cannot enforce soundly.

use std::io::{self, Write};
use std::path::Path;

use crate::judge::{Reason, Sentence, explain_reason};
use crate::paths::Access;
use crate::plan::{Enforcer, Host, Plan, What};
use crate::policy::{self, Action, Diagnostic, List, NetEntry, Origin, Policy, Severity};

/// Prints problems to `err`, and one line for each valid file to `out`. Returns 1 if a file has a
/// problem, otherwise 0.
pub fn run(
    files: &[String],
    dir: &Path,
    strict: Option<&Host>,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut code = 0;
    for file in files {
        match Policy::load_to_check(file, dir) {
            Err(problems) => {
                code = 1;
                writeln!(err, "{}\n", problems.render(color))?;
            }
            Ok(policy) => {
                if let Some(error) = policy::opened_home(&policy) {
                    code = 1;
                    let text = policy::render(&policy.sources, &[error], color);
                    writeln!(err, "{text}\n")?;
                    continue;
                }
                let mut warnings = policy::lint(&policy);
                warnings.extend(closed(&policy));
                if let Some(host) = strict {
                    warnings.extend(racy(&policy, host));
                    code |= u8::from(!warnings.is_empty());
                }
                if !warnings.is_empty() {
                    writeln!(
                        err,
                        "{}\n",
                        policy::render(&policy.sources, &warnings, color)
                    )?;
                }
                writeln!(
                    out,
                    "{file}: ok: {}, {}, {}, {}, {}",
                    count(policy.syscalls.len(), "entry", "entries"),
                    count(policy.paths.len(), "path", "paths"),
                    count(policy.peers.len(), "endpoint", "endpoints"),
                    count(policy.rules.len(), "rule", "rules"),
                    count(policy.tests.len(), "test", "tests"),
                )?;
                for line in lifted(&policy) {
                    writeln!(out, "{file}: {line}")?;
                }
            }
        }
    }
    Ok(code)
}

/// The lifted entries, one per line.
fn lifted(policy: &Policy) -> Vec<String> {
    let lines = policy.lifts.iter().flat_map(|lift| {
        lift.lifted.iter().map(move |entry| {
            let what = match entry.whole {
                true => format!("{} \"{}\"", entry.key, entry.text),
                false => format!("\"{}\" of {} \"{}\"", lift.text, entry.key, entry.text),
            };
            let (at, by) = (policy.place(entry.origin), policy.place(lift.origin));
            format!("lifted: {what} at {at}, by {by}: {}", lift.why)
        })
    });
    lines.collect()
}

/// Entries of the main file that allow nothing, because no call that needs them is allowed.
fn closed(policy: &Policy) -> Vec<Diagnostic> {
    // The plan knows which sockets can be created at all.
    let Ok(plan) = Plan::new(policy, &Host::newest()) else {
        return Vec::new();
    };
    if policy::starts_nothing(policy) {
        // Another warning reports these.
        return Vec::new();
    }
    let warn = |key: String, text: &str, origin: Origin, said: Sentence| {
        let call = said.by.filter(|_| said.verdict.action != Action::Allow)?;
        let name = call.syscall().map_or("?", |syscall| syscall.name);
        let reason = explain_reason(policy, &said.verdict);
        Some(Diagnostic {
            severity: Severity::Warning,
            code: "shadowed",
            message: format!("{key} \"{text}\" allows nothing: {name} is denied by {reason}"),
            source: Some(origin.source),
            span: policy.span(origin, text),
            label: None,
            help: Some("remove the entry, or allow the call".to_owned()),
        })
    };
    let paths = policy.paths.iter().filter(|entry| entry.origin.source == 0);
    let paths = paths.filter_map(|entry| {
        let access = match entry.list {
            List::Read => Access::Read,
            List::Write => Access::Write,
            List::Exec => Access::Exec,
            List::Deny | List::Hide | List::Protect => return None,
        };
        let said = plan.judge.access(access, entry.pattern.base());
        warn(entry.key(), &entry.text, entry.origin, said)
    });
    let peers = policy.peers.iter().filter(|entry| entry.origin.source == 0);
    let peers = peers.filter_map(|entry| {
        let said = plan.judge.peer(&entry.example()?);
        if said.verdict.reason == Reason::PathDefault {
            let warning = unmade(policy, entry);
            return Some(warning);
        }
        warn(entry.key(), &entry.text, entry.origin, said)
    });
    paths.chain(peers).collect()
}

/// An entry of `listen` with the path of a socket whose file cannot be created.
fn unmade(policy: &Policy, entry: &NetEntry) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: "shadowed",
        message: format!(
            "{} \"{}\" allows nothing: the socket's file cannot be created there",
            entry.key(),
            entry.text
        ),
        source: Some(entry.origin.source),
        span: policy.span(entry.origin, &entry.text),
        label: None,
        help: Some(
            "add its directory to write in [fs]; a socket with a path needs nothing else"
                .to_owned(),
        ),
    }
}

/// Entries that another thread of the command can bypass on this host.
fn racy(policy: &Policy, host: &Host) -> Vec<Diagnostic> {
    let Ok(plan) = Plan::new(policy, host) else {
        return Vec::new();
    };
    plan.routes(policy)
        .into_iter()
        .filter(|route| route.enforcer == Enforcer::RacySupervisor)
        .filter_map(|route| match route.what {
            What::Path(index) => policy
                .paths
                .get(index)
                .map(|entry| (entry.key(), entry.text.as_str(), entry.origin)),
            What::Peer(index) => policy
                .peers
                .get(index)
                .map(|entry| (entry.key(), entry.text.as_str(), entry.origin)),
            _ => None,
        })
        .map(|(key, text, origin)| Diagnostic {
            severity: Severity::Error,
            code: "racy",
            message: format!("{key} \"{text}\" cannot be enforced soundly here"),
            source: Some(origin.source),
            span: policy.span(origin, text),
            label: None,
            help: Some(
                "this needs Linux 5.10, or a policy of paths that Landlock can enforce".to_owned(),
            ),
        })
        .collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
