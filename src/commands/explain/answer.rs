//! A request to its answer: the verdict, what decided, what else matched, what enforces it, what to change.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::lost::{self, Lost};
use super::request::Request;
use crate::baseline::{self, Answer as Said, SIGNAL_SCOPE_ABI};
use crate::judge::remedy::{Denied, Object, remedy};
use crate::judge::varying::Run;
use crate::judge::{Reason, Sentence, Verdict, explain_reason};
use crate::net::Way;
use crate::paths::Access;
use crate::plan::{Cost, Enforcer, Plan};
use crate::policy::{Action, DomainSet, Lift, Origin, Peer, Policy, Who};
use crate::report::{nameservers, run_context};
use crate::supervise::protection_from;
use crate::syscalls::{Call, Errno};

/// How a request is decided.
pub struct Answer {
    /// The request, as jail understands it.
    pub request: String,
    /// The domains that the program is in.
    pub within: DomainSet,
    pub verdict: Verdict,
    /// What decided, with its place.
    pub decided_by: String,
    /// Its place in the policy.
    pub origin: Option<Origin>,
    /// Further conditions, each true when the call is made.
    pub provided: Vec<String>,
    pub notes: Vec<String>,
    pub enforcer: Enforcer,
    pub landlock_abi: Option<u32>,
    pub cost: Cost,
    /// What was lifted, so that it no longer decides.
    pub lifted: Vec<String>,
    /// The call at which the access fails.
    pub at_call: Option<String>,
    /// Calls that are denied, although another one makes the access possible: the name, and why.
    pub not_by: Vec<(String, String)>,
    /// Other entries that match.
    pub also: Vec<Lost>,
    /// What to change so that it is allowed.
    pub remedy: Option<String>,
}

impl Answer {
    /// The answer for a program in these domains. For one in no domain it also notes which domains decide
    /// otherwise.
    pub fn in_domains(
        policy: &Policy,
        plan: &Plan,
        domains: DomainSet,
        text: &str,
        request: &Request,
    ) -> Answer {
        let mut answer = Answer::new(policy, plan.within(domains), text, request);
        answer.within = domains;
        if answer.verdict.domain.is_some() {
            answer.enforced_by((Enforcer::Supervisor, Cost::Stop), None);
        }
        if !domains.is_none() {
            return answer;
        }
        for (id, domain) in (0..).zip(&policy.domains) {
            let plan = plan.within(DomainSet::one(id));
            let other = Answer::new(policy, plan, text, request);
            if other.verdict.domain.is_some() {
                let does = match other.verdict.action {
                    Action::Kill => "it kills the jail",
                    _ => "denied",
                };
                answer.notes.push(format!(
                    "in the domain {}: {does}, by {}",
                    domain.name, other.decided_by
                ));
            }
        }
        answer
    }

    pub fn new(policy: &Policy, plan: &Plan, text: &str, request: &Request) -> Answer {
        match request {
            Request::Call(call) => of_call(policy, plan, call),
            Request::Path(access, path) => {
                let said = plan.judge.access(*access, path);
                let request = format!("{access} {}", shown(policy, path));
                of_path(policy, plan, request, *access, path, &said)
            }
            Request::Exec(path, argv) => {
                let by = |call| plan.judge.execution(path, argv, call);
                let (said, other) = (by("execve(\"\")"), by("execveat(AT_FDCWD, \"\")"));
                let words = argv
                    .iter()
                    .skip(1)
                    .map(|word| String::from_utf8_lossy(word));
                let words: String = words.map(|word| format!(" {word}")).collect();
                let request = format!("{} {}{words}", Access::Exec, shown(policy, path));
                let mut answer = of_path(policy, plan, request, Access::Exec, path, &said);
                answer.check_content(policy, plan, path);
                let open = |said: &Sentence| said.verdict.action == Action::Allow;
                if open(&other) && !open(&said) {
                    let note = "execveat(2) is allowed: name it in the rule, too";
                    answer.notes.push(note.to_owned());
                }
                answer
            }
            Request::Peer(peer) => of_peer(policy, plan, peer, text.trim()),
        }
    }

