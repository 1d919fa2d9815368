//! A policy for a host program: loaded once, shared by all jails that run under it.

use crate::policy::{self, Limits, PathContext, Problems};
use std::path::Path;
use std::sync::Arc;

/// What a command may do, and what it may use.
///
/// A clone is the same policy: jails that run under clones share the plan that is made for it.
#[derive(Debug, Clone)]
pub struct Policy(Arc<policy::Policy>);

impl Policy {
    /// Loads a policy by the argument of `jail --policy`: a built-in policy's name, or the path of a
    /// TOML file. Its relative paths start in the working directory.
    ///
    /// # Errors
    /// All errors in all of its files.
    pub fn load(name_or_path: &str) -> Result<Policy, Problems> {
        Policy::load_in(name_or_path, Path::new("."))
    }

    /// As [`Policy::load`], for a command that starts in another directory
    /// ([`Builder::current_dir`](super::Builder::current_dir)): the policy's relative paths start there.
    /// The path of the policy itself starts in the working directory.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_in(name_or_path: &str, directory: &Path) -> Result<Policy, Problems> {
        let around = PathContext::at(directory);
        policy::Policy::load_to_run_in(name_or_path, Path::new("."), around).map(Policy::from)
    }

    /// A built-in policy.
    ///
    /// # Errors
    /// If there is none with that name.
    pub fn preset(name: &str) -> Result<Policy, Problems> {
        policy::Policy::preset(name).map(Policy::from)
    }

    /// A policy given as text, which may extend built-in policies only. Messages call it `name`.
    ///
    /// # Errors
    /// All errors.
    pub fn parse(text: &str, name: &str) -> Result<Policy, Problems> {
        policy::Policy::parse(text, name).map(Policy::from)
    }

    /// Its `[limits]`.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The digest of all of its files, as in [`PolicyId::digest`](crate::PolicyId::digest).
    pub fn digest(&self) -> String {
        self.0.digest().to_owned()
    }

    pub(super) fn shared(&self) -> &Arc<policy::Policy> {
        &self.0
    }
}

impl From<policy::Policy> for Policy {
    fn from(policy: policy::Policy) -> Self {
        Policy(Arc::new(policy))
    }
}

impl From<Arc<policy::Policy>> for Policy {
    fn from(policy: Arc<policy::Policy>) -> Self {
        Policy(policy)
    }
}

impl From<&Policy> for Policy {
    fn from(policy: &Policy) -> Self {
        policy.clone()
    }
}
