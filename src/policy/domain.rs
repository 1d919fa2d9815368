//! Domains: programs that run under less than the policy says. `domain_section` reads what a file says of them,
//! `domains` makes the domains of a policy of that.

use super::{Argv, List, NetList, Origin, Policy};
use crate::condition::nearest;
use crate::paths::Pattern;

/// The largest number of domains of a policy: one bit each in [`DomainSet`].
pub const MOST_DOMAINS: usize = 8;

/// A domain: the programs that enter it, and what it denies of what the main policy allows.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// The place of its first key.
    pub origin: Origin,
    /// The programs that enter it.
    pub programs: Vec<OnExec>,
    /// What it allows. A call must pass this and the main policy. An access for which the domain has no list
    /// is allowed here.
    pub policy: Policy,
}

/// An entry of `on-exec`.
#[derive(Debug, Clone)]
pub struct OnExec {
    /// The path as written.
    pub text: String,
    /// The programs that it covers.
    pub pattern: Pattern,
    /// The argument vectors, if not all.
    pub argv: Option<Argv>,
    /// Its place in the policy.
    pub origin: Origin,
}

/// The arguments with which the kernel starts what a `#!` line names: `script` is the path by which the script is
/// executed, with these arguments (execve(2)).
pub fn interpreted(
    interpreter: &[u8],
    argument: Option<&[u8]>,
    script: &[u8],
    arguments: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let first = [Some(interpreter), argument, Some(script)];
    let first = first.into_iter().flatten().map(<[u8]>::to_vec);
    first.chain(arguments.iter().skip(1).cloned()).collect()
}

/// The number of a domain: its index in [`Policy::domains`].
pub type DomainId = u8;

/// The domains that a task is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct DomainSet(u8);

impl DomainSet {
    /// No domain.
    pub const NONE: DomainSet = DomainSet(0);

    /// From one bit for each domain.
    pub const fn of_bits(bits: u8) -> DomainSet {
        DomainSet(bits)
    }

    /// One bit for each domain.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// One domain.
    pub const fn one(domain: DomainId) -> DomainSet {
        match domain {
            0..8 => DomainSet(1 << domain),
            _ => DomainSet::NONE,
        }
    }

    /// The domains of both.
    pub const fn and(self, other: DomainSet) -> DomainSet {
        DomainSet(self.0 | other.0)
    }

    /// Those that are not in `other`.
    pub const fn without(self, other: DomainSet) -> DomainSet {
        DomainSet(self.0 & !other.0)
    }

    /// Whether it has all domains of `other`.
    pub const fn has(self, other: DomainSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Each domain, ascending.
    pub fn iter(self) -> impl Iterator<Item = DomainId> {
        (0..MOST_DOMAINS as DomainId).filter(move |domain| self.has(DomainSet::one(*domain)))
    }
}

impl OnExec {
    /// Whether a program with these arguments enters. `names`: the paths by which it was executed.
    pub fn matches(&self, names: &[&[u8]], arguments: &[Vec<u8>]) -> bool {
        self.covers(names)
            && self
                .argv
                .as_ref()
                .is_none_or(|argv| argv.matches(arguments))
    }

    /// Whether the same programs enter by another entry, as far as their texts tell.
    pub fn is_same(&self, other: &OnExec) -> bool {
        let argv = |one: &OnExec| one.argv.as_ref().map(Argv::to_string);
        self.pattern.is_same(&other.pattern) && argv(self) == argv(other)
    }

    /// The same, whatever its arguments are.
    pub fn covers(&self, names: &[&[u8]]) -> bool {
        names.iter().any(|name| self.pattern.covers(name))
    }
}

/// As a message writes it.
impl std::fmt::Display for OnExec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        match &self.argv {
            Some(argv) => write!(f, " {argv}"),
            None => Ok(()),
        }
    }
}

impl Domain {
    /// The lists that allow nothing in the domain: `net.connect`.
    pub fn closed(&self) -> Vec<&'static str> {
        let paths = [
            (List::Read, "fs.read"),
            (List::Write, "fs.write"),
            (List::Exec, "fs.exec"),
        ];
        let paths = paths
            .into_iter()
            .filter(|(list, _)| !self.policy.paths.iter().any(|entry| entry.list == *list));
        let peers = [
            (NetList::Connect, "net.connect"),
            (NetList::Listen, "net.listen"),
        ];
        let peers = peers
            .into_iter()
            .filter(|(list, _)| !self.policy.peers.iter().any(|entry| entry.list == *list));
        let (paths, peers) = (paths.map(|(_, key)| key), peers.map(|(_, key)| key));
        paths.chain(peers).collect()
    }
}

impl Policy {
    /// The domain of a name.
    pub fn domain(&self, name: &str) -> Option<DomainId> {
        let place = self.domains.iter().position(|domain| domain.name == name)?;
        DomainId::try_from(place).ok()
    }

    /// The names of its domains that may be meant by a name that none has.
    pub fn near_domains(&self, name: &str) -> String {
        let names = self.domains.iter().map(|domain| domain.name.as_str());
        let names: Vec<&str> = names.collect();
        match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it has none".to_owned(),
            None => format!("the domains are {}", names.join(", ")),
        }
    }

    /// The names of these domains.
    pub fn domain_names(&self, set: DomainSet) -> Vec<&str> {
        let domains = set
            .iter()
            .filter_map(|id| self.domains.get(usize::from(id)));
        domains.map(|domain| domain.name.as_str()).collect()
    }

    /// The policy whose entries a verdict names: that of a domain, or the main one.
    pub fn of_domain(&self, domain: Option<DomainId>) -> &Policy {
        domain
            .and_then(|domain| self.domains.get(usize::from(domain)))
            .map_or(self, |domain| &domain.policy)
    }

    /// The domains that a program enters. `names`: the paths by which it is executed; `arguments`: `None`
    /// means any.
    pub fn entered(&self, names: &[&[u8]], arguments: Option<&[Vec<u8>]>) -> DomainSet {
        let enters = |domain: &Domain| {
            domain.programs.iter().any(|program| match arguments {
                Some(arguments) => program.matches(names, arguments),
                None => program.covers(names),
            })
        };
        let mut set = DomainSet::NONE;
        for (id, domain) in (0..).zip(&self.domains) {
            if enters(domain) {
                set = set.and(DomainSet::one(id));
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_domains_and_no_others() {
        let both = DomainSet::one(0).and(DomainSet::one(7));
        assert_eq!(both.iter().collect::<Vec<_>>(), [0, 7]);
        assert!(both.has(DomainSet::one(7)) && !both.has(DomainSet::one(1)));
        assert!(both.has(DomainSet::NONE) && DomainSet::NONE.is_none());
        assert_eq!(both.without(DomainSet::one(0)), DomainSet::one(7));
        assert!(DomainSet::one(8).is_none());
    }
}
