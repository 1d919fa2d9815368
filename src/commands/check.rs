//! `jail check FILE…`: every problem of every file, errors and warnings. It runs nothing.
//! `--strict` makes of a warning a failure, and refuses what this host cannot enforce soundly.

use std::io::{self, Write};
use std::path::Path;

use crate::plan::{Enforcer, Host, Plan, What};
use crate::policy::{self, Diagnostic, Policy, Severity};

/// Problems go to `err`, one line for each good file to `out`. 1 if a file is wrong, else 0.
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
        match Policy::load(file, dir) {
            Err(problems) => {
                code = 1;
                writeln!(err, "{}\n", problems.render(color))?;
            }
            Ok(policy) if let Some(error) = policy::opened_home(&policy) => {
                code = 1;
                let text = policy::render(&policy.sources, &[error], color);
                writeln!(err, "{text}\n")?;
            }
            Ok(policy) => {
                let mut warnings = policy::lint(&policy);
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
            }
        }
    }
    Ok(code)
}

/// Entries that another thread of the command can get round on this host.
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
                "it takes Linux 6.11 (mseal), or a policy of places that Landlock can hold"
                    .to_owned(),
            ),
        })
        .collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
