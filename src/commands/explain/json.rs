//! The plan, or the answers to requests, as one JSON document.

use serde::Serialize;

use super::On;
use super::answer::Answer;
use super::subject::{Section, Subject};
use crate::judge::Reason;
use crate::plan::{BY_DOMAIN, Plan, Route, What, domain_routes};
use crate::policy::{Action, DomainSet, OnExec, Origin, Policy};
use crate::report;

/// The version of the document's format.
const VERSION: u32 = 1;

/// The fields, their order and their meaning are those of `docs/explain.md`: later versions add fields and
/// never rename one.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The version of jail.
    jail: &'static str,
    /// The policy, as it was named.
    policy: &'a str,
    /// The host that it is explained for.
    host: Host<'a>,
    /// How the seccomp program answers.
    filter: Filter,
    /// The domains of the policy; `None`: there are requests.
    domains: Option<Vec<Domain<'a>>>,
    /// The entries; `None`: there are requests.
    entries: Option<Vec<Entry>>,
    /// Inherited entries that are lifted; `None`: there are requests.
    lifted: Option<Vec<Lifted<'a>>>,
    /// Optional entries of which nothing is there; `None`: there are requests.
    left_out: Option<Vec<LeftOut<'a>>>,
    /// One for each valid request.
    answers: Vec<Explained<'a>>,
}

/// The host that a plan is for.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Host<'a> {
    /// The other host, as `--host` or `--landlock-abi` names it; `None`: it is this one.
    other: Option<&'a str>,
    /// Major and minor version.
    kernel: String,
    /// The ABI that is used; 0: none.
    landlock_abi: u32,
}

/// A domain, and the programs that enter it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Domain<'a> {
    /// Its name.
    domain: &'a str,
    /// The file or preset that has it.
    file: &'a str,
    /// The line in it.
    line: u32,
    /// The programs that enter it, as the policy writes them.
    on_exec: Vec<String>,
    /// The lists that allow nothing, such as `net.connect`.
    closed: Vec<&'static str>,
}

/// How many system calls the filter answers in each way.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Filter {
    /// The length of the program.
    instructions: usize,
    /// System calls that are always allowed.
    allowed: usize,
    /// System calls that are decided by their registers.
    conditional: usize,
    /// System calls that always fail without a stop.
    failing: usize,
    /// System calls that always stop for the supervisor.
    stopped: usize,
}

/// An entry, a protection, or what else the plan enforces.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Entry {
    /// The domain that has it; `None`: the main policy.
    domain: Option<String>,
    /// The part of the policy.
    section: Section,
    /// The list, such as `fs.read`.
    list: Option<String>,
    /// The entry, as the policy writes it.
    text: String,
    /// The file or preset that has it.
    file: Option<String>,
    /// The line in it.
    line: Option<u32>,
    /// The name of a protection, or of the policy file.
    name: Option<String>,
    /// `allow`, `deny`, `kill` or an errno; `allow inside`: for targets in the jail; `limit`; `own`: a namespace.
    action: String,
    /// The mechanism.
    enforcer: &'static str,
    /// The first ABI of Landlock that can do this; `None`: Landlock has no part in it.
    landlock_abi: Option<u32>,
    /// Why this mechanism and no cheaper one.
    because: String,
    /// What it costs a program.
    cost: &'static str,
    /// How many system calls it decides; `None`: it is about no system calls.
    decides: Option<usize>,
    /// How many system calls it names.
    names: Option<usize>,
}

/// An inherited entry that is lifted, in whole or in part.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Lifted<'a> {
    /// The list that has the entry.
    list: &'a str,
    /// The entry, as the policy writes it.
    text: &'a str,
    /// The file or preset that has it.
    file: &'a str,
    /// The line in it.
    line: u32,
    /// The place that is lifted.
    lift: &'a str,
    /// The file that lifts it.
    by_file: &'a str,
    /// The line in it.
    by_line: u32,
    /// The reason.
    why: &'a str,
}

/// An optional entry of which nothing is there.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftOut<'a> {
    /// The list that has the entry.
    list: String,
    /// The entry, as the policy writes it.
    text: &'a str,
    /// The file or preset that has it.
    file: &'a str,
    /// The line in it.
    line: u32,
}

