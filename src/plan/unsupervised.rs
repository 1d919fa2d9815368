//! A jail without a supervisor, where no tracer can be had: which calls its filter denies, and which entries
//! it cannot enforce.
//!
//! Nothing may depend on RET_TRACE: without a tracer it is ENOSYS, and a tracer outside (another jail)
//! would answer it by its own policy.

use super::files::{DENIED_WITHIN, PROTECTED_WITHIN};
use super::route::{Enforcer, Route, What};
use super::{Domain, Plan};
use crate::baseline::Watch;
use crate::judge::{Chain, Judge};
use crate::policy::{Action, Policy};
use crate::syscalls;

/// Classes of calls that only concern a supervisor, and those that a Landlock domain of ABI 6 holds by
/// itself, more strictly: it denies a terminal that was created later, and a rename or link that would
/// give a file more rights.
const LEFT_OUT: Watch = Watch::MEMORY
    .and(Watch::DUMPABLE)
    .and(Watch::LAZY_MEMORY)
    .and(Watch::OWN_FILTER)
    .and(Watch::LOOK)
    .and(Watch::NAMES)
    .and(Watch::HANDLE)
    .and(Watch::TERMINALS)
    .and(Watch::MOVE);

/// The classes of calls that the filter must deny because no supervisor can look at them, of those that
/// a supervisor would watch.
pub(super) fn watched(watch: Watch) -> Watch {
    let mut watch = watch.without(LEFT_OUT);
    watch.add(Watch::MEMFD, watch.has(Watch::EXEC_OF_DESCRIPTOR));
    watch
}

/// What a policy needs a supervisor for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What the plan's row is about.
    Row(What),
    /// Later programs may not be started, and the filter cannot tell the first execve(2) from them.
    Start,
    /// Landlock of this host does not restrict signals.
    Signals,
    /// Only a supervisor knows which domains a task is in.
    Domains,
}

impl Plan {
    /// What this policy needs a supervisor for. Empty: it can be run without one.
    pub fn needs(&self, policy: &Policy) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::new();
        if self.domain != Domain::Signals {
            needs.push(Need::Signals);
        }
        if !policy.domains.is_empty() {
            needs.push(Need::Domains);
        }
        let rows = self.routes(policy).into_iter();
        let rows = rows.filter(|row| is_needed(policy, row.what, row.enforcer));
        // An entry that only follows another one is named where no cause is known.
        let (follow, cause): (Vec<Route>, Vec<Route>) =
            rows.partition(|row| [DENIED_WITHIN, PROTECTED_WITHIN].contains(&&*row.because));
        let named = if cause.is_empty() { follow } else { cause };
        needs.extend(named.into_iter().map(|row| Need::Row(row.what)));
        if self.start.is_none() && closes_execve(&self.judge) {
            needs.push(Need::Start);
        }
        needs
    }

    /// Calls that are denied although an entry might allow them, because only a supervisor could check them.
    pub fn unchecked(&self) -> Vec<&'static str> {
        let watch = watched(self.files.watch.and(self.net.watch));
        let classes = [
            (Watch::METADATA, "chmod, chown, utimes, setxattr"),
            (Watch::NOTIFY, "inotify"),
            (Watch::CONNECT, "connect"),
            (Watch::BIND, "bind"),
            (Watch::SEND_MESSAGE, "sendmsg"),
            (Watch::EXEC_OF_DESCRIPTOR, "execveat of a descriptor"),
            (Watch::MEMFD, "memfd_create without MFD_NOEXEC_SEAL"),
        ];
        let denied = classes.iter().filter(|(class, _)| watch.has(*class));
        denied.map(|(_, names)| *names).collect()
    }

    /// What a supervisor would deny, and nothing else can: a program and its loader are loaded by the same right.
    pub fn not_denied(&self) -> Option<&'static str> {
        let restricts = self.files.watch.has(Watch::EXEC_OF_DESCRIPTOR);
        restricts.then_some(
            "a dynamic loader that is started as a program runs any file that can be read",
        )
    }
}

/// Whether not every execve(2) is allowed. Then the filter cannot tell the first from later ones.
pub(super) fn closes_execve(judge: &Judge) -> bool {
    let closed =
        |chain: Chain<'_>| !chain.rules.is_empty() || chain.otherwise.action != Action::Allow;
    let starts = |nr| syscalls::by_number(nr).is_some_and(|syscall| syscall.name == "execve");
    let mut chains = judge.chains();
    chains.any(|(nr, chain)| starts(nr) && closed(chain))
}

/// Whether what the row is about needs a supervisor.
fn is_needed(policy: &Policy, what: What, enforcer: Enforcer) -> bool {
    let supervised = matches!(
        enforcer,
        Enforcer::Supervisor
            | Enforcer::SupervisorOnFloor
            | Enforcer::RacySupervisor
            | Enforcer::Missing
    );
    match what {
        // No connection is allowed then, so no entry that denies one is needed.
        What::Peer(index) => {
            let entry = policy.peers.get(index);
            supervised && entry.is_some_and(|entry| !entry.closes() && !entry.optional)
        }
        What::Entry(index) => {
            let kills = |action| action == Action::Kill;
            supervised
                || policy
                    .syscalls
                    .get(index)
                    .is_some_and(|entry| kills(entry.action))
        }
        What::Rule(index) => {
            let rule = policy.rules.get(index);
            supervised
                || rule.is_some_and(|rule| rule.object.is_some() || rule.action == Action::Kill)
        }
        What::Default => policy.default.action == Action::Kill,
        What::Limit(_) => enforcer != Enforcer::ResourceLimit,
        What::Isolation(_) => true,
        What::Path(_) | What::PolicyFile(_) => supervised,
        // Denied by the filter, or held by Landlock.
        What::Baseline(_) | What::Signals | What::Memory | What::Always | What::Foreign => false,
    }
}
