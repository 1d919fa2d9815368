//! `jail test FILE…`: decides the `[[test]]`s of each file as a jail would. It runs nothing.

use std::io::{self, Write};
use std::path::Path;

use crate::judge::{Judge, Verdict, explain_reason};
use crate::plan::{Host, Plan};
use crate::policy::{self, Action, Diagnostic, Expect, Policy, Severity, Test};

/// Prints failed tests and errors to `err`, and one line for each file to `out`. Returns 1 if there are
/// any, otherwise 0.
pub fn run(
    files: &[String],
    dir: &Path,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut code = 0;
    for file in files {
        let policy = match Policy::load(file, dir) {
            Ok(policy) => policy,
            Err(problems) => {
                code = 1;
                writeln!(err, "{}\n", problems.render(color))?;
                continue;
            }
        };
        // The plan knows which kinds of sockets cannot be created because no entry is about them.
        let judge = match Plan::new(&policy, &Host::newest()) {
            Ok(plan) => plan.judge,
            Err(error) => {
                code = 1;
                writeln!(err, "jail: {file}: cannot make a plan: {error}\n")?;
                continue;
            }
        };
        let differing: Vec<Diagnostic> = policy
            .tests
            .iter()
            .filter_map(|test| differs(&policy, &judge, test))
            .collect();
        if !differing.is_empty() {
            code = 1;
            writeln!(
                err,
                "{}\n",
                policy::render(&policy.sources, &differing, color)
            )?;
        }
        match (policy.tests.len(), differing.len()) {
            (0, _) => writeln!(out, "{file}: there is no [[test]] in it")?,
            (1, 0) => writeln!(out, "{file}: ok: its test passes")?,
            (all, 0) => writeln!(out, "{file}: ok: all {all} tests pass")?,
            (all, differing) => writeln!(out, "{file}: {differing} of {all} tests differ")?,
        }
    }
    Ok(code)
}

fn differs(policy: &Policy, judge: &Judge, test: &Test) -> Option<Diagnostic> {
    let verdict = judge.about(&test.about);
    let expected = match (test.expect, verdict.action) {
        (Expect::Allow, Action::Allow)
        | (Expect::Deny, Action::Deny(_))
        | (Expect::Kill, Action::Kill) => return None,
        (Expect::Allow, _) => "allowed",
        (Expect::Deny, _) => "denied",
        (Expect::Kill, _) => "killed",
    };
    Some(Diagnostic {
        severity: Severity::Error,
        code: "test-differs",
        message: format!(
            "{} is {}, expected: {expected}",
            test.sentence,
            found(&verdict)
        ),
        source: Some(test.origin.source),
        span: policy.span(test.origin, &test.sentence),
        label: Some(format!("decided by {}", explain_reason(policy, &verdict))),
        help: None,
    })
}

fn found(verdict: &Verdict) -> String {
    match verdict.action {
        Action::Allow => "allowed".to_owned(),
        Action::Deny(errno) => format!("denied with {errno}"),
        Action::Kill => "killed".to_owned(),
    }
}