/// How a request is decided.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Explained<'a> {
    /// The request.
    request: &'a str,
    /// The domains of the program, as `--domain` names them.
    within: Vec<&'a str>,
    /// The domain that decided; `None`: the main policy.
    domain: Option<&'a str>,
    /// How it is decided.
    verdict: Word,
    /// The error that a denied call gets.
    errno: Option<&'static str>,
    /// Whether jail may report it.
    reported: bool,
    /// What decided, with its place.
    decided_by: &'a str,
    /// The file or preset that decided; `None`: no policy says it.
    file: Option<&'a str>,
    /// The line in it.
    line: Option<u32>,
    /// That line, as it is written.
    source: Option<&'a str>,
    /// Conditions that must hold when the call is made.
    provided: &'a [String],
    /// What else there is to know, as sentences.
    notes: &'a [String],
    /// The mechanism.
    enforcer: &'static str,
    /// Why this mechanism and no cheaper one; `None`: another one than that of the entry.
    because: Option<&'a str>,
    /// The first ABI of Landlock that can do this; `None`: Landlock has no part in it.
    landlock_abi: Option<u32>,
    /// What it costs a program.
    cost: &'static str,
    /// What was lifted, so that it no longer decides, as sentences.
    lifted: &'a [String],
    /// The system call at which the access fails.
    at_call: Option<&'a str>,
    /// Calls that are denied, although another one makes the access possible.
    not_by: Vec<NotBy<'a>>,
    /// Other entries that match.
    also: Vec<Also<'a>>,
    /// What to change so that it is allowed.
    remedy: Option<&'a str>,
}

/// The verdict about a request.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Deny,
    Kill,
}

/// A call that is denied, although another one makes the access possible.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NotBy<'a> {
    /// The call.
    call: &'a str,
    /// What denies it.
    reason: &'a str,
}

/// An entry that matches and did not decide.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Also<'a> {
    /// The entry, as the policy writes it.
    text: &'a str,
    /// The file or preset that has it.
    file: Option<&'a str>,
    /// The line in it.
    line: Option<u32>,
    /// Why it did not decide.
    because: &'static str,
}

/// `whole`: whether the plan is part of it.
pub fn document(policy: &Policy, on: &On, plan: &Plan, answers: &[Answer], whole: bool) -> Vec<u8> {
    let (major, minor) = on.host.kernel;
    let summary = plan.summary();
    let routes = plan.routes(policy);
    report::line(&Document {
        version: VERSION,
        jail: env!("CARGO_PKG_VERSION"),
        policy: policy.sources.first().map_or("", |source| &source.name),
        host: Host {
            other: on.name.as_deref(),
            kernel: format!("{major}.{minor}"),
            landlock_abi: on.host.landlock_abi,
        },
        filter: Filter {
            instructions: summary.instructions,
            allowed: summary.allowed,
            conditional: summary.conditional,
            failing: summary.failing,
            stopped: summary.stopped,
        },
        domains: whole.then(|| domains(policy)),
        entries: whole.then(|| {
            let main = routes.iter().filter_map(|route| entry(policy, None, route));
            let inner = policy.domains.iter().flat_map(|domain| {
                let routes = domain_routes(domain).into_iter();
                routes.filter_map(|route| entry(&domain.policy, Some(&domain.name), &route))
            });
            main.chain(inner).collect()
        }),
        lifted: whole.then(|| lifted(policy)),
        left_out: whole.then(|| {
            let entries = policy.left_out.iter().map(|entry| LeftOut {
                list: entry.key(),
                text: &entry.text,
                file: file(policy, entry.origin),
                line: entry.origin.line,
            });
            entries.collect()
        }),
        answers: answers
            .iter()
            .map(|it| explained(policy, &routes, it))
            .collect(),
    })
}

fn file(policy: &Policy, origin: Origin) -> &str {
    let source = policy.sources.get(usize::from(origin.source));
    source.map_or("", |source| &source.name)
}

fn domains(policy: &Policy) -> Vec<Domain<'_>> {
    let domains = policy.domains.iter().map(|domain| Domain {
        domain: &domain.name,
        file: file(policy, domain.origin),
        line: domain.origin.line,
        on_exec: domain.programs.iter().map(OnExec::to_string).collect(),
        closed: domain.closed(),
    });
    domains.collect()
}

