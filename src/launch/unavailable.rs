//! What a policy asks for and this host does not have.

use std::fmt;

/// Something that `[process]` asks for and this host or caller cannot give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Where the policy asks for it: `net.toml:9`.
    pub place: String,
    /// The key.
    pub key: &'static str,
    /// What is missing.
    pub reason: String,
    /// The next step.
    pub help: &'static str,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unavailable {
            place,
            key,
            reason,
            help,
        } = self;
        write!(f, "{place}: process.{key}: {reason}; {help}")
    }
}

impl std::error::Error for Unavailable {}
