//! The domains of a policy, made of what its files and the files that they extend say of them.

use std::collections::BTreeSet;

use super::domain::{Domain, MOST_DOMAINS, OnExec};
use super::domain_open::open;
use super::domain_problems::{cannot, foreign, past_peers, unknown};
use super::file::{File, Lists, Part};
use super::lift;
use super::merge::{Merged, merge};
use super::narrow::widened;
use super::{
    Action, Code, Default, Diagnostic, Lift, List, NetList, Origin, Policy, Process, Source,
};
use crate::syscalls::Errno;

/// What the files of a policy say of domains.
pub(super) struct Domains {
    /// All files, as they were before the main policy was made of them. Empty if no file has a domain.
    files: Vec<File>,
    parents: Vec<Vec<u16>>,
    /// The files of the main policy.
    main: BTreeSet<u16>,
}

impl Domains {
    /// Takes the domains out of the files, and everything out of those that only domains extend.
    pub fn new(files: &mut [File], parents: &[Vec<u16>]) -> Domains {
        if files.iter().all(|file| file.domains.is_empty()) {
            return Domains {
                files: Vec::new(),
                parents: Vec::new(),
                main: BTreeSet::new(),
            };
        }
        let domains = Domains {
            files: files.to_vec(),
            parents: parents.to_vec(),
            main: reached([0], parents),
        };
        for (index, file) in (0..).zip(files) {
            match domains.main.contains(&index) {
                true => file.domains.clear(),
                false => *file = File::default(),
            }
        }
        domains
    }

    /// Adds the domains to the main policy. Returns what is wrong with them.
    pub fn add_to(self, policy: &mut Policy) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let names = self.names();
        if let Some(past) = names.get(MOST_DOMAINS) {
            let first = self.parts(past).next();
            let problem = Diagnostic::error(
                Code::Domain,
                format!("a policy has at most {MOST_DOMAINS} domains"),
            );
            problems.extend(first.map(|(source, part)| problem.at(source, part.span.clone())));
            return problems;
        }
        for name in &names {
            problems.extend(self.extend_wrongly(name));
            for (source, part) in self.parts(name) {
                problems.extend(widened(policy, source, part));
            }
            match self.domain(name, policy) {
                Ok(domain) => policy.domains.push(domain),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(unknown(policy, &names));
        problems
    }

    /// The names of the domains, in the order of the files.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let parts = self.files.iter().enumerate();
        let parts = parts.filter(|(index, _)| self.main.contains(&(*index as u16)));
        for part in parts.flat_map(|(_, file)| &file.domains) {
            if !names.contains(&part.name) {
                names.push(part.name.clone());
            }
        }
        names
    }

    /// What the files of the main policy say of a domain, with their indices.
    fn parts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (u16, &'a Part)> {
        let files = (0..).zip(&self.files);
        files
            .filter(|(index, _)| self.main.contains(index))
            .flat_map(|(index, file)| file.domains.iter().map(move |part| (index, part)))
            .filter(move |(_, part)| part.name == name)
    }

    /// What the domain extends and cannot have.
    fn extend_wrongly(&self, name: &str) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (source, part) in self.parts(name) {
            for (extended, span) in &part.extended {
                let all = reached([*extended], &self.parents);
                let files = all.iter().filter_map(|at| self.files.get(usize::from(*at)));
                let wrong = files.filter_map(foreign).next();
                problems.extend(wrong.map(|wrong| cannot(source, span, wrong)));
            }
        }
        problems
    }

    /// What is said of a domain, joined.
    fn gather(&self, name: &str) -> Gathered {
        let count = self.files.len();
        // The first half has the files' own parts, the second half what they extend.
        let mut files = vec![File::default(); 2 * count];
        let mut parents: Vec<Vec<u16>> = self.parents.clone();
        let second = count as u16;
        let shifted = |all: &Vec<u16>| all.iter().map(|at| at + second).collect();
        parents.extend(self.parents.iter().map(shifted));
        let (mut lists, mut programs) = (Lists::default(), Vec::new());
        let mut extended = BTreeSet::new();
        for (source, part) in self.parts(name) {
            lists = lists.and(part.lists);
            programs.extend(part.programs.iter().cloned());
            if let Some(file) = files.get_mut(usize::from(source)) {
                *file = part.file.clone();
            }
            let own = part.extended.iter().map(|(at, _)| *at);
            if let Some(parents) = parents.get_mut(usize::from(source)) {
                parents.extend(own.clone().map(|at| at + second));
            }
            extended.extend(reached(own, &self.parents));
        }
        for at in extended {
            let found = self.files.get(usize::from(at));
            let place = files.get_mut(usize::from(at + second));
            if let (Some(found), Some(place)) = (found, place) {
                lists = lists.and(lists_of(found));
                *place = found.clone();
            }
        }
        let lifts = lift::apply(&mut files, &parents);
        Gathered {
            merged: merge(&mut files, &parents),
            lifts,
            lists,
            programs,
        }
    }

    fn domain(&self, name: &str, main: &Policy) -> Result<Domain, Diagnostic> {
        let gathered = self.gather(name);
        let first = self.parts(name).next();
        let origin = first.map_or(Origin { source: 0, line: 1 }, |(_, part)| part.origin);
        if gathered.programs.is_empty() {
            let message = format!("no program enters the domain `{name}`");
            let (source, span) = first.map_or((0, 0..0), |(at, part)| (at, part.span.clone()));
            return Err(Diagnostic::error(Code::Domain, message)
                .at(source, span)
                .help("add `on-exec = [\"PROGRAM\"]`"));
        }
        let lists = gathered.lists;
        let programs = gathered.programs.clone();
        let mut policy = gathered.policy(main, name, origin);
        if let Some(problem) = past_peers(main, &policy, lists) {
            return Err(problem);
        }
        if policy.open_calls {
            open(&mut policy, lists, origin);
        }
        Ok(Domain {
            name: name.to_owned(),
            origin,
            programs,
            policy,
        })
    }
}

