//! The rules with which the jail protects itself: they stand above every policy.
//!
//! Data, one reason each: a policy can tighten them and cannot loosen them. Nothing here asks the
//! kernel or a file, and nothing depends on a policy.

mod check;
mod net;
mod rules;
#[cfg(test)]
mod tests;
mod watch;

pub use check::{Check, Target};
pub use net::NO_RESOLVERS;
pub use watch::{NO_MEMORY_FILES, Watch};

use crate::condition::Test;
use crate::syscalls::{Call, Errno};

/// System calls that no answer but "allow" is possible for, whatever a policy says: the kernel
/// itself directs a program there (`restart_syscall`, `rt_sigreturn`), or the alternative is a
/// program that cannot even end.
pub const ALWAYS: &[&str] = &["exit", "exit_group", "restart_syscall", "rt_sigreturn"];

/// The Landlock ABI whose domains can hold signals back (`LANDLOCK_SCOPE_SIGNAL`, Linux 6.12).
pub const SIGNAL_SCOPE_ABI: u32 = 6;

/// One protection.
#[derive(Debug)]
pub struct Rule {
    /// Its name in messages: `no-ptrace`.
    pub id: &'static str,
    /// The system calls it is about, by name.
    pub syscalls: &'static [&'static str],
    /// When it applies.
    pub when: When,
    /// What the jail answers then.
    pub answer: Answer,
    /// Why, in one sentence for users.
    pub reason: &'static str,
    /// How a program would use the call to get out, or what the answer rests on.
    pub attack: &'static str,
}

/// When a [`Rule`] applies: alternatives of register tests.
#[derive(Debug)]
pub struct When {
    /// The same in words; empty if the rule applies to each call.
    pub text: &'static str,
    /// It applies if all the tests of any one alternative hold.
    pub any: &'static [&'static [Test]],
}

/// What the jail answers where a [`Rule`] applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Denied and reported.
    Deny(Errno),
    /// Denied by the filter without a report: programs probe for this and fall back.
    Quiet(Errno),
    /// Denied and reported: nothing in the policy is about such a thing.
    Close(Errno),
    /// Allowed if the target, which only the supervisor can know, is in the jail.
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

    /// The same, with the calls that are watched for the sake of paths.
    pub fn watching(self, watch: Watch) -> Baseline {
        Baseline { watch, ..self }
    }

    /// For a host with every ability.
    pub fn newest() -> Baseline {
        Baseline::new(u32::MAX)
    }

    /// Whether signals are held by a Landlock domain, which the launcher must then enter.
    pub fn landlock_holds_signals(&self) -> bool {
        self.landlock_holds_signals
    }

    /// Whether a Landlock domain decides whom this call reaches.
    pub fn scoped(&self, call: &Call) -> bool {
        let about = |rule: &Rule| {
            call.syscall()
                .is_some_and(|syscall| rule.syscalls.contains(&syscall.name))
                && rule.applies(&call.args)
        };
        self.landlock_holds_signals && rules::SIGNALS.iter().any(about)
    }

    /// Every rule that applies on this host, in the order in which they are asked.
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

/// A rule is itself and no other: there is one of each, in the table.
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

    /// Whether the rule applies whatever the arguments.
    pub fn covers_each(&self) -> bool {
        self.when.any.iter().any(|tests| tests.is_empty())
    }

    /// Whether the rule closes its system calls outright.
    pub fn closes(&self) -> bool {
        self.covers_each() && !matches!(self.answer, Answer::Check(_))
    }
}

/// The protection against routing headers, which control data may hold, too.
pub fn routing_headers() -> Option<&'static Rule> {
    Watch::all_rules().find(|rule| rule.id == "no-routing-headers")
}

/// Why a system call is closed on every host and with any arguments; `None` if it is not.
pub fn closed(name: &str) -> Option<&'static str> {
    rules::COMMON
        .iter()
        .find(|rule| rule.closes() && rule.syscalls.contains(&name))
        .map(|rule| rule.reason)
}
