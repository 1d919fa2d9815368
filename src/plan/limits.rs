//! `[limits]`: who keeps each.
//!
//! What is of one process the kernel keeps (setrlimit(2)); what is of the whole tree the supervisor,
//! which sees every fork and has a clock.

use super::routes::{Cost, Enforcer, Route, What};
use crate::policy::{LimitKind, Policy};

/// One row a limit.
pub(super) fn routes(policy: &Policy) -> Vec<Route> {
    let route = |kind: LimitKind| {
        let (enforcer, because, cost) = match kind {
            LimitKind::Wall | LimitKind::Grace => {
                (Enforcer::Supervisor, "it has a clock", Cost::Ticks)
            }
            LimitKind::Processes => (Enforcer::Supervisor, "it sees every fork", Cost::Nothing),
            LimitKind::Output => (
                Enforcer::Supervisor,
                "stdout and stderr go through pipes that jail reads",
                Cost::Nothing,
            ),
            LimitKind::OpenFiles | LimitKind::FileSize | LimitKind::Stack => (
                Enforcer::ResourceLimit,
                "a limit of each process (setrlimit)",
                Cost::Nothing,
            ),
        };
        Route {
            what: What::Limit(kind),
            enforcer,
            because: because.into(),
            cost,
            reach: (0, 0),
        }
    };
    let said = |kind: &LimitKind| policy.limits.said(*kind).is_some();
    LimitKind::ALL.into_iter().filter(said).map(route).collect()
}
