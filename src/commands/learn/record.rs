//! What a run needed beyond its policy, and what was denied while it was learned.

use super::kinds::{is_listed, kind};
use super::open::Continued;
use super::sockets::Socket;
use crate::judge::Reason;
use crate::learn::{Evidence, Inet, Recording, Request};
use crate::net::Way;
use crate::policy::{DomainSet, Policy, Who};
use crate::report::{self, Report};
use crate::supervise::{
    Denial, Event, Object, Observer, Outcome, PathObject, PeerObject, Program, SuperviseError,
};
use crate::syscalls::Call;
use crate::syscalls::op::{Op, Peer};
use crate::trace::Tid;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Requests of one domain that are kept.
const MOST_IN_DOMAIN: usize = 10_000;

/// Denied objects that are named at the end; further ones are counted.
const MOST_DENIED: usize = 10;

/// What was recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What the policy lacks.
    pub requests: Recording,
    /// Denied accesses, the first ones, each with its program.
    pub denied: Vec<(String, String)>,
    /// Whether an entry denied one of them.
    pub guarded: bool,
    /// Whether a domain denied one because it has no entry for it.
    pub closed: bool,
    /// Recorded paths that did not exist when they were first named.
    pub made: BTreeSet<Vec<u8>>,
    /// Recorded paths that were opened for something else than to sync a directory.
    pub used: BTreeSet<Vec<u8>>,
    /// Numbers of processes of the jail that were in names.
    pub processes: BTreeSet<Tid>,
    /// Kinds of sockets that were created, whether or not the policy has an entry for them.
    pub sockets: BTreeMap<Socket, Evidence>,
    /// What was done in each domain that was watched.
    pub domains: BTreeMap<String, InDomain>,
}

impl Recorded {
    /// What the domains lack that are continued, by name.
    pub fn lacking_in_domains(&self) -> impl Iterator<Item = (&str, &Recording)> {
        let domains = self.domains.iter();
        let continued = domains.filter(|(_, domain)| domain.continued);
        continued.map(|(name, domain)| (name.as_str(), &domain.requests))
    }

    /// Those of the recorded paths of which this is true.
    pub fn paths(&self, holds: impl Fn(&Path) -> bool) -> BTreeSet<Vec<u8>> {
        let domains = self.domains.values().map(|domain| &domain.requests);
        let requests = domains.chain([&self.requests]).flat_map(Recording::keys);
        let paths = requests.filter_map(|request| match request {
            Request::Path(_, path) => Some(path),
            _ => None,
        });
        let holds = |path: &&Vec<u8>| holds(Path::new(OsStr::from_bytes(path)));
        paths.filter(holds).cloned().collect()
    }

    /// The number of requests that the policy lacks, for itself or for a domain.
    pub fn lacking(&self) -> usize {
        let domains = self.lacking_in_domains();
        let requests: BTreeSet<&Request> = domains
            .map(|(_, requests)| requests)
            .chain([&self.requests])
            .flat_map(Recording::keys)
            .collect();
        requests.len()
    }
}

/// What the programs of a domain did.
#[derive(Debug, Default)]
pub struct InDomain {
    /// What they changed and which peers they reached, allowed by the policy or not; of a domain that is continued,
    /// what its lists lack.
    pub requests: Recording,
    /// Whether it is a domain of the policy that is continued.
    pub continued: bool,
    /// The programs that entered.
    pub programs: Evidence,
    /// Whether the package manager has started one.
    pub started: bool,
    /// Whether there were more paths than are kept.
    pub more_paths: bool,
    /// Whether there were more peers than are kept.
    pub more_peers: bool,
}

/// Records, and reports what is denied.
pub struct Recorder<'a> {
    report: Report<'a>,
    recorded: Recorded,
    /// The policy whose domains are watched.
    watched: Option<&'a Policy>,
    /// Those of them that are continued.
    continued: &'a [Continued],
    /// What the policy lacked for the last call: a path of it is told as an access, too.
    last: (Tid, Vec<Request>),
}