/// What the files of a policy say of one domain.
struct Gathered {
    merged: Merged,
    lifts: Vec<Lift>,
    lists: Lists,
    programs: Vec<OnExec>,
}

impl Gathered {
    /// Its entries as a policy.
    fn policy(self, main: &Policy, name: &str, origin: Origin) -> Policy {
        let merged = self.merged;
        // The main policy protects its files.
        let sources = main.sources.iter().map(|source| Source {
            files: Vec::new(),
            ..source.clone()
        });
        Policy {
            sources: sources.collect::<Vec<_>>().into(),
            description: None,
            default: merged.default.unwrap_or(Default {
                action: Action::Deny(Errno::EPERM),
                origin,
            }),
            syscalls: merged.entries,
            rules: merged.rules,
            paths: merged.paths,
            left_out: merged.left_out,
            peers: merged.peers,
            lifts: self.lifts,
            limits: merged.limits,
            process: Process {
                // Names of [net] and message queues depend on it.
                isolate: main.process.isolate.clone(),
                ..Process::default()
            },
            tests: Vec::new(),
            tmpdir: main.tmpdir.clone(),
            domains: Vec::new(),
            domain_name: Some(name.to_owned()),
            open_calls: merged.default.is_none(),
            relative: main.relative,
        }
    }
}

/// The files that these extend, with themselves.
fn reached(from: impl IntoIterator<Item = u16>, parents: &[Vec<u16>]) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let mut next: Vec<u16> = from.into_iter().collect();
    while let Some(at) = next.pop() {
        if found.insert(at) {
            next.extend(parents.get(usize::from(at)).into_iter().flatten());
        }
    }
    found
}

