//! A spawner whose thread is confined once, for all commands of one plan: it has given up its capabilities, and is
//! under the plan's filters. A command inherits both, so that they cost nothing for each: the kernel takes as long to
//! translate a filter as for all other steps of a start.
//!
//! Each command enters its Landlock domain itself. The thread must not be in it: a command could send signals to the
//! thread, and so kill this program, and read this program's memory through it, because Landlock lets a task do so
//! to those in its own domain.
//!
//! The thread and the command's child then make the rest of their calls under the filter, and without capabilities.
//! So a command is only started in it if the filter lets all of these through, and none of them needs a capability.
//! The thread never leaves it, so this is for a program that owns its threads: the C library's setuid(2) would change
//! all threads, and end the program if one of them cannot.

use super::child::{self, Call, Prepared};
use super::random_word;
use crate::plan::{Plan, lets_through, with_pass};
use crate::sys::clone_vm::{self, CloneVmSpawner};
use caps::CapsHashSet;
use seccompiler::sock_filter;
use std::sync::Arc;

/// The thread, and what it is confined by.
pub struct Confined {
    filters: Filters,
    capabilities: CapsHashSet,
    /// `None`: the filter does not let the thread's own calls through.
    room: Option<CloneVmSpawner>,
    /// What a command shows to enter its Landlock domain.
    pass: u64,
    /// The filters that the thread has.
    installed: Arc<Vec<Vec<sock_filter>>>,
    /// The calls of the last command, and whether all filters let them through.
    asked: Option<(Vec<Call>, bool)>,
}

/// All filters of a command, in the order in which they are installed. Plans of different directories have the same.
#[derive(Clone)]
pub struct Filters {
    plan: Arc<Plan>,
    all: Arc<Vec<Vec<sock_filter>>>,
}

impl Filters {
    pub fn new(plan: &Arc<Plan>) -> Filters {
        Filters {
            plan: Arc::clone(plan),
            all: Arc::new(filters(plan)),
        }
    }

    /// Whether they are those of this plan, too.
    pub fn are_of(&self, plan: &Arc<Plan>) -> bool {
        Arc::ptr_eq(&self.plan, plan)
            || self.all.last() == Some(&plan.filter) && *self.all == filters(plan)
    }
}

impl Confined {
    /// Starts a thread that is confined for commands like this one. It has no room for any if the filter does not
    /// let the thread's own calls through, or something cannot be had.
    pub fn new(prepared: &Prepared<'_>, filters: Filters) -> Confined {
        let pass = random_word().ok();
        let installed = pass.and_then(|pass| with_passes(&filters.all, pass));
        let (pass, installed) = (
            pass.unwrap_or_default(),
            Arc::new(installed.unwrap_or_default()),
        );
        let mut room = None;
        if !installed.is_empty() && let_through(&installed, &own_calls()) {
            let privileges = prepared.privileges().clone();
            let filters = Arc::clone(&installed);
            let confine = move || {
                child::give_up(&privileges).map_err(|(_, errno)| errno)?;
                child::install(filters.iter().map(Vec::as_slice))
            };
            room = CloneVmSpawner::new(confine).ok();
        }
        Confined {
            filters,
            capabilities: prepared.privileges().kept().clone(),
            room,
            pass,
            installed,
            asked: None,
        }
    }

    /// Whether it is for commands of this plan.
    pub fn is_of(&self, plan: &Arc<Plan>) -> bool {
        self.filters.are_of(plan)
    }

    /// The room for this command. `None`: it must confine itself.
    pub fn room(&mut self, prepared: &mut Prepared<'_>) -> Option<&mut CloneVmSpawner> {
        self.room.as_ref()?;
        if self.capabilities != *prepared.privileges().kept() || !prepared.open_directory() {
            return None;
        }
        let calls = prepared.calls(self.pass)?;
        let fits = match self.asked.take() {
            Some((asked, fits)) if asked == calls => fits,
            _ => let_through(&self.installed, &calls),
        };
        self.asked = Some((calls, fits));
        let room = self.room.as_mut().filter(|_| fits)?;
        prepared.inherit(self.pass);
        Some(room)
    }
}