impl<'a> Recorder<'a> {
    /// `watched`: the policy, if what its domains do is recorded, too. `continued`: the domains of which only what
    /// they lack is recorded.
    pub fn new(
        report: Report<'a>,
        watched: Option<&'a Policy>,
        continued: &'a [Continued],
    ) -> Self {
        Self {
            report,
            recorded: Recorded::default(),
            watched,
            continued,
            last: (0, Vec::new()),
        }
    }

    /// Ends the report.
    pub fn finish(self, result: &Result<Outcome, SuperviseError>) -> Recorded {
        match result {
            Ok(outcome) => _ = self.report.end(outcome),
            Err(error) => _ = self.report.failed(error),
        }
        self.recorded
    }

    fn lacking(&mut self, denial: &Denial<'_>) {
        let Some(request) = denial
            .object
            .as_ref()
            .and_then(|object| request(|path| denial.own(path), object))
        else {
            return;
        };
        let program = denial.program();
        self.in_domains(denial.domains(), (&request, None), &program.name);
        if self.last.0 != denial.tid {
            self.last = (denial.tid, Vec::new());
        }
        self.last.1.push(request.clone());
        if let Request::Path(_, path) = &request {
            let numbers = report::numbers(path).filter(|number| denial.is_task(*number));
            self.recorded.processes.extend(numbers);
            let first = !self.recorded.requests.contains_key(&request);
            let missing = |object: &Object| matches!(object, Object::Path(path) if !path.exists);
            if first && denial.object.as_ref().is_some_and(missing) {
                self.recorded.made.insert(path.clone());
            }
            if !may_sync(&denial.call) {
                self.recorded.used.insert(path.clone());
            }
        }
        let evidence: &mut Evidence = self.recorded.requests.entry(request).or_default();
        evidence.add(&program.name);
    }

    /// Notes what a program of domains was allowed.
    fn accessed(
        &mut self,
        (pid, tid): (Tid, Tid),
        call: &Call,
        object: &Object,
        program: &Program,
        domains: DomainSet,
    ) {
        if domains.is_none() {
            return;
        }
        let own = |path: &[u8]| {
            let number = format!("/proc/{pid}/");
            match path.strip_prefix(number.as_bytes()) {
                Some(rest) => [b"/proc/self/", rest].concat(),
                None => path.to_vec(),
            }
        };
        let Some(request) = request(own, object) else {
            return;
        };
        let (last, lacked) = &mut self.last;
        if *last == tid
            && let Some(at) = lacked.iter().position(|known| *known == request)
        {
            lacked.swap_remove(at);
            return;
        }
        if let (Request::Path(_, path), Object::Path(PathObject { exists: false, .. })) =
            (&request, object)
        {
            self.recorded.made.insert(path.clone());
        }
        let own = match call.op() {
            Op::Peer(Peer::Listen) => chosen(&request),
            _ => None,
        };
        self.in_domains(domains, (&request, own.as_ref()), &program.name);
    }

    /// `own`: the request that stands for this one, too.
    fn in_domains(
        &mut self,
        domains: DomainSet,
        (request, own): (&Request, Option<&Request>),
        program: &str,
    ) {
        for name in self
            .watched
            .iter()
            .flat_map(|policy| policy.domain_names(domains))
        {
            let continued = self.continued.iter().find(|one| one.name() == name);
            let wanted = |request| match continued {
                Some(continued) => continued.lacks(request),
                None => is_listed(request),
            };
            if !wanted(request) || own.is_some_and(|own| !wanted(own)) {
                continue;
            }
            let known = self.recorded.domains.entry(name.to_owned()).or_default();
            known.continued = continued.is_some();
            if own.is_some_and(|own| known.requests.contains_key(own)) {
                continue;
            }
            let kept = known.requests.contains_key(request);
            if !kept && known.requests.len() >= MOST_IN_DOMAIN {
                match request {
                    Request::Path(..) => known.more_paths = true,
                    _ => known.more_peers = true,
                }
                continue;
            }
            let evidence = known.requests.entry(request.clone()).or_default();
            evidence.add(program);
        }
    }