    /// What all kinds of requests have in common.
    fn of(policy: &Policy, request: String, verdict: Verdict, said: Option<&Sentence>) -> Answer {
        let not_by = said.map_or(&[][..], |said| &said.beside).iter();
        Answer {
            request,
            within: DomainSet::NONE,
            decided_by: explain_reason(policy, &verdict),
            origin: origin(policy, &verdict),
            verdict,
            provided: Vec::new(),
            notes: Vec::new(),
            enforcer: Enforcer::Filter,
            landlock_abi: None,
            cost: Cost::Nothing,
            lifted: Vec::new(),
            at_call: said.and_then(|said| said.by.as_ref()).map(Call::to_string),
            not_by: not_by
                .map(|(call, verdict)| {
                    let name = call.syscall().map_or("?", |syscall| syscall.name);
                    (name.to_owned(), explain_reason(policy, verdict))
                })
                .collect(),
            also: Vec::new(),
            remedy: None,
        }
    }

    /// Takes into account that the supervisor denies to execute some files for what they contain.
    fn check_content(&mut self, policy: &Policy, plan: &Plan, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        let judged = plan.files.judges_programs() && !plan.judge.names_program(bytes);
        if self.verdict.action != Action::Allow || !judged {
            return;
        }
        let Some(rule) = protection_from(path) else {
            return;
        };
        self.verdict = Verdict {
            action: Action::Deny(Errno::EACCES),
            quiet: false,
            reason: Reason::Baseline(rule),
            check: None,
            domain: None,
        };
        self.decided_by = explain_reason(policy, &self.verdict);
        self.origin = None;
        self.remedy = advice(
            policy,
            None,
            Object::Path(Access::Exec, bytes),
            &self.verdict,
        );
        let (enforcer, _) = plan.files.enforcer(Access::Exec);
        if enforcer == Enforcer::Landlock {
            // The supervisor looks at each program once it is loaded.
            self.enforced_by((Enforcer::Supervisor, Cost::Nothing), None);
            let note =
                "the process is killed once the file is loaded: Landlock allows to execute it";
            self.notes.push(note.to_owned());
        }
    }

    fn enforced_by(&mut self, (enforcer, cost): (Enforcer, Cost), abi: Option<u32>) {
        (self.enforcer, self.cost, self.landlock_abi) = (enforcer, cost, abi);
    }
}

fn of_call(policy: &Policy, plan: &Plan, call: &Call) -> Answer {
    let verdict = plan.judge.call(call);
    let mut answer = Answer::of(policy, call.to_string(), verdict, None);
    if let Some(check) = verdict.check.and_then(|_| checking(plan, call)) {
        answer.provided = vec![format!("{} ({})", check.reason, check.id)];
    }
    // Of calls, Landlock decides about signals alone.
    answer.enforced_by(plan.enforcer(call), Some(SIGNAL_SCOPE_ABI));
    answer.also = lost::of_call(policy, plan, call, &verdict);
    answer.remedy = advice(policy, Some(call), Object::Nothing, &verdict);
    answer
}

fn of_path(
    policy: &Policy,
    plan: &Plan,
    request: String,
    access: Access,
    path: &Path,
    said: &Sentence,
) -> Answer {
    let bytes = path.as_os_str().as_bytes();
    let mut answer = Answer::of(policy, request, said.verdict, Some(said));
    match &said.by {
        Some(call) => answer.enforced_by(plan.enforcer(call), Some(SIGNAL_SCOPE_ABI)),
        None => answer.enforced_by(plan.files.enforcer(access), plan.files.needs_abi(access)),
    }
    answer.lifted = lifted(policy, |lift| lift.covers_path(bytes));
    answer.also = lost::of_path(policy, access, bytes, &said.verdict);
    let object = match said.by {
        Some(_) => Object::Nothing,
        None => Object::Path(access, bytes),
    };
    answer.remedy = advice(policy, said.by.as_ref(), object, &said.verdict);
    answer
}

fn of_peer(policy: &Policy, plan: &Plan, peer: &Peer, given: &str) -> Answer {
    let said = plan.judge.peer(peer);
    let verdict = said.verdict;
    let mut answer = Answer::of(policy, given.to_owned(), verdict, Some(&said));
    peer_conditions(policy, plan, peer, &mut answer);
    let protocol = match peer.who {
        Who::Inet { protocol, .. } => Some(protocol),
        Who::Path(_) | Who::Abstract(_) => None,
    };
    match &said.by {
        Some(call) => answer.enforced_by(plan.enforcer(call), Some(SIGNAL_SCOPE_ABI)),
        None => answer.enforced_by(
            plan.net.enforcer(peer.way, protocol),
            plan.net.needs_abi(peer.way, protocol),
        ),
    }
    answer.lifted = lifted(policy, |lift| peer.reach(|reach| lift.covers_peer(reach)));
    answer.also = lost::of_peer(policy, peer, &verdict);
    let object = match (&peer.who, verdict.reason) {
        (Who::Path(path), Reason::Path(_) | Reason::PathDefault) => {
            Object::Path(Access::Write, path.as_os_str().as_bytes())
        }
        _ => Object::Peer(peer.way, Some(&peer.who), &[]),
    };
    answer.remedy = advice(policy, said.by.as_ref(), object, &verdict);
    answer
}

