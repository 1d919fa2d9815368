//! The rules with which the jail protects itself. They take precedence over every policy.
//!
//! Data, with one reason per rule: a policy can tighten them but not loosen them. Nothing here does I/O
//! or depends on a policy.

mod border;
mod check;
mod net;
mod pages;
mod paths;
mod rules;
mod terms;
#[cfg(test)]
mod tests;
mod watch;

pub use border::{NO_CROSSING, NO_FILTER};
pub use check::{Check, Target};
pub use net::NO_RESOLVERS;
pub use pages::{NO_PAGES, PAGES_END, PAGES_LEAST};
pub use paths::NO_MEMORY_FILES;
pub use watch::Watch;

use crate::condition::Test;
use crate::syscalls::{Call, Errno};

/// System calls that are always allowed, whatever a policy says: the kernel itself makes a program call
/// them (`restart_syscall`, `rt_sigreturn`), or without them a program could not even end.
pub const ALWAYS: &[&str] = &["exit", "exit_group", "restart_syscall", "rt_sigreturn"];

/// The Landlock ABI whose domains can restrict signals (`LANDLOCK_SCOPE_SIGNAL`, Linux 6.12).
pub const SIGNAL_SCOPE_ABI: u32 = 6;

/// One protection.
#[derive(Debug)]
pub struct Rule {
    /// Its name in messages: `no-ptrace`.
    pub id: &'static str,
    /// The system calls that it applies to, by name.
    pub syscalls: &'static [&'static str],
    /// When it applies.
    pub when: When,
    /// What the jail answers if it applies.
    pub answer: Answer,
    /// Why, in one sentence for users.
    pub reason: &'static str,
    /// How a program would use the call to escape, or the reason for the answer.
    pub attack: &'static str,
}

impl Watch {
    /// The rules of these classes.
    pub fn rules(self) -> impl Iterator<Item = &'static Rule> {
        paths::WATCHED
            .iter()
            .chain(net::WATCHED)
            .chain(paths::LOOKED_LAST)
            .chain(pages::GUARDS)
            .filter(move |(class, _)| self.any(*class))
            .map(|(_, rule)| rule)
    }

    /// Every rule of every class.
    pub fn all_rules() -> impl Iterator<Item = &'static Rule> {
        paths::WATCHED
            .iter()
            .chain(net::WATCHED)
            .chain(paths::LOOKED_LAST)
            .chain(pages::GUARDS)
            .map(|(_, rule)| rule)
    }
}

/// When a [`Rule`] applies: alternatives of register tests.
#[derive(Debug)]
pub struct When {
    /// The condition as text; empty if the rule applies to each call.
    pub text: &'static str,
    /// The rule applies if all tests of any alternative hold.
    pub any: &'static [&'static [Test]],
}

/// What the jail answers if a [`Rule`] applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Denied and reported.
    Deny(Errno),
    /// Denied by the filter without a report: programs probe for this and fall back.
    Quiet(Errno),
    /// Denied and reported: no entry of the policy is about this kind of object.
    Close(Errno),
    /// Allowed if the target is in the jail, which only the supervisor knows.
    Check(Check),
}

/// The rules that a host needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    landlock_holds_signals: bool,
    watch: Watch,
}

impl Baseline {
    /// For a host with this Landlock ABI, 0 for none.
    pub fn new(landlock_abi: u32) -> Baseline {
        Baseline {
            landlock_holds_signals: landlock_abi >= SIGNAL_SCOPE_ABI,
            watch: Watch::NONE,
        }
    }

    /// The same, plus the calls that are watched for paths.
    pub fn watching(self, watch: Watch) -> Baseline {
        Baseline { watch, ..self }
    }

    /// For a host with every ability.
    pub fn newest() -> Baseline {
        Baseline::new(u32::MAX)
    }

    /// Whether a Landlock domain restricts signals; the launcher must then enter it.
    pub fn landlock_holds_signals(&self) -> bool {
        self.landlock_holds_signals
    }

    /// Whether a Landlock domain decides which processes this call reaches.
    pub fn scoped(&self, call: &Call) -> bool {
        let about = |rule: &Rule| {
            call.syscall()
                .is_some_and(|syscall| rule.syscalls.contains(&syscall.name))
                && rule.applies(&call.args)
        };
        self.landlock_holds_signals && rules::SIGNALS.iter().any(about)
    }

    /// Every rule that applies on this host, in the order in which they are evaluated.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + use<> {
        let signals: &'static [Rule] = if self.landlock_holds_signals {
            &[]
        } else {
            rules::SIGNALS
        };
        rules::COMMON
            .iter()
            .chain(signals)
            .chain(self.watch.rules())
    }
}

/// Rules are compared by address: each exists once, in the table.
impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Rule {}

impl Rule {
    /// Whether the rule applies to a call of one of its system calls.
    pub fn applies(&self, args: &[u64; 6]) -> bool {
        self.when
            .any
            .iter()
            .any(|tests| tests.iter().all(|test| test.holds(args)))
    }

    /// Whether the rule applies for any arguments.
    pub fn covers_each(&self) -> bool {
        self.when.any.iter().any(|tests| tests.is_empty())
    }

    /// Whether the rule denies its system calls unconditionally.
    pub fn closes(&self) -> bool {
        self.covers_each() && !matches!(self.answer, Answer::Check(_))
    }
}

/// The protection against routing headers, which control data may also contain.
pub fn routing_headers() -> Option<&'static Rule> {
    Watch::all_rules().find(|rule| rule.id == "no-routing-headers")
}

/// Why a system call is denied on every host and with any arguments; `None` if it is not.
pub fn closed(name: &str) -> Option<&'static str> {
    rules::COMMON
        .iter()
        .find(|rule| rule.closes() && rule.syscalls.contains(&name))
        .map(|rule| rule.reason)
}
