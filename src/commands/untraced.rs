//! A run where no tracer can be had: it goes on without a supervisor if nothing needs one.

use super::{Run, TraceDenials, explain};
use crate::launch::LaunchError;
use crate::plan::{Need, Plan, What};
use crate::policy::Policy;
use crate::sorting::sort_by_key;
use std::collections::BTreeMap;

/// How many entries a message names. A preset can have hundreds that need a supervisor.
const NAMED: usize = 8;

/// Says once on stderr that the run has no supervisor.
///
/// # Errors
/// What the policy or the command line needs a supervisor for, as a message.
pub fn checked(run: &Run, policy: &Policy, plan: &Plan, error: &LaunchError) -> Result<(), String> {
    let options = [
        (run.kill_on_exit, "--kill-on-exit"),
        (run.stats, "--stats"),
        (run.trace_denials == TraceDenials::Always, "--trace-denials"),
        (run.denials.is_some(), "--denials"),
        (run.log_accesses, "--log-accesses"),
        (run.ask.asks(), "--ask, --ask-socket"),
    ];
    let given = options.iter().filter(|(given, _)| *given);
    let mut lines: Vec<String> = given.map(|(_, option)| (*option).to_owned()).collect();
    lines.extend(listed(policy, plan.needs(policy)));
    if !lines.is_empty() {
        return Err(format!(
            "{error}\n      without a tracer jail cannot enforce the following, so nothing was run:\n      {}",
            lines.join("\n      ")
        ));
    }
    if !run.quiet {
        let unchecked = plan.unchecked();
        let denied = match unchecked.is_empty() {
            true => String::new(),
            false => format!("; denied as a whole: {}", unchecked.join(", ")),
        };
        let open = plan
            .not_denied()
            .map(|what| format!("; not denied: {what}"));
        let open = open.unwrap_or_default();
        eprintln!("jail: no tracer here, so denials are not reported{denied}{open}");
    }
    Ok(())
}

/// One line for each of the first needs, then how many more each file of the policy has. Those of the file
/// that the user named come first.
fn listed(policy: &Policy, mut needs: Vec<Need>) -> Vec<String> {
    sort_by_key(&mut needs, |need| {
        source(policy, *need).is_some_and(|source| source > 0)
    });
    let more = needs.split_off(NAMED.min(needs.len()));
    let mut lines: Vec<String> = needs.iter().map(|need| named(policy, *need)).collect();
    if !more.is_empty() {
        let mut files: BTreeMap<&str, usize> = BTreeMap::new();
        for need in &more {
            let file = source(policy, *need).and_then(|source| policy.sources.get(source));
            *files
                .entry(file.map_or("jail itself", |file| &file.name))
                .or_default() += 1;
        }
        let files: Vec<String> = files
            .into_iter()
            .map(|(file, count)| format!("{count} of {file}"))
            .collect();
        lines.push(format!("and {} more: {}", more.len(), files.join(", ")));
    }
    lines
}

/// The file of the policy that an entry comes from, by its index.
fn source(policy: &Policy, need: Need) -> Option<usize> {
    let origin = match need {
        Need::Row(What::Entry(index)) => policy.syscalls.get(index)?.origin,
        Need::Row(What::Rule(index)) => policy.rules.get(index)?.origin,
        Need::Row(What::Path(index)) => policy.paths.get(index)?.origin,
        Need::Row(What::Peer(index)) => policy.peers.get(index)?.origin,
        Need::Row(What::PolicyFile(index)) => return Some(index),
        Need::Row(What::Limit(kind)) => policy.limits.said(kind)?.0,
        Need::Domains => policy.domains.first()?.origin,
        Need::Row(_) | Need::Start | Need::Signals => return None,
    };
    Some(usize::from(origin.source))
}

/// What needs a supervisor, with its place.
fn named(policy: &Policy, need: Need) -> String {
    match need {
        Need::Start => {
            "a denied execve, if the program is a script or keeps capabilities, or a jail outside denies \
             execveat of a descriptor"
                .to_owned()
        }
        Need::Signals => "that signals stay in the jail (it takes Landlock ABI 6)".to_owned(),
        Need::Domains => {
            "[domain]: only a supervisor knows which domain a program is in".to_owned()
        }
        Need::Row(what) => explain::name(policy, what),
    }
}