/// What the verdict on a peer rests on that may change.
fn peer_conditions(policy: &Policy, plan: &Plan, peer: &Peer, answer: &mut Answer) {
    let entry = match answer.verdict.reason {
        Reason::Peer(index) => policy.peers.get(index),
        _ => None,
    };
    if let Some(name) = entry.and_then(|entry| entry.endpoint.name()) {
        answer.provided.push(format!("a resolver that the policy allows has answered {name} with the address, to the command or to jail, and its TTL (at least 60 s, plus 60 s) has not expired"));
        answer.notes.push("an address that serves many names is allowed for all of them; DNS over HTTPS or through a socket (nscd, resolved's varlink) is not seen".to_owned());
    }
    let by_scope = entry.is_some_and(|entry| !entry.closes() && entry.endpoint.leaves_out_own());
    if by_scope && peer.way == Way::Connect {
        let condition = "the address does not belong to this host when the call is made";
        answer.provided.push(condition.to_owned());
    }
    let own = |peer: &Peer| matches!(&peer.who, Who::Inet { own: true, ip: Some(ip), .. } if !ip.is_loopback());
    if plan.net.asks_own && own(peer) && answer.verdict.action != Action::Allow {
        let note = "the address belongs to this host: `public` and `private` do not include it";
        answer.notes.push(note.to_owned());
    }
}

/// A path, in the run's own temporary directory by its variable: the directory does not exist yet.
fn shown(policy: &Policy, path: &Path) -> String {
    let own = policy.tmpdir.as_deref();
    match own.and_then(|own| path.strip_prefix(own).ok()) {
        Some(rest) => Path::new("$TMPDIR").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

/// What to change so that it is allowed.
fn advice(
    policy: &Policy,
    call: Option<&Call>,
    object: Object<'_>,
    verdict: &Verdict,
) -> Option<String> {
    let run = Run {
        home: run_context().home,
        nameservers: nameservers(),
        ..Run::default()
    };
    let denied = Denied {
        call,
        object,
        run: &run,
    };
    remedy(policy, &denied, verdict).map(|remedy| remedy.text)
}

/// Each lift that applies to the request.
fn lifted(policy: &Policy, covers: impl Fn(&Lift) -> bool) -> Vec<String> {
    let lifts = policy.lifts.iter().filter(|lift| covers(lift));
    let lines = lifts.flat_map(|lift| {
        lift.lifted.iter().map(move |entry| {
            let (at, by) = (policy.place(entry.origin), policy.place(lift.origin));
            format!(
                "{} \"{}\" at {at}, by {by}: {}",
                entry.key, entry.text, lift.why
            )
        })
    });
    lines.collect()
}

/// The place of what decided.
fn origin(policy: &Policy, verdict: &Verdict) -> Option<Origin> {
    let policy = policy.of_domain(verdict.domain);
    Some(match verdict.reason {
        Reason::Rule(index) => policy.rules.get(index)?.origin,
        Reason::Entry(index) => policy.syscalls.get(index)?.origin,
        Reason::Path(index) | Reason::Unsearched(index) => policy.paths.get(index)?.origin,
        Reason::Peer(index) => policy.peers.get(index)?.origin,
        Reason::Default | Reason::PathDefault | Reason::PeerDefault | Reason::Closed(_) => {
            policy.default.origin
        }
        Reason::Baseline(_)
        | Reason::Always
        | Reason::UnknownNumber
        | Reason::Metadata
        | Reason::Command
        | Reason::Terminal
        | Reason::Pathless
        | Reason::PolicyFile(_)
        | Reason::Unpinned
        | Reason::Changed => return None,
    })
}

/// The protection that checks the target of an allowed call.
fn checking(plan: &Plan, call: &Call) -> Option<&'static baseline::Rule> {
    let chain = plan.judge.chain(call.nr)?;
    let mut rules = chain.baseline.iter().copied();
    rules.find(|rule| matches!(rule.answer, Said::Check(_)) && rule.applies(&call.args))
}
