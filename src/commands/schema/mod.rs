//! `jail schema`: the JSON Schemas of policy files and of what jail writes.
//!
//! That of a policy is made from the tables of the parser. Each other one is a file beside this one, which
//! [`tests`] makes from the type that is written, and compares: the binary holds the texts, and no code that makes
//! them.

#[cfg(test)]
mod tests;

use crate::policy;
use clap::ValueEnum;
use std::io::{self, Write};

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// A policy file
    Policy,
    /// The document of `--report`
    Report,
    /// A line of `--log`
    Log,
    /// A line of `--denials`
    Denials,
    /// A line of `--ask-socket`, in either direction
    Ask,
    /// A line of `jail batch`
    Batch,
    /// The document of `jail check --format json`
    Check,
    /// The document of `jail explain --json`
    Explain,
    /// The document of `jail diff --json`
    Diff,
    /// The document of `jail replay --json`
    Replay,
    /// The document of `jail doctor --json`
    Doctor,
    /// The document of `jail attack --json`
    Attack,
}

impl Name {
    /// The schema; `None`: it is made from tables.
    const fn text(self) -> Option<&'static str> {
        Some(match self {
            Name::Policy => return None,
            Name::Report => include_str!("report.json"),
            Name::Log => include_str!("log.json"),
            Name::Denials => include_str!("denials.json"),
            Name::Ask => include_str!("ask.json"),
            Name::Batch => include_str!("batch.json"),
            Name::Check => include_str!("check.json"),
            Name::Explain => include_str!("explain.json"),
            Name::Diff => include_str!("diff.json"),
            Name::Replay => include_str!("replay.json"),
            Name::Doctor => include_str!("doctor.json"),
            Name::Attack => include_str!("attack.json"),
        })
    }
}

/// Prints a schema.
pub fn run(name: Name, out: &mut dyn Write) -> io::Result<u8> {
    match name.text() {
        Some(text) => out.write_all(text.as_bytes())?,
        None => {
            serde_json::to_writer_pretty(&mut *out, &policy::schema())?;
            writeln!(out)?;
        }
    }
    Ok(0)
}
