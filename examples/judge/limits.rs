//! What a solution may use: `[limits]` of a problem's `judge.toml`, and what holds where it is silent.

use serde::Deserialize;
use std::path::Path;

/// As the `[limits]` of a policy writes them.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Processor time of all processes together.
    pub cpu: String,
    /// By the clock, for whoever sleeps.
    pub wall: String,
    /// Of all processes together.
    pub memory: String,
    /// What is written to stdout and stderr.
    pub output: String,
    /// Processes and threads at the same time.
    pub processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: "2s".into(),
            wall: "10s".into(),
            memory: "256MiB".into(),
            output: "1MiB".into(),
            processes: 64,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    limits: Limits,
}

impl Limits {
    /// Those of the problem in this directory.
    pub fn of(problem: &Path) -> Result<Self, String> {
        let path = problem.join("judge.toml");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            text => text.map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        };
        let settings: Settings =
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(settings.limits)
    }
}
