//! `(Policy, Call)` → [`Verdict`] with its reason: the one place where a call is decided.
//!
//! Pure, and free of allocation once built: the supervisor asks at each stop, and `jail test`,
//! `jail explain` and the filter's tests ask the same function. It never looks at a process.
//!
//! Both the policy and the [baseline](crate::baseline) must allow a call; the stricter answer decides.
//! If both deny, an entry of the policy gives the answer, because its author chose an errno; a mere
//! `default` does not, because the baseline's reason says more and its `ENOSYS` lets libraries fall
//! back.

mod advice;
mod chain;
mod closed;
mod code;
mod domains;
mod files;
mod net;
mod protect;
pub mod remedy;
mod run;
mod sentence;
#[cfg(test)]
mod tests;
pub mod varying;
pub mod width;

pub use advice::{POLICY_FILE, UNSEARCHED, entry_text, explain_reason, rule_head};
pub use chain::{Chain, Ruling, Step};
pub use code::{Code, code};
pub use protect::{Beneath, Entered};
pub use remedy::Standing;
pub use sentence::Sentence;

use crate::baseline::{self, Answer, Baseline, Check};
use crate::net::{NamePattern, Reach};
use crate::paths::{Access, Terminal};
use crate::policy::{Action, DomainId, Object, Policy};
use crate::syscalls::{Call, Errno};
use domains::stricter;
use std::path::Path;

/// Everything that decides calls, compiled from a policy and the baseline.
#[derive(Debug)]
pub struct Judge {
    table: chain::Table,
    files: files::Files,
    net: net::Net,
    /// The domains that the caller is in: a call must pass all of them, too.
    domains: Vec<domains::Inner>,
}

/// The decision about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// Not reported.
    pub quiet: bool,
    /// What decided.
    pub reason: Reason,
    /// Allowed only if this check, which needs more than registers, passes, too: the target of the call
    /// is in the jail, or the paths that it names are allowed.
    pub check: Option<Check>,
    /// The domain that decided, whose entries the reason names; `None`: the main policy.
    pub domain: Option<DomainId>,
}

