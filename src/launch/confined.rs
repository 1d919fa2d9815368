//! A spawner whose thread is confined once, for all commands of one plan: it has given up its capabilities, and is
//! under the plan's filters. A command inherits both, so that they cost nothing for each: the kernel takes as long to
//! translate a filter as for all other steps of a start.
//!
//! Each command enters its Landlock domain itself. The thread must not be in it: a command could send signals to the
//! thread, and so kill this program, and read this program's memory through it, because Landlock lets a task do so
//! to those in its own domain.
//!
//! The thread and the command's child then make the rest of their calls under the filter, and without capabilities. So
//! a command is only started in it if the filter lets all of these through, and none of them needs a capability.
//! The thread never leaves it, so this is for a program that owns its threads: the C library's setuid(2) would change
//! all threads, and end the program if one of them cannot.

use super::child::{self, Call, Prepared};
use crate::plan::{Plan, lets_through};
use crate::sys::clone_vm::{self, CloneVmSpawner};
use caps::CapsHashSet;
use seccompiler::sock_filter;
use std::sync::Arc;

/// The thread, and what it is confined by.
pub struct Confined {
    plan: Arc<Plan>,
    capabilities: CapsHashSet,
    filters: Arc<Vec<Vec<sock_filter>>>,
    /// `None`: the filter does not let the thread's own calls through.
    room: Option<CloneVmSpawner>,
}

impl Confined {
    /// Starts a thread that is confined for commands like this one. It has no room for any if the filter does not
    /// let the thread's own calls through, or something cannot be had.
    pub fn new(prepared: &Prepared<'_>, plan: &Arc<Plan>) -> Confined {
        let mut confined = Confined {
            plan: Arc::clone(plan),
            capabilities: prepared.privileges().kept().clone(),
            filters: Arc::new(filters(plan)),
            room: None,
        };
        if let_through(&confined.filters, &own_calls()) {
            let privileges = prepared.privileges().clone();
            let filters = Arc::clone(&confined.filters);
            let confine = move || {
                child::give_up(&privileges).map_err(|(_, errno)| errno)?;
                child::install(filters.iter().map(Vec::as_slice))
            };
            confined.room = CloneVmSpawner::new(confine).ok();
        }
        confined
    }

    /// Whether it is for this plan.
    pub fn is_of(&self, plan: &Arc<Plan>) -> bool {
        Arc::ptr_eq(&self.plan, plan)
    }

    /// The room for this command. `None`: it must confine itself.
    pub fn room(&mut self, prepared: &Prepared<'_>) -> Option<&mut CloneVmSpawner> {
        let fits = self.capabilities == *prepared.privileges().kept()
            && let_through(&self.filters, &prepared.calls()?);
        self.room.as_mut().filter(|_| fits)
    }
}

/// All filters of a command of this plan, in the order in which they are installed.
fn filters(plan: &Plan) -> Vec<Vec<sock_filter>> {
    let mut filters = plan.start_filters();
    filters.push(plan.filter.clone());
    filters
}

/// Whether all filters let all of these calls through.
fn let_through(filters: &[Vec<sock_filter>], calls: &[Call]) -> bool {
    let passes = |filter: &Vec<sock_filter>, call: &Call| lets_through(filter, call.0, call.1);
    let mut filters = filters.iter();
    filters.all(|filter| calls.iter().all(|call| passes(filter, call)))
}

/// What the thread calls: until it ends, and then in the C library.
fn own_calls() -> Vec<Call> {
    // Where stacks are, about.
    let here = 0u8;
    let stack = std::ptr::from_ref(&here).addr() as u64;
    let whole = [stack, 1 << 16, 0, 0, 0, 0];
    let flags = clone_vm::FLAGS as u64;
    vec![
        (libc::SYS_clone, [flags, stack, stack, 0, 0, 0]),
        (
            libc::SYS_futex,
            [stack, libc::FUTEX_WAIT as u64, 0, 0, 0, 0],
        ),
        (
            libc::SYS_futex,
            [stack, libc::FUTEX_WAKE as u64, i32::MAX as u64, 0, 0, 0],
        ),
        (
            libc::SYS_rt_sigprocmask,
            [libc::SIG_BLOCK as u64, stack, 0, 8, 0, 0],
        ),
        (libc::SYS_sigaltstack, [stack, 0, 0, 0, 0, 0]),
        (
            libc::SYS_madvise,
            [stack, 1 << 16, libc::MADV_DONTNEED as u64, 0, 0, 0],
        ),
        (libc::SYS_munmap, whole),
        (libc::SYS_exit, [0; 6]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Host, PlanOptions};
    use crate::policy::Policy;

    fn has_room(policy: &Policy) -> bool {
        let plan = Plan::with(policy, &Host::newest(), PlanOptions::default()).expect("a plan");
        let_through(&filters(&plan), &own_calls())
    }

    #[test]
    fn a_thread_can_be_confined_if_the_policy_lets_it_create_children() {
        for name in ["permissive", "base", "compute", "workspace", "net"] {
            assert!(has_room(&Policy::preset(name).expect("a preset")), "{name}");
        }
        for call in ["clone", "futex", "exit", "madvise"] {
            let text = format!("default = \"allow\"\n[syscalls]\n{call} = \"deny\"\n");
            let policy = Policy::parse(&text, "a.toml");
            assert!(
                policy.is_err() || !has_room(&policy.expect("a policy")),
                "{call}"
            );
        }
        let text = "default = \"allow\"\n[syscalls]\nclone = \"deny\"\n";
        assert!(!has_room(&Policy::parse(text, "a.toml").expect("a policy")));
    }
}
