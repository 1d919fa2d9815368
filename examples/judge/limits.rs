//! What a solution may use: `[limits]` of a problem's `judge.toml`, each in place of the policy's.

use jail::{Limits, Policy};
use std::io::ErrorKind;
use std::path::Path;

/// The limits of the problem in this directory. They are written, read and complained about as those
/// of a policy.
pub fn of(problem: &Path) -> Result<Limits, String> {
    let path = problem.join("judge.toml");
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Limits::new()),
        text => text.map_err(|error| format!("cannot read {}: {error}", path.display()))?,
    };
    let policy = Policy::parse(&text, &path.to_string_lossy())
        .map_err(|problems| format!("what {} says is wrong\n{problems}", path.display()))?;
    // What else a policy can say would be left out without a word.
    let keys: toml::Table = toml::from_str(&text).unwrap_or_default();
    match keys.keys().find(|key| *key != "limits") {
        Some(key) => Err(format!(
            "{}: `{key}` is not [limits]; what solutions may do is said in the judge's policies",
            path.display()
        )),
        None => Ok(policy.limits().clone()),
    }
}
