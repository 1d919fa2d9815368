//! Domains that the policy's own file has: what their lists lack is learned, too.
//!
//! While jail learns, the lists are open, and what they do not name is recorded. A domain that only a file has which
//! the policy extends stays as it is: an entry in the policy's file would widen what the other file's author wrote.

use crate::baseline::Baseline;
use crate::judge::Judge;
use crate::learn::Request;
use crate::paths::Terminal;
use crate::policy::{Action, Domain, Policy};

/// A domain that is continued.
pub struct Continued {
    name: String,
    /// What the file says of it.
    judge: Judge,
}

impl Continued {
    /// Whether what the file says of it denies a request.
    pub fn lacks(&self, request: &Request) -> bool {
        request.judged(&self.judge).action != Action::Allow
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Opens the lists of the domains that are continued: those of these names.
pub fn open(
    policy: &mut Policy,
    names: &[String],
    terminals: &[Terminal],
    landlock_abi: u32,
) -> Vec<Continued> {
    let baseline = Baseline::new(landlock_abi);
    let mut continued = Vec::new();
    let domains = policy.domains.iter_mut();
    for domain in domains.filter(|domain| names.contains(&domain.name)) {
        continued.push(Continued {
            name: domain.name.clone(),
            judge: Judge::of_command(&domain.policy, &baseline, None, terminals),
        });
        *domain = Domain::opened(domain);
    }
    continued
}
