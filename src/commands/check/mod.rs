//! `jail check FILE…`: prints every error and warning of every file, for people or for machines. It runs
//! nothing. With `--strict` warnings are failures, too, and so is what this host cannot enforce soundly.
//!
//! | file | holds |
//! |---|---|
//! | `planned` | findings that need a plan |
//! | `problem` | a problem with its place, as the formats for machines write it |
//! | `text`, `json`, `github`, `sarif` | one format each |

mod github;
mod json;
mod planned;
pub(super) mod problem;
mod sarif;
mod text;

#[cfg(test)]
pub use json::Document;

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, ValueEnum};

use super::other_host::{HostArgs, OtherHost};
use super::policy_args::PolicyFlags;
use crate::launch::{self, Withheld};
use crate::plan::Host;
use crate::policy::{self, Diagnostic, Layers, Policy, Severity, Source};
use crate::sorting::sort_by_key;

#[derive(Debug, Args)]
pub struct Options {
    /// Also fail on warnings, and on entries that this host cannot enforce soundly
    #[arg(long)]
    pub strict: bool,
    /// How to print the problems: `json` as one document, `github` as annotations of GitHub Actions,
    /// `sarif` as SARIF 2.1.0
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub flags: PolicyFlags,
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Github,
    Sarif,
}

/// A file that was checked.
struct Checked<'a> {
    /// As named on the command line.
    file: &'a str,
    /// It, and the files that it extends.
    sources: Vec<Source>,
    /// By file and place.
    diagnostics: Vec<Diagnostic>,
    /// `None`: it cannot be used.
    policy: Option<Policy>,
}

/// Prints the problems of every file: as text to `err`, with one line for each valid file to `out`;
/// otherwise to `out`. Returns 1 if a file has an error, or with `--strict` a warning; otherwise 0.
pub fn run(
    files: &[String],
    options: &Options,
    dir: &Path,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let other = match options.host.read() {
        Ok(other) => other,
        Err(message) => {
            writeln!(err, "jail: {message}")?;
            return Ok(1);
        }
    };
    let strict = options.strict.then(|| match &other {
        Some(other) => other.host,
        None => launch::probe(&Withheld::from_environment()),
    });
    let mut checked = Vec::new();
    for file in files {
        let Some(layers) = options.flags.layers_or_message(vec![file.clone()], err)? else {
            return Ok(1);
        };
        checked.push(check(file, &layers, dir, (strict.as_ref(), other.as_ref())));
    }
    match options.format {
        Format::Text => text::print(&checked, color, out, err)?,
        Format::Json => json::print(&checked, out)?,
        Format::Github => github::print(&checked, out)?,
        Format::Sarif => sarif::print(&checked, out)?,
    }
    let fails = |problem: &Diagnostic| options.strict || problem.severity == Severity::Error;
    let failed = checked
        .iter()
        .any(|checked| checked.policy.is_none() || checked.diagnostics.iter().any(fails));
    Ok(u8::from(failed))
}

/// `strict`: the host on which every entry must be enforced soundly.
fn check<'a>(
    file: &'a str,
    layers: &Layers,
    dir: &Path,
    (strict, other): (Option<&Host>, Option<&OtherHost>),
) -> Checked<'a> {
    let policy = match Policy::of_to_check(layers, dir) {
        Err(problems) => {
            return Checked {
                file,
                sources: problems.sources,
                diagnostics: problems.diagnostics,
                policy: None,
            };
        }
        Ok(policy) => policy,
    };
    let opened_home = policy::opened_home(&policy);
    let usable = opened_home.is_none();
    let mut diagnostics: Vec<Diagnostic> = opened_home.into_iter().collect();
    diagnostics.extend(policy::lint(&policy));
    diagnostics.extend(planned::closed(&policy));
    if let Some(host) = strict {
        diagnostics.extend(planned::racy(&policy, host));
    }
    if let Some(other) = other {
        diagnostics.extend(planned::lacks(&policy, other, strict.is_some()));
    }
    sort_by_key(&mut diagnostics, |problem| {
        (problem.source, problem.span.start)
    });
    Checked {
        file,
        sources: policy.sources.to_vec(),
        diagnostics,
        policy: usable.then_some(policy),
    }
}
