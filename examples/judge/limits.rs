//! What a solution may use: `[limits]` of a problem's `judge.toml`, each in place of the policy's.

use jail::{Limits, Policy};
use std::io::ErrorKind;
use std::path::Path;

/// The limits of the problem in this directory. They are written, read and complained about as those
/// of a policy.
pub fn of(problem: &Path) -> Result<Limits, String> {
    let path = problem.join("judge.toml");
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Limits::new()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        Ok(text) => Policy::parse(&text, &path.to_string_lossy())
            .map(|policy| policy.limits)
            .map_err(|problems| problems.to_string()),
    }
}