/// What decided a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A protection of the jail itself.
    Baseline(&'static baseline::Rule),
    /// One of [`baseline::ALWAYS`].
    Always,
    /// A `[[rule]]`, by its index in [`Policy::rules`].
    Rule(usize),
    /// An entry of `[syscalls]`, by its index in [`Policy::syscalls`].
    Entry(usize),
    /// The policy's `default`.
    Default,
    /// An entry of `[fs]`, by its index in [`Policy::paths`].
    Path(usize),
    /// A file of the policy itself, by its index in [`Policy::sources`].
    PolicyFile(usize),
    /// A directory to be moved cannot be read, or is too large to search for what this entry of
    /// `protect` covers; by its index in [`Policy::paths`].
    Unsearched(usize),
    /// The policy's `default`, of a path.
    PathDefault,
    /// An entry of `[net]`, by its index in [`Policy::peers`].
    Peer(usize),
    /// The policy's `default`, of a peer.
    PeerDefault,
    /// No entry of `[net]` is about this kind of socket, so it cannot be created.
    Closed(&'static baseline::Rule),
    /// Metadata of anything that is not hidden may be read.
    Metadata,
    /// The program that the caller named on the command line.
    Command,
    /// A terminal that the command was started with.
    Terminal,
    /// A file without a path (a pipe, a memfd, an unlinked file) cannot be executed.
    Pathless,
    /// Another task could change what was judged before it is used, and nothing can prevent that.
    Unpinned,
    /// A program, or its arguments, was changed by another thread after it was judged.
    Changed,
    /// The number is not one of this architecture: x32, or newer than this program.
    UnknownNumber,
}

impl Judge {
    /// Compiles a policy and the protections that a host needs.
    pub fn new(policy: &Policy, baseline: &Baseline) -> Judge {
        Judge::of_command(policy, baseline, None, &[])
    }

    /// As [`Judge::new`], for a command with the program that the caller named, and the terminals that
    /// it is started with.
    pub fn of_command(
        policy: &Policy,
        baseline: &Baseline,
        command: Option<&Path>,
        terminals: &[Terminal],
    ) -> Judge {
        Judge {
            table: chain::Table::new(policy, baseline),
            files: files::Files::new(policy, command, terminals),
            net: net::Net::new(policy),
            domains: Vec::new(),
        }
    }

    /// Decides an access to a path, which must be absolute, resolved, and contain `/proc/self` for the
    /// calling process. [`Verdict::check`] is never set.
    pub fn path(&self, access: Access, path: &[u8]) -> Verdict {
        self.narrowed(self.files.path(access, path), |judge| {
            judge.path(access, path)
        })
    }

    /// Decides whether a peer may be reached. [`Verdict::check`] is never set.
    pub fn reach(&self, reach: &Reach<'_>) -> Verdict {
        self.narrowed(self.net.reach(reach), |judge| judge.reach(reach))
    }

    /// The names that `[net]` is about.
    pub fn names(&self) -> impl Iterator<Item = &NamePattern> {
        let domains = self.domains.iter();
        self.net
            .names()
            .chain(domains.flat_map(|inner| inner.judge.net.names()))
    }

    /// Whether an entry of `exec` names exactly this program, or opens everything: then a dynamic loader
    /// may be started as a program.
    pub fn names_program(&self, path: &[u8]) -> bool {
        self.files.names_program(path)
            && self
                .domains
                .iter()
                .all(|inner| inner.judge.names_program(path))
    }

    /// The denial of renaming the file `from` to `to`, because it would give a socket that `[net]`
    /// denies a name that it does not deny; `None`: not denied.
    pub fn renamed(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        self.files
            .renamed(from, to)
            .or_else(|| self.first(|judge| judge.renamed(from, to)))
    }

    /// The denial of renaming the directory `from` to `to`, because it would take something beneath it
    /// out of an entry of `deny` or `hide`; `None`: not denied.
    pub fn moved(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        self.files
            .moved(from, to)
            .or_else(|| self.first(|judge| judge.moved(from, to)))
    }

    /// The denial of renaming the directory `from` to `to`, because it could bring something beneath it
    /// under an entry of `protect`; `None`: not denied.
    pub fn gained(&self, from: &[u8], to: &[u8]) -> Option<Verdict> {
        self.files.protected.gained(from, to)
    }

    /// The denial of a symbolic link at `path`, because it would make a path that `protect` covers lead
    /// elsewhere; `None`: not denied.
    pub fn replaced(&self, path: &[u8]) -> Option<Verdict> {
        self.files.protected.replaced(path)
    }

    /// The denial of creating anything but a directory at `path`, because `protect` names a directory
    /// there, above what it covers; `None`: not denied.
    pub fn occupied(&self, path: &[u8]) -> Option<Verdict> {
        self.files.protected.occupied(path)
    }

    /// What `protect` may cover beneath the directory `path`, which must then be searched before it is
    /// moved. `None`: nothing.
    pub fn beneath(&self, path: &[u8]) -> Option<Beneath<'_>> {
        self.files.protected.beneath(path)
    }

    /// Whether a rule about paths or arguments may decide this call: then [`Judge::call`] is not
    /// enough.
    pub fn needs_objects(&self, call: &Call) -> bool {
        if self
            .domains
            .iter()
            .any(|inner| inner.judge.needs_objects(call))
        {
            return true;
        }
        self.chain(call.nr).is_some_and(|chain| {
            let mut holding = chain.rules.iter().filter(|s| s.condition.holds(&call.args));
            // Rules after one that decides by registers alone are not reached.
            holding.next().is_some_and(|step| step.object.is_some())
        })
    }

    /// Decides one call by its registers. Rules about paths or arguments are taken not to match.
    pub fn call(&self, call: &Call) -> Verdict {
        self.call_on(call, &mut |_| false)
    }

    /// Decides one call; `holds` says whether a rule's path and arguments match.
    pub fn call_on(&self, call: &Call, holds: &mut dyn FnMut(&Object) -> bool) -> Verdict {
        let own = self.own_call(call, holds);
        let mut found = own;
        for inner in &self.domains {
            found = stricter(found, inner, inner.judge.call_on(call, holds));
        }
        found
    }

    /// The decision of the policy, without the domains.
    fn own_call(&self, call: &Call, holds: &mut dyn FnMut(&Object) -> bool) -> Verdict {
        let Some(chain) = self.chain(call.nr) else {
            return Verdict {
                action: Action::Deny(Errno::ENOSYS),
                quiet: true,
                reason: Reason::UnknownNumber,
                check: None,
                domain: None,
            };
        };
        let ruling = chain
            .rules
            .iter()
            .find(|step| {
                step.condition.holds(&call.args) && step.object.as_ref().is_none_or(&mut *holds)
            })
            .map_or(chain.otherwise, |step| step.ruling);
        if ruling.outranks_baseline() {
            return ruling.verdict();
        }
        chain
            .baseline
            .iter()
            .filter(|rule| ruling.subject_to(rule))
            .find(|rule| rule.applies(&call.args))
            .map_or(ruling.verdict(), |rule| ruling.under(rule))
    }

    /// How the calls of one number are decided; `None` for a number that is not known.
    pub fn chain(&self, nr: u32) -> Option<Chain<'_>> {
        self.table.chain(nr)
    }

    /// Whether a filter that was compiled from the other is that of this one.
    pub fn compiles_as(&self, other: &Judge) -> bool {
        self.table.compiles_as(&other.table)
    }

    /// Every known number, ascending, with its chain.
    pub fn chains(&self) -> impl Iterator<Item = (u32, Chain<'_>)> {
        self.table.chains()
    }
}

impl Ruling {
    /// Whether the baseline has nothing to add: the policy kills, or an entry of it denies.
    pub fn outranks_baseline(&self) -> bool {
        match self.action {
            Action::Kill => true,
            Action::Deny(_) => self.reason != Reason::Default,
            Action::Allow => self.reason == Reason::Always,
        }
    }

    /// Whether a rule of the baseline can change this ruling: checks are for what is allowed.
    pub fn subject_to(&self, rule: &baseline::Rule) -> bool {
        !matches!(rule.answer, Answer::Check(_)) || self.action == Action::Allow
    }

    /// The verdict where the policy alone decides.
    fn verdict(self) -> Verdict {
        Verdict {
            action: self.action,
            quiet: self.quiet,
            reason: self.reason,
            check: None,
            domain: None,
        }
    }

    /// The verdict where `rule` applies.
    fn under(self, rule: &'static baseline::Rule) -> Verdict {
        let reason = Reason::Baseline(rule);
        match rule.answer {
            Answer::Deny(errno) => Verdict {
                action: Action::Deny(errno),
                quiet: false,
                reason,
                check: None,
                domain: None,
            },
            Answer::Quiet(errno) => Verdict {
                action: Action::Deny(errno),
                quiet: true,
                reason,
                check: None,
                domain: None,
            },
            Answer::Close(errno) => Verdict {
                action: Action::Deny(errno),
                quiet: false,
                reason: Reason::Closed(rule),
                check: None,
                domain: None,
            },
            Answer::Check(check) => Verdict {
                check: Some(check),
                ..self.verdict()
            },
        }
    }
}
