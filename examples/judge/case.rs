//! One run in a jail. Nothing else of the judge knows how that is done.

use jail::{Error, Jail, Limits, Outcome, Policy, Problems};
use std::path::Path;

/// More than any limit of output lets a solution write.
const KEPT: usize = 64 << 20;

/// A policy whose relative paths lie in that directory.
///
/// # Errors
/// What is wrong with it.
pub fn policy(file: &Path, dir: &Path) -> Result<Policy, Problems> {
    Policy::load_in(&file.to_string_lossy(), dir)
}

/// Runs a command in that directory to its end, and that of all that it has started. `limits` are in
/// place of the policy's.
///
/// # Errors
/// Says nothing of the command: it has not run, or the jail has failed.
pub fn run_case(
    policy: &Policy,
    limits: &Limits,
    command: &[String],
    dir: &Path,
    input: &[u8],
) -> Result<Outcome, Error> {
    Jail::builder()
        .policy(policy)
        .limits(limits.clone())
        .command(command)
        .current_dir(dir)
        .stdin(input)
        .keep(KEPT)
        .run()
}