/// All filters of a command of this plan, in the order in which they are installed.
fn filters(plan: &Plan) -> Vec<Vec<sock_filter>> {
    let mut filters = plan.start_filters();
    filters.push(plan.filter.clone());
    filters
}

/// The filters, which let a command that has the pass enter its Landlock domain. Programs that confine themselves are
/// left to the supervisor, because it must not do for them what they may not do: whatever they show, they gain
/// nothing by that.
fn with_passes(filters: &[Vec<sock_filter>], pass: u64) -> Option<Vec<Vec<sock_filter>>> {
    let number = libc::SYS_landlock_restrict_self;
    let filters = filters.iter();
    filters
        .map(|filter| with_pass(filter, number, pass))
        .collect()
}

/// Whether all filters let all of these calls through.
fn let_through(filters: &[Vec<sock_filter>], calls: &[Call]) -> bool {
    let passes = |filter: &Vec<sock_filter>, call: &Call| lets_through(filter, call.0, call.1);
    let mut filters = filters.iter();
    filters.all(|filter| calls.iter().all(|call| passes(filter, call)))
}

/// What the thread calls, until it ends and then in the C library, and what every child does.
fn own_calls() -> Vec<Call> {
    // Where stacks are, about.
    let here = 0u8;
    let stack = std::ptr::from_ref(&here).addr() as u64;
    let whole = [stack, 1 << 16, 0, 0, 0, 0];
    let flags = clone_vm::FLAGS as u64;
    let mut calls = vec![
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
    ];
    calls.append(&mut child::always());
    calls
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::landlock::Floor;
    use super::*;
    use crate::plan::{Host, PlanOptions};
    use crate::policy::Policy;

    fn has_room(policy: &Policy) -> bool {
        let plan = Plan::with(policy, &Host::newest(), PlanOptions::default()).expect("a plan");
        let_through(&filters(&plan), &own_calls())
    }

    /// A command of this plan, in a directory of its own, with a ruleset that stands for the plan's.
    fn fits(plan: &Arc<Plan>) -> bool {
        let command = Command {
            directory: Some(std::env::temp_dir()),
            ..Command::default()
        };
        let floor = Floor {
            ruleset: std::fs::File::open("/dev/null").expect("a file").into(),
            beneath: Vec::new(),
            quiet: true,
        };
        let prepared = Prepared::new(
            &command,
            c"/bin/true",
            false,
            &[],
            &[],
            plan,
            Some(Arc::new(floor)),
        );
        let mut prepared = prepared.expect("a command");
        let passed = with_passes(&filters(plan), 7).expect("filters");
        // Of another user's directory root does not know that without capabilities.
        let opened = prepared.open_directory();
        assert!(opened || nix::unistd::geteuid().is_root());
        let_through(&passed, &own_calls())
            && let_through(&passed, &prepared.calls(7).expect("calls"))
            && !let_through(&passed, &prepared.calls(8).expect("calls"))
    }

    #[test]
    fn a_command_of_each_preset_inherits_what_confines_it() {
        for name in ["base", "compute", "workspace", "net"] {
            let policy = Policy::preset(name).expect("a preset");
            let plan = Plan::with(&policy, &Host::newest(), PlanOptions::default());
            assert!(fits(&Arc::new(plan.expect("a plan"))), "{name}");
        }
    }

    #[test]
    fn a_command_whose_own_calls_a_rule_denies_confines_itself() {
        for (call, when) in [
            ("prlimit64", "new_limit != NULL"),
            ("prlimit64", "old_limit != NULL"),
            ("rt_sigaction", "act != NULL"),
            ("rt_sigaction", "oldact != NULL && signum == SIGSEGV"),
            ("rt_sigprocmask", "set != NULL"),
            ("futex", "uaddr != NULL && timeout != NULL"),
        ] {
            let rule =
                format!("[[rule]]\nsyscall = \"{call}\"\naction = \"deny\"\nwhen = \"{when}\"\n");
            let text = format!("extends = [\"base\"]\nlimits.open-files = 99\n{rule}");
            let policy = Policy::parse(&text, "a.toml").expect("a policy");
            let plan = Plan::with(&policy, &Host::newest(), PlanOptions::default());
            assert!(!fits(&Arc::new(plan.expect("a plan"))), "{call}: {when}");
        }
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