/// The lists of a file that a domain extends.
fn lists_of(file: &File) -> Lists {
    let fs = |list| {
        file.paths
            .iter()
            .chain(&file.left_out)
            .any(|entry| entry.list == list)
    };
    let net = |list| file.peers.iter().any(|entry| entry.list == list);
    Lists {
        read: fs(List::Read),
        write: fs(List::Write),
        exec: fs(List::Exec),
        connect: net(NetList::Connect),
        listen: net(NetList::Listen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        match Policy::parse(text, "a.toml") {
            Ok(_) => Vec::new(),
            Err(problems) => {
                let problems = problems.diagnostics.iter();
                problems.map(|problem| problem.code.id()).collect()
            }
        }
    }

    const OPEN: &str = "default = \"allow\"\n[domain.b]\non-exec = [\"/x\"]\n";

    #[test]
    fn what_a_domain_cannot_have_is_an_error() {
        for (more, code) in [
            ("limits = { wall = \"1s\" }", "E605"),
            ("limits = { output = \"1MiB\" }", "E605"),
            ("limits = { stack = \"1MiB\" }", "E605"),
            ("limits = { cpus = \"1s\" }", "E201"),
            ("limits = { cpu = 1 }", "E202"),
            ("limits = { processes = 0 }", "E501"),
            ("limits = 1", "E202"),
            ("process = {}", "E605"),
            ("test = []", "E605"),
            ("domain = {}", "E605"),
            ("description = \"x\"", "E605"),
            ("default = \"allow\"", "E605"),
            ("default = 1", "E605"),
            ("extends = [\"workspace\"]", "E605"),
            ("unknown = 1", "E201"),
            ("fs = { reads = [\"/x\"] }", "E201"),
            ("fs = 1", "E202"),
            ("net = { connect = [1] }", "E202"),
            ("extends = [\"nothing\"]", "E103"),
            ("[[test]]\ndomain = \"c\"\nallow = [\"read /x\"]", "E605"),
            ("[domain.\"a b\"]\non-exec = [\"/x\"]", "E605"),
            ("[domain.c]\nfs = {}", "E605"),
        ] {
            assert_eq!(codes(&format!("{OPEN}{more}\n")), [code], "{more}");
        }
        let many: String = (0..=MOST_DOMAINS)
            .map(|n| format!("[domain.d{n}]\non-exec = [\"/x\"]\n"))
            .collect();
        assert_eq!(codes(&format!("default = \"allow\"\n{many}")), ["E605"]);
        for program in [
            "{ argv = [\"x\"] }",
            "{ path = \"/x\", argv = [] }",
            "{ path = \"$JAIL_UNSET/x\" }",
            "{ path = \"$JAIL_UNSET/x\", optional = 1 }",
            "1",
        ] {
            let text = format!("default = \"allow\"\n[domain.b]\non-exec = [{program}]\n");
            assert!(!codes(&text).is_empty(), "{program}");
        }
        let text = "default = \"allow\"\n[domain.b]\non-exec = [\"/x\", { path = \"$JAIL_UNSET/x\", optional = true }]\n";
        assert_eq!(codes(text), [""; 0]);
    }

    #[test]
    fn what_would_widen_is_an_error_and_what_narrows_is_not() {
        let main = "extends = [\"base\"]\n[fs]\nread = [\"/a\", \"/p/**/x\"]\nwrite = [\"/w\"]\ndeny = [\"/a/no\"]\n\
                    [net]\nconnect = [\"10.0.0.0/8:80,443\", \"unix:/run/s\"]\ndeny = [\"10.9.0.0/16\"]\n[syscalls]\nsync = \"deny\"\nfsync = \"deny\"\n\
                    [limits]\ncpu = \"10s\"\nprocesses = 9\n";
        let domain = |more: &str| codes(&format!("{main}[domain.b]\non-exec = [\"/x\"]\n{more}\n"));
        for wide in [
            "fs = { read = [\"/b\"] }",
            "fs = { read = [\"/\"] }",
            "fs = { write = [\"/a\"] }",
            "fs = { read = [\"/a/no/x\"] }",
            "fs = { exec = [\"/w\"] }",
            "net = { connect = [\"*:443\"] }",
            "net = { connect = [\"10.0.0.0/8:22\"] }",
            "net = { connect = [\"10.0.0.0/8:80-443\"] }",
            "net = { connect = [\"10.9.1.0/24:443\"] }",
            "net = { connect = [\"udp://10.0.0.1:443\"] }",
            "net = { connect = [\"host.example:443\"] }",
            "net = { connect = [\"unix:*\"] }",
            "net = { listen = [\"127.0.0.1:80\"] }",
            "syscalls = { sync = \"allow\" }",
            "[[domain.b.rule]]\nsyscall = \"fsync\"\nwhen = \"arg0 == 1\"\naction = \"allow\"",
            "limits = { cpu = \"11s\" }",
            "limits = { processes = 10, memory = \"1GiB\" }",
        ] {
            assert_eq!(domain(wide), ["E606"], "{wide}");
        }
        for narrow in [
            "fs = { read = [\"/a/b\", \"/w\"], write = [\"/w/x\"], deny = [\"/\"] }",
            "fs = { read = [\"/p/q/x\", \"/a/**/y\"] }",
            "net = { connect = [\"10.1.0.0/16:443\", \"10.0.0.1:80,443\", \"unix:/run/s/t\"] }",
            "net = { connect = [], listen = [], deny = [\"*\"] }",
            "syscalls = { read = \"allow\", write = \"kill\", \"@process\" = \"allow\" }",
            "extends = [\"offline\"]",
            "default = \"deny\"",
            "limits = { cpu = \"10000ms\", processes = 8, memory = \"1GiB\" }",
        ] {
            assert_eq!(domain(narrow), [""; 0], "{narrow}");
        }
    }

    #[test]
    fn files_say_a_domain_together() {
        let text =
            format!("{OPEN}fs = {{ read = [\"/a\"] }}\nextends = [\"protect-credentials\"]\n");
        let policy = Policy::parse(&text, "a.toml").expect("a policy");
        let [domain] = &policy.domains[..] else {
            panic!("{:?}", policy.domains);
        };
        let lists = |list| {
            domain
                .policy
                .paths
                .iter()
                .filter(move |entry| entry.list == list)
        };
        assert_eq!(lists(List::Read).count(), 1);
        // What may not be read may not be changed; programs are open.
        assert_eq!(
            (lists(List::Write).count(), lists(List::Exec).count()),
            (0, 1)
        );
        assert!(lists(List::Deny).count() > 10);
        // The main policy has none of what the domain extends.
        assert!(policy.paths.is_empty() && policy.sources.len() > 1);
        assert_eq!(
            policy.entered(&[b"/x"], None),
            super::super::DomainSet::one(0)
        );
    }
}
