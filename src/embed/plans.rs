//! A cache of plans: the next run of the same program under the same policy reuses its plan.
//!
//! A plan depends only on what is compared here, and perhaps on the mounts of the host, which are asked for again
//! ([`Plan::is_current`]). It reads no other files, because the paths of a policy were resolved when it was
//! loaded.

use crate::plan::{Host, Plan, PlanError, PlanOptions, Terminal};
use crate::policy::{DomainSet, Limits, Policy};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many plans are kept.
const ROOM: usize = 64;

/// What a plan depends on besides its policy.
#[derive(Debug, PartialEq)]
pub struct About {
    pub host: Host,
    pub program: Option<PathBuf>,
    pub domains: DomainSet,
    pub datagrams: bool,
    pub terminals: Vec<Terminal>,
}

#[derive(Debug, Default)]
pub struct Plans {
    limited: Mutex<Vec<Limited>>,
    planned: Mutex<Vec<Planned>>,
}

/// A policy with replaced limits.
#[derive(Debug)]
struct Limited {
    of: Arc<Policy>,
    limits: Limits,
    policy: Arc<Policy>,
}

#[derive(Debug)]
struct Planned {
    policy: Arc<Policy>,
    about: About,
    plan: Arc<Plan>,
}

impl Plans {
    /// The policy with these limits.
    pub fn limited(&self, policy: Arc<Policy>, limits: &Limits) -> Arc<Policy> {
        if limits.is_empty() {
            return policy;
        }
        let mut known = lock(&self.limited);
        let is = |one: &&Limited| Arc::ptr_eq(&one.of, &policy) && one.limits == *limits;
        if let Some(found) = known.iter().find(is) {
            return Arc::clone(&found.policy);
        }
        let limited = Arc::new(Policy::clone(&policy).with_limits(limits));
        keep(
            &mut known,
            Limited {
                of: policy,
                limits: limits.clone(),
                policy: Arc::clone(&limited),
            },
        );
        limited
    }

    /// The plan of a policy.
    pub fn plan(&self, policy: &Arc<Policy>, about: About) -> Result<Arc<Plan>, PlanError> {
        let is = |one: &&Planned| Arc::ptr_eq(&one.policy, policy) && one.about == about;
        let like = {
            let mut planned = lock(&self.planned);
            planned.retain(|one| !is(&one) || one.plan.is_current());
            if let Some(found) = planned.iter().find(is) {
                return Ok(Arc::clone(&found.plan));
            }
            // The same policy in another directory has the same filter.
            let like = planned.iter().rev().find(|one| one.about == about);
            like.map(|like| Arc::clone(&like.plan))
        };
        let options = PlanOptions {
            learns: false,
            asks: false,
            command: about.program.as_deref(),
            domains: about.domains,
            terminals: &about.terminals,
            trace_denials: false,
            records: false,
            datagrams: about.datagrams,
            // This program does other work, so it must not be moved into another cgroup.
            alone: false,
            unsupervised: false,
            start: None,
            like: like.as_deref(),
        };
        let plan = Arc::new(Plan::with(policy, &about.host, options)?);
        let planned = Planned {
            policy: Arc::clone(policy),
            about,
            plan: Arc::clone(&plan),
        };
        keep(&mut lock(&self.planned), planned);
        Ok(plan)
    }
}

/// Drops the oldest to make room.
fn keep<T>(known: &mut Vec<T>, new: T) {
    if known.len() >= ROOM {
        known.remove(0);
    }
    known.push(new);
}

/// A panic in another thread leaves the data usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_made_once_and_another_for_another_program_or_limit() {
        let plans = Plans::default();
        let policy = Arc::new(Policy::preset("base").expect("a preset"));
        let plan = |policy: &Arc<Policy>, program: &str| {
            let about = About {
                host: Host::newest(),
                program: Some(program.into()),
                domains: DomainSet::NONE,
                datagrams: false,
                terminals: Vec::new(),
            };
            plans.plan(policy, about).expect("a plan")
        };
        let limits = Limits::new().processes(3);
        let limited = plans.limited(Arc::clone(&policy), &limits);
        assert!(Arc::ptr_eq(
            &limited,
            &plans.limited(Arc::clone(&policy), &limits)
        ));
        assert!(Arc::ptr_eq(
            &plan(&policy, "/bin/a"),
            &plan(&policy, "/bin/a")
        ));
        assert!(!Arc::ptr_eq(
            &plan(&policy, "/bin/a"),
            &plan(&policy, "/bin/b")
        ));
        assert!(!Arc::ptr_eq(
            &plan(&policy, "/bin/a"),
            &plan(&limited, "/bin/a")
        ));
        for number in 0..2 * ROOM {
            plan(&policy, &format!("/bin/{number}"));
        }
        assert_eq!(lock(&plans.planned).len(), ROOM);
    }
}