    /// Notes that a program is in domains.
    fn executed(&mut self, program: &Program, domains: DomainSet) {
        let names = self
            .watched
            .map_or_else(Vec::new, |policy| policy.domain_names(domains));
        for name in &names {
            let known = self.recorded.domains.entry((*name).to_owned());
            let known = known.or_default();
            let ancestry = program.ancestry();
            if kind(name).is_some_and(|kind| kind.is_started(&names, &ancestry)) {
                known.started = true;
                known.programs.add(&program.name);
            }
        }
    }

    fn denied(&mut self, denial: &Denial<'_>) {
        let reason = denial.verdict.reason;
        self.recorded.guarded |= matches!(reason, Reason::Path(_));
        let lists = matches!(
            reason,
            Reason::PathDefault | Reason::PeerDefault | Reason::Closed(_)
        );
        self.recorded.closed |= denial.verdict.domain.is_some() && lists;
        if self.recorded.denied.len() >= MOST_DENIED {
            return;
        }
        let what = match &denial.object {
            Some(Object::Path(path)) => {
                let resolved = String::from_utf8_lossy(&path.resolved);
                format!("{} {}", path.access, report::escaped(&resolved, 200))
            }
            Some(Object::Peer(peer)) => {
                format!("{} {}", peer.way.word(), report::escaped(&peer.to, 200))
            }
            None => report::escaped(&denial.text(), 200),
        };
        let program = report::escaped(&denial.program().name, 40);
        if !self.recorded.denied.iter().any(|(known, _)| *known == what) {
            self.recorded.denied.push((what, program));
        }
    }
}

impl Observer for Recorder<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Lacking(denial) => self.lacking(denial),
            Event::Denied(denial) | Event::Killed(denial) => self.denied(denial),
            Event::Socket { call, program } => {
                if let Some(socket) = Socket::of(call) {
                    let evidence = self.recorded.sockets.entry(socket).or_default();
                    evidence.add(&program.name);
                }
            }
            Event::Accessed {
                pid,
                tid,
                call,
                object,
                program,
                domains,
            } => self.accessed((*pid, *tid), call, object, program, *domains),
            Event::Exec {
                program, domains, ..
            } => self.executed(program, *domains),
            _ => {}
        }
        self.report.event(event);
    }

    fn wants_all(&self) -> bool {
        self.report.wants_all()
    }

    fn wants_ends(&self) -> bool {
        self.watched.is_some() || self.report.wants_ends()
    }
}

/// The request that listen(2) asks for, too, if the kernel has chosen the port.
fn chosen(request: &Request) -> Option<Request> {
    match request {
        Request::Inet(peer) if peer.way == Way::Listen => Some(Request::Inet(Inet {
            port: 0,
            ..peer.clone()
        })),
        _ => None,
    }
}

/// Whether a call opens a directory otherwise than opendir(3) does, if what it opens is one.
fn may_sync(call: &Call) -> bool {
    let [_, second, third, ..] = call.args;
    let listing = libc::O_DIRECTORY as u64;
    let flags = match call.syscall().map(|syscall| syscall.name) {
        Some("open") => second,
        Some("openat") => third,
        _ => listing,
    };
    flags & listing == 0
}

/// The request of a call; `None`: one that no entry can be about.
fn request(own: impl Fn(&[u8]) -> Vec<u8>, object: &Object) -> Option<Request> {
    Some(match object {
        Object::Path(path) => Request::Path(path.access, own(&path.resolved)),
        Object::Peer(PeerObject {
            way, who, names, ..
        }) => match who.as_deref()? {
            Who::Inet {
                protocol, ip, port, ..
            } => Request::Inet(Inet {
                way: *way,
                protocol: *protocol,
                name: names.first().cloned(),
                ip: (*ip)?,
                port: *port,
            }),
            Who::Path(path) => Request::Unix(*way, path.as_os_str().as_bytes().to_vec()),
            Who::Abstract(name) => Request::Abstract(*way, name.clone()),
        },
    })
}
