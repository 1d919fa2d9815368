//! `jail test FILE…`: decides the `[[test]]`s of each file as a jail would. It runs nothing.

mod junit;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::policy_args::PolicyFlags;
use crate::judge::{Judge, Verdict, explain_reason};
use crate::plan::{Host, Plan};
use crate::policy::{
    self, Action, Code, Diagnostic, Expect, Layers, Policy, Severity, Source, Test,
};

#[derive(Debug, Args)]
pub struct Options {
    /// Also write the results to this file as JUnit XML, one test case per sentence
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    flags: PolicyFlags,
}

/// How a file was tested.
struct Tested<'a> {
    /// As named on the command line.
    file: &'a str,
    sources: Vec<Source>,
    result: Result<Vec<Case>, Wrong>,
}

/// A sentence.
struct Case {
    /// Where it is: `net.toml:9`.
    place: String,
    line: u32,
    expect: Expect,
    sentence: String,
    /// How it differs from what it should be.
    differs: Option<Diagnostic>,
}

/// Why a file's sentences cannot be decided.
enum Wrong {
    Policy(Vec<Diagnostic>),
    Plan(String),
}

/// Prints failed tests and errors to `err`, and one line for each file to `out`. Returns 1 if there are
/// any, otherwise 0.
pub fn run(
    files: &[String],
    options: &Options,
    dir: &Path,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut tested = Vec::new();
    for file in files {
        let Some(layers) = options.flags.layers_or_message(vec![file.clone()], err)? else {
            return Ok(1);
        };
        let now = test(file, &layers, dir);
        print(&now, color, out, err)?;
        tested.push(now);
    }
    if let Some(path) = &options.junit {
        std::fs::write(path, junit::document(&tested)).map_err(|error| {
            let text = format!("{}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
    }
    let passed = |tested: &Tested<'_>| {
        let cases = tested.result.as_deref();
        cases.is_ok_and(|cases| cases.iter().all(|case| case.differs.is_none()))
    };
    Ok(u8::from(!tested.iter().all(passed)))
}

fn test<'a>(file: &'a str, layers: &Layers, dir: &Path) -> Tested<'a> {
    let policy = match Policy::of(layers, dir) {
        Ok(policy) => policy,
        Err(problems) => {
            return Tested {
                file,
                sources: problems.sources,
                result: Err(Wrong::Policy(problems.diagnostics)),
            };
        }
    };
    // The plan knows which kinds of sockets cannot be created because no entry is about them.
    let result = match Plan::new(&policy, &Host::newest()) {
        Ok(plan) => {
            let tests = policy.tests.iter();
            Ok(tests.map(|test| case(&policy, &plan, test)).collect())
        }
        Err(error) => Err(Wrong::Plan(format!("cannot make a plan: {error}"))),
    };
    Tested {
        file,
        sources: policy.sources.to_vec(),
        result,
    }
}

fn print(
    tested: &Tested<'_>,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    let file = tested.file;
    let render = |problems: &[Diagnostic]| policy::render(&tested.sources, problems, color);
    let cases = match &tested.result {
        Ok(cases) => cases,
        Err(Wrong::Policy(problems)) => return writeln!(err, "{}\n", render(problems)),
        Err(Wrong::Plan(message)) => return writeln!(err, "jail: {file}: {message}\n"),
    };
    let differing = cases.iter().filter_map(|case| case.differs.clone());
    let differing: Vec<Diagnostic> = differing.collect();
    if !differing.is_empty() {
        writeln!(err, "{}\n", render(&differing))?;
    }
    match (cases.len(), differing.len()) {
        (0, _) => writeln!(out, "{file}: there is no [[test]] in it"),
        (1, 0) => writeln!(out, "{file}: ok: its test passes"),
        (all, 0) => writeln!(out, "{file}: ok: all {all} tests pass"),
        (all, differing) => writeln!(out, "{file}: {differing} of {all} tests differ"),
    }
}

fn case(policy: &Policy, plan: &Plan, test: &Test) -> Case {
    // The policy has a domain of this name: otherwise it was not loaded.
    let judge = &plan.within_named(policy, test.domain.as_deref()).judge;
    Case {
        place: policy.place(test.origin),
        line: test.origin.line,
        expect: test.expect,
        sentence: test.sentence.clone(),
        differs: differs(policy, judge, test),
    }
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
        code: Code::TestDiffers,
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
