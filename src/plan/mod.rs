//! `(Policy, Host)` → [`Plan`]: who enforces what, by the cheapest sound mechanism of the host.
//!
//! Data only: a plan can be printed, compared and tested without a kernel. It never asks the
//! kernel and never decides a call: it compiles what [`judge`](crate::judge) decides.

mod block;
mod bpf;
mod filter;
mod host;

pub use host::Host;

use seccompiler::sock_filter;

use crate::baseline::Baseline;
use crate::judge::Judge;
use crate::policy::Policy;

/// Everything a jail needs to enforce a policy on a host.
#[derive(Debug)]
pub struct Plan {
    /// The seccomp program.
    pub filter: Vec<sock_filter>,
    /// What the supervisor asks at each stop.
    pub judge: Judge,
    /// Whether the launcher must enter a Landlock domain that holds signals.
    pub landlock_scope: bool,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The filter is longer than the kernel takes.
    TooLong {
        /// Its length.
        instructions: usize,
        /// The system calls whose conditions take most of it, with their instructions.
        costliest: Vec<(&'static str, usize)>,
    },
    /// A condition that seccompiler refuses.
    Condition(seccompiler::BackendError),
}

impl Plan {
    /// Plans a policy for a host.
    pub fn new(policy: &Policy, host: &Host) -> Result<Plan, PlanError> {
        let baseline = Baseline::new(host.landlock_abi);
        let judge = Judge::new(policy, &baseline);
        let filter = filter::Filter::new(&judge)?;
        Ok(Plan {
            filter: filter.program,
            judge,
            landlock_scope: baseline.landlock_holds_signals(),
        })
    }
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlanError::TooLong { instructions, costliest } => {
                write!(
                    f,
                    "the filter would have {instructions} instructions, and the kernel takes {}; most take the conditions of",
                    bpf::MAX_LEN,
                )?;
                for (place, (name, len)) in costliest.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma} {name} ({len})")?;
                }
                f.write_str(": use fewer or simpler rules for them")
            }
            PlanError::Condition(_) => f.write_str("a condition cannot be put into a filter"),
        }
    }
}

impl std::error::Error for PlanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PlanError::TooLong { .. } => None,
            PlanError::Condition(source) => Some(source),
        }
    }
}