fn entry(policy: &Policy, domain: Option<&str>, route: &Route) -> Option<Entry> {
    let subject = Subject::of(policy, route.what)?;
    let counted = route.reach.1 > 0;
    Some(Entry {
        domain: domain.map(str::to_owned),
        section: subject.section,
        list: Some(subject.key).filter(|key| !key.is_empty()),
        text: subject.text,
        file: subject.origin.map(|origin| file(policy, origin).to_owned()),
        line: subject.origin.map(|origin| origin.line),
        name: Some(subject.place).filter(|place| subject.origin.is_none() && !place.is_empty()),
        action: subject.does.text(),
        enforcer: route.enforcer.text(),
        landlock_abi: route.abi.filter(|_| route.enforcer.uses_landlock()),
        because: route.because.clone().into_owned(),
        cost: route.cost.text(),
        decides: counted.then_some(route.reach.0),
        names: counted.then_some(route.reach.1),
    })
}

fn lifted(policy: &Policy) -> Vec<Lifted<'_>> {
    let lifts = policy.lifts.iter().flat_map(|lift| {
        lift.lifted.iter().map(move |entry| Lifted {
            list: &entry.key,
            text: &entry.text,
            file: file(policy, entry.origin),
            line: entry.origin.line,
            lift: &lift.text,
            by_file: file(policy, lift.origin),
            by_line: lift.origin.line,
            why: &lift.why,
        })
    });
    lifts.collect()
}

/// Why the deciding entry has this mechanism, and no cheaper one; `None`: another one than the entry's own.
fn because<'a>(routes: &'a [Route], answer: &Answer) -> Option<&'a str> {
    if answer.verdict.domain.is_some() {
        return Some(BY_DOMAIN);
    }
    let what = match answer.verdict.reason {
        Reason::Rule(index) => What::Rule(index),
        Reason::Entry(index) => What::Entry(index),
        Reason::Path(index) => What::Path(index),
        Reason::Peer(index) => What::Peer(index),
        Reason::Baseline(rule) => What::Baseline(rule),
        _ => return None,
    };
    let mut own = routes.iter().filter(|route| route.what == what);
    let route = own.find(|route| route.enforcer == answer.enforcer)?;
    Some(&route.because)
}

fn explained<'a>(policy: &'a Policy, routes: &'a [Route], answer: &'a Answer) -> Explained<'a> {
    let (verdict, errno) = match answer.verdict.action {
        Action::Allow => (Word::Allow, None),
        Action::Deny(errno) => (Word::Deny, Some(errno.name())),
        Action::Kill => (Word::Kill, None),
    };
    let not_by = answer
        .not_by
        .iter()
        .map(|(call, reason)| NotBy { call, reason });
    let also = answer.also.iter().map(|lost| Also {
        text: &lost.text,
        file: lost.origin.map(|origin| file(policy, origin)),
        line: lost.origin.map(|origin| origin.line),
        because: lost.because,
    });
    let decided = answer
        .verdict
        .domain
        .map_or(DomainSet::NONE, DomainSet::one);
    Explained {
        request: &answer.request,
        within: policy.domain_names(answer.within),
        domain: (policy.domain_names(decided).first()).copied(),
        verdict,
        errno,
        reported: answer.verdict.action != Action::Allow && !answer.verdict.quiet,
        decided_by: &answer.decided_by,
        file: answer.origin.map(|origin| file(policy, origin)),
        line: answer.origin.map(|origin| origin.line),
        source: answer.origin.map(|origin| policy.line(origin)),
        provided: &answer.provided,
        notes: &answer.notes,
        enforcer: answer.enforcer.text(),
        because: because(routes, answer),
        landlock_abi: answer
            .landlock_abi
            .filter(|_| answer.enforcer.uses_landlock()),
        cost: answer.cost.text(),
        lifted: &answer.lifted,
        at_call: answer.at_call.as_deref(),
        not_by: not_by.collect(),
        also: also.collect(),
        remedy: answer.remedy.as_deref(),
    }
}
